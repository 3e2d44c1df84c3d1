/* server/mail.h - one transaction of a session: from MAIL to the reply after the body
 *
 * It holds what the client said (envelope, body) and what became of it (the journal's fields). All
 * of its memory is its arena and its spool; both are dropped together.
 */
#ifndef SERVER_MAIL_H
#define SERVER_MAIL_H

#include "base/arena.h"
#include "relay/relay.h"
#include "relay/watch.h"
#include "score/facts.h"
#include "server/id.h"
#include "server/spool.h"
#include "smtp/auth_filter.h"
#include "smtp/hops.h"

/* Envelope memory of one mail: 1,000 recipients of 500 bytes fit twice. Where a mail may have more of them, so much for
 * each: of limits.recipients, which is told to clients, none is refused for lack of room. limits.memory bounds all. */
enum { MAIL_ARENA_MIN = 1024 * 1024, MAIL_ARENA_EACH = 1024 };

/* QUIT: the client gave it up in good order (QUIT, RSET); LOST: it just vanished. */
enum mail_verdict { MAIL_QUIT, MAIL_LOST, MAIL_REFUSED, MAIL_DEFERRED, MAIL_ACCEPTED };

struct mail_rcpt {
	struct slice address;
	uint16_t code; /* of our reply; 0: not answered yet */
	uint16_t sub;  /* n: the refusal's id is ID-n; 0: none was given */
	struct smtp_rcpt_dsn dsn;
};

/* How it ended, for the journal. Slices: static text, a rule's name, or the mail's arena. */
struct mail_outcome {
	enum mail_verdict verdict;
	struct slice by; /* a rule's name, "backend", "protocol", "limit", "client" */
	uint16_t code;
	struct slice reply;
	struct slice backend, backend_reply;
	struct slice group; /* of relay.groups; empty: there is none but main */
	uint32_t backend_ms;
	bool doubtful; /* our dot was out and no reply came back: the retry may bring it twice */
};

struct mail {
	struct arena arena;
	uint64_t id;
	uint32_t number; /* in its session, from 1 */
	uint64_t started_ms;
	struct slice sender; /* empty: <> */
	uint64_t size_said;
	bool eight_bit;
	bool utf8;	    /* SMTPUTF8 was said */
	bool rcpts_say_dsn; /* some recipient has NOTIFY or ORCPT */
	struct smtp_mail_dsn dsn;
	bool handed_on;	   /* the relay has it and has not answered */
	bool known_good;   /* by the identity that it is proven to be from */
	bool sender_local; /* its sender's domain is one of ours */
	bool allowed;	   /* the administrator's `allow` of its client or sender */
	bool refused;	   /* a rule refused it, or a recipient, for good: counted once */

	struct mail_rcpt *rcpts; /* all that were named, taken or not */
	uint32_t rcpts_n, rcpts_cap;
	size_t rcpt_step;	   /* of relay.recipients: where the last one is being asked for */
	uint32_t taken, bad, subs; /* accepted; unknown users; ids given out */

	struct spool spool;
	enum spool_result spooled;
	struct smtp_auth_filter *auth_filter; /* NULL: no body yet, or no memory */
	struct smtp_hops hops;
	uint64_t body_bytes;
	uint64_t dot_ms; /* when its end came; 0: not yet */

	bool keeps_header; /* some rule wants to read it */
	struct buf header; /* the first SMTP_HEADER_BYTES_MAX bytes of it */
	const struct score_header *headers;
	uint32_t headers_n;

	char session[ID_TEXT]; /* its session's id, for the relay */
	struct relay_mail out; /* while it is judged behind its dot and handed on */
	struct relay_watch watch; /* of its client, from the dot until it is known whether that has heard */
	struct mail_outcome outcome;

	struct mail *next; /* from here on: its 250 is on its way, see receipt.c */
	uint64_t replied_ms;
	uint64_t reply_end;	 /* bytes of the connection that it is heard with; 0: not all has left yet */
	bool taken_for_lost;	 /* it is remembered; only the struct is left of it, and */
	struct relay_save *kept; /* what takes that back; before: what makes the same mail wait; NULL: nothing does */
};

/* `rcpts`: as many as it may have; `stock`: of the worker's memory for bodies. NULL: no memory. */
struct mail *mail_new(uint64_t id, uint32_t number, uint32_t rcpts, uint64_t now_ms, struct rope_stock *stock) MUST_USE;
void mail_free(struct mail **m, struct spool_room *room);
/* Gives back envelope and body. */
void mail_forget(struct mail *m, struct spool_room *room);

/* Copies the sender's address, and what MAIL said beside it. */
bool mail_set_sender(struct mail *m, struct slice sender, const struct smtp_params *p) MUST_USE;
/* Adds a recipient, not yet answered; NULL: no memory. The last one is the one in question. */
struct mail_rcpt *mail_add_rcpt(struct mail *m, struct slice address, const struct smtp_rcpt_dsn *dsn) MUST_USE;
static inline struct mail_rcpt *mail_last_rcpt(struct mail *m)
{
	return &m->rcpts[m->rcpts_n - 1];
}
/* What is behind the last '@'; empty: nothing is. */
static inline struct slice mail_domain(struct slice address)
{
	return slice_skip(address, slice_rfind(address, '@') + 1);
}
/* One more part of the header; what is beyond the limit, or has no memory, is not seen by the rules. */
void mail_keep_header(struct mail *m, struct slice part);
/* The body is complete: cuts what was kept into m->headers. */
void mail_read_header(struct mail *m);
/* Fills m->out from the taken recipients and the finished spool, all but its client, its id and our head; `fd`: its
 * client's socket. */
bool mail_prepare(struct mail *m, int fd, uint64_t ticket) MUST_USE;
/* Keeps a copy of a text for the journal; when memory is out the text is just left away. */
struct slice mail_keep(struct mail *m, struct slice text);

#endif
