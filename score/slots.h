/* score/slots.h - the inside of the store (for this room's files only)
 *
 * One table code for all that is remembered: slots of one size for each table, in 2^n shards; find or make an
 * entry under the shard's lock. Every slot begins with the same head. Nothing in a slot is a pointer: a shard's bytes
 * can be copied, written to disk and loaded back (score/snapshot.h).
 *
 * A shard is cut into buckets of STORE_BUCKET slots. An entry lies in one of two, which follow from its tag: the first,
 * or when that is full the second; when both are full, one of the first bucket's moves to its own other one. So a table
 * fills to the last hundredth before anything must go. Beside the slots lies one byte for each, its mark: empty,
 * deleted, or eight bits of its tag. The marks of a bucket are one cache line, so a search touches that line and, but
 * for one time in some, only the slot it is after. Marks are not written to disk.
 */
#ifndef SCORE_SLOTS_H
#define SCORE_SLOTS_H

#include <pthread.h>
#include <stdatomic.h>

#include "score/block.h"
#include "score/cells.h"
#include "score/distinct.h"

enum { SLOT_EMPTY = 0, SLOT_DELETED = 1, SLOT_FIRST_TAG = 2 }; /* of a mark and of `tag` */
enum slot_kind {
	SLOT_RECORD = 1,
	SLOT_WINDOW,
	SLOT_DISTINCT,
	SLOT_USUAL,
	SLOT_KNOWN,
	SLOT_HOLD,
	SLOT_TRY,
	SLOT_IDENTITY
};
enum { SLOT_PROVEN = 1 }; /* of `flags`: never goes for a new one */
enum { SLOT_PARTS = STORE_WINDOW_PARTS + 1 };

/* Mixed into a key's hash to give the slot's tag; counters, sketches and usual rates have the hash of their text. */
#define RECORD_PURPOSE ((uint64_t)0x7265636f7264) /* "record" */
#define KNOWN_PURPOSE ((uint64_t)0x6b6e6f776e)	  /* "known" */
#define HOLD_PURPOSE ((uint64_t)0x686f6c64)	  /* "hold" */
#define TRY_PURPOSE ((uint64_t)0x747279)	  /* "try" */
#define IDENTITY_PURPOSE ((uint64_t)0x69646e74)	  /* "idnt" */

/* `first_s`, `last_s`: seconds since 1970, good until 2106. */
struct slot_head {
	uint64_t tag; /* hash of key and purpose: the entry's identity */
	uint32_t first_s, last_s;
	uint8_t kind, key_kind;
	uint8_t life; /* 2^life seconds after last_s the entry means nothing any more */
	uint8_t flags, key_len;
	char key[SCORE_KEY_BYTES];
};

/* Records, counters, usual rates, what made a client known good, tries and identities of greylisting: one cache line
 * each. */
struct score_slot {
	struct slot_head head;
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
		struct {
			uint32_t epoch;	      /* number of the window that `now` counts */
			uint32_t now, before; /* events in it, and in the one before */
			uint32_t windows;     /* that were not empty */
			float sum, squares;   /* of the windows before `now`, each fading with the time constant */
		} usual;
		struct {
			uint32_t accepted, refused;
			uint32_t spared_s; /* first refusal that the promise made milder since the last accepted one; 0
					    */
			uint32_t spare32;
			uint64_t spare;
		} known;
		struct {
			uint64_t who;		    /* hash of the identity; the head has its text */
			uint32_t sender, recipient; /* digests, never 0 */
			uint32_t passed_s;	    /* 0: not yet. head.first_s is the first try */
			uint32_t spare;
		} try; /* of one sender and recipient */
		struct {
			uint32_t passed_s; /* last pass of one of its tries */
			uint32_t allowed;  /* 1: all that comes from it passes */
			uint64_t spare[2];
		} identity;
	} u;
};
_Static_assert(sizeof(struct score_slot) == 64, "an entry is a cache line");

enum { DISTINCT_BYTES = CELLS_BYTES, DISTINCT_IS_SKETCH = 0xffff };
struct distinct_slot {
	struct slot_head head;
	uint32_t epoch; /* of a sketch: number of the window-long part of time that it is in */
	uint16_t n;	/* values kept one by one, or DISTINCT_IS_SKETCH */
	uint16_t spare;
	union {
		struct {
			uint32_t low[DISTINCT_EXACT]; /* 48 bits of the value's hash */
			uint16_t high[DISTINCT_EXACT];
			uint32_t tick[DISTINCT_EXACT]; /* 64th of a window in which it was last seen */
		} exact;
		uint8_t cells[DISTINCT_BYTES]; /* score/cells.h */
	} u;
	uint64_t spare2[2];
};
_Static_assert(sizeof(struct distinct_slot) == 384, "six cache lines");

struct hold_slot {
	struct slot_head head;
	uint32_t until_s;
	uint8_t hold; /* enum score_hold_kind */
	uint8_t by_len, reason_len, spare;
	char by[SCORE_HOLD_BY];
	char reason[SCORE_HOLD_REASON];
};
_Static_assert(sizeof(struct hold_slot) == 128, "two cache lines");

struct score_shard {
	_Alignas(64) pthread_mutex_t lock;
	char *slots;
	uint8_t *marks;
	uint64_t used, evicted, turned_away;
};

struct score_table {
	struct score_shard *shards;
	void *memory; /* all shards' slots, then all their marks */
	uint64_t memory_bytes;
	uint32_t slot_bytes;
	uint32_t shard_buckets;
	unsigned shard_bits;
};

/* Minute in the high half, entries pushed out in it in the low. Origins that share a place share its budget. */
enum { STORE_BUDGETS = 4096 };

struct score_store {
	struct hash_key key;
	struct score_table tables[STORE_TABLES];
	_Atomic bool hide;		 /* keys are kept as digests only */
	_Atomic uint64_t hold_widths[3]; /* of nets that have or had a block or allowance: a bit for each 0..128 */
	_Atomic uint64_t holds;		 /* entries ever made there since the start; 0: none to ask for */
	_Atomic uint64_t budgets[STORE_BUDGETS];
};

/* False: memory is out; the table is to be freed all the same. */
bool table_init(struct score_table *t, uint64_t bytes, uint32_t slot_bytes) MUST_USE;
void table_free(struct score_table *t);
static inline size_t table_shards(const struct score_table *t)
{
	return (size_t)1 << t->shard_bits;
}
/* Slots that a shard has in all. */
static inline size_t table_shard_slots(const struct score_table *t)
{
	return (size_t)t->shard_buckets * STORE_BUCKET;
}

static inline struct score_shard *slot_shard(const struct score_table *t, uint64_t tag)
{
	return &t->shards[t->shard_bits ? tag >> (64 - t->shard_bits) : 0];
}
/* Locks the shard of `tag`; by number. */
struct score_shard *slot_lock(struct score_table *t, uint64_t tag);
struct score_shard *slot_lock_nth(struct score_table *t, size_t shard);
static inline void slot_unlock(struct score_shard *shard)
{
	(void)pthread_mutex_unlock(&shard->lock);
}
static inline void *slot_nth(const struct score_table *t, const struct score_shard *shard, size_t i)
{
	return shard->slots + i * t->slot_bytes;
}
static inline bool slot_nth_is_used(const struct score_shard *shard, size_t i)
{
	return shard->marks[i] >= SLOT_FIRST_TAG;
}

/* All under the shard's lock. slot_find: NULL when there is none. */
void *slot_find(const struct score_table *t, struct score_shard *shard, uint64_t tag);
/* A free slot where an entry that is not there may lie, or NULL; entries may move for it. */
void *slot_free_for(const struct score_table *t, struct score_shard *shard, uint64_t tag);
/* When there is none: the first of STORE_NEIGHBOURS slots in a row, of which one must go. */
void *slot_neighbours(const struct score_table *t, struct score_shard *shard, uint64_t tag);
/* The slot has now the entry of `tag`; or is SLOT_DELETED. */
void slot_mark(const struct score_table *t, struct score_shard *shard, const void *slot, uint64_t tag);

/* Finds, or makes a zeroed one with its head filled in; NULL when the new one is not kept. Under the lock. */
struct slot_wanted {
	uint64_t tag, origin;
	const struct score_key *key;
	enum slot_kind kind;
	uint64_t life_ms;
	uint64_t now_ms;
	bool unbudgeted; /* the administrator's, or from a snapshot: no origin's budget is asked */
};
void *slot_make(struct score_store *s, struct score_table *t, struct score_shard *shard, const struct slot_wanted *w);
/* Keeps a digest instead of the key's text: the one that a hidden key has from the start where it can be had back from
 * the tag (records, what made a client known good, holds), else the tag. Under the lock. */
void slot_hide(struct slot_head *e);
/* How long after last_s the entry means something: at least so long. */
void slot_live(struct slot_head *e, uint64_t life_ms);
/* Removes an entry. Under the lock. */
void slot_remove(const struct score_table *t, struct score_shard *shard, void *slot);
/* Removes an entry; takes the lock itself. False: there was no such entry. */
bool slot_delete(struct score_table *t, uint64_t tag);

/* Every entry of a table, one after the other; begin with { .table = t }. The shard of the one returned is locked until
 * the next call, for at most STORE_STRETCH bytes in a row. NULL: that was all, nothing is locked. To stop before,
 * unlock `locked`. What is made, or moves, meanwhile may be missed or come twice. */
enum { STORE_STRETCH = 64 * 1024 };
struct slot_walk {
	struct score_table *table;
	struct score_shard *locked;
	size_t shard, slot, until;
};
void *slot_walk_next(struct slot_walk *w);

/* How many bits of an address count (128; IPv4 96+n), from the bytes kept of a client's or net's key. */
unsigned key_bits(uint8_t len, const char *bytes);
/* A record's points as of now. */
double slot_points(const struct score_slot *e, uint64_t half_life_ms, uint64_t now_ms);
/* An entry as the asking functions tell it. */
void hold_tell(const struct hold_slot *e, struct score_hold *hold_r);
/* A block or allowance came in: the asking functions must look for nets of its width. */
void hold_noted(struct score_store *s, const struct slot_head *e);

/* --- for the snapshot --- */

/* Puts `n` slots of another moment (at any address) into their table, which may be of any size: placed by their tags;
 * of two of one tag the younger stays, where there is no room the least valuable goes. Returns how many were kept; of
 * the others the content makes no sense, or their time is over. (A checksum holds against rot, not against nonsense.)
 * The store must have the key that the slots were made with. */
uint64_t slot_put_all(struct score_store *s, enum score_table_name table, const char *slots, size_t n, uint64_t now_ms);
static inline bool slot_put(struct score_store *s, enum score_table_name table, const void *slot, uint64_t now_ms)
{
	return slot_put_all(s, table, slot, 1, now_ms) == 1;
}

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
