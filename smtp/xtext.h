/* smtp/xtext.h - text of any bytes as one word of a command
 *
 * Source: RFC 3461 4: 0x21..0x7e but '+' and '=' stand for themselves, every other byte is "+HH" with
 * upper-case hex digits. Nothing that comes out can end a line, a word or an attribute.
 */
#ifndef SMTP_XTEXT_H
#define SMTP_XTEXT_H

#include "base/slice.h"
#include "base/result.h"

/* Writes `s` and returns how many bytes that took; SIZE_MAX, and any bytes in `to`, when it is more than `room`. */
size_t smtp_xtext_write(char *to, size_t room, struct slice s) MUST_USE;

/* The way back: the bytes that `s` stands for; never more than s.n. SIZE_MAX, and any bytes in `to`, when `s` is not
 * xtext. `to` may be s.p. */
size_t smtp_xtext_read(char *to, struct slice s) MUST_USE;

/* Is it xtext that stands for printable ASCII and blanks alone? */
bool smtp_xtext_is_printable(struct slice s) MUST_USE;

#endif
