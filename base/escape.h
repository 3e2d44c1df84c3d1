/* base/escape.h - the one function that makes foreign bytes fit to be shown
 *
 * Every value from outside that goes into a log, a journal, a terminal or a control answer passes
 * here: printable ASCII stays, all else (control bytes, C1, bytes above 0x7e) becomes \xHH. An
 * event is always one line, and no byte of it can steer a terminal.
 */
#ifndef BASE_ESCAPE_H
#define BASE_ESCAPE_H

#include "base/buf.h"

/* At most `max` bytes of `s` are shown; what is cut off is marked with "..." */
bool escape_plain(struct buf *out, struct slice s, size_t max) __attribute__((warn_unused_result));
/* As a logfmt value: quoted where a blank, quote, '=' or an escape is in it; empty is "". */
bool escape_logfmt(struct buf *out, struct slice s, size_t max) __attribute__((warn_unused_result));
/* As a JSON string with its quotes; foreign bytes as \u00HH (the byte's value). */
bool escape_json(struct buf *out, struct slice s, size_t max) __attribute__((warn_unused_result));

#endif
