/* relay/relay.h - hands finished mails to the backend over a few shared connections
 *
 * A client's session holds no backend connection. It asks two questions, each named by a ticket of
 * its own choosing: "do you know this recipient?" (relay_check_rcpt) and, with the whole mail taken
 * in, "take this" (relay_deliver). A connection is borrowed for the answer and goes back, so
 * thousands of sessions share `connections` of them.
 *
 * Two objects: one `relay_shared` for the process (settings, what is known of each backend, the
 * connection limit over all workers, the recipient cache) and one `relay` for each worker, which
 * owns connections on that worker's loop.
 *
 * No callbacks. Answers come out of relay_pop(); call it until it says false after every
 * relay_on_io, relay_on_time, relay_on_wake, relay_deliver, relay_check_rcpt and relay_cancel (or simply once at
 * the end of each turn of the loop). Within one worker's turn:
 *
 *     while ((io = net_loop_next(loop, &events)))
 *             if (io->owner == NET_OWNER_RELAY) relay_on_io(relay, io, events, now);
 *     relay_on_wake(relay, now);              after the worker's net_wake was rung
 *     relay_on_time(relay, now);
 *     while (relay_pop(relay, &done)) ...     done.ticket says whose answer it is
 *     net_loop_wait(loop, min(own sleep, relay_sleep_ms(relay, now)));
 *
 * Promises: RELAY_DELIVER is answered with a code of RELAY_FROM_BACKEND and 2xx only when the backend
 * said so after the final dot; the retry of a mail that all its recipients have already is answered 250 by us, cached.
 * Unless all recipients of a mail are taken at RCPT, its body is not sent. Behind the dot LMTP may take it for some
 * alone: these are remembered, on the disk, before the client is told to try again, and then only the others get
 * it. A question is always answered, in bounded time (RELAY_* below).
 *
 * relay_on_time() is called once in each turn, after the batch of events: closed connections are freed there.
 *
 * Threads: relay_shared_* may be called by any thread; a relay belongs to its worker's thread.
 * Sources: RFC 5321, 2920; Postfix XCLIENT_README, XFORWARD_README.
 */
#ifndef RELAY_RELAY_H
#define RELAY_RELAY_H

#include "base/buf.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/rope.h"
#include "net/loop.h"
#include "smtp/params.h"
#include "net/tls.h"

enum {
	RELAY_BACKENDS_MAX = 64, /* of all groups */
	RELAY_GROUP_MAX = 64,	 /* bytes of a name, with its NUL */
	RELAY_WORKERS_MAX = 256,
	RELAY_TEXT_MAX = 1000,		 /* bytes of a reply that are kept; an enemy's reply cannot grow us */
	RELAY_PROBE_WITHIN_MS = 20000,	 /* a recipient question is answered by then, 451 4.3.2 if by us */
	RELAY_SAVE_WITHIN_MS = 10000,	 /* an answer that waits for relay.state on its disk comes then */
	RELAY_ANSWER_WITHIN_MS = 240000, /* of the client's dot, a delivery, unless our own is out: then 10 min more */
};

/* ---- settings ---------------------------------------------------------------------------------- */

enum relay_kind { RELAY_SMTP, RELAY_LMTP, RELAY_MAILDIR };
/* MAY: where it is offered, whoever answers; REQUIRE: with a certificate that is verified, or no mail is given to it.
 */
enum relay_tls { RELAY_TLS_OFF, RELAY_TLS_MAY, RELAY_TLS_REQUIRE };
enum relay_identity { RELAY_XCLIENT, RELAY_XFORWARD, RELAY_PROXY, RELAY_NONE };

/* One backend as written in the settings. */
struct relay_target {
	enum relay_kind kind;
	struct slice name; /* as written, for log and journal: "smtp://127.0.0.1:10025" */
	struct ip ip;	   /* RELAY_SMTP, RELAY_LMTP without a path */
	uint16_t port;
	struct slice path; /* RELAY_MAILDIR: absolute, or relative to the working directory; RELAY_LMTP: of a socket */
};

/* "smtp://127.0.0.1:10025", "smtp://[::1]:25" (without a port: 25), "lmtp://127.0.0.1:24" (24),
 * "lmtp+unix:///run/lmtp", "maildir:///var/mail/x", "maildir://rel/path". The target points into `url`. False: *why_r
 * is a sentence. */
bool relay_target_parse(struct slice url, struct relay_target *t_r, const char **why_r) MUST_USE;

/* Filled by the server from the settings; copied whole by relay_shared_new and _configure.
 * Further groups are whole settings too. Of the first one alone hold: hostname, clients, ask_backend, the times and
 * codes of recipients, remember and cache_bytes. */
struct relay_config {
	struct slice group; /* its name; empty: main */
	const struct relay_config
		*groups; /* further ones, each with domains; mail for no one's domain is the first's */
	size_t groups_n;
	struct slice hostname; /* our EHLO */
	const struct relay_target
		*backends; /* in order of preference: a later one is used while those before it are down */
	size_t backends_n; /* 1..RELAY_BACKENDS_MAX, all groups together */
	enum relay_identity identity;
	enum relay_tls tls;
	struct net_tls_ctx *tls_ctx; /* unless RELAY_TLS_OFF: net_tls_client_ctx(); a reference is taken */
	struct slice tls_name;	     /* that its certificate must have; empty: its address */
	unsigned connections;	     /* at most, to each backend, over all workers; at least 1 */
	uint64_t idle_ms;	     /* an unused connection is closed after this */
	const struct slice *domains; /* ours, any case; none: the backend decides */
	size_t domains_n;
	const struct ip_prefix *clients; /* may relay anywhere */
	size_t clients_n;
	bool ask_backend; /* recipients = "backend": RCPT is probed; false: any recipient is taken at RCPT */
	uint64_t recipient_ok_ms, recipient_bad_ms; /* recipient_ok_for, recipient_bad_for */
	const uint16_t *unknown_user; /* plain codes that mean "no such user" when there is no enhanced code */
	size_t unknown_user_n;
	size_t remember;    /* partial deliveries and lost replies at most; taken at the start; 0: none */
	size_t cache_bytes; /* of the recipient cache; taken at the start, a reload does not change it; 0: 16 MB */
};

/* NULL, or what is wrong with the settings: no backend, a maildir without domains, xforward or none without
 * domains (that would be an open relay). relay_shared_new and _configure refuse the same. */
const char *relay_config_fault(const struct relay_config *c);

/* ---- the process ------------------------------------------------------------------------------- */

struct relay_shared;

/* NULL: relay_config_fault() says why, or no memory. */
struct relay_shared *relay_shared_new(const struct relay_config *c) MUST_USE;
/* As relay_is_local(), by the settings of now; any thread. */
bool relay_shared_is_local(struct relay_shared *s, struct slice domain);
/* New settings. Each worker takes them on in its relay_configure(). False: memory or a fault, the old ones stay. */
bool relay_shared_configure(struct relay_shared *s, const struct relay_config *c) MUST_USE;
/* Opens the files that outlive the process: PATH, which says who has which mail already, and PATH.out, which names the
 * mails whose dot is out (relay/memory.h, relay/intent.h). Mails that the last process left in doubt are named in the
 * log. Once, before the first relay_new(), as the user that the server runs as. What cannot be opened is told in the
 * log and done without. */
void relay_shared_open(struct relay_shared *s, const char *path, unsigned workers);
/* After the last relay_free(). */
void relay_shared_free(struct relay_shared **s);

/* `smtpguardctl backend`. */
enum relay_state {
	RELAY_UNTRIED, /* nothing heard yet */
	RELAY_UP,
	RELAY_DOWN,	/* cannot be reached or turns us away; tried again at the end of its back-off (at most 5 s) */
	RELAY_UNHEALTHY /* reached, but it does not do what the settings need (XCLIENT with ADDR) */
};
struct relay_backend_info {
	char name[128];
	char group[RELAY_GROUP_MAX];
	enum relay_identity identity;
	enum relay_state state;
	unsigned open, limit;	 /* connections now */
	unsigned probes;	 /* recipient questions under way */
	bool reusable;		 /* one connection serves any client */
	uint32_t exts;		 /* SMTP_EXT_* of its EHLO */
	unsigned rcpt_max;	 /* recipients of a mail that it takes; 0: no limit is known */
	enum relay_tls tls;	 /* as set */
	const char *tls_version; /* of the connection that was made last: "TLSv1.3"; "": in the clear */
	bool tls_failed;	 /* with RELAY_TLS_MAY: it failed, so it is spoken to in the clear for now */
	uint64_t size;
	uint64_t connects, failures, delivered, refused, probed, doubtful; /* since the start */
	uint64_t retry_in_ms;						   /* RELAY_DOWN: until the next try */
	char error[160]; /* the last failure in words; may hold foreign bytes, escape it */
};
/* Returns how many were filled in. */
size_t relay_shared_info(struct relay_shared *s, uint64_t now_ms, struct relay_backend_info *info_r, size_t max);
/* Questions that wait for a connection, and connections of all backends together; for `stress` and stats. */
void relay_shared_load(struct relay_shared *s, unsigned *waiting_r, unsigned *open_r, unsigned *limit_r);
/* The recipient cache, for stats. */
struct relay_cache_info {
	uint64_t hits, misses, entries;
};
void relay_shared_cache(struct relay_shared *s, struct relay_cache_info *info_r);
/* What is remembered of mails for their retries, for stats and health; after relay_shared_open(). */
struct relay_memory_info {
	bool on; /* false: relay.remember = 0 */
	uint64_t entries;
	uint64_t evicted; /* went before their time, relay.remember being full: these mails may come twice */
	char fault[512]; /* why relay.state is not kept up, and what to do; "": it is */
};
void relay_shared_memory(struct relay_shared *s, struct relay_memory_info *info_r);
/* `smtpguardctl forget`: true when the address was in the recipient cache. */
bool relay_shared_forget(struct relay_shared *s, struct slice rcpt);

/* ---- one worker -------------------------------------------------------------------------------- */

struct relay;

/* `worker`: 0..RELAY_WORKERS_MAX-1, each once; worker 0 also looks after the backends' health. `wake` is rung by other
 * workers and must live until the last of them has called relay_free(). */
struct relay *relay_new(
	struct relay_shared *s, struct net_loop *l, struct net_wake *wake, unsigned worker, uint64_t now_ms) MUST_USE;
/* Takes on what relay_shared_configure() set; connections under the old settings are retired as they come free. */
void relay_configure(struct relay *r, uint64_t now_ms);
/* Closes everything; questions still open are forgotten. A mail whose dot is out may then have been taken. */
void relay_free(struct relay **r);

/* What may be announced in EHLO because every backend takes it and this room hands it through: SMTP_EXT_* bits of
 * smtp/ext.h (SIZE, 8BITMIME, SMTPUTF8, DSN) and, in *size_r, the smallest SIZE limit (0: no limit known). Learned by
 * asking the backends: at the start, with each new connection, every 5 minutes, and every 5 seconds while one does not
 * work. Until all have been heard it is PIPELINING and ENHANCEDSTATUSCODES alone, which are our own work and always
 * in it. What is between the server and its client only (STARTTLS, AUTH) is never in it. A Maildir takes 8BITMIME and
 * any size. A backend that is down keeps what it said last. Cheap: ask at each EHLO. */
uint32_t relay_caps(const struct relay *r, uint64_t *size_r);

/* The open-relay guard: may this client send to this domain? Yes when no domains are set (the backend
 * decides), when the domain is one of ours, or when the client is in `clients`. The server asks at RCPT and answers
 * 550 5.7.1 otherwise. */
bool relay_may_relay(const struct relay *r, const struct ip *client, struct slice domain);

/* Is it one of ours: of relay.domains, or of a group's? */
bool relay_is_local(const struct relay *r, struct slice domain);

/* Is it one of our domains? Yes when none are set. Who is not ours is no one that our lists of recipients know. */
bool relay_is_ours(const struct relay *r, struct slice domain);

/* Does mail for both go to the same group of backends? A mail goes to one group: the server answers 452 4.5.3 to a
 * RCPT of another than the first one's. */
bool relay_same_group(const struct relay *r, struct slice domain, struct slice other);

/* How many recipients a mail may have so that every backend of every group takes them together (RFC 9422 RCPTMAX, or
 * learned from a 452 4.5.3); UINT32_MAX: no limit is known. The server announces it and answers 452 4.5.3 to a RCPT
 * beyond it. */
unsigned relay_rcpt_max(const struct relay *r, uint64_t now_ms);

/* The client on whose behalf a question is asked. Memory: the caller's, see each call. */
struct relay_client {
	struct ip ip;
	uint16_t port;
	struct slice name;  /* forward-confirmed rDNS, or empty; anything but [A-Za-z0-9._-]{1,255} counts as empty */
	struct slice helo;  /* may be empty */
	struct slice proto; /* "SMTP" or "ESMTP" */
	struct slice login; /* empty: not authenticated */
	/* told by the PROXY header alone */
	struct ip dest; /* where it connected to; port 0: not known */
	uint16_t dest_port;
	struct slice tls_version, tls_cipher; /* empty: it came in the clear */
	struct slice server_name;	      /* SNI */
	struct slice session;		      /* its id; two questions with the same one may share a connection */
};

enum relay_from { RELAY_FROM_BACKEND, RELAY_FROM_US };
enum relay_question { RELAY_RCPT, RELAY_DELIVER };

struct relay_done {
	uint64_t ticket;
	enum relay_question question;
	enum relay_from from;	     /* whose words `text` are */
	uint16_t code;		     /* 200..599 */
	bool bad_recipient;	     /* the refusal says that the recipient does not exist: count it as such */
	bool cached;		     /* no backend was asked for this */
	bool doubtful;		     /* our dot went out and no reply came: the mail may come twice. To be logged */
	bool orphan;		     /* the ticket was cancelled after the dot; for the journal only */
	uint16_t failed_rcpt;	     /* a refused recipient when some were refused (text is its), else UINT16_MAX */
	char backend[128];	     /* which one; "" when none was reached */
	char group[RELAY_GROUP_MAX]; /* its group */
	uint32_t backend_ms;	     /* from the first byte we sent for this question to the last of the reply */
	uint32_t waited_ms;	     /* before that: for a connection */
	uint16_t text_n;
	char text[RELAY_TEXT_MAX]; /* with its enhanced code ("5.1.1 No such user"), lines joined by '\n', no CR, code
				      not repeated */
};

enum relay_check {
	RELAY_KNOWN, /* *answer_r is filled; nothing will be popped */
	RELAY_ASKED  /* the answer comes out of relay_pop() with this ticket */
};
/* May `rcpt` (address without brackets) have mail of `sender` (empty: null sender)? Cache first, then the backend. All
 * slices are copied: the caller's memory is free at return. A recipient that a delivery has just seen refused is asked
 * for even when `ask_backend` is off. 250 with RELAY_FROM_US is said where nobody needs to be asked.
 * `size`: of the mail as its client has said; 0: it has not. A mailbox may be too full for this one. */
enum relay_check relay_check_rcpt(struct relay *r, const struct relay_client *client, struct slice sender,
	uint64_t size, struct slice rcpt, uint64_t ticket, uint64_t now_ms, struct relay_done *answer_r) MUST_USE;

/* What is remembered of a recipient; nobody is asked. For a server that asks other sources than the backend too. */
enum relay_remembered {
	RELAY_NOT_REMEMBERED,
	RELAY_REMEMBERED, /* *answer_r is filled */
	RELAY_DOUBTED	  /* a delivery has just seen it refused: relay_check_rcpt() asks the backend, who knows best */
};
enum relay_remembered relay_remembered_rcpt(
	struct relay *r, struct slice rcpt, uint64_t now_ms, struct relay_done *answer_r) MUST_USE;
/* Another source has said: known, or unknown and refused with 550 and these words. Remembered as the backend's word. */
void relay_learn_rcpt(struct relay *r, struct slice rcpt, bool known, struct slice words, uint64_t now_ms);

/* A mail as it was taken in: no dot-stuffing, every line ends in CR LF. */
struct relay_body {
	struct slice head;	      /* goes out first: our Received: line, with its CR LF */
	const struct rope_block *mem; /* then this, block by block; NULL: nothing */
	int fd;			      /* then all of this file, by pread from 0; -1: none. Not closed here */
	uint64_t fd_size;
	bool eight_bit; /* some byte is above 127: BODY=8BITMIME is said where offered */
};
struct relay_mail {
	struct relay_client client;
	struct slice sender;	   /* without brackets; empty: <> */
	const struct slice *rcpts; /* without brackets */
	size_t rcpts_n;		   /* at least 1 */
	bool own;		   /* from the server to whom its settings name: no RCPT has asked for them */
	bool utf8;		   /* the client said SMTPUTF8 */
	bool utf8_header;	   /* some byte of the header is above 127 */
	struct smtp_mail_dsn dsn;
	const struct smtp_rcpt_dsn *rcpts_dsn; /* of each recipient; NULL: nothing was said of any */
	struct relay_body body;
	uint64_t ticket;
	struct slice id; /* its name in the journal, for the note of a mail in doubt; may be empty */
	uint64_t dot_ms; /* when the client's dot came, from which on it waits; 0: now */
	/* The caller's, with its client's socket; NULL: nobody looks at that. The caller ends it when it is known
	 * whether the client has heard; see relay/watch.h. */
	struct relay_watch *watch;
	uint64_t turn; /* of relay_expect() */
};
/* The whole mail has come and is judged; relay_deliver() may follow. Its client may leave already, and then the same
 * mail, when it comes again, waits until this one is delivered or dropped. To be known by now: sender, rcpts, the body
 * without its head, and watch, which is entered here. A mail that was not expected has its turn as of
 * relay_deliver(). */
void relay_expect(struct relay *r, struct relay_mail *m);
/* Queues the mail. *m and all it points to stay the caller's and must not change until the ticket was popped or
 * cancelled. False: no memory, nothing will be popped; answer 451 4.3.0.
 *
 * The answer is one reply for the whole mail:
 * - 2xx from the backend: taken, all recipients.
 * - The backend's refusal of MAIL, DATA, the body (also in its midst), or of every recipient (a 4xx of one stands
 * before 5xx of others).
 * - 451 4.3.0 by us with failed_rcpt set: some recipients were refused, nothing was delivered; those refused are asked
 *   for again at the retry's RCPT.
 * - 250 by us, cached: a retry, all have it already.
 * - 451 4.3.0 by us with failed_rcpt set (LMTP): delivered to some, the others will get it by the retry.
 * - 451 4.3.0 by us: the backend spoke nonsense, the body cannot be read back, or a reload has put its recipients into
 *   several groups, or taken the domain of one away.
 * - 550 5.6.7 by us: an address, or the header of a mail with SMTPUTF8, is not ASCII, and the backend does not offer
 *   SMTPUTF8 to this client (any more). Not 4xx: its sender would try for days what only another backend or another
 *   setting there can change. (A DSN that the backend does not offer to this client is left out: Postfix is often set
 *   up to hide it from strangers, and such mails must pass.)
 * - 451 4.3.2 by us: no backend can be reached, no connection came free in time, or the backend cannot be told this
 *   client's address (501 to XCLIENT or XFORWARD, also without the client's names).
 * - 451 4.4.2 by us: lost twice before the dot; or lost after it (doubtful).
 * The code 421 may be among the backend's: it has closed its connection to us; the session need not. */
bool relay_deliver(struct relay *r, const struct relay_mail *m, uint64_t now_ms) MUST_USE;

/* Whether 2xx reaches the client is the caller's to find out. It pays only while this is true. */
bool relay_remembers(const struct relay *r);
/* The reply 2xx to this mail has not reached its client: the retry is answered from memory. *m as it was given to
 * relay_deliver(), its body still there. `undo_r`: NULL, or it is only taken for lost, and there may be more to come:
 * then *undo_r is for relay_reply_heard() or relay_save_free(), or NULL when memory was out. */
struct relay_save;
void relay_reply_lost(struct relay *r, const struct relay_mail *m, struct relay_save **undo_r);
/* The client of this mail, which is expected or under way, may have gone: the same mail, should it come again, waits
 * until that is freed. NULL: memory, or the body cannot be read back. */
struct relay_save *relay_reply_doubted(struct relay *r, const struct relay_mail *m) MUST_USE;
void relay_save_free(struct relay_save **s);
/* It has reached its client after all. *undo is NULL afterwards, and may be before. */
void relay_reply_heard(struct relay *r, struct relay_save **undo);

/* The client is gone. A question that waits is dropped; a delivery whose dot is not out is broken off, so that nothing
 * is delivered; one whose dot is out runs to its end without its owner and is popped as orphan: if it is taken, that
 * is remembered, since the client has not heard it and tries again. In every case the caller's memory is not touched
 * after this returns. An unknown ticket is fine. */
void relay_cancel(struct relay *r, uint64_t ticket, uint64_t now_ms);

void relay_on_io(struct relay *r, struct net_io *io, unsigned events, uint64_t now_ms);
void relay_on_time(struct relay *r, uint64_t now_ms);
void relay_on_wake(struct relay *r, uint64_t now_ms);
/* How long the worker may sleep for this room: 0.. ms, -1 for ever. */
int relay_sleep_ms(const struct relay *r, uint64_t now_ms);
bool relay_pop(struct relay *r, struct relay_done *done_r) MUST_USE;

/* No more unused connections are kept: they say QUIT. What is asked is still answered. */
void relay_drain(struct relay *r, uint64_t now_ms);
/* The server ends now. A mail whose dot is out is given up as if its connection were lost: its answer, doubtful, can be
 * popped. */
void relay_abandon(struct relay *r, uint64_t now_ms);
/* True when no question is open and no connection is left. */
bool relay_is_idle(const struct relay *r);

#endif
