/* relay/backend.h - what all workers know of one backend
 *
 * The connection limit: each open connection holds a permit. A worker that wants one and finds none
 * says that it is hungry; another one whose connection comes free hands its permit over (a grant,
 * so that nobody can snatch it in between) and wakes it. Idle connections are given up first, then
 * the worker that has most gives to the one that has least.
 * What is given up is closed and made anew by the other worker, which costs more than a short wait. So a worker whose
 * connections are all busy waits RELAY_PATIENCE_MS for one of its own before it hungers, and one that has no more
 * than the hungry one lets go only of what has been idle for RELAY_LULL_MS: small swings of load move nothing.
 *
 * Health (health.c): UNTRIED and UP are used freely. After a failure it is DOWN (or UNHEALTHY) until its
 * back-off ends; then one worker at a time tries it with one connection, all others use the next backend or fail fast.
 * The back-off doubles up to a cap and is shortened by up to a quarter by chance, so that many servers that lost one
 * backend at once do not come back at once.
 * Two limits of the backend's own are learned, so that a lower one than ours is no failure: how many connections it
 * takes (a greeting of 4xx while others work) and how many recipients a mail may have (LIMITS RCPTMAX, or 452 4.5.3).
 *
 * Threads: all functions may be called by any worker; the only lock guards the error text, a leaf.
 */
#ifndef RELAY_BACKEND_H
#define RELAY_BACKEND_H

#include "relay/relay.h"
#include "smtp/caps.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	RELAY_BACKOFF_MIN_MS = 1000,
	RELAY_BACKOFF_MAX_MS = 5000,	    /* a backend that is back is in use again this soon */
	RELAY_CEILING_MS = 5 * 60 * 1000,   /* a learned limit of connections holds so long, then more are tried */
	RELAY_RCPT_MAX_MS = 60 * 60 * 1000, /* and one of recipients, when no LIMITS told it */
	RELAY_PLAIN_MS =
		5 * 60 * 1000,	    /* and so long one whose TLS failed is spoken to in the clear (relay.tls = "may") */
	RELAY_STUCK_MS = 60 * 1000, /* and so long one that left a mail without answer comes after the others */
	RELAY_FIRST_MS = 1000, /* at the start a mail waits so long for a preferred backend that was not heard yet */
	RELAY_RCPT_DOUBTS = 64,
	RELAY_PATIENCE_MS = 10,
	RELAY_LULL_MS = 10,
	RELAY_PROBE_SLOTS = 4096, /* counters of probes under way, by a keyed hash of the client */
};

/* With xclient: is it taken again on the same connection? */
enum relay_reuse { RELAY_REUSE_UNKNOWN, RELAY_REUSE_ANY, RELAY_REUSE_ONE_CLIENT };

/* One cache line for each worker: it writes its own on every mail. */
struct relay_share {
	_Alignas(64) atomic_uint open; /* permits held, grants not yet taken included */
	atomic_uint idle;	       /* connections that nobody uses */
	atomic_uint granted;
	atomic_bool hungry;
};

struct relay_maildir;

struct relay_counters {
	atomic_ullong connects, failures, delivered, refused, probed, doubtful;
};

struct relay_backend {
	char name[128];
	char group[RELAY_GROUP_MAX]; /* each group has its own, of the same address too */
	enum relay_kind kind;
	struct ip ip;
	uint16_t port;
	char *path; /* of a Maildir, or a Unix socket; "" */
	struct relay_maildir *_Atomic maildir;
	pthread_mutex_t opening;

	atomic_uint open, probes, hungry_n;
	atomic_uint workers; /* share[] in use */
	atomic_int state;    /* enum relay_state */
	atomic_ullong retry_ms;
	atomic_uint backoff_ms;
	atomic_uint settled; /* connections whose EHLO was answered */
	atomic_uint ceiling; /* connections that it takes, until then: */
	atomic_ullong ceiling_until_ms;
	/* recipients of a mail, as LIMITS says (0: it does not), and as a refusal showed, until then */
	atomic_uint rcpt_said, rcpt_found;
	atomic_ullong rcpt_until_ms;
	atomic_ullong rcpt_doubted[RELAY_RCPT_DOUBTS]; /* hashes of recipients, each at its place */
	atomic_ullong plain_until_ms; /* relay.tls = "may": its TLS failed, so it is not tried before */
	atomic_ullong stuck_until_ms; /* it let a mail wait while another backend worked: that one first, before then */
	const char *_Atomic tls_version; /* of the connection that was made last; static text, NULL: none yet */
	atomic_ullong first_ms;	      /* when it was first to be used */
	atomic_int reuse;	      /* enum relay_reuse, as found last */
	atomic_bool no_reuse;	      /* it offered XCLIENT again and refused it: not believed until the next refresh */
	atomic_bool heard;	      /* exts and size are known */
	atomic_uint exts;
	atomic_ullong size;
	struct relay_counters n;
	pthread_mutex_t lock;
	char error[160]; /* under lock */
	struct relay_share share[RELAY_WORKERS_MAX];
};

struct relay_backend *relay_backend_new(const struct relay_target *t, struct slice group) MUST_USE;
void relay_backend_free(struct relay_backend **b);

/* Once for each worker, before its first permit. */
void relay_backend_join(struct relay_backend *b, unsigned worker);
/* A permit for one connection of this worker: an own grant first, else within the limit. */
bool relay_permit_take(struct relay_backend *b, unsigned worker, unsigned limit) MUST_USE;
/* Gives a permit back. When another worker is hungry it gets the grant: its number is returned, the caller wakes it.
 * -1: nobody. */
int relay_permit_give(struct relay_backend *b, unsigned worker, unsigned limit);
/* This worker wants a permit, or wants none any more. */
void relay_permit_hunger(struct relay_backend *b, unsigned worker, bool hungry);
enum relay_owed { RELAY_OWED_NOT, RELAY_OWED_IF_IDLE, RELAY_OWED };
/* Should this worker, one of whose connections is free, let another one have its permit? RELAY_OWED_IF_IDLE: when it
 * has been idle for RELAY_LULL_MS. `wanted`: it has work of its own for it; `turns`: jobs that the connection has done
 * in a row while others hungered. */
enum relay_owed relay_permit_owed(const struct relay_backend *b, unsigned worker, bool wanted, unsigned turns);
/* It let a job wait for too long. True: that is news. */
bool relay_backend_stuck(struct relay_backend *b, uint64_t now_ms);
/* A worker that sits on an idle connection, to be woken by a hungry one; -1: none. */
int relay_permit_idler(const struct relay_backend *b, unsigned worker);

enum relay_use { RELAY_USE, RELAY_USE_TRY, RELAY_USE_NOT };
/* May a connection be opened? RELAY_USE_TRY: the back-off is over and this caller alone may try. */
enum relay_use relay_backend_use(struct relay_backend *b, uint64_t now_ms);
/* Is it known to be out of order, back-off still running? */
bool relay_backend_out(const struct relay_backend *b, uint64_t now_ms);
/* It works; true when it did not before. */
bool relay_backend_up(struct relay_backend *b);
/* It failed. True when this is news (for the log). `state`: RELAY_DOWN or RELAY_UNHEALTHY. */
bool relay_backend_down(struct relay_backend *b, enum relay_state state, struct slice why, uint64_t now_ms);
/* How many connections may be open to it: `limit`, or fewer where it was found to take no more. */
unsigned relay_backend_limit(const struct relay_backend *b, unsigned limit, uint64_t now_ms);
/* One more connection has its EHLO answered; its end takes one off `settled`. */
void relay_backend_settle(struct relay_backend *b);
/* It turned one connection away while others work. False: none does, it is out of order. True with *news_r: its limit
 * was not known. */
bool relay_backend_full(struct relay_backend *b, uint64_t now_ms, bool *news_r) MUST_USE;
/* Recipients that a mail to it may have; UINT32_MAX: no limit is known. */
unsigned relay_backend_rcpts(const struct relay_backend *b, uint64_t now_ms);
/* It refused to take more than n (at least 1) in one mail. */
void relay_backend_rcpts_found(struct relay_backend *b, unsigned n, uint64_t now_ms);
/* A recipient, by its hash, was refused behind others with words that may mean either. True: it was before. */
bool relay_backend_rcpt_again(struct relay_backend *b, uint64_t rcpt);
/* One of its connections serves any client, or one alone. */
void relay_backend_reuse(struct relay_backend *b, bool any);
/* What its EHLO offers; its recipient limit holds until the next one. */
void relay_backend_heard(struct relay_backend *b, const struct smtp_caps *caps);
/* Names it in an answer. */
void relay_answer_of(struct relay_done *d, const struct relay_backend *b);
void relay_backend_info(struct relay_backend *b, unsigned limit, uint64_t now_ms, struct relay_backend_info *info_r);

#endif
