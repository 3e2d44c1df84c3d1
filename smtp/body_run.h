/* smtp/body_run.h - how much of a body may stand as it is; private to body_in and body_out
 *
 * Nearly all of every mail is text in which nothing has to be done: each CR has its LF, each LF its CR, no NUL, no line
 * that begins with a dot. This finds such a run, 64 bytes at a time, without looking at single bytes: what a byte is
 * can be told by itself and the one before it, so the length of the lines costs nothing.
 */
#ifndef SMTP_BODY_RUN_H
#define SMTP_BODY_RUN_H

#include "base/slice.h"

struct smtp_body_rule {
	bool at_line_start; /* s begins a line */
	bool dots_matter;   /* a line that begins with a dot ends the run before it */
};

/* Bytes at the front of s in which nothing has to be done: all, or up to somewhere in the 64 bytes before what needs a
 * closer look; 0 for less than 65 bytes. The last of them may be a CR, whose LF is not seen yet.
 * *eight_bit is set, never cleared: some byte of them is above 127. */
size_t smtp_body_run(struct slice s, struct smtp_body_rule rule, bool *eight_bit);

#endif
