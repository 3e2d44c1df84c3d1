/* smtp/body_out.h - the one writer of mail bodies toward a backend
 *
 * Source: RFC 5321 4.5.2 (dot-stuffing), 2.3.8 (lines end in CR LF). A body as smtp/body_in gives it (no dot-stuffing,
 * every line ends in CR LF) goes in, in chunks cut anywhere; what goes out is stuffed afresh and ends
 * in CR LF "." CR LF. The writer trusts nobody: a bare CR, a bare LF or a NUL stops it for good, so no byte
 * pattern can become a second mail behind us (SMTP smuggling, 2023). A last line without its end gets one.
 * A fault found in mid-body leaves a body without its dot on the wire: the caller must close the
 * connection, never end it with a dot.
 */
#ifndef SMTP_BODY_OUT_H
#define SMTP_BODY_OUT_H

#include "base/buf.h"
#include "base/result.h"

enum smtp_body_out_result {
	SMTP_BODY_OUT_MORE,	/* *chunk is used up */
	SMTP_BODY_OUT_FULL,	/* `out` holds all but one byte of max_out or more, *chunk shows what is left */
	SMTP_BODY_OUT_FAULT,	/* a byte that must not be there; also at every call from then on */
	SMTP_BODY_OUT_NO_MEMORY /* *chunk shows what is left; may be tried again */
};

struct smtp_body_out {
	uint8_t at; /* private: where in a line we are */
};

void smtp_body_out_init(struct smtp_body_out *w);
/* Takes as much off *chunk as fits until `out` holds max_out bytes, what was there before included. On
 * SMTP_BODY_OUT_FAULT the bytes before the fault may have been written. */
enum smtp_body_out_result smtp_body_out_write(
	struct smtp_body_out *w, struct slice *chunk, struct buf *out, size_t max_out) MUST_USE;
/* Takes the part off the front of *chunk, at most `most` bytes, that goes out as it stands, for a caller that sends it
 * from where it lies, before anything else. It ends early where a dot must be doubled; empty: only
 * smtp_body_out_write() can go on. */
struct slice smtp_body_out_pass(struct smtp_body_out *w, struct slice *chunk, size_t most) MUST_USE;
/* The last line's end where it is missing, and the dot. MORE: done, the writer is used up. FAULT: a CR was the last
 * byte, or a fault before. */
enum smtp_body_out_result smtp_body_out_end(struct smtp_body_out *w, struct buf *out) MUST_USE;

#endif
