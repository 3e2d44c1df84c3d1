#include "score/distinct.h"

#include "score/cells.h"
#include "score/slots.h"

enum { TICKS = 64 };

static uint64_t tick_ms(const struct score_window *w)
{
	uint64_t ms = (uint64_t)w->part_ms * STORE_WINDOW_PARTS / TICKS;
	return ms ? ms : 1;
}

/* --- one by one --- */

/* Drops what has left the window. */
static void exact_turn(struct distinct_slot *e, uint32_t tick)
{
	for (unsigned i = 0; i < e->n;) {
		if ((int32_t)(tick - e->u.exact.tick[i]) < TICKS) {
			i++;
			continue;
		}
		unsigned last = --e->n;
		e->u.exact.low[i] = e->u.exact.low[last];
		e->u.exact.high[i] = e->u.exact.high[last];
		e->u.exact.tick[i] = e->u.exact.tick[last];
	}
}

/* False: it is new, and there is no room for it. */
static bool exact_add(struct distinct_slot *e, uint64_t hash, uint32_t tick)
{
	uint32_t low = (uint32_t)hash;
	uint16_t high = (uint16_t)(hash >> 32);
	unsigned i = 0;
	while (i < e->n && (e->u.exact.low[i] != low || e->u.exact.high[i] != high))
		i++;
	if (i == DISTINCT_EXACT)
		return false;
	e->n = (uint16_t)(i == e->n ? i + 1 : e->n);
	e->u.exact.low[i] = low, e->u.exact.high[i] = high, e->u.exact.tick[i] = tick;
	return true;
}

/* --- cells --- */

/* Cells are picked by the 48 bits of hash that the exact form keeps. */
static uint64_t picked_by(uint32_t low, uint16_t high)
{
	return slot_tag((uint64_t)high << 32 | low, 0);
}

static void become_sketch(struct distinct_slot *e, uint64_t tick)
{
	uint8_t cells[DISTINCT_BYTES] = { 0 };
	for (unsigned i = 0; i < e->n; i++) {
		uint64_t seen = tick - (uint32_t)((uint32_t)tick - e->u.exact.tick[i]);
		cells_set(cells, picked_by(e->u.exact.low[i], e->u.exact.high[i]),
			seen / TICKS == tick / TICKS ? CELL_NOW : CELL_BEFORE);
	}
	memcpy(e->u.cells, cells, sizeof cells);
	e->n = DISTINCT_IS_SKETCH;
	e->epoch = (uint32_t)(tick / TICKS);
}

static void sketch_turn(struct distinct_slot *e, uint32_t epoch)
{
	int32_t by = (int32_t)(epoch - e->epoch);
	if (by <= 0)
		return; /* the same part, or a clock that jumped back */
	if (by > 1 || !cells_age(e->u.cells)) {
		memset(&e->u, 0, sizeof e->u);
		e->n = 0;
	}
	e->epoch = epoch;
}

static void turn(struct distinct_slot *e, uint64_t tick)
{
	if (e->n == DISTINCT_IS_SKETCH)
		sketch_turn(e, (uint32_t)(tick / TICKS));
	if (e->n != DISTINCT_IS_SKETCH)
		exact_turn(e, (uint32_t)tick);
}

/* --- both --- */

void score_distinct_add(struct score_store *s, const struct score_key *key, const struct score_window *w,
	const struct score_key *value, uint64_t origin, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_DISTINCT];
	uint64_t tick = now_ms / tick_ms(w), hash = slot_tag(value->hash, key->hash);
	struct slot_wanted wanted = { slot_tag(key->hash, w->id), origin, key, SLOT_DISTINCT,
		(uint64_t)w->part_ms * STORE_WINDOW_PARTS * 2, now_ms, false };
	struct score_shard *shard = slot_lock(t, wanted.tag);
	struct distinct_slot *e = slot_make(s, t, shard, &wanted);
	if (e) {
		turn(e, tick);
		if (e->n != DISTINCT_IS_SKETCH && !exact_add(e, hash, (uint32_t)tick))
			become_sketch(e, tick);
		if (e->n == DISTINCT_IS_SKETCH)
			cells_set(e->u.cells, picked_by((uint32_t)hash, (uint16_t)(hash >> 32)), CELL_NOW);
	}
	slot_unlock(shard);
}

/* What was only in the part before counts by the share of it that the window still covers. */
static double sketch_value(const struct cells_count *set, double covered)
{
	double now = cells_estimate(set->now), all = cells_estimate(set->all);
	return all > now ? now + covered * (all - now) : now;
}

double score_distinct_get(
	struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_DISTINCT];
	uint64_t tag = slot_tag(key->hash, w->id), tick = now_ms / tick_ms(w);
	struct cells_count set = { 0 };
	unsigned n = 0;
	struct score_shard *shard = slot_lock(t, tag);
	struct distinct_slot *e = slot_find(t, shard, tag);
	if (e) {
		turn(e, tick); /* loses nothing that a clock that jumps back would want again */
		n = e->n;
		if (n == DISTINCT_IS_SKETCH)
			cells_count(e->u.cells, &set);
	}
	slot_unlock(shard);
	if (n != DISTINCT_IS_SKETCH)
		return n;
	return sketch_value(&set, 1 - (double)(tick % TICKS) / TICKS);
}
