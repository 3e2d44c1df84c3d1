/* smtp/body_in.h - takes the body of a mail off the wire
 *
 * One byte-fed state machine (a const table) decides where a body ends: at CR LF . CR LF and nowhere
 * else, however the bytes are cut (RFC 5321 4.1.1.4, 4.5.2; the 2023 SMTP smuggling forms are the
 * reason). It removes dot-stuffing and hands out clean bytes: every CR it hands out is followed by
 * LF, every LF preceded by CR, no NUL. A stray line end never ends a body and a dot behind one is
 * content, not stuffing: a sender that stuffs knows only CR LF lines.
 *
 * With `chunked` set behind init it takes the chunks of BDAT instead (RFC 3030), one behind the other, cut
 * anywhere, a CR from its LF as well: a dot is content, nothing in the bytes ends it, the caller knows when
 * it is over and says smtp_body_in_end(). The rules for stray line ends, NUL and sizes are the same.
 *
 * What has nothing special in it (smtp/body_run) is handed out as slices of the input (no copy); what lies around
 * something special goes through the table into the caller's scratch.
 *
 * A fault does not stop it: the rest of the body is consumed to its true end and nothing more is
 * handed out. What a faulty body handed out before must be thrown away.
 *
 *     smtp_body_in_init(&b, SMTP_STRAY_REPAIR, SMTP_STRAY_REFUSE, size_max);
 *     while ((r = smtp_body_in_next(&b, &in, &scratch, &data)) == SMTP_BODY_IN_DATA)
 *             spool(data);                         valid until in's memory or scratch changes
 *     r is SMTP_BODY_IN_END (look at b.fault; in holds what follows the body) or SMTP_BODY_IN_MORE (in is empty)
 *
 * One thread at a time. Owns no memory.
 */
#ifndef SMTP_BODY_IN_H
#define SMTP_BODY_IN_H

#include "base/result.h"
#include "base/slice.h"

/* What a bare LF or bare CR inside a body gets. Repaired it becomes CR LF. */
enum smtp_stray { SMTP_STRAY_REPAIR, SMTP_STRAY_REFUSE };

/* Longest line that is passed on, CR LF not counted. It bounds what anything behind us must hold of one line. */
enum { SMTP_BODY_LINE_MAX = 1024 * 1024 };

/* The first one found counts. */
enum smtp_fault {
	SMTP_FAULT_NONE,
	SMTP_FAULT_BARE_LF,
	SMTP_FAULT_BARE_CR,
	SMTP_FAULT_NUL,
	SMTP_FAULT_TOO_BIG,       /* more bytes than size_max, counted as handed out */
	SMTP_FAULT_LINE_TOO_LONG, /* more than SMTP_BODY_LINE_MAX */
};

enum { SMTP_BODY_IN_WINDOW = 256 }; /* input bytes that one pass through the table takes at most */

struct smtp_body_scratch {
	char bytes[2 * SMTP_BODY_IN_WINDOW + 2]; /* each byte may become two; one may have been held back */
};

struct smtp_body_in {
	uint64_t left;   /* bytes that may still be handed out */
	uint32_t column; /* bytes handed out of this line */
	uint8_t state;   /* private */
	uint8_t bare_newline, bare_cr; /* enum smtp_stray */
	uint8_t fault;   /* enum smtp_fault */
	bool chunked;    /* to be set behind init: BDAT */
	bool repaired;   /* some stray line end became CR LF */
	bool eight_bit;  /* some byte handed out was above 127 */
};

enum smtp_body_in_result { SMTP_BODY_IN_MORE, SMTP_BODY_IN_DATA, SMTP_BODY_IN_END };

/* size_max: 0 means no limit. */
void smtp_body_in_init(struct smtp_body_in *b, enum smtp_stray bare_newline, enum smtp_stray bare_cr,
		       uint64_t size_max);

/* After SMTP_BODY_IN_END it must not be called again before the next init. *data_r is never empty with
 * SMTP_BODY_IN_DATA. */
enum smtp_body_in_result smtp_body_in_next(struct smtp_body_in *b, struct slice *in, struct smtp_body_scratch *scratch,
					   struct slice *data_r) MUST_USE;

/* The last chunk is in: a CR that was left over is judged, a last line without its end gets one. SMTP_BODY_IN_DATA
 * at most once, then END, here and of smtp_body_in_next(). Never MORE. */
enum smtp_body_in_result smtp_body_in_end(struct smtp_body_in *b, struct smtp_body_scratch *scratch,
					  struct slice *data_r) MUST_USE;

#endif
