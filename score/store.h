/* score/store.h - what is remembered between sessions: records and counters here; sketches of different values in
 * distinct.h, usual rates in usual.h, known-good clients in known.h, blocks and allowances in block.h, greylisting in
 * grey.h
 *
 * Flat tables of fixed-size slots in 2^n shards, one code for all of them. A key's keyed hash picks the shard
 * and two buckets of STORE_BUCKET slots in it; the entry lies in one of them. Nothing in it is a pointer, so a
 * stretch of a shard can be copied under its lock in microseconds and loaded back without rehashing.
 *
 * Hard cap: all memory is reserved at the start and never grows (touched as it fills). When there
 * is no room, the least valuable of STORE_NEIGHBOURS entries goes: first one whose time is over, then one of
 * the newcomers (seen over less than a day), the longest unseen and lowest first, then
 * an established one; one that has proven good or was typed by the administrator never goes for a new one, rather
 * the new one is not kept. How many entries one origin (client net) may push out in a minute is budgeted.
 *
 * Time is always an argument: milliseconds since 1970 (UTC). A clock that jumps back counts as one
 * that stands still.
 *
 * Threads: every function may be called by any thread at any time. Each shard has a leaf lock, held for
 * one entry's update (about 100 ns) and never while anything else is locked. It is a pthread mutex that looks a few
 * times before it sleeps, and no spin lock: on a machine with fewer cores than workers the holder may be preempted, and
 * spinning for it would burn the core that it needs.
 */
#ifndef SCORE_STORE_H
#define SCORE_STORE_H

#include "base/hash.h"
#include "base/ip.h"
#include "base/result.h"
#include "base/slice.h"

/* Slots whose marks are one cache line: an entry lies in one of two such buckets. */
enum { STORE_BUCKET = 64 };
/* Of so many one goes when a new entry finds no room. */
enum { STORE_NEIGHBOURS = 16 };
/* Entries that one client net may push out of a full table in a minute: a flood of invented senders
 * from one place loses its own counts, not everybody's. */
enum { STORE_EVICTIONS_PER_MINUTE = 600 };
/* Seen over at least this long an entry is established. */
enum { STORE_ESTABLISHED_S = 24 * 3600 };

struct score_store;

/* The tables and their shares of score.memory. The rest go to the marks (one byte a slot, score/slots.h). */
enum score_table_name {
	STORE_MAIN,	  /* records and counters: 60 % */
	STORE_DISTINCT,	  /* 15 % */
	STORE_USUAL,	  /* 5 % */
	STORE_KNOWN,	  /* 5 % */
	STORE_HOLDS,	  /* blocks and allowances: 1 % */
	STORE_GREYLIST,	  /* tries that wait and tries that passed: 10 % */
	STORE_IDENTITIES, /* whose tries passed: 2 % */
	STORE_TABLES
};

/* `memory` is score.memory in bytes, at least 1 MB. `key`: from the kernel, or the one of the snapshot that is
 * to be loaded. NULL when the memory cannot be reserved. */
struct score_store *score_store_new(uint64_t memory, const struct hash_key *key) MUST_USE;
void score_store_free(struct score_store **s);
struct hash_key score_store_key(const struct score_store *s);
/* With log.addresses = "hash" or "none": every entry keeps a digest instead of the key's text; those that there are get
 * one now, what a snapshot brings gets one as it is put back. Turned off, new entries keep their text again. */
void score_store_hide(struct score_store *s, bool hide);

/* --- keys --- */

/* What kind of thing a key names; the same bytes under two kinds are two keys. */
enum score_key_kind {
	SCORE_KEY_CLIENT, /* IPv4 /32, IPv6 /64 */
	SCORE_KEY_NET,
	SCORE_KEY_SENDER,
	SCORE_KEY_SENDER_DOMAIN,
	SCORE_KEY_RECIPIENT,
	SCORE_KEY_RECIPIENT_DOMAIN,
	SCORE_KEY_HELO,
	SCORE_KEY_CLIENT_NAME,
	SCORE_KEY_AUTH_USER,
	SCORE_KEY_IDENTITY,
	SCORE_KEY_LISTENER,
	SCORE_KEY_ALL,
	SCORE_KEY_KINDS
};

enum { KEY_DIGEST = 8 };
enum { SCORE_KEY_BYTES = 19 }; /* what a slot keeps of the key to be shown; the hash is its identity */

struct score_key {
	uint64_t hash;
	uint8_t kind;
	uint8_t len; /* of the whole key, 255 if longer; 0: hidden, `bytes` begins with KEY_DIGEST bytes of hash */
	char bytes[SCORE_KEY_BYTES]; /* its beginning; behind an address or net (or its digest) how many bits count */
};

/* ASCII case of `text` is folded; anything beyond 320 bytes is hashed as its first 320. */
struct score_key score_key_text(const struct score_store *s, enum score_key_kind kind, struct slice text);
/* `bits` (of 128; IPv4 96+n) are kept of the address. */
struct score_key score_key_ip(
	const struct score_store *s, enum score_key_kind kind, const struct ip *ip, unsigned bits);
/* The key for "both together". */
struct score_key score_key_pair(struct score_key a, struct score_key b);

/* --- records: points that halve every half_life_ms --- */

struct score_record {
	double points;		  /* as of now */
	uint32_t first_s, last_s; /* seconds since 1970: first and last time something was charged, or it was met */
};

/* A key without a record gives points 0 and first_s 0. */
struct score_record score_record_get(
	struct score_store *s, const struct score_key *key, uint64_t half_life_ms, uint64_t now_ms);
/* Adds points and returns the sum. `origin`: who caused it (the client's net), for the budget above.
 * A record that could not be kept returns `points`. */
double score_record_charge(struct score_store *s, const struct score_key *key, double points, uint64_t half_life_ms,
	uint64_t origin, uint64_t now_ms);
/* The key was met, with nothing to charge: from now on its record says since when (score_record.first_s), as long as
 * it is met once a week. A newcomer as any other: a flood of them pushes out newcomers, within each origin's budget. */
void score_record_touch(
	struct score_store *s, const struct score_key *key, uint64_t half_life_ms, uint64_t origin, uint64_t now_ms);
/* Forgets the record, not the counters. False: there was none. */
bool score_record_delete(struct score_store *s, const struct score_key *key);

/* --- counters: how much in the last window ---
 *
 * A window is cut into four parts; five are kept. What lies in the fifth part, the one the window's
 * far edge cuts, is taken by its share, so the count is exact but for the last quarter of the window.
 */

struct score_window {
	uint64_t id;	  /* stable hash of the counter's canonical text: survives a reload of other rules */
	uint32_t part_ms; /* a quarter of the window */
};

enum { STORE_WINDOW_PARTS = 4 };

/* Adds `amount` (saturates at 2^32-1 a part) and returns the count in the window, this included. */
uint64_t score_count_add(struct score_store *s, const struct score_key *key, const struct score_window *w,
	uint32_t amount, uint64_t origin, uint64_t now_ms);
uint64_t score_count_get(
	struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms);

/* Takes back what was added before, newest part first; never below 0. */
void score_count_sub(struct score_store *s, const struct score_key *key, const struct score_window *w, uint32_t amount,
	uint64_t now_ms);

/* --- figures --- */

struct score_store_stats {
	uint64_t slots, used, memory; /* memory: bytes reserved */
	uint64_t evicted;	      /* entries that had to go for a new one before their time was over */
	uint64_t turned_away;	      /* new entries not kept: only proven neighbours, or over the budget */
};

/* Of one table. Walks its shards: some microseconds, for the control socket. */
void score_table_stats(struct score_store *s, enum score_table_name table, struct score_store_stats *stats_r);
/* Of records and counters, STORE_MAIN. */
void score_store_stats(struct score_store *s, struct score_store_stats *stats_r);
/* "records", "distinct", "usual", "known", "blocks", "greylist", "identities": as in the metrics. */
const char *score_table_name_of(enum score_table_name table);
/* What this store mixes into the origin of a client: IPv4 /24, IPv6 /48. */
uint64_t score_origin(const struct score_store *s, const struct ip *client);

#endif
