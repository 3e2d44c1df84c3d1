#include <math.h>

#include "score/slots.h"

/* After so many half-lives a thousand points are less than one in ten. A week is remembered anyway. */
enum { HALF_LIVES = 14, WEEK_S = 7 * 86400 };

double slot_points(const struct score_slot *e, uint64_t half_life_ms, uint64_t now_ms)
{
	if (now_ms <= e->u.record.at_ms || half_life_ms == 0)
		return e->u.record.points;
	double halves = (double)(now_ms - e->u.record.at_ms) / (double)half_life_ms;
	return e->u.record.points * exp2(-halves);
}

struct score_record score_record_get(
	struct score_store *s, const struct score_key *key, uint64_t half_life_ms, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_MAIN];
	uint64_t tag = slot_tag(key->hash, RECORD_PURPOSE);
	struct score_shard *shard = slot_lock(t, tag);
	const struct score_slot *e = slot_find(t, shard, tag);
	struct score_record r = { 0 };
	if (e)
		r = (struct score_record){ slot_points(e, half_life_ms, now_ms), e->head.first_s, e->head.last_s };
	slot_unlock(shard);
	return r;
}

double score_record_charge(struct score_store *s, const struct score_key *key, double points, uint64_t half_life_ms,
	uint64_t origin, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_MAIN];
	uint64_t tag = slot_tag(key->hash, RECORD_PURPOSE), life = half_life_ms * HALF_LIVES;
	struct slot_wanted w = { tag, origin, key, SLOT_RECORD, life > WEEK_S * 1000u ? life : WEEK_S * 1000u, now_ms,
		false };
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_make(s, t, shard, &w);
	if (e) {
		points += slot_points(e, half_life_ms, now_ms);
		e->u.record.points = points;
		if (now_ms > e->u.record.at_ms)
			e->u.record.at_ms = now_ms;
	}
	slot_unlock(shard);
	return points;
}

void score_record_touch(
	struct score_store *s, const struct score_key *key, uint64_t half_life_ms, uint64_t origin, uint64_t now_ms)
{
	(void)score_record_charge(s, key, 0, half_life_ms, origin, now_ms);
}

bool score_record_delete(struct score_store *s, const struct score_key *key)
{
	return slot_delete(&s->tables[STORE_MAIN], slot_tag(key->hash, RECORD_PURPOSE));
}
