#include "score/slots.h"

/* Moves the parts so that part[0] is that of `now_ms`. */
static void turn(struct score_slot *e, const struct score_window *w, uint64_t now_ms)
{
	uint32_t epoch = (uint32_t)(now_ms / w->part_ms), by = epoch - e->u.window.epoch;
	uint32_t *part = e->u.window.part;
	bool fresh = !(part[0] | part[1] | part[2] | part[3] | part[4]);
	if ((int32_t)by <= 0 && !fresh)
		return; /* the same part, or a clock that jumped back */
	for (unsigned i = SLOT_PARTS; i-- > 0;)
		part[i] = i >= by ? part[i - by] : 0;
	e->u.window.epoch = epoch;
}

/* After turn(): of the part that the window's far edge cuts, only its share counts. */
static uint64_t sum(const struct score_slot *e, const struct score_window *w, uint64_t now_ms)
{
	uint64_t n = 0, gone_ms = now_ms % w->part_ms;
	for (unsigned i = 0; i < STORE_WINDOW_PARTS; i++)
		n += e->u.window.part[i];
	if (e->u.window.part[STORE_WINDOW_PARTS] == 0)
		return n;
	if ((uint32_t)(now_ms / w->part_ms) != e->u.window.epoch)
		gone_ms = 0; /* the clock jumped back: it stands still at the part's beginning */
	uint64_t edge = (uint64_t)e->u.window.part[STORE_WINDOW_PARTS] * (w->part_ms - gone_ms);
	return n + (edge + w->part_ms / 2) / w->part_ms;
}

uint64_t score_count_add(struct score_store *s, const struct score_key *key, const struct score_window *w,
	uint32_t amount, uint64_t origin, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_MAIN];
	uint64_t tag = slot_tag(key->hash, w->id), n = amount;
	struct slot_wanted wanted = { tag, origin, key, SLOT_WINDOW, (uint64_t)w->part_ms * SLOT_PARTS, now_ms, false };
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_make(s, t, shard, &wanted);
	if (e) {
		turn(e, w, now_ms);
		uint32_t *part = &e->u.window.part[0];
		*part = amount > UINT32_MAX - *part ? UINT32_MAX : *part + amount;
		n = sum(e, w, now_ms);
	}
	slot_unlock(shard);
	return n;
}

uint64_t score_count_get(
	struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_MAIN];
	uint64_t tag = slot_tag(key->hash, w->id), n = 0;
	struct score_shard *shard = slot_lock(t, tag);
	const struct score_slot *e = slot_find(t, shard, tag);
	if (e) {
		struct score_slot copy = *e;
		turn(&copy, w, now_ms);
		n = sum(&copy, w, now_ms);
	}
	slot_unlock(shard);
	return n;
}

void score_count_sub(struct score_store *s, const struct score_key *key, const struct score_window *w, uint32_t amount,
	uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_MAIN];
	uint64_t tag = slot_tag(key->hash, w->id);
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_find(t, shard, tag);
	if (e) {
		turn(e, w, now_ms);
		for (unsigned i = 0; i < SLOT_PARTS && amount; i++) {
			uint32_t *part = &e->u.window.part[i];
			uint32_t take = amount < *part ? amount : *part;
			*part -= take, amount -= take;
		}
	}
	slot_unlock(shard);
}
