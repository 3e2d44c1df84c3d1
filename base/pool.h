/* base/pool.h - blocks of POOL_BLOCK bytes for large bodies, cut from huge pages
 *
 * Who streams through many MB in pages of 4 KB makes the processor look up each of them, in a virtual machine twice
 * over: about a tenth of all that a mail of 1 MB costs. So a pool takes its memory in slabs of MEM_HUGE bytes, wishes
 * for a huge page for each (where the kernel has none it works all the same), and cuts it into POOL_SLAB_BLOCKS.
 *
 * Free blocks stay warm for a second or two, for the next mail. Then pool_trim() gives a slab that is all free back to
 * the kernel, and of others the memory of what is free in them: a slow body that needs one block keeps no slab.
 *
 * Zero-initialised a pool is empty and owns nothing. Threads: a pool, and its blocks, belong to one thread.
 */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include <stdint.h>

enum {
	POOL_BLOCK = 68 * 1024 + 64, /* bytes; aligned to 64 */
	POOL_SLAB_BLOCKS = 30
};

struct pool {
	struct pool_slab *open; /* those with a free block; the first one is taken from */
	uint32_t free_n;	/* free blocks */
	uint32_t warm_n;	/* slabs whose free blocks hold memory: as long as there are any, trim */
	uint32_t most;		/* of free blocks, beyond which a slab that is all free goes at once; 0: no bound */
};

/* What is in it is undefined. NULL: no memory. */
void *pool_take(struct pool *p) __attribute__((warn_unused_result));
void pool_give(struct pool *p, void *block);
/* Once a second. */
void pool_trim(struct pool *p);
/* Gives back every slab that is all free. */
void pool_release(struct pool *p);

#endif
