/* smtp/xtext.h - text of any bytes as one word of a command
 *
 * Source: RFC 3461 4: 0x21..0x7e but '+' and '=' stand for themselves, every other byte is "+HH" with
 * upper-case hex digits. Nothing that comes out can end a line, a word or an attribute.
 */
#ifndef SMTP_XTEXT_H
#define SMTP_XTEXT_H

#include "base/buf.h"
#include "base/result.h"

/* How many bytes `s` becomes. */
size_t smtp_xtext_size(struct slice s);
/* False: no memory, `out` is as it was. */
bool smtp_xtext_put(struct buf *out, struct slice s) MUST_USE;

#endif
