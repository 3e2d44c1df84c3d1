/* server/session.h - one client's connection, from the accept to the close
 *
 * Files: arrive.c (its beginning: door, PROXY, implicit TLS), again.c (another client on it: XCLIENT, policy requests),
 * policy.c (a Postfix that asks), session.c (life and bytes), ending.c (its end),
 * talk.c (what the client asks, what it is told), stage.c (how a stage is judged), lookup.c (what is asked of the DNS
 * for it), offer.c (what EHLO announces), facts.c (what rules may see), judge.c
 * (what the rules want), act.c (what they do beside replies and waits), transfer.c (recipients and bodies on their way
 * to the backend), deadline.c (how long anything may take), receipt.c (whether a client has heard our 250),
 * journal.c (what is written down), retell.c (what a trace is told), describe.c (what people see).
 *
 * At each moment a session awaits one thing (enum awaiting); one question of the client (enum asked)
 * can be open meanwhile. An idle session costs its struct alone: input, output and mail own no memory then.
 */
#ifndef SERVER_SESSION_H
#define SERVER_SESSION_H

#include "net/conn.h"
#include "net/tls.h"
#include "score/rules.h"
#include "server/door.h"
#include "server/mail.h"
#include "server/throttle.h"
#include "server/worker.h"
#include "smtp/server.h"

/* A handshake that is not through by then is not meant (half-open handshakes hold a session each). */
enum { SESSION_HANDSHAKE_MS = 15000 };

enum awaiting {
	AWAIT_CLIENT,  /* its next bytes */
	AWAIT_DELAY,   /* the end of a rule's wait */
	AWAIT_DNS,     /* what the stage's rules want to know */
	AWAIT_RATE,    /* that its next bytes may be read: it is throttled */
	AWAIT_BACKEND, /* an answer out of relay_pop() */
	AWAIT_PROXY,   /* the PROXY header: not yet known who the client is, nothing is journaled or counted for it */
	AWAIT_TLS,     /* the handshake */
	AWAIT_FLUSH    /* the last reply to leave, then the close */
};

/* The client's question that is open. */
enum asked {
	ASKED_NOTHING,
	ASKED_GREETING,
	ASKED_BANNER,
	ASKED_HELO,
	ASKED_MAIL,
	ASKED_RCPT,
	ASKED_HEADER, /* the whole mail: what is judged at the stage `data`, then */
	ASKED_MESSAGE,
	ASKED_COUNT
};

struct account;
struct lookups;
struct policy;

struct peer {
	struct ip ip;
	uint16_t port;
	uint16_t listener; /* for app_listener() */
};

/* What a proxy has said of its client. */
enum via_kind { VIA_PROXY_PROTOCOL, VIA_XCLIENT, VIA_POLICY };
struct via {
	struct ip proxy;
	enum via_kind kind;
	bool tls;			     /* the client's, which the proxy has ended */
	char version[10];		     /* "TLSv1.3" */
	char *cipher, *name, *login; /* owned; NULL: not said */
	char *server_name;	     /* as they are: SNI */
	struct ip dest;		     /* where the client connected to; port 0: not said */
	uint16_t dest_port;
};

/* How fast a body comes, or a chunk that is refused; see deadline.c. */
struct pace {
	bool measured;
	uint64_t started_ms, looked_ms; /* looked: at its rate, for the last time */
	uint64_t before;		/* bytes of the session when it began, */
	uint64_t heard; /* and when something was last heard of it, once it is refused */
};

/* For the journal's session line. */
struct tally {
	uint64_t bytes;
	uint32_t mails, offences, refused, waited_ms, dns_ms;
	enum mail_verdict verdict; /* the best of its mails */
	uint16_t code;		   /* of the reply that ended the session; 0: the client left by QUIT or just left */
	struct slice by, why, offence; /* static text, a rule's name, session_keep_why()'s; the first offence */
};

struct session {
	struct net_conn conn;
	struct smtp_server smtp;
	struct policy *policy; /* owned; NULL: it speaks SMTP. Else its core, in place of the line above */
	struct smtp_server_config announced;
	struct net_timer timer;
	uint64_t deadline_ms; /* the timer may fire earlier: it is moved only when it would fire too late */
	struct worker *worker;
	struct generation *generation;
	struct session *next_dead;
	uint32_t index; /* its seat */
	struct peer peer;
	struct via *via; /* owned; NULL: the client itself has connected */
	enum awaiting awaiting;
	enum asked asked;
	bool esmtp, handshaken, leaving, in_body, early_talker;
	bool ending;	/* a block: the next answer is the last */
	bool auth_said; /* it has tried AUTH: a trace shows less from then on */
	bool said_quit;
	bool helo_ours; /* its HELO is our name, address or domain */
	bool greeted;	/* it was judged at the stage `connect`: with implicit TLS the handshake comes first */
	bool placeless; /* its place among limits.sessions is given back */
	bool trusted;	/* its XCLIENT is believed */
	bool by_xclient; /* it began with XCLIENT, which is not answered yet */
	bool lingers;  /* our side is shut; the client's last bytes are read and dropped */
	uint32_t held; /* bytes claimed of limits.memory: server/held.h */
	uint32_t told; /* bytes of conn.out that a trace has been told, or never will */
	uint8_t held_refusals;
	uint64_t id, opened_ms;
	uint64_t heard_ms; /* the client's last whole command or part of a body, or our answer to it */
	char *helo;	   /* owned; NULL: not said */
	size_t helo_n;
	char *why; /* owned: the words behind tally.why, where those are not static; NULL: none */
	struct standing standing;
	struct throttle throttle;
	struct pace pace;
	struct lookups *lookups; /* owned; NULL: nothing was asked of the DNS */
	uint64_t dns_since_ms;
	struct buf in; /* input that could not be used yet */
	struct mail *mail;
	struct mail *unheard; /* accepted, and nobody knows yet whether the client has heard it; the last first */
	struct score_case judgement;
	uint32_t replay_step;	     /* of its next line in log.replay; 0: it is not traced */
	struct account *account;     /* what the rules did, for explain; NULL: nothing yet */
	struct score_decision would; /* the strongest that was only observed, in this mail or before it */
	struct tally tally;
};

/* A connection that was accepted: its client is seated and greeted, held back, or turned away. Takes over fd. */
void session_open(struct worker *w, int fd, const struct ip *ip, uint16_t port, uint32_t listener);
void session_on_io(struct session *s, unsigned events);
void session_on_timer(struct session *s);
void session_on_relay(struct session *s, const struct relay_done *done);
/* The server is ending: a session between mails is told 421, one within a mail may finish it. */
void session_drain(struct session *s);
/* At once: 421 whatever is under way. */
void session_stop(struct session *s);
void session_describe(const struct session *s, struct session_info *info_r);
/* For the worker, when the batch of events is through. */
void session_free(struct session *s);

/* Of the client's TLS, which a proxy may have ended; "" in the clear. */
static inline struct slice session_tls_version(const struct session *s)
{
	bool proxied = !s->conn.tls && s->via && s->via->tls;
	return slice_str(proxied ? s->via->version : net_tls_version(s->conn.tls));
}

static inline struct slice session_tls_cipher(const struct session *s)
{
	bool proxied = !s->conn.tls && s->via && s->via->cipher;
	return slice_str(proxied ? s->via->cipher : net_tls_cipher(s->conn.tls));
}

static inline struct slice session_helo(const struct session *s)
{
	return slice_of(s->helo, s->helo_n);
}

/* Names the question that a session has put to the relay: the seat says whom to tell, the mail's id says
 * whether it is still the same mail. Ids have 40 bits. */
enum { TICKET_ID_BITS = 40 };
static inline uint64_t session_ticket(const struct session *s)
{
	return (uint64_t)s->index << TICKET_ID_BITS | s->mail->id;
}

#endif
