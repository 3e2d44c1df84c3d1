#include "base/arena.h"

#include "base/mem.h"

enum { FIRST_BLOCK = 480, BIGGEST_BLOCK = 64 * 1024, ALIGN = 16 };

struct arena_block {
	struct arena_block *next;
	_Alignas(ALIGN) char data[];
};

static bool grow(struct arena *a, size_t n)
{
	size_t cap = a->blocks ? (size_t)a->cap * 2 : FIRST_BLOCK;
	if (cap > BIGGEST_BLOCK)
		cap = BIGGEST_BLOCK;
	if (cap < n)
		cap = n;
	if (cap > UINT32_MAX || (a->limit && a->total + cap > a->limit && a->total + (cap = n) > a->limit))
		return false;
	struct arena_block *b = mem_alloc(sizeof *b + cap);
	if (!b)
		return false;
	b->next = a->blocks;
	a->blocks = b;
	a->used = 0;
	a->cap = (uint32_t)cap;
	a->total += cap;
	return true;
}

void *arena_alloc(struct arena *a, size_t n)
{
	size_t need;
	if (__builtin_add_overflow(n, (size_t)ALIGN - 1, &need))
		return NULL;
	need &= ~(size_t)(ALIGN - 1);
	if ((!a->blocks || need > a->cap - a->used) && !grow(a, need))
		return NULL;
	void *p = a->blocks->data + a->used;
	a->used += (uint32_t)need;
	return memset(p, 0, n);
}

struct slice arena_copy(struct arena *a, struct slice s)
{
	char *p = s.n == SIZE_MAX ? NULL : arena_alloc(a, s.n + 1);
	if (!p)
		return slice_of(NULL, 0);
	if (s.n)
		memcpy(p, s.p, s.n);
	return slice_of(p, s.n);
}

char *arena_str(struct arena *a, struct slice s)
{
	/* arena memory is ours and writable; only the slice's view of it is const */
	union {
		const char *c;
		char *m;
	} u = { .c = arena_copy(a, s).p };
	return u.m;
}

void arena_release(struct arena *a)
{
	while (a->blocks) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		mem_free(&b);
	}
	a->used = a->cap = 0;
	a->total = 0;
}
