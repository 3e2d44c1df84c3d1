#include "score/known.h"

#include "score/slots.h"

/* Unseen for about this long (a power of two seconds is taken, 388 days) a client is a stranger again. */
#define KNOWN_LIFE_MS ((uint64_t)300 * 86400 * 1000)

static void tell(const struct score_slot *e, const struct score_known_limits *limits, struct score_known *known_r)
{
	uint32_t accepted = e->u.known.accepted, refused = e->u.known.refused;
	*known_r = (struct score_known){ accepted, refused, e->head.first_s, e->head.last_s, false };
	known_r->good = accepted > 0 && accepted >= limits->messages &&
			(uint64_t)(e->head.last_s - e->head.first_s) * 1000 >= limits->over_ms &&
			refused <= limits->refused_share * ((double)accepted + refused);
}

/* The mark keeps it from going for a new one. */
static bool judge(struct score_slot *e, const struct score_known_limits *limits)
{
	struct score_known known;
	tell(e, limits, &known);
	e->head.flags = known.good ? SLOT_PROVEN : 0;
	return known.good;
}

bool score_known_accepted(struct score_store *s, const struct score_key *key, const struct score_known_limits *limits,
	uint64_t origin, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_KNOWN];
	uint64_t tag = slot_tag(key->hash, KNOWN_PURPOSE);
	struct slot_wanted w = { tag, origin, key, SLOT_KNOWN, KNOWN_LIFE_MS, now_ms, false };
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_make(s, t, shard, &w);
	bool good = false;
	if (e) {
		e->u.known.accepted += e->u.known.accepted < UINT32_MAX;
		e->u.known.spared_s = 0;
		good = judge(e, limits);
	}
	slot_unlock(shard);
	return good;
}

bool score_known_refused(struct score_store *s, const struct score_key *key, const struct score_known_limits *limits)
{
	struct score_table *t = &s->tables[STORE_KNOWN];
	uint64_t tag = slot_tag(key->hash, KNOWN_PURPOSE);
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_find(t, shard, tag);
	bool good = false;
	if (e) {
		e->u.known.refused += e->u.known.refused < UINT32_MAX;
		good = judge(e, limits);
	}
	slot_unlock(shard);
	return good;
}

/* Since when nothing was accepted while it was spared. A clock that jumps back stands still. */
static bool patience_is_over(struct score_slot *e, const struct score_known_limits *limits, uint32_t now_s)
{
	uint64_t patience_s = limits->over_ms / 1000;
	if (patience_s < KNOWN_PATIENCE_S)
		patience_s = KNOWN_PATIENCE_S;
	if (!e->u.known.spared_s)
		e->u.known.spared_s = now_s;
	return now_s > e->u.known.spared_s && now_s - e->u.known.spared_s >= patience_s;
}

bool score_known_spared(
	struct score_store *s, const struct score_key *key, const struct score_known_limits *limits, uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_KNOWN];
	uint64_t tag = slot_tag(key->hash, KNOWN_PURPOSE);
	struct score_shard *shard = slot_lock(t, tag);
	struct score_slot *e = slot_find(t, shard, tag);
	bool over = e && patience_is_over(e, limits, (uint32_t)(now_ms / 1000));
	bool good = e && !over && judge(e, limits);
	slot_unlock(shard);
	if (over)
		(void)score_known_delete(s, key);
	return good;
}

void score_known_get(struct score_store *s, const struct score_key *key, const struct score_known_limits *limits,
	struct score_known *known_r)
{
	struct score_table *t = &s->tables[STORE_KNOWN];
	uint64_t tag = slot_tag(key->hash, KNOWN_PURPOSE);
	struct score_shard *shard = slot_lock(t, tag);
	const struct score_slot *e = slot_find(t, shard, tag);
	*known_r = (struct score_known){ 0 };
	if (e)
		tell(e, limits, known_r);
	slot_unlock(shard);
}

bool score_known_delete(struct score_store *s, const struct score_key *key)
{
	return slot_delete(&s->tables[STORE_KNOWN], slot_tag(key->hash, KNOWN_PURPOSE));
}
