#include "base/mem.h"
#include "score/slots.h"

enum { MEMORY_MIN = 1024 * 1024 };

/* Of score.memory, in per cent; the rest is for the marks. */
static const struct {
	const char *name;
	uint32_t share, slot_bytes;
} tables[STORE_TABLES] = {
	[STORE_MAIN] = { "records", 60, sizeof(struct score_slot) },
	[STORE_DISTINCT] = { "distinct", 15, sizeof(struct distinct_slot) },
	[STORE_USUAL] = { "usual", 5, sizeof(struct score_slot) },
	[STORE_KNOWN] = { "known", 5, sizeof(struct score_slot) },
	[STORE_HOLDS] = { "blocks", 1, sizeof(struct hold_slot) },
	[STORE_GREYLIST] = { "greylist", 10, sizeof(struct score_slot) },
	[STORE_IDENTITIES] = { "identities", 2, sizeof(struct score_slot) },
};

struct score_store *score_store_new(uint64_t memory, const struct hash_key *key)
{
	struct score_store *s = mem_zalloc(sizeof *s);
	if (!s)
		return NULL;
	s->key = *key;
	bool ok = true;
	for (unsigned t = 0; ok && t < STORE_TABLES; t++)
		ok = table_init(&s->tables[t], (memory < MEMORY_MIN ? MEMORY_MIN : memory) / 100 * tables[t].share,
			tables[t].slot_bytes);
	if (!ok)
		score_store_free(&s);
	return s;
}

void score_store_free(struct score_store **s)
{
	if (!*s)
		return;
	for (unsigned t = 0; t < STORE_TABLES; t++)
		table_free(&(*s)->tables[t]);
	mem_free(s);
}

struct hash_key score_store_key(const struct score_store *s)
{
	return s->key;
}

void score_store_hide(struct score_store *s, bool hide)
{
	if (atomic_exchange_explicit(&s->hide, hide, memory_order_relaxed) || !hide)
		return;
	for (unsigned t = 0; t < STORE_TABLES; t++) {
		struct slot_walk walk = { .table = &s->tables[t] };
		for (struct slot_head *e; (e = slot_walk_next(&walk));)
			slot_hide(e);
	}
}

const char *score_table_name_of(enum score_table_name table)
{
	return tables[table].name;
}

void score_table_stats(struct score_store *s, enum score_table_name table, struct score_store_stats *stats_r)
{
	struct score_table *t = &s->tables[table];
	*stats_r = (struct score_store_stats){ .memory = t->memory_bytes,
		.slots = table_shards(t) * table_shard_slots(t) };
	for (size_t i = 0; i < table_shards(t); i++) {
		struct score_shard *shard = slot_lock_nth(t, i);
		stats_r->used += shard->used;
		stats_r->evicted += shard->evicted;
		stats_r->turned_away += shard->turned_away;
		slot_unlock(shard);
	}
}

void score_store_stats(struct score_store *s, struct score_store_stats *stats_r)
{
	score_table_stats(s, STORE_MAIN, stats_r);
}
