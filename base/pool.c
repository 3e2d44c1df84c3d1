#include "base/pool.h"

#include "base/mem.h"

#include <assert.h>
#include <sanitizer/asan_interface.h>
#include <stdbool.h>
#include <stddef.h>

enum { ALL_FREE = (1u << POOL_SLAB_BLOCKS) - 1, FIRST = MEM_HUGE - POOL_SLAB_BLOCKS * POOL_BLOCK };

/* At the front of its MEM_HUGE bytes, the blocks at their end. */
struct pool_slab {
	struct pool_slab *next, *prev; /* among the open ones */
	uint32_t free;		       /* a bit for each block */
	bool taken;		       /* from, since the last trim */
	bool small;		       /* its huge page was given up for small ones */
	bool warm;		       /* its free blocks hold memory */
};
static_assert(sizeof(struct pool_slab) <= FIRST && FIRST % 64 == 0 && POOL_BLOCK % 64 == 0, "what is where in a slab");

static char *block_at(struct pool_slab *s, unsigned i)
{
	return (char *)s + FIRST + (size_t)i * POOL_BLOCK;
}

static struct pool_slab *slab_of(void *block)
{
	return (struct pool_slab *)((char *)block - (uintptr_t)block % MEM_HUGE);
}

static void set_warm(struct pool *p, struct pool_slab *s, bool warm)
{
	p->warm_n += (uint32_t)warm - (uint32_t)s->warm;
	s->warm = warm;
}

/* ---- slabs ---- */

static void open_slab(struct pool *p, struct pool_slab *s)
{
	s->prev = NULL;
	s->next = p->open;
	if (s->next)
		s->next->prev = s;
	p->open = s;
}

static void close_slab(struct pool *p, struct pool_slab *s)
{
	*(s->prev ? &s->prev->next : &p->open) = s->next;
	if (s->next)
		s->next->prev = s->prev;
	set_warm(p, s, false);
}

static bool new_slab(struct pool *p)
{
	struct pool_slab *s = mem_huge();
	if (!s)
		return false;
	*s = (struct pool_slab){ .free = ALL_FREE };
	ASAN_POISON_MEMORY_REGION(block_at(s, 0), (size_t)POOL_SLAB_BLOCKS * POOL_BLOCK);
	open_slab(p, s);
	set_warm(p, s, true); /* a huge page is there as a whole */
	p->free_n += POOL_SLAB_BLOCKS;
	return true;
}

static void drop_slab(struct pool *p, struct pool_slab *s)
{
	close_slab(p, s);
	p->free_n -= POOL_SLAB_BLOCKS;
	ASAN_UNPOISON_MEMORY_REGION(s, MEM_HUGE); /* whoever gets these addresses next */
	mem_huge_free(&s);
}

/* It is needed again. From here on the kernel may make a huge page of it, all free blocks included: the next trims see
 * to that. */
static void warm_up(struct pool *p, struct pool_slab *s)
{
	mem_huge_wish(s, true);
	s->small = false;
	set_warm(p, s, true);
}

/* ---- blocks ---- */

void *pool_take(struct pool *p)
{
	if (!p->open && !new_slab(p))
		return NULL;
	struct pool_slab *s = p->open;
	unsigned i = (unsigned)__builtin_ctz(s->free);
	s->free &= ~(1u << i);
	s->taken = true;
	p->free_n--;
	if (s->small)
		warm_up(p, s);
	if (!s->free)
		close_slab(p, s);
	ASAN_UNPOISON_MEMORY_REGION(block_at(s, i), POOL_BLOCK);
	return block_at(s, i);
}

void pool_give(struct pool *p, void *block)
{
	struct pool_slab *s = slab_of(block);
	size_t i = (size_t)((char *)block - block_at(s, 0)) / POOL_BLOCK;
	ASAN_POISON_MEMORY_REGION(block, POOL_BLOCK);
	if (!s->free)
		open_slab(p, s);
	s->free |= 1u << i;
	p->free_n++;
	set_warm(p, s, true);
	if (s->free == ALL_FREE && p->most && p->free_n > p->most)
		drop_slab(p, s);
}

static void cool(struct pool *p, struct pool_slab *s)
{
	mem_huge_wish(s, false);
	s->small = true;
	for (unsigned i = 0; i < POOL_SLAB_BLOCKS; i++)
		if (s->free & 1u << i)
			mem_forget(block_at(s, i), POOL_BLOCK);
	set_warm(p, s, false);
}

void pool_trim(struct pool *p)
{
	for (struct pool_slab *s = p->open, *next; s; s = next) {
		next = s->next;
		if (s->taken)
			s->taken = false;
		else if (s->free == ALL_FREE)
			drop_slab(p, s);
		else if (s->warm)
			cool(p, s);
	}
}

void pool_release(struct pool *p)
{
	for (struct pool_slab *s = p->open, *next; s; s = next) {
		next = s->next;
		if (s->free == ALL_FREE)
			drop_slab(p, s);
	}
}
