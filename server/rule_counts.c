#include "server/rule_counts.h"

#include "base/mem.h"

#include <stdatomic.h>

/* So far apart that two of them never lie in one cache line, however the allocator has placed the object. */
enum { STRIPE = 128 };

union stripe {
	_Atomic int64_t v[RULE_COUNTS];
	char room[STRIPE];
};

struct rule_counts {
	atomic_uint refs;
	_Atomic uint64_t told_until_ms;
	union stripe stripes[RULE_COUNT_STRIPES];
};

struct rule_counts *rule_counts_new(void)
{
	struct rule_counts *c = mem_zalloc(sizeof *c);
	if (c)
		atomic_init(&c->refs, 1);
	return c;
}

struct rule_counts *rule_counts_ref(struct rule_counts *c)
{
	atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
	return c;
}

void rule_counts_unref(struct rule_counts **p)
{
	struct rule_counts *c = *p;
	*p = NULL;
	if (c && atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1)
		mem_free(&c);
}

void rule_count_add(struct rule_counts *c, unsigned worker, enum rule_count which, int64_t n)
{
	atomic_fetch_add_explicit(&c->stripes[worker % RULE_COUNT_STRIPES].v[which], n, memory_order_relaxed);
}

int64_t rule_count_sum(const struct rule_counts *c, enum rule_count which)
{
	int64_t n = 0;
	for (unsigned i = 0; i < RULE_COUNT_STRIPES; i++)
		n += atomic_load_explicit(&c->stripes[i].v[which], memory_order_relaxed);
	return n;
}

bool rule_count_may_tell(struct rule_counts *c, uint64_t now_ms)
{
	uint64_t until = atomic_load_explicit(&c->told_until_ms, memory_order_relaxed);
	return now_ms >= until && atomic_compare_exchange_strong_explicit(&c->told_until_ms, &until,
					  now_ms + RULE_TELL_EVERY_MS, memory_order_relaxed, memory_order_relaxed);
}
