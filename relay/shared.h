/* relay/shared.h - inside of relay_shared: the process' part of the room
 *
 * Threads: `lock` guards the settings pointer and the list of backends; it is a leaf, held for a few
 * instructions. The rest is atomic or has locks of its own.
 */
#ifndef RELAY_SHARED_H
#define RELAY_SHARED_H

#include "base/hash.h"
#include "relay/backend.h"
#include "relay/intent.h"
#include "relay/memory.h"
#include "relay/rcpt_cache.h"
#include "relay/settings.h"
#include "relay/watch.h"

enum { RELAY_BACKENDS_EVER = 256 }; /* different backends over all reloads of one process; a bound for the list */

struct relay_shared {
	pthread_mutex_t lock;
	struct relay_settings *settings;
	struct relay_backend *backends[RELAY_BACKENDS_EVER];
	size_t backends_n;
	struct hash_key key; /* of identities and probe slots */
	struct relay_rcpt_cache *cache;
	struct relay_memory *memory; /* NULL: relay.remember = 0 */
	struct relay_watches watches;
	struct relay_intents *intents;
	char no_state[256], no_notes[256]; /* why relay.state, or what stands beside it, was not opened; "": it was */
	struct net_wake *_Atomic wakes[RELAY_WORKERS_MAX];
	atomic_uint waiting;			   /* jobs in all queues */
	atomic_uchar probes_of[RELAY_PROBE_SLOTS]; /* recipient questions under way, by client */
};

/* A reference to the settings of now. */
struct relay_settings *relay_shared_settings(struct relay_shared *s);
/* Rings a worker, if it is there. -1 is fine. */
void relay_shared_wake(struct relay_shared *s, int worker);
/* The counter of a client; two clients may share one, which only makes them wait for each other. */
unsigned relay_probe_slot(const struct relay_shared *s, const struct ip *client);

#endif
