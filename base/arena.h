/* base/arena.h - memory that is dropped whole
 *
 * What belongs to one scope (a mail, a settings file) is allocated here and freed together. Blocks
 * grow geometrically; the total is bounded, so that no client can make a scope grow without limit.
 * Zero-initialise, or set `limit` (bytes, 0 = none) before the first use.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/slice.h"

struct arena_block;
struct arena {
	struct arena_block *blocks;
	uint32_t used, cap; /* of the newest block */
	size_t total, limit;
};

/* Zeroed memory aligned for any type; NULL when memory or the limit is out. */
void *arena_alloc(struct arena *a, size_t n) __attribute__((warn_unused_result));
/* A copy with a NUL behind it. On failure p is NULL. */
struct slice arena_copy(struct arena *a, struct slice s) __attribute__((warn_unused_result));
char *arena_str(struct arena *a, struct slice s) __attribute__((warn_unused_result));
void arena_release(struct arena *a);

#endif
