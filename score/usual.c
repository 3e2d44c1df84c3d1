#include "score/usual.h"

#include <math.h>

#include "score/slots.h"

/* A key unseen for so long begins anew: little of its mean is left (7 time constants are 1 in 1,000). */
#define USUAL_LIFE_MS ((uint64_t)7 * USUAL_TIME_S * 1000)

static uint64_t window_ms(const struct score_window *w)
{
	return (uint64_t)w->part_ms * STORE_WINDOW_PARTS;
}

/* What is left of a mean after so many windows. */
static double fading(const struct score_window *w, double windows)
{
	return exp(-windows * (double)window_ms(w) / (USUAL_TIME_S * 1000.0));
}

/* Moves on to the window of `now_ms`: the ones that are over enter the mean, empty ones as nothing. */
static void turn(struct score_slot *e, const struct score_window *w, uint64_t now_ms)
{
	uint32_t epoch = (uint32_t)(now_ms / window_ms(w)), by = epoch - e->u.usual.epoch;
	if ((int32_t)by <= 0)
		return; /* the same window, or a clock that jumped back */
	double n = e->u.usual.now, left = fading(w, by), fresh = left * (1 - fading(w, 1)) / fading(w, 1);
	e->u.usual.sum = (float)(e->u.usual.sum * left + n * fresh);
	e->u.usual.squares = (float)(e->u.usual.squares * left + n * n * fresh);
	e->u.usual.windows += e->u.usual.now > 0 && e->u.usual.windows < UINT32_MAX;
	e->u.usual.before = by == 1 ? e->u.usual.now : 0;
	e->u.usual.now = 0;
	e->u.usual.epoch = epoch;
}

static struct score_slot *lock_entry(struct score_store *s, const struct score_key *key, const struct score_window *w,
	struct score_shard **shard_r)
{
	uint64_t tag = slot_tag(key->hash, w->id);
	*shard_r = slot_lock(&s->tables[STORE_USUAL], tag);
	return slot_find(&s->tables[STORE_USUAL], *shard_r, tag);
}

void score_usual_add(struct score_store *s, const struct score_key *key, const struct score_window *w, uint32_t amount,
	uint64_t origin, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_USUAL];
	uint64_t tag = slot_tag(key->hash, w->id);
	struct slot_wanted wanted = { tag, origin, key, SLOT_USUAL, USUAL_LIFE_MS, now_ms, false };
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_make(s, t, shard, &wanted);
	if (e) {
		if (e->u.usual.epoch == 0) /* new */
			e->u.usual.epoch = (uint32_t)(now_ms / window_ms(w));
		turn(e, w, now_ms);
		e->u.usual.now = amount > UINT32_MAX - e->u.usual.now ? UINT32_MAX : e->u.usual.now + amount;
	}
	slot_unlock(shard);
}

void score_usual_sub(struct score_store *s, const struct score_key *key, const struct score_window *w, uint32_t amount,
	uint64_t now_ms)
{
	struct score_shard *shard;
	struct score_slot *e = lock_entry(s, key, w, &shard);
	if (e) {
		turn(e, w, now_ms);
		e->u.usual.now -= amount < e->u.usual.now ? amount : e->u.usual.now;
	}
	slot_unlock(shard);
}

/* After turn(). The sums began at nothing: they are brought up to the weight that their windows have had. */
static void judge(const struct score_slot *e, const struct score_window *w, uint64_t now_ms, struct score_usual *u)
{
	uint64_t now_s = now_ms / 1000, age_s = now_s > e->head.first_s ? now_s - e->head.first_s : 0;
	uint32_t epoch = (uint32_t)(now_ms / window_ms(w));
	uint32_t first = (uint32_t)((uint64_t)e->head.first_s * 1000 / window_ms(w));
	double weight = 1 - fading(w, e->u.usual.epoch > first ? e->u.usual.epoch - first : 0);
	double gone = epoch == e->u.usual.epoch ? (double)(now_ms % window_ms(w)) / (double)window_ms(w) : 0;
	u->first_s = e->head.first_s;
	u->windows = e->u.usual.windows;
	u->rate = e->u.usual.now + e->u.usual.before * (1 - gone);
	if (weight > 0) {
		u->mean = e->u.usual.sum / weight;
		double variance = e->u.usual.squares / weight - u->mean * u->mean;
		u->deviation = variance > 0 ? sqrt(variance) : 0;
	}
	double usual = u->mean + 2 * u->deviation;
	if (age_s >= USUAL_AGE_S && u->windows >= USUAL_WINDOWS)
		u->spike = u->rate / (usual > USUAL_FLOOR ? usual : USUAL_FLOOR);
}

void score_usual_get(struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms,
	struct score_usual *usual_r)
{
	struct score_shard *shard;
	const struct score_slot *e = lock_entry(s, key, w, &shard);
	*usual_r = (struct score_usual){ .spike = 1 };
	if (e) {
		struct score_slot copy = *e;
		turn(&copy, w, now_ms);
		judge(&copy, w, now_ms, usual_r);
	}
	slot_unlock(shard);
}

double score_spike(struct score_store *s, const struct score_key *key, const struct score_window *w, uint64_t now_ms)
{
	struct score_usual u;
	score_usual_get(s, key, w, now_ms, &u);
	return u.spike;
}
