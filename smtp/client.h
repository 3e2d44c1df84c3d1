/* smtp/client.h - sans-IO core of an SMTP client: commands out, replies in
 *
 * Source: RFC 5321 (commands, replies), 1870 SIZE, 2033 LMTP, 2920 PIPELINING, 3207 STARTTLS, 3461 DSN, 6152 8BITMIME,
 * 6531 SMTPUTF8; XCLIENT and XFORWARD as Postfix has them.
 *
 *   smtp_client_init(&c, &conn.out);           expects the greeting
 *   smtp_client_mail(&c, ..); smtp_client_rcpt(&c, ..); smtp_client_data(&c);   queued: one write for the group
 *   while ((ev = smtp_client_next(&c, &in, &reply)) == SMTP_CLIENT_REPLY) ...   in the order they were asked
 *   smtp_body_out_write(..); smtp_body_out_end(..); smtp_client_body_sent(&c);
 *
 * Commands are appended to the connection's output; the core remembers in which order replies are due (runs of the
 * same command as one count). It does not judge replies: whether a 354 came, whether to go on after a refusal is
 * the caller's. DATA is the last of its group, and after a 354 to it a body must be
 * ended even if no recipient was taken: body_out's end alone (RFC 2920 3.1).
 * LMTP (RFC 2033): LHLO instead of EHLO, and SMTP_TO_BODY once for each accepted recipient, counted by its index.
 *
 * Every command function returns false when the command would not be one line of that command (CR, LF, NUL, other
 * control bytes, bytes above 127 other than UTF-8 in MAIL and RCPT of a mail with SMTPUTF8, a path or a DSN value that
 * could be misread, too long), when it is not allowed now (behind DATA, STARTTLS or QUIT whose reply is due, in a body,
 * in the midst of a reply that nobody asked for), when too many different commands are under way, or when memory is
 * out. Then nothing was appended.
 * Memory: none of its own but a half-read reply. Thread: the owner's.
 */
#ifndef SMTP_CLIENT_H
#define SMTP_CLIENT_H

#include "smtp/caps.h"
#include "smtp/client_identity.h"
#include "smtp/params.h"
#include "smtp/reply_in.h"

enum {
	SMTP_CLIENT_RUNS = 16, /* different commands in a row that may be under way; a mail needs five */
	SMTP_CLIENT_PATH = 500 /* longest address: what a command line of 512 bytes can bring in */
};

/* What a reply answers. */
enum smtp_client_command {
	SMTP_TO_NOTHING, /* a 421 that nobody asked for: the server closes (RFC 5321 3.8) */
	SMTP_TO_GREETING,
	SMTP_TO_EHLO,
	SMTP_TO_HELO,
	SMTP_TO_STARTTLS,
	SMTP_TO_XCLIENT, /* accept any 2xx */
	SMTP_TO_XFORWARD,
	SMTP_TO_MAIL,
	SMTP_TO_RCPT,
	SMTP_TO_DATA,
	SMTP_TO_BODY, /* the dot */
	SMTP_TO_RSET,
	SMTP_TO_QUIT
};

enum smtp_client_event {
	SMTP_CLIENT_MORE, /* *in is used up, an unfinished line included: the core keeps it */
	SMTP_CLIENT_REPLY,
	/* Unparsable, endless or unasked, or bytes behind the 220 of STARTTLS: drop the connection. reply_r->text says
	 * what, in our words; later calls give the same event. */
	SMTP_CLIENT_GARBAGE,
	SMTP_CLIENT_NO_MEMORY /* the stream is lost: drop the connection; it is not the server's fault */
};

struct smtp_client_reply {
	enum smtp_client_command to;
	/* SMTP_TO_RCPT: which of this mail's recipients, from 0; LMTP's SMTP_TO_BODY: which of those accepted */
	uint16_t index;
	uint16_t code;	/* 200..599 */
	struct smtp_enhanced enhanced; /* class 0: none */
	/* With its enhanced code, lines joined by '\n', harmless bytes only (smtp/reply_in.h). Valid until the next
	 * call, and no longer than the bytes that *in showed. */
	struct slice text;
};

/* One run of replies that are due. */
struct smtp_client_run {
	uint8_t to;
	uint16_t n;
};

struct smtp_client {
	struct buf *out;
	struct smtp_caps caps; /* of the last good EHLO; empty before it and after a good HELO, STARTTLS or XCLIENT */
	struct smtp_reply_in reply;
	uint16_t rcpt;	     /* replies to RCPT since MAIL; in LMTP, behind the body, those to it */
	uint16_t accepted;   /* recipients since MAIL */
	bool lmtp;	     /* smtp_client_speak_lmtp() */
	uint8_t first, runs; /* the ring below */
	bool utf8;	     /* SMTPUTF8 was said for this mail */
	bool in_body;	     /* a 354 came: nothing but the body may go out until smtp_client_body_sent() */
	uint8_t lost;	     /* the event that ended the stream; SMTP_CLIENT_MORE: none */
	struct smtp_client_run ring[SMTP_CLIENT_RUNS];
};

/* `out` must outlive the core. The first reply that is due is the greeting. */
void smtp_client_init(struct smtp_client *c, struct buf *out);
/* From the beginning on it speaks LMTP. */
void smtp_client_speak_lmtp(struct smtp_client *c);
/* Gives back what an idle connection needs not; reply texts are void. */
void smtp_client_idle(struct smtp_client *c);
/* After the last use; a zeroed core is fine. */
void smtp_client_release(struct smtp_client *c);

bool smtp_client_ehlo(struct smtp_client *c, struct slice name) MUST_USE;
/* To a server that does not know EHLO (5xx; RFC 5321 3.2); not in LMTP. It has no extension. */
bool smtp_client_helo(struct smtp_client *c, struct slice name) MUST_USE;
bool smtp_client_starttls(struct smtp_client *c) MUST_USE;
/* With what caps offered, see smtp/client_identity.h. False also when nothing fit was offered. After a 2xx caps are
 * empty: the next command is EHLO. A 501 is about this client's values, not about the server: Postfix with
 * inet_protocols = ipv4 says it to every IPv6 address. */
bool smtp_client_xclient(struct smtp_client *c, const struct smtp_identity *id) MUST_USE;
bool smtp_client_xforward(struct smtp_client *c, const struct smtp_identity *id) MUST_USE;

struct smtp_mail_options {
	uint64_t size;	/* SIZE=, when the server offers it; 0: not said */
	bool eight_bit; /* BODY=8BITMIME, when the server offers it */
	/* SMTPUTF8: some path is not ASCII, or the header is not (smtp/hops.h), or the client asked for it. Where the
	 * server does not offer it, smtp_client_mail() is false: look at caps.ext before, the mail cannot go there
	 * (550 5.6.7). */
	bool smtputf8;
	struct smtp_mail_dsn dsn; /* RET, ENVID, when the server offers DSN */
};
/* `sender` without brackets, empty: <>. `o` may be NULL. */
bool smtp_client_mail(struct smtp_client *c, struct slice sender, const struct smtp_mail_options *o) MUST_USE;
/* `dsn`: NOTIFY, ORCPT, when the server offers DSN; may be NULL. */
bool smtp_client_rcpt(struct smtp_client *c, struct slice rcpt, const struct smtp_rcpt_dsn *dsn) MUST_USE;
bool smtp_client_data(struct smtp_client *c) MUST_USE;
/* The caller has put the whole body and its dot into `out`: a reply is due (LMTP: one for each recipient that was
 * accepted). Only after a 354. */
bool smtp_client_body_sent(struct smtp_client *c) MUST_USE;
bool smtp_client_rset(struct smtp_client *c) MUST_USE;
bool smtp_client_quit(struct smtp_client *c) MUST_USE;

/* Takes bytes off *in up to the next event; call it until it is not SMTP_CLIENT_REPLY. */
enum smtp_client_event smtp_client_next(
	struct smtp_client *c, struct slice *in, struct smtp_client_reply *reply_r) MUST_USE;
/* Replies that are still due. */
size_t smtp_client_due(const struct smtp_client *c);

#endif
