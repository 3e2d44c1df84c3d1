/* relay/link.h - one connection to a backend, as a state machine
 *
 *   CONNECTING -> GREETING -> HELLO -> [STARTTLS -> HANDSHAKE -> HELLO ->] IDLE
 *   IDLE -> [IDENTIFY -> REHELLO ->] ENVELOPE -> [DATA ->] BODY -> DOT -> IDLE     a mail
 *   IDLE -> [IDENTIFY -> REHELLO ->] ENVELOPE -> IDLE                              a recipient question
 *   ENVELOPE, DATA -> RESET -> IDLE                                                after a refusal
 *   IDLE -> QUIT -> gone;  anything -> gone
 *
 * ENVELOPE is one write: [XFORWARD..] MAIL RCPT.. and DATA (one recipient) or RSET (a question). With several
 * recipients DATA follows only when all were taken. XCLIENT and EHLO end a group each: Postfix logs
 * and, with reject_unauth_pipelining, refuses what is sent behind them unasked (RFC 2920 3.1; seen with 3.7).
 * The table PHASES in link.c says for each state how long it may last and who reads its replies.
 *
 * With identity proxy a connection is opened for one job and speaks for its client from the first byte on (`named`), or
 * for ourselves (LOCAL) to find out whether the backend works; then it does nothing but EHLO.
 *
 * Waits: RFC 5321 4.5.3.2.
 */
#ifndef RELAY_LINK_H
#define RELAY_LINK_H

#include "net/conn.h"
#include "relay/internal.h"
#include "smtp/body_out.h"
#include "smtp/client.h"

enum relay_link_state {
	RELAY_LINK_CONNECTING,
	RELAY_LINK_GREETING,
	RELAY_LINK_HELLO,
	RELAY_LINK_STARTTLS,
	RELAY_LINK_HANDSHAKE,
	RELAY_LINK_IDLE,
	RELAY_LINK_IDENTIFY,
	RELAY_LINK_REHELLO,
	RELAY_LINK_ENVELOPE,
	RELAY_LINK_DATA,
	RELAY_LINK_BODY,
	RELAY_LINK_DOT,
	RELAY_LINK_RESET,
	RELAY_LINK_QUIT,
	RELAY_LINK_GONE
};

/* The envelope's commands as they go out, in order: XFORWARD, MAIL, RCPT.., and DATA or RSET. The first refusal's
 * words are kept in the job's answer. */
struct relay_envelope {
	uint32_t next; /* command to be sent: 0 XFORWARD, 1 MAIL, 2.. RCPT, rcpts_n + 2 the last one */
	bool mail_refused;
	bool utf8;		    /* MAIL says SMTPUTF8 */
	uint16_t accepted, refused; /* recipients */
	uint16_t too_many;	    /* of those refused: it takes no more in one mail */
	bool session_full;	    /* MAIL was refused since this connection has brought enough mails */
};

/* The body on its way: what is still to be written. */
struct relay_feed {
	struct smtp_body_out writer;
	struct slice head, mem;
	const struct rope_block *next; /* behind mem */
	struct slice direct;	       /* through the writer already; goes out from where it lies, behind conn.out */
	int fd;
	uint64_t at, end; /* of the file */
	unsigned sent;	  /* pieces, without a pause */
	bool done;	  /* the dot is in conn.out, or gone */
	bool broken_off;  /* the backend has begun to answer before the dot: no more of it goes out */
};

struct relay_whom {
	uint64_t key; /* of the identity, see relay/identity.h; 0: our own */
	uint16_t port;
};

struct relay_link {
	struct net_conn conn;
	struct net_timer timer;
	enum relay_link_state state;
	struct relay_pool *pool;
	struct relay_settings *settings;	  /* under which it was opened */
	struct relay_link *next, *prev;		  /* pool->links; `next` alone among the dead */
	struct relay_link *idle_next, *idle_prev; /* pool->idle */
	struct relay_job *job;
	struct smtp_client client;
	struct relay_whom whom; /* for whom the connection speaks */
	bool named;		/* a PROXY header has named `whom`: what is refused now is refused to it */
	bool takes_xclient;	/* as far as its last EHLO says */
	bool retire;		/* not to be used again */
	bool rested;		/* it was idle before this job, so it may turn out to be closed */
	bool heard;		/* a reply to this job's commands has come */
	struct relay_envelope env;
	struct relay_feed feed;
	unsigned uses, xclients, refusals, rsets, turns; /* refusals and rsets: since the last delivered mail */
	uint64_t opened_ms, idle_ms;			 /* since when it is idle */
	uint64_t due_ms;				 /* the end of its state's time; the timer may look sooner */
	bool settled;					 /* counted in backend->settled */
	bool *took; /* LMTP with several recipients: took[i] of job->rcpts has the mail */
	unsigned took_n, refused_n;
	uint32_t reserved; /* places in relay/memory.h for those that may have it alone */
};

/* Opens a connection with the permit that the caller has taken. `client`: the job whose client a PROXY header names;
 * NULL: no client (LOCAL). Other identities take no notice of it. NULL: it failed at once (the permit is still the
 * caller's, errno says why). */
struct relay_link *relay_link_open(
	struct relay *r, struct relay_pool *p, const struct relay_job *client, uint64_t now_ms) MUST_USE;
/* Starts the job on a link that relay_pool_borrow() gave: at once, or when it is open. */
void relay_link_start(struct relay *r, struct relay_link *link, struct relay_job *job, uint64_t now_ms);
void relay_link_on_io(struct relay *r, struct relay_link *link, unsigned events, uint64_t now_ms);
void relay_link_on_time(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* Says QUIT to an idle link. */
void relay_link_quit(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* Closes at once; its job, if any, must have been taken off. The memory stays until relay_on_time(), since an event of
 * it may still be in the batch. */
void relay_link_close(struct relay *r, struct relay_link *link);
void relay_link_free(struct relay_link *link);
/* Has the whole body with its dot been given to the kernel? From then on the mail may be delivered. */
bool relay_link_dot_is_out(const struct relay_link *link);
/* A write failed: what the backend had said before it closed is heard, then the connection is lost. */
void relay_link_broke(struct relay *r, struct relay_link *link, uint64_t now_ms);

#endif
