/* dns/cache.h - answers that are kept for a while
 *
 * One for each worker, so there is no lock. Bounded in entries and in bytes. Two lists: an answer that was asked for
 * again since it came moves from `fresh` to `used`, where three quarters may be, and the oldest of `fresh` goes first.
 * So a flood of names that are asked for once pushes out its own kind, not the lists and senders that everybody asks
 * about. Finding, keeping and pushing out take the same few steps however full it is; the hash is keyed.
 *
 * How long: what the answer says, within bounds, since its TTL is the enemy's to choose.
 *   found       5 s .. 1 h      a session and its retries see one answer; what has changed is seen within the hour
 *   negative    5 s .. 10 min   who mends his DNS is believed soon (RFC 2308 5 advises hours, for resolvers)
 *   failed      10 s            so that a dead name is not waited for by each of a hundred connections, and is asked
 *                               again before a sender's retry and a list's retest (RFC 9520 3.2: 1 s .. 5 min)
 * What we did not ask (busy, no budget, no memory) is not kept.
 *
 * Time is an argument. Thread: the owner's.
 */
#ifndef DNS_CACHE_H
#define DNS_CACHE_H

#include "dns/answer.h"

enum {
	DNS_KEEP_FOUND_MIN_S = 5,
	DNS_KEEP_FOUND_MAX_S = 3600,
	DNS_KEEP_NEGATIVE_MIN_S = 5,
	DNS_KEEP_NEGATIVE_MAX_S = 600,
	DNS_KEEP_FAILED_S = 10,
	DNS_CACHE_ENTRY_BYTES = 512 /* what an entry may take on the average: the bound in bytes */
};

struct dns_cache;

/* `entries` at most; 0: nothing is kept. NULL: no memory. */
struct dns_cache *dns_cache_new(size_t entries) MUST_USE;
void dns_cache_free(struct dns_cache **c);

/* What came before `since_ms` is not taken. The records lie in the cache: until the next call of put or get. */
bool dns_cache_get(struct dns_cache *c, const struct dns_question *q, uint64_t since_ms, uint64_t now_ms,
	struct dns_answer *answer_r) MUST_USE;
/* Replaces what was known. Without memory nothing is kept. */
void dns_cache_put(struct dns_cache *c, const struct dns_question *q, const struct dns_answer *answer, uint64_t now_ms);

size_t dns_cache_entries(const struct dns_cache *c);
size_t dns_cache_bytes(const struct dns_cache *c);

/* How long an answer is kept; 0: it is not. */
uint64_t dns_cache_keep_ms(const struct dns_answer *answer);

#endif
