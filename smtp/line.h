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
 * all parameters of params.h fits in, so the extra bytes of RFC 1870 and 6152 are not needed. */
enum { SMTP_LINE_MAX = 512 };

enum smtp_line_result {
	SMTP_LINE_MORE,    /* no end yet */
	SMTP_LINE_GOT,
	SMTP_LINE_BARE_LF, /* now skip */
	SMTP_LINE_BARE_CR, /* now skip */
	SMTP_LINE_TOO_LONG /* now skip */
};

/* Takes a line off the front of *in; *line_r is without its CR LF, or the part before what was wrong. With
 * SMTP_LINE_MORE nothing is taken, and less than SMTP_LINE_MAX bytes are there. */
enum smtp_line_result smtp_line_take(struct slice *in, struct slice *line_r) MUST_USE;

/* What is remembered of a line being thrown away; zero-initialised at its beginning. */
struct smtp_line_skip {
	uint32_t bytes; /* thrown away so far, without the CR LF */
	bool behind_cr;
};

/* SMTP_LINE_GOT: thrown away up to CR LF. SMTP_LINE_MORE: all of *in is. SMTP_LINE_BARE_LF, _CR: another one
 * was in it; go on skipping. */
enum smtp_line_result smtp_line_skip(struct smtp_line_skip *skip, struct slice *in) MUST_USE;

#endif
