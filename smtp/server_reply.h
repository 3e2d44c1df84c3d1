/* smtp/server_reply.h - our own replies, and how replies are written; private to the server core
 *
 * Texts carry their enhanced code (RFC 3463, 2034). No id: these are about syntax and order.
 */
#ifndef SMTP_SERVER_REPLY_H
#define SMTP_SERVER_REPLY_H

#include "base/buf.h"
#include "base/result.h"
#include "smtp/server.h"

enum smtp_reply_id {
	SMTP_REPLY_NONE,
	SMTP_REPLY_OK,
	SMTP_REPLY_VRFY,
	SMTP_REPLY_HELP,
	SMTP_REPLY_BYE,
	/* line and syntax */
	SMTP_REPLY_BARE_LF,
	SMTP_REPLY_BARE_CR,
	SMTP_REPLY_CONTROL,
	SMTP_REPLY_LINE_LENGTH,
	SMTP_REPLY_UNKNOWN,
	SMTP_REPLY_ABSENT,
	SMTP_REPLY_NO_ARG,
	SMTP_REPLY_HELO_ARG,
	SMTP_REPLY_VRFY_ARG,
	SMTP_REPLY_BDAT_ARG,
	SMTP_REPLY_XCLIENT_ARG,
	SMTP_REPLY_MAIL_ARG,
	SMTP_REPLY_RCPT_ARG,
	SMTP_REPLY_SENDER,
	SMTP_REPLY_RECIPIENT,
	SMTP_REPLY_NOT_ASCII,
	SMTP_REPLY_PARAM_UNKNOWN,
	SMTP_REPLY_PARAM_VALUE,
	/* order */
	SMTP_REPLY_NEED_HELO,
	SMTP_REPLY_NEED_MAIL,
	SMTP_REPLY_NEED_RCPT,
	SMTP_REPLY_NO_RCPT,
	SMTP_REPLY_NESTED,
	SMTP_REPLY_IN_MAIL,
	SMTP_REPLY_REJECTED,
	SMTP_REPLY_TLS_ACTIVE,
	SMTP_REPLY_IN_CHUNKS,
	SMTP_REPLY_NEED_RSET,
	SMTP_REPLY_XCLIENT_DENIED,
	/* limits */
	SMTP_REPLY_SIZE,
	SMTP_REPLY_RECIPIENTS,
	/* and close */
	SMTP_REPLY_ERRORS,
	SMTP_REPLY_JUNK,
	SMTP_REPLY_STRAYS,
	SMTP_REPLY_ENDLESS,
	SMTP_REPLY_REFUSED_DATA,
	SMTP_REPLY_CHUNK_LOST,
	SMTP_REPLY_INJECTION,
	SMTP_REPLY_NOT_SMTP,
	SMTP_REPLIES
};

struct smtp_reply {
	int code;
	struct slice text;
};
/* SMTP_REPLY_NONE has code 0. */
extern const struct smtp_reply smtp_replies[SMTP_REPLIES];

/* "250 text", "250-text" with `more`; lines of the text are separated by '\n'; control bytes become '?'. */
bool smtp_reply_write(struct buf *out, int code, struct slice text, bool more) MUST_USE;

/* What the server speaks, so all that it may announce. */
#define SMTP_REPLY_EHLO_EXTS                                                                             \
	((unsigned)(SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME | SMTP_EXT_ENHANCEDSTATUSCODES | \
		    SMTP_EXT_STARTTLS | SMTP_EXT_CHUNKING | SMTP_EXT_SMTPUTF8 | SMTP_EXT_DSN | SMTP_EXT_LIMITS |  \
		    SMTP_EXT_XCLIENT))

/* The answer to EHLO (RFC 5321 4.1.1.1): text, then a line for each of these extensions, with the numbers of the
 * config; size_max 0: "SIZE" without one. */
bool smtp_reply_write_ehlo(struct buf *out, struct slice text, unsigned ext,
			   const struct smtp_server_config *c) MUST_USE;

#endif
