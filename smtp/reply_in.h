/* smtp/reply_in.h - taking in a server's replies, byte by byte
 *
 * Source: RFC 5321 4.2 (replies, multi-line replies), RFC 2034 and 3463 (enhanced codes).
 * A backend is trusted to be a mail server, not to be right: what is not a reply is garbage at once,
 * and everything is bounded. A line is three digits (first one 2 to 5), then the end, a blank or '-',
 * then text, and ends at CR LF; a bare LF is garbage, since who ends lines in two ways can be made to
 * say two things. All lines of one reply carry the same code.
 * The text is made harmless here: bytes outside of TAB and 0x20..0x7e become '?'. It still has its
 * enhanced code, lines are joined by '\n'. A line that would pass SMTP_REPLY_TEXT
 * is read and left out.
 * However the bytes are cut, the results are the same. Thread: the owner's.
 */
#ifndef SMTP_REPLY_IN_H
#define SMTP_REPLY_IN_H

#include "base/buf.h"
#include "base/result.h"

enum {
	SMTP_REPLY_LINE = 2048, /* with CR LF; RFC 5321 has 512, real servers say more */
	SMTP_REPLY_LINES = 128, /* of one reply: endless ones end here */
	SMTP_REPLY_TEXT = 8192	/* kept of one reply */
};

/* "5.1.1"; class 0: there was none, or its class did not fit the code. Only of the reply's first line. */
struct smtp_enhanced {
	uint8_t class;
	uint16_t subject, detail;
};

struct smtp_reply {
	uint16_t code; /* 200..599 */
	struct smtp_enhanced enhanced;
	struct slice text; /* without the code */
};

/* Zero-initialised it is ready. Owns memory only while a reply is half read or spans lines. */
struct smtp_reply_in {
	struct buf kept; /* text of whole lines, then the line that has begun */
	uint16_t text_n; /* how much of it is text */
	uint16_t code;	 /* of the lines so far; 0: at the start of a reply */
	uint8_t lines;
	bool given; /* kept holds the reply that was returned last */
	struct smtp_enhanced enhanced;
};

enum smtp_reply_result {
	SMTP_REPLY_MORE, /* *in is used up */
	SMTP_REPLY_GOT,
	SMTP_REPLY_GARBAGE,  /* reply_r->text: what is wrong with it, in our words. Nothing sensible comes after it */
	SMTP_REPLY_NO_MEMORY /* the stream is lost as well */
};

/* Takes bytes off *in up to the end of one reply. reply_r->text is valid until the next call, and no longer than the
 * bytes that *in showed. */
enum smtp_reply_result smtp_reply_in_next(
	struct smtp_reply_in *r, struct slice *in, struct smtp_reply *reply_r) MUST_USE;
/* True in the midst of a reply. */
bool smtp_reply_in_began(const struct smtp_reply_in *r);
/* Gives memory back; safe at any time, but invalidates the last reply and keeps what a half-read one needs. */
void smtp_reply_in_idle(struct smtp_reply_in *r);
void smtp_reply_in_release(struct smtp_reply_in *r);

#endif
