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
 * Health: UNTRIED and UP are used freely. After a failure it is DOWN (or UNHEALTHY) until its
 * back-off ends; then one worker at a time tries it, all others fail over or fail fast.
 *
 * Threads: all functions may be called by any worker; the only lock guards the error text, a leaf.
 */
#ifndef RELAY_BACKEND_H
#define RELAY_BACKEND_H

#include "relay/relay.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	RELAY_BACKOFF_MIN_MS = 1000,
	RELAY_BACKOFF_MAX_MS = 5000, /* a backend that is back is in use again this soon */
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
	enum relay_kind kind;
	struct ip ip;
	uint16_t port;
	char *path; /* of a Maildir */
	struct relay_maildir *_Atomic maildir;
	pthread_mutex_t opening;

	atomic_uint open, probes, hungry_n;
	atomic_uint workers; /* share[] in use */
	atomic_int state;    /* enum relay_state */
	atomic_ullong retry_ms;
	atomic_uint backoff_ms;
	atomic_int reuse;     /* enum relay_reuse, as found last */
	atomic_bool no_reuse; /* it offered XCLIENT again and refused it: not believed until the next refresh */
	atomic_bool heard;    /* exts and size are known */
	atomic_uint exts;
	atomic_ullong size;
	struct relay_counters n;
	pthread_mutex_t lock;
	char error[160]; /* under lock */
	struct relay_share share[RELAY_WORKERS_MAX];
};

struct relay_backend *relay_backend_new(const struct relay_target *t) MUST_USE;
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
/* One of its connections serves any client, or one alone. */
void relay_backend_reuse(struct relay_backend *b, bool any);
void relay_backend_heard(struct relay_backend *b, uint32_t exts, uint64_t size);
void relay_backend_info(struct relay_backend *b, unsigned limit, uint64_t now_ms, struct relay_backend_info *info_r);

#endif
