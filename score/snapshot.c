#include "score/slots.h"
#include "score/snapshot_form.h"

/* What is copied under one lock: some 10 microseconds. */
enum { STRETCH = STORE_STRETCH };
_Static_assert(STRETCH + sizeof(struct snapshot_block) <= SCORE_SNAPSHOT_BLOCK_MAX, "a stretch is a block");

void score_snapshot_begin(struct score_snapshot_writer *w, struct score_store *store, uint64_t now_ms)
{
	*w = (struct score_snapshot_writer){ .store = store, .now_ms = now_ms };
}

static bool put_head(struct score_snapshot_writer *w, struct buf *out)
{
	struct snapshot_head h = { .version = SCORE_SNAPSHOT_VERSION, .written_ms = w->now_ms };
	memcpy(h.magic, SNAPSHOT_MAGIC, sizeof h.magic);
	h.k0 = w->store->key.k0, h.k1 = w->store->key.k1;
	h.crc = w->seed = snapshot_head_crc(&h);
	TRY(buf_put(out, slice_of((const char *)&h, sizeof h)));
	w->begun = true;
	return true;
}

static bool put_end(struct score_snapshot_writer *w, struct buf *out)
{
	struct snapshot_block b = { .mark = SNAPSHOT_MARK, .number = w->blocks, .table = SNAPSHOT_TABLE_END };
	b.slots_crc = w->seed; /* of nothing */
	b.crc = snapshot_block_crc(&b, w->seed);
	return buf_put(out, slice_of((const char *)&b, sizeof b));
}

/* The slots in use of a stretch, one behind the other; the shard is locked meanwhile. Returns how many. */
static size_t copy_used(struct score_table *t, size_t nth, size_t from, size_t to, char *at)
{
	size_t used = 0;
	struct score_shard *shard = slot_lock_nth(t, nth);
	for (size_t i = shard->used ? from : to; i < to; i++)
		if (slot_nth_is_used(shard, i))
			memcpy(at + used++ * t->slot_bytes, slot_nth(t, shard, i), t->slot_bytes);
	slot_unlock(shard);
	return used;
}

/* The next stretch is copied to `at`; the writer stands behind it then. Returns how many slots of it are in use. */
static size_t put_slots(struct score_snapshot_writer *w, struct score_table *t, char *at)
{
	size_t slots = table_shard_slots(t), to = w->slot + STRETCH / t->slot_bytes;
	size_t used = copy_used(t, w->shard, w->slot, to < slots ? to : slots, at);
	w->slot = to;
	if (w->slot >= slots)
		w->slot = 0, w->shard++;
	if (w->shard >= table_shards(t))
		w->shard = 0, w->table++;
	return used;
}

static bool put_stretch(struct score_snapshot_writer *w, struct buf *out)
{
	struct snapshot_block b = { .mark = SNAPSHOT_MARK, .number = w->blocks };
	struct score_table *t = &w->store->tables[w->table];
	b.table = SNAPSHOT_TABLES[w->table].id;
	b.layout = SNAPSHOT_TABLES[w->table].layout;
	b.slot_bytes = t->slot_bytes;
	TRY(buf_reserve(out, sizeof b + STRETCH));
	char *at = out->data + out->end;
	size_t used = put_slots(w, t, at + sizeof b);
	if (used == 0)
		return true;
	b.bytes = (uint32_t)(used * t->slot_bytes);
	b.slots_crc = crc32c(w->seed, slice_of(at + sizeof b, b.bytes));
	b.crc = snapshot_block_crc(&b, w->seed);
	memcpy(at, &b, sizeof b);
	buf_grew(out, sizeof b + b.bytes);
	w->blocks++;
	w->entries += used;
	return true;
}

enum score_snapshot_step score_snapshot_next(struct score_snapshot_writer *w, struct buf *out)
{
	bool last = w->begun && w->table == STORE_TABLES;
	bool ok = !w->begun ? put_head(w, out) : last ? put_end(w, out) : put_stretch(w, out);
	return !ok ? SCORE_SNAPSHOT_NO_MEMORY : last ? SCORE_SNAPSHOT_DONE : SCORE_SNAPSHOT_MORE;
}
