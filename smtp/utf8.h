/* smtp/utf8.h - is it UTF-8?
 *
 * RFC 3629: shortest form only, no surrogates, nothing above U+10FFFF. C1 controls (U+0080 to U+009F) count as none:
 * they steer terminals. No normal form is asked for: RFC 6531 3.3 leaves that to who owns the mailbox. Pure; any
 * thread.
 */
#ifndef SMTP_UTF8_H
#define SMTP_UTF8_H

#include "base/slice.h"

/* Bytes of the character outside of ASCII that begins at s[i]; 0 when it is none. */
size_t smtp_utf8_length(struct slice s, size_t i);
/* ASCII and such characters, nothing else. The empty slice is. */
bool smtp_utf8_is_valid(struct slice s);

#endif
