#include "base/rope.h"

#include "base/mem.h"

#include <assert.h>
#include <string.h>

/* ---- blocks ---- */

static char *memory_of(struct rope_block *b)
{
	return (char *)(b + 1);
}

static size_t memory_used(const struct rope_block *b)
{
	return sizeof *b + b->cap;
}

/* Of the bytes of the pool's blocks, those behind the struct. */
static_assert(POOL_BLOCK >= ROPE_BLOCK + sizeof(struct rope_block), "what is read at once fits");

/* `memory`: with the struct. */
static struct rope_block *block_new(struct rope_stock *k, size_t memory)
{
	struct rope_block *b = memory == POOL_BLOCK ? pool_take(&k->pool) : mem_alloc(memory);
	if (b)
		*b = (struct rope_block){ .cap = (uint32_t)(memory - sizeof *b) };
	return b;
}

static void give_back(struct rope_stock *k, struct rope_block *b)
{
	if (b->in_rope || b->read_into)
		return;
	if (memory_used(b) == POOL_BLOCK)
		pool_give(&k->pool, b);
	else
		mem_free(&b);
}

/* ---- the stock ---- */

char *rope_reading(struct rope_stock *k)
{
	struct rope_block *b = k->reading;
	if (b && !b->in_rope)
		return memory_of(b);
	struct rope_block *fresh = block_new(k, POOL_BLOCK);
	if (!fresh)
		return NULL;
	if (b)
		b->read_into = false; /* its rope has it alone now */
	fresh->read_into = true;
	k->reading = fresh;
	return memory_of(fresh);
}

void rope_stock_release(struct rope_stock *k)
{
	if (k->reading) {
		k->reading->read_into = false;
		give_back(k, k->reading);
	}
	k->reading = NULL;
	pool_release(&k->pool);
}

/* ---- the rope ---- */

/* More than half of a block: so no block is taken over twice, and no rope owns much more than it holds. */
static bool can_take(const struct rope_stock *k, struct slice s)
{
	const struct rope_block *b = k->reading;
	const char *from = b ? (const char *)(b + 1) : NULL;
	return s.n > ROPE_BLOCK / 2 && b && !b->in_rope && s.p >= from && s.p < from + ROPE_BLOCK;
}

/* Of the next block for copies that begins with n bytes: what the rope owns for them doubles, up to a whole block. It
 * begins anew behind a block that was taken over: what comes then is usually but the end of what was read with it. */
static size_t next_memory(const struct rope *r, size_t n)
{
	size_t memory = r->copies < ROPE_LEAST ? ROPE_LEAST : POOL_BLOCK;
	if (r->copies >= ROPE_LEAST && r->copies < POOL_BLOCK)
		memory = (size_t)r->copies;
	while (memory < n + sizeof(struct rope_block))
		memory *= 2;
	return memory >= ROPE_BLOCK && n <= ROPE_BLOCK ? (size_t)POOL_BLOCK : memory;
}

size_t rope_cost(const struct rope *r, const struct rope_stock *k, struct slice s)
{
	if (can_take(k, s))
		return memory_used(k->reading);
	return s.n > r->room ? next_memory(r, s.n - r->room) : 0;
}

static void append(struct rope *r, struct rope_block *b)
{
	*(r->last ? &r->last->next : &r->first) = b;
	b->next = NULL; /* one that is read into may have been in another rope */
	r->last = b;
	r->memory += memory_used(b);
	b->in_rope = true;
}

static void take(struct rope *r, struct rope_block *b, struct slice s)
{
	append(r, b);
	b->bytes = s;
	r->copies = 0;
	r->room = 0; /* what is around s is not ours to write to: it may not have been looked at yet */
	r->n += s.n;
}

/* Into the room behind the last piece. */
static void copy(struct rope *r, struct slice s)
{
	struct rope_block *b = r->last;
	if (!s.n)
		return;
	memcpy(memory_of(b) + b->cap - r->room, s.p, s.n);
	b->bytes.n += s.n;
	r->room -= (uint32_t)s.n;
	r->n += s.n;
}

bool rope_put(struct rope *r, struct rope_stock *k, struct slice s)
{
	if (can_take(k, s)) {
		take(r, k->reading, s);
		return true;
	}
	struct slice fits = slice_of(s.p, s.n < r->room ? s.n : r->room), rest = slice_skip(s, fits.n);
	struct rope_block *b = NULL;
	if (rest.n) {
		size_t memory = next_memory(r, rest.n);
		b = block_new(k, memory);
		if (!b)
			return false;
	}
	copy(r, fits);
	if (b) {
		append(r, b);
		b->bytes = slice_of(memory_of(b), 0);
		r->copies += memory_used(b);
		r->room = b->cap;
		copy(r, rest);
	}
	return true;
}

void rope_clear(struct rope *r, struct rope_stock *k)
{
	for (struct rope_block *b = r->first, *next; b; b = next) {
		next = b->next;
		b->in_rope = false;
		give_back(k, b);
	}
	*r = (struct rope){ 0 };
}

size_t rope_copy(const struct rope_block *first, uint64_t at, char *out, size_t n)
{
	size_t done = 0;
	for (const struct rope_block *b = first; b && done < n; b = b->next) {
		if (at < b->bytes.n) {
			struct slice from = slice_skip(b->bytes, (size_t)at);
			size_t here = from.n < n - done ? from.n : n - done;
			memcpy(out + done, from.p, here);
			done += here;
			at = 0;
		} else {
			at -= b->bytes.n;
		}
	}
	return done;
}

uint64_t rope_size(const struct rope_block *first)
{
	uint64_t n = 0;
	for (const struct rope_block *b = first; b; b = b->next)
		n += b->bytes.n;
	return n;
}
