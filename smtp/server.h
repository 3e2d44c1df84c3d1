/* smtp/server.h - the server's side of SMTP, without any I/O
 *
 * Bytes in, events out, replies appended to a buffer. The core knows the protocol (RFC 5321, 1870,
 * 2034, 2920, 3030, 3207, 3461, 6152, 6531, 9422, Postfix XCLIENT_README): line ends, syntax, order, limits, the end
 * of a body. Its owner knows everything else and is asked one question at a time, so replies to pipelined commands
 * stay in order and nothing re-enters:
 *
 *     smtp_server_init(&s, &config, &conn->out);
 *     smtp_server_greet(&s, 220, SLICE("mx.example.com ESMTP"));
 *     for (;;)
 *             switch (smtp_server_next(&s, &in, &ev)) {
 *             case SMTP_EV_MORE:     keep what is left of `in`, flush, read on, call again with old + new bytes
 *             case SMTP_EV_WAIT:     flush; a question is open: call again after the answer (or after tls_started)
 *             case SMTP_EV_MAIL:     now or later: smtp_server_answer(&s, 250, SLICE("2.1.0 Ok"))
 *             case SMTP_EV_BODY:     spool(ev.data)
 *             case SMTP_EV_BODY_END: now or later: smtp_server_answer(&s, 250, ...)
 *             case SMTP_EV_CLOSE:    flush and close
 *             ...
 *             }
 *
 * A group of pipelined commands gives one run of replies in `out`: flush at MORE, WAIT and CLOSE only.
 * Slices in an event point into `in` or into the event itself, and are valid until the next call; copy what is needed.
 * At MORE less than SMTP_LINE_DSN_MAX bytes are left in `in`, SMTP_LINE_MAX where DSN was not announced.
 *
 * A body comes behind DATA or in chunks (BDAT); to the owner both are SMTP_EV_DATA, SMTP_EV_BODY ...,
 * SMTP_EV_BODY_END, with the same rules and faults. What differs: 354 is not written; each chunk but the last
 * is answered by the core; between two chunks commands run, so that the client may rest there (SMTP_EV_MORE), take the
 * mail back (SMTP_EV_RSET) or QUIT in the midst of a body. A chunk's bytes are taken off the stream
 * whatever becomes of it, up to SMTP_CHUNK_MAX. Toward a backend it is DATA again: nothing is lost, since
 * BINARYMIME is not offered.
 *
 * With XCLIENT a trusted proxy says who its client is. It begins a new session within the connection: the owner
 * answers SMTP_EV_XCLIENT with a new greeting (220), or 554 for a client that gets no service (then QUIT or the
 * next XCLIENT come); any other answer refuses the command and changes nothing. After 220 and 554 HELO, extensions and
 * counts of errors are forgotten; TLS stays.
 *
 * Memory: the core owns none; it is sizeof(struct smtp_server) for each session (72 bytes). When
 * `out` cannot grow the core closes: an unsent reply must not be mistaken for a sent one.
 * Thread: the session's.
 */
#ifndef SMTP_SERVER_H
#define SMTP_SERVER_H

#include "base/buf.h"
#include "smtp/addr.h"
#include "smtp/body_in.h"
#include "smtp/ext.h"
#include "smtp/line.h"
#include "smtp/params.h"
#include "smtp/xclient.h"

/* An over-long line is thrown away up to its CR LF; one that has none within this is no mistake: closed. */
enum { SMTP_LINE_SKIP_MAX = 64 * 1024 };
/* The so many-th stray line end in a command closes the session: one is a slip, two are a client that cannot do it. */
enum { SMTP_STRAY_COMMANDS_MAX = 2 };

/* Longest chunk. A longer one than any mail is a mistake, or means to have us read for ever before we may say no: 552
 * and closed, as is a BDAT whose count cannot be read (501), since where its bytes end is not known. */
enum { SMTP_CHUNK_MAX = 1024 * 1024 * 1024 };

struct smtp_server_config {
	struct slice hostname; /* named in replies of our own */
	unsigned ext;          /* SMTP_EXT_* announced to EHLO (all but XFORWARD and AUTH are spoken), read at each
				* EHLO; what was not announced is not taken. SMTP_EXT_XCLIENT: this peer is trusted */
	uint64_t size_max;     /* bytes of a body; 0: no limit */
	uint32_t recipients;   /* accepted ones, of a mail; told by LIMITS; 0: no limit */
	uint32_t errors;       /* 5xx replies of a session, then 421; 0: no limit */
	uint32_t junk;         /* NOOP, RSET, VRFY, HELO ... since the last accepted mail, then 421; 0: no limit */
	enum smtp_stray bare_newline, bare_cr; /* in a body */
};

enum smtp_event_kind {
	SMTP_EV_MORE,     /* needs input */
	SMTP_EV_WAIT,     /* a question is open, the greeting is not yet said, or TLS is being set up */
	/* Questions: each wants one smtp_server_answer(). */
	SMTP_EV_HELO,     /* esmtp, name. 2xx: taken on (for EHLO the core adds the extension lines) */
	SMTP_EV_MAIL,     /* path, params. 2xx: the transaction is open */
	SMTP_EV_RCPT,     /* path, params. 2xx: counts as recipient */
	SMTP_EV_DATA,     /* DATA, or a mail's first BDAT. 354: the body follows. Anything else: refused; the
			   * transaction stays open (BDAT: SMTP_EV_RSET comes with its last chunk) */
	SMTP_EV_BODY_END, /* fault, repaired, eight_bit. Any answer ends the transaction */
	SMTP_EV_STARTTLS, /* 220: flush, begin the handshake, then smtp_server_tls_started(). Else: refused */
	SMTP_EV_XCLIENT,  /* xclient. 220: a new session begins; 554: with no service; else: refused */
	/* Not questions. */
	SMTP_EV_BODY,     /* data: next bytes of the body, clean (smtp/body_in.h) */
	SMTP_EV_RSET,     /* the transaction, if there was one, is gone: RSET, HELO within it, or the last chunk of a
			   * refused BDAT. Between chunks this ends a body */
	SMTP_EV_QUIT,     /* 221 is written; SMTP_EV_CLOSE comes next */
	SMTP_EV_OFFENCE,  /* offence, line, code: to be counted and logged; the core has replied */
	SMTP_EV_CLOSE,    /* flush `out` and close. Said again on every further call */
};

enum smtp_offence {
	SMTP_OFFENCE_BARE_LF,      /* in a command */
	SMTP_OFFENCE_BARE_CR,      /* in a command */
	SMTP_OFFENCE_CONTROL,      /* NUL or another control byte in a command */
	SMTP_OFFENCE_SYNTAX,       /* a known command, wrongly written */
	SMTP_OFFENCE_ORDER,        /* a known command at the wrong time, or XCLIENT from a peer that is not trusted */
	SMTP_OFFENCE_UNKNOWN,      /* no such command */
	SMTP_OFFENCE_LINE_LENGTH,  /* longer than SMTP_LINE_MAX */
	SMTP_OFFENCE_PIPELINING,   /* input behind a command that had to wait for its reply (RFC 2920 3.1); told
				    * once for each burst, no reply of its own */
	SMTP_OFFENCE_REFUSED_DATA, /* body bytes, or what looks like them, after a refused DATA; a BDAT whose bytes
				    * cannot be told from commands; closed */
	SMTP_OFFENCE_INJECTION,    /* clear text behind STARTTLS; closed */
	SMTP_OFFENCE_NOT_SMTP,     /* HTTP, TLS, SSH; closed */
	SMTP_OFFENCE_ERRORS,       /* config.errors reached; closed */
	SMTP_OFFENCE_JUNK,         /* config.junk reached; closed */
};
/* "bare-lf", "control", "bad-order" ...: for log and journal. */
struct slice smtp_offence_name(enum smtp_offence offence);

/* Only the members named beside the event's kind are set. */
struct smtp_event {
	bool esmtp;                /* HELO: it was EHLO */
	struct slice name;         /* HELO: 1..255 printable ASCII bytes without a blank */
	struct smtp_path path;     /* MAIL, RCPT */
	struct smtp_params params; /* MAIL, RCPT */
	struct smtp_xclient xclient; /* XCLIENT */
	struct slice data;         /* BODY */
	enum smtp_fault fault;     /* BODY_END: unless NONE the mail must be refused, see smtp_fault_reply() */
	bool repaired;             /* BODY_END: stray line ends were repaired */
	bool eight_bit;            /* BODY_END: some byte was above 127 */
	enum smtp_offence offence; /* OFFENCE */
	struct slice line;         /* OFFENCE: the start of what was said, raw: escape it before it is shown */
	int code;                  /* OFFENCE: our reply; 0: none */
	struct smtp_body_scratch scratch; /* private: what data may point into */
};

struct smtp_server {
	const struct smtp_server_config *config;
	struct buf *out;
	struct smtp_body_in body;
	union {
		struct smtp_line_skip skip; /* of an over-long or broken line */
		struct {
			uint32_t left, size;
		} chunk; /* of the BDAT that is taken */
	};
	uint32_t rcpts;     /* accepted in this transaction; refused ones behind a MAIL that was not taken */
	uint32_t errors, junk;
	unsigned announced; /* SMTP_EXT_* of the last EHLO */
	uint8_t phase, stage, question; /* private, see smtp/server_core.h */
	uint8_t strays;     /* stray line ends in commands so far */
	uint16_t flags;     /* private */
	uint8_t pending;    /* private: an offence not yet told, + 1 */
	uint8_t refusal;    /* private: of the chunk that is taken */
};

/* `c` and `out` must outlive the session's use of the core; `c` may be changed between two calls (a reload changes
 * what the next EHLO announces). Nothing is written yet. */
void smtp_server_init(struct smtp_server *s, const struct smtp_server_config *c, struct buf *out);

/* Takes bytes off the front of *in and says what they mean. Event order is the order of the bytes. */
enum smtp_event_kind smtp_server_next(struct smtp_server *s, struct slice *in, struct smtp_event *ev_r) MUST_USE;

/* The banner's first line, "220-text", while the rest is held back: who talks now does not wait. Before
 * smtp_server_greet(), at most once. A refusal may still follow it: clients read the code of the last line. */
void smtp_server_tease(struct smtp_server *s, struct slice text);
/* The banner: 220 opens the session; 554: only QUIT is taken from now on (RFC 5321 3.1); 421 closes. */
void smtp_server_greet(struct smtp_server *s, int code, struct slice text);

/* Answers the open question. `text` includes the enhanced code where there is one; lines are separated by
 * '\n' and become "250-first" "250 last"; control bytes in it become '?'. 421 closes the session whatever the
 * question was. Calling it with no question open changes nothing and writes nothing. */
void smtp_server_answer(struct smtp_server *s, int code, struct slice text);

/* An unasked last word (timeouts, shutdown): written at once, then SMTP_EV_CLOSE. An open question is forgotten. */
void smtp_server_close(struct smtp_server *s, int code, struct slice text);

/* The handshake is done: HELO and mail are forgotten, STARTTLS is neither announced nor taken any more. Also right
 * after init on a listener with implicit TLS. */
void smtp_server_tls_started(struct smtp_server *s);

/* The standard refusal of a body with this fault; code 0 and an empty text for SMTP_FAULT_NONE. */
int smtp_fault_reply(enum smtp_fault fault, struct slice *text_r);

/* So many of the next bytes of the input belong to a chunk, whatever becomes of it. */
uint32_t smtp_server_chunk_left(const struct smtp_server *s);

/* What comes next is the rest of a body or of a chunk that is refused already: it gives no events. */
bool smtp_server_drops_body(const struct smtp_server *s);

/* Between commands, with no mail open and no question: a good moment to end the session. */
bool smtp_server_is_idle(const struct smtp_server *s);

#endif
