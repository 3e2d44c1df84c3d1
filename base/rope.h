/* base/rope.h - many bytes in a few blocks of memory: grows without moving what it holds
 *
 * Each thread has a pool of blocks (base/pool.h). It reads what comes off the network into one of them; a rope that is
 * given most of what was read there takes the whole block over instead of copying it, and the thread reads into another
 * one next. Less than that is copied, into blocks of its own that double from ROPE_LEAST on, so that a small mail costs
 * little.
 *
 *     char *to = rope_reading(stock);                   NULL: no memory
 *     read(fd, to, ROPE_BLOCK); ...
 *     rope_put(&rope, stock, slice_of(to + 100, n));    taken over or copied
 *     for (b = rope.first; b; b = b->next) ... b->bytes ...
 *     rope_clear(&rope, stock);
 *
 * Zero-initialised both are empty and own nothing. Threads: a stock, and the ropes that it feeds, belong to one thread.
 */
#ifndef BASE_ROPE_H
#define BASE_ROPE_H

#include "base/pool.h"
#include "base/slice.h"

enum {
	ROPE_BLOCK =
		POOL_BLOCK - 64, /* bytes that are read at once at most: the 64 KB that a peer's window often is,
				    and some more, so that the read which empties the socket is short and the last */
	ROPE_LEAST = 4096	 /* of memory, for the first small piece */
};

/* One piece of a rope. Whoever has one piece of memory and needs a rope for its reader makes a block of his own of it:
 * { .bytes = s }. */
struct rope_block {
	struct rope_block *next;
	struct slice bytes;	 /* what it holds; usually within its own memory */
	uint32_t cap;		 /* bytes of its own memory, which is behind this struct */
	bool in_rope, read_into; /* who still needs it */
};

struct rope_stock {
	struct rope_block *reading; /* NULL: none yet */
	struct pool pool;
};

struct rope {
	struct rope_block *first, *last;
	uint64_t n;	 /* bytes held */
	uint64_t memory; /* bytes of memory owned */
	uint64_t copies; /* of those, the blocks for copies behind the last one that was taken over */
	uint32_t room;	 /* for copies, behind the last piece */
};

/* Where the thread reads into next, ROPE_BLOCK bytes; what was read there before is gone unless a rope took it. NULL:
 * no memory. */
char *rope_reading(struct rope_stock *k) __attribute__((warn_unused_result));
/* Gives back all that is in no rope. */
void rope_stock_release(struct rope_stock *k);

/* Bytes of memory by which rope_put() of s would make the rope grow. */
size_t rope_cost(const struct rope *r, const struct rope_stock *k, struct slice s);
/* False: no memory; the rope is as it was. */
bool rope_put(struct rope *r, struct rope_stock *k, struct slice s) __attribute__((warn_unused_result));
void rope_clear(struct rope *r, struct rope_stock *k);

/* Copies up to n bytes from `at` on; how many there were. */
size_t rope_copy(const struct rope_block *first, uint64_t at, char *out, size_t n);
/* All bytes of a chain of blocks. */
uint64_t rope_size(const struct rope_block *first);

#endif
