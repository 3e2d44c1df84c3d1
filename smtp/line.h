/* smtp/line.h - command lines off the wire
 *
 * A line ends at CR LF (RFC 5321 2.3.8). A bare CR or LF in it is found as soon as it is certain, so that a
 * client which ends its lines otherwise hears so at once; what follows it, up to the next CR LF, is
 * thrown away with smtp_line_skip(): neither half of such a line is ever run.
 * The result depends on the bytes alone, not on how they are cut.
 */
#ifndef SMTP_LINE_H
#define SMTP_LINE_H

#include "base/result.h"
#include "base/slice.h"

/* RFC 5321 4.5.3.1.4, CR LF included: a client cannot make us hold more than this of a command. The longest MAIL with
 * SIZE, BODY and SMTPUTF8 fits in, so the extra bytes of RFC 1870, 6152 and 6531 are not needed. RFC 3461 4.1, 4.2:
 * NOTIFY and a whole ORCPT take 528 more. */
enum { SMTP_LINE_MAX = 512, SMTP_LINE_DSN_MAX = SMTP_LINE_MAX + 528 };

enum smtp_line_result {
	SMTP_LINE_MORE,    /* no end yet */
	SMTP_LINE_GOT,
	SMTP_LINE_BARE_LF, /* now skip */
	SMTP_LINE_BARE_CR, /* now skip */
	SMTP_LINE_TOO_LONG /* now skip */
};

/* Takes a line of at most `max` bytes off the front of *in; *line_r is without its CR LF, or the part before what was
 * wrong. With SMTP_LINE_MORE nothing is taken, and less than `max` bytes are there. */
enum smtp_line_result smtp_line_take(struct slice *in, size_t max, struct slice *line_r) MUST_USE;

/* What is remembered of a line being thrown away; zero-initialised at its beginning. */
struct smtp_line_skip {
	uint32_t bytes; /* thrown away so far, without the CR LF */
	bool behind_cr;
};

/* SMTP_LINE_GOT: thrown away up to CR LF. SMTP_LINE_MORE: all of *in is. SMTP_LINE_BARE_LF, _CR: another one
 * was in it; go on skipping. */
enum smtp_line_result smtp_line_skip(struct smtp_line_skip *skip, struct slice *in) MUST_USE;

#endif
