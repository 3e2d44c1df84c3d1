#include "score/slots.h"

static void put_text(char *to, uint8_t *len, size_t max, const char *text)
{
	*len = (uint8_t)strnlen(text, max);
	memcpy(to, text, *len);
}

static void fill_in(struct hold_slot *e, const struct score_hold *h, uint32_t until_s, uint32_t now_s)
{
	e->head.first_s = now_s;
	e->head.flags = h->kind == SCORE_HOLD_AUTO ? 0 : SLOT_PROVEN;
	e->until_s = until_s;
	e->hold = (uint8_t)h->kind;
	memset(e->by, 0, sizeof e->by);
	memset(e->reason, 0, sizeof e->reason);
	put_text(e->by, &e->by_len, sizeof e->by, h->by);
	put_text(e->reason, &e->reason_len, sizeof e->reason, h->reason);
}

/* What a rule found changes nothing that the administrator typed, and shortens nothing. */
static bool gives_way(const struct score_hold *h, uint32_t until_s, const struct hold_slot *stands, uint32_t now_s)
{
	return h->kind == SCORE_HOLD_AUTO && stands->until_s > now_s &&
	       (stands->hold != SCORE_HOLD_AUTO || stands->until_s > until_s);
}

bool score_hold_set(struct score_store *s, const struct score_key *key, const struct score_hold *h, uint64_t origin,
	uint64_t now_ms)
{
	struct score_table *t = &s->tables[STORE_HOLDS];
	uint64_t tag = slot_tag(key->hash, HOLD_PURPOSE), until = h->until_ms / 1000 + (h->until_ms % 1000 > 0);
	uint32_t now_s = (uint32_t)(now_ms / 1000), until_s = until > UINT32_MAX ? UINT32_MAX : (uint32_t)until;
	struct slot_wanted w = { tag, origin, key, SLOT_HOLD, 0, now_ms, h->kind != SCORE_HOLD_AUTO };
	if (h->kind == SCORE_HOLD_NONE || until_s <= now_s)
		return true;
	struct score_shard *shard = slot_lock(t, tag);
	struct hold_slot *e = slot_make(s, t, shard, &w);
	bool kept = e != NULL;
	if (e && !gives_way(h, until_s, e, now_s)) {
		fill_in(e, h, until_s, now_s);
		hold_noted(s, &e->head);
	}
	slot_unlock(shard);
	return kept;
}

void hold_noted(struct score_store *s, const struct slot_head *e)
{
	if (e->key_kind == SCORE_KEY_NET) {
		unsigned bits = key_bits(e->key_len, e->key) % 192;
		atomic_fetch_or_explicit(
			&s->hold_widths[bits / 64], (uint64_t)1 << bits % 64, memory_order_relaxed);
	}
	atomic_fetch_add_explicit(&s->holds, 1, memory_order_relaxed);
}

bool score_hold_lift(struct score_store *s, const struct score_key *key)
{
	return slot_delete(&s->tables[STORE_HOLDS], slot_tag(key->hash, HOLD_PURPOSE));
}

/* --- asking --- */

void hold_tell(const struct hold_slot *e, struct score_hold *hold_r)
{
	*hold_r = (struct score_hold){ .kind = (enum score_hold_kind)e->hold,
		.since_ms = (uint64_t)e->head.first_s * 1000,
		.until_ms = (uint64_t)e->until_s * 1000 };
	memcpy(hold_r->by, e->by, e->by_len);
	memcpy(hold_r->reason, e->reason, e->reason_len);
}

bool score_hold_get(struct score_store *s, const struct score_key *key, uint64_t now_ms, struct score_hold *hold_r)
{
	struct score_table *t = &s->tables[STORE_HOLDS];
	uint64_t tag = slot_tag(key->hash, HOLD_PURPOSE);
	hold_r->kind = SCORE_HOLD_NONE;
	if (atomic_load_explicit(&s->holds, memory_order_relaxed) == 0)
		return false;
	struct score_shard *shard = slot_lock(t, tag);
	const struct hold_slot *e = slot_find(t, shard, tag);
	if (e && e->until_s > now_ms / 1000)
		hold_tell(e, hold_r);
	slot_unlock(shard);
	return hold_r->kind != SCORE_HOLD_NONE;
}

/* The stronger stays in *hold_r; among equals what was there before. */
static void ask(struct score_store *s, struct score_key key, uint64_t now_ms, struct score_hold *hold_r)
{
	struct score_hold found;
	if (score_hold_get(s, &key, now_ms, &found) && found.kind > hold_r->kind)
		*hold_r = found;
}

bool score_hold_client(struct score_store *s, const struct ip *client, uint64_t now_ms, struct score_hold *hold_r)
{
	unsigned least = ip_is_v4(client) ? 96 : 0, width = 128 + 1;
	hold_r->kind = SCORE_HOLD_NONE;
	if (atomic_load_explicit(&s->holds, memory_order_relaxed) == 0)
		return false;
	ask(s, score_key_ip(s, SCORE_KEY_CLIENT, client, least ? 128 : 64), now_ms, hold_r);
	while (width-- > least) {
		uint64_t widths = atomic_load_explicit(&s->hold_widths[width / 64], memory_order_relaxed);
		if (widths >> width % 64 & 1)
			ask(s, score_key_ip(s, SCORE_KEY_NET, client, width), now_ms, hold_r);
	}
	return hold_r->kind != SCORE_HOLD_NONE;
}

bool score_hold_address(struct score_store *s, struct slice address, uint64_t now_ms, struct score_hold *hold_r)
{
	hold_r->kind = SCORE_HOLD_NONE;
	if (address.n == 0 || atomic_load_explicit(&s->holds, memory_order_relaxed) == 0)
		return false;
	ask(s, score_key_text(s, SCORE_KEY_SENDER, address), now_ms, hold_r);
	struct slice domain = slice_skip(address, slice_rfind(address, '@') + 1);
	if (domain.n)
		ask(s, score_key_text(s, SCORE_KEY_SENDER_DOMAIN, domain), now_ms, hold_r);
	return hold_r->kind != SCORE_HOLD_NONE;
}
