/* base/hash.h - keyed hashing
 *
 * SipHash-1-3 (Aumasson, Bernstein: "SipHash: a fast short-input PRF", 2012; the 1-3 rounds are what
 * Rust and Python use for tables). Keyed with kernel randomness, so that no client can choose keys
 * that fall into one bucket.
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include "base/slice.h"

struct hash_key {
	uint64_t k0, k1;
};

uint64_t hash_bytes(const struct hash_key *key, struct slice bytes);

/* Fills from getrandom(2); the server cannot start without it, so failure ends the process. */
void rand_bytes(void *p, size_t n);
struct hash_key hash_key_random(void);

#endif
