/* relay/rcpt_cache.h - what backends have said of recipients, for a while, shared by all workers
 *
 * The key is the group of backends (relay.groups; what one says is no other's word) and the address with its domain
 * folded to lower case; the local part counts exactly as given,
 * since only the backend knows what it means (RFC 5321 2.4). Kept of it is a 128-bit keyed hash: entries have one
 * size, and nobody outside can make two addresses meet.
 * Memory: fixed at the start, RELAY_RCPT_CACHE_SLOT bytes an entry. Entries live in sets of eight neighbours; when a
 * set is full the first of these goes: what has expired, the oldest BAD, the oldest OK, the oldest SUSPECT. So a
 * harvester's flood of unknown addresses pushes out its own kind and not the good ones.
 * Addresses above RELAY_RCPT_CACHE_ADDRESS bytes, or without '@', are never kept.
 * Times are milliseconds of one monotonic clock, given by the caller.
 * Threads: every function from any thread. Locks: one for each stripe of sets, leaves.
 */
#ifndef RELAY_RCPT_CACHE_H
#define RELAY_RCPT_CACHE_H

#include "base/result.h"
#include "base/slice.h"

enum {
	RELAY_RCPT_CACHE_ADDRESS = 320, /* 64 + '@' + 255, RFC 5321 4.5.3.1 */
	RELAY_RCPT_CACHE_TEXT = 208,	/* of a refusal; what is longer is cut */
	RELAY_RCPT_CACHE_SLOT = 256	/* bytes */
};

enum relay_rcpt_state {
	RELAY_RCPT_UNKNOWN, /* nothing is known, or no longer */
	RELAY_RCPT_OK,
	RELAY_RCPT_BAD,
	RELAY_RCPT_SUSPECT /* a delivery contradicted what was known: ask, even where relay.recipients says "none" */
};

struct relay_rcpt_known {
	enum relay_rcpt_state state;
	uint16_t code;	 /* BAD: as the backend said it */
	uint16_t text_n; /* BAD: its words, with the enhanced code */
	char text[RELAY_RCPT_CACHE_TEXT];
};

struct relay_rcpt_counters {
	uint64_t hits, misses; /* of get */
	uint64_t entries;      /* in use, expired ones that nobody has met since included */
	uint64_t evicted;      /* that went before their time */
};

struct relay_rcpt_cache;

/* Room for at least `entries` (1 or more). NULL: no memory. */
struct relay_rcpt_cache *relay_rcpt_cache_new(size_t entries) MUST_USE;
void relay_rcpt_cache_free(struct relay_rcpt_cache **c);

/* Copies out what is known; the state is returned as well. */
enum relay_rcpt_state relay_rcpt_cache_get(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt,
	uint64_t now_ms, struct relay_rcpt_known *known_r);
/* The last word counts: each replaces what was known. until_ms is the first moment at which it is forgotten. */
void relay_rcpt_cache_put_ok(
	struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, uint64_t now_ms, uint64_t until_ms);
void relay_rcpt_cache_put_bad(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, unsigned code,
	struct slice text, uint64_t now_ms, uint64_t until_ms);
void relay_rcpt_cache_put_suspect(
	struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, uint64_t now_ms, uint64_t until_ms);
/* True when something was known, expired or not. */
bool relay_rcpt_cache_forget(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt);
struct relay_rcpt_counters relay_rcpt_cache_counters(struct relay_rcpt_cache *c);

#endif
