/* score/slots.h - the inside of the store (for this room's files only)
 *
 * One shard code for records and counters: find or make an entry, under the shard's lock.
 */
#ifndef SCORE_SLOTS_H
#define SCORE_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "score/store.h"

enum { SLOT_EMPTY = 0, SLOT_DELETED = 1, SLOT_FIRST_TAG = 2 }; /* of `tag` */
enum slot_kind { SLOT_RECORD = 1, SLOT_WINDOW };
enum { SLOT_PROVEN = 1 }; /* of `flags` */
enum { SLOT_PARTS = STORE_WINDOW_PARTS + 1 };

/* `first_s`, `last_s`: seconds since 1970, good until 2106. */
struct score_slot {
	uint64_t tag; /* hash of key and purpose: the entry's identity */
	uint32_t first_s, last_s;
	uint8_t kind, key_kind;
	uint8_t life; /* 2^life seconds after last_s the entry means nothing any more */
	uint8_t flags, key_len;
	char key[SCORE_KEY_BYTES];
	union {
		struct {
			uint64_t at_ms;
			double points; /* as of at_ms */
			uint64_t spare;
		} record;
		struct {
			uint32_t epoch;		   /* number of part[0] since 1970, modulo 2^32 */
			uint32_t part[SLOT_PARTS]; /* newest first */
		} window;
	} u;
};
_Static_assert(sizeof(struct score_slot) == 64, "an entry is a cache line");

struct score_shard {
	_Alignas(64) pthread_mutex_t lock;
	struct score_slot *slots;
	uint64_t used, evicted, turned_away;
};

/* Minute in the high half, entries pushed out in it in the low. Origins that share a place share its budget. */
enum { STORE_BUDGETS = 4096 };

struct score_store {
	struct hash_key key;
	struct score_shard *shards;
	void *memory; /* of the slots, before alignment */
	uint64_t memory_bytes;
	uint32_t shard_slots; /* homes in each shard; STORE_NEIGHBOURS - 1 more lie behind the last */
	unsigned shard_bits;
	_Atomic uint64_t budgets[STORE_BUDGETS];
};

/* Locks the shard of `tag`. */
struct score_shard *slot_lock(struct score_store *s, uint64_t tag);
static inline void slot_unlock(struct score_shard *shard)
{
	(void)pthread_mutex_unlock(&shard->lock);
}

/* Both under the shard's lock. slot_find: NULL when there is none. slot_make: finds, or makes a zeroed one with
 * its head filled in; NULL when the new one is not kept. */
struct score_slot *slot_find(const struct score_store *s, struct score_shard *shard, uint64_t tag);
struct slot_wanted {
	uint64_t tag, origin;
	const struct score_key *key;
	enum slot_kind kind;
	uint64_t life_ms;
	uint64_t now_ms;
};
struct score_slot *slot_make(struct score_store *s, struct score_shard *shard, const struct slot_wanted *w);

/* Bijective in `hash`: two keys never share a tag of one purpose. */
static inline uint64_t slot_tag(uint64_t hash, uint64_t purpose)
{
	uint64_t x = hash ^ purpose;
	x ^= x >> 33, x *= 0xff51afd7ed558ccdu; /* MurmurHash3's finaliser */
	x ^= x >> 33, x *= 0xc4ceb9fe1a85ec53u;
	x ^= x >> 33;
	return x < SLOT_FIRST_TAG ? x + SLOT_FIRST_TAG : x;
}

#endif
