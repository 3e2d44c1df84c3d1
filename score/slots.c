#include "score/slots.h"

#include <math.h>

/* One point or one event is worth as much as having been seen a minute later. */
enum { WORTH_S = 60, WORTH_MAX = 10000 };

static bool is_over(const struct slot_head *e, uint32_t now_s)
{
	if (e->kind == SLOT_HOLD)
		return ((const struct hold_slot *)(const void *)e)->until_s <= now_s;
	return (uint64_t)e->last_s + ((uint64_t)1 << e->life) < now_s;
}

/* What an entry holds: points, or events. */
static uint64_t content(const struct slot_head *head)
{
	const struct score_slot *e = (const void *)head;
	double n = 0;
	switch ((enum slot_kind)head->kind) {
	case SLOT_RECORD:
		n = e->u.record.points;
		break;
	case SLOT_WINDOW:
		for (unsigned i = 0; i < SLOT_PARTS; i++)
			n += e->u.window.part[i];
		break;
	case SLOT_DISTINCT:
		n = ((const struct distinct_slot *)(const void *)head)->n;
		break;
	case SLOT_USUAL:
		n = e->u.usual.windows;
		break;
	case SLOT_KNOWN:
		n = e->u.known.accepted;
		break;
	case SLOT_HOLD:
	case SLOT_TRY:
	case SLOT_IDENTITY:
		break;
	}
	return n > 0 ? n > WORTH_MAX ? WORTH_MAX : (uint64_t)n : 0;
}

/* A try that has not passed is a newcomer however often it was made again; one that has is not. */
static bool is_established(const struct slot_head *e)
{
	if (e->kind == SLOT_TRY)
		return ((const struct score_slot *)(const void *)e)->u.try.passed_s != 0;
	return e->last_s - e->first_s >= STORE_ESTABLISHED_S;
}

/* The lowest goes first. Class before age and content. */
static uint64_t worth(const struct slot_head *e, uint32_t now_s)
{
	enum { OVER, NEWCOMER, ESTABLISHED, PROVEN } class = NEWCOMER;
	uint64_t age = e->last_s + WORTH_S * content(e);
	if (is_over(e, now_s))
		class = OVER;
	else if (e->flags & SLOT_PROVEN)
		class = PROVEN;
	else if (is_established(e))
		class = ESTABLISHED;
	if (e->kind == SLOT_HOLD) /* what ends first goes first */
		age = ((const struct hold_slot *)(const void *)e)->until_s;
	return (uint64_t) class << 40 | age;
}

/* Takes one from the origin's budget of this minute. */
static bool budget_take(struct score_store *s, uint64_t origin, uint64_t now_ms)
{
	_Atomic uint64_t *place = &s->budgets[origin % STORE_BUDGETS];
	uint64_t minute = now_ms / 60000, was = atomic_load_explicit(place, memory_order_relaxed), is;
	do {
		uint64_t used = was >> 32 == (uint32_t)minute ? was & UINT32_MAX : 0;
		if (used >= STORE_EVICTIONS_PER_MINUTE)
			return false;
		is = minute << 32 | (used + 1);
	} while (!atomic_compare_exchange_weak_explicit(place, &was, is, memory_order_relaxed, memory_order_relaxed));
	return true;
}

/* Of those among which one must go the least valuable, with its worth. */
static struct slot_head *least_of(
	const struct score_table *t, struct score_shard *shard, uint64_t tag, uint32_t now_s, uint64_t *worth_r)
{
	char *at = slot_neighbours(t, shard, tag);
	struct slot_head *least = NULL;
	for (unsigned i = 0; i < STORE_NEIGHBOURS; i++, at += t->slot_bytes) {
		struct slot_head *e = (void *)at;
		uint64_t v = worth(e, now_s);
		if (!least || v < *worth_r)
			*worth_r = v, least = e;
	}
	return least;
}

/* A place for a new entry: a free one, one whose time is over, or the least valuable neighbour's. */
static struct slot_head *place_for(
	struct score_store *s, struct score_table *t, struct score_shard *shard, const struct slot_wanted *w)
{
	uint32_t now_s = (uint32_t)(w->now_ms / 1000);
	uint64_t least_worth;
	struct slot_head *e = slot_free_for(t, shard, w->tag);
	if (e) {
		shard->used++;
		return e;
	}
	e = least_of(t, shard, w->tag, now_s, &least_worth);
	if (is_over(e, now_s))
		return e;
	if ((e->flags & SLOT_PROVEN) || (!w->unbudgeted && !budget_take(s, w->origin, w->now_ms))) {
		shard->turned_away++;
		return NULL;
	}
	shard->evicted++;
	return e;
}

static uint8_t log2_up(uint64_t n)
{
	uint8_t bits = 0;
	while (bits < 31 && (uint64_t)1 << bits < n)
		bits++;
	return bits;
}

/* slot_tag() the other way, but for two tags of 2^64. */
static uint64_t untag(uint64_t tag, uint64_t purpose)
{
	uint64_t x = tag ^ tag >> 33;
	x *= 0x9cb4b2f8129337dbu, x ^= x >> 33;
	x *= 0x4f74430c22a54005u, x ^= x >> 33;
	return x ^ purpose;
}

void slot_hide(struct slot_head *e)
{
	static const uint64_t purpose_of[] = {
		[SLOT_RECORD] = RECORD_PURPOSE, [SLOT_KNOWN] = KNOWN_PURPOSE, [SLOT_HOLD] = HOLD_PURPOSE,
		[SLOT_TRY] = 0, [SLOT_IDENTITY] = IDENTITY_PURPOSE
	};
	uint64_t purpose = purpose_of[e->kind], digest = purpose ? untag(e->tag, purpose) : e->tag;
	if (e->kind == SLOT_TRY)
		digest = ((const struct score_slot *)(const void *)e)->u.try.who;
	char bits = (char)key_bits(e->key_len, e->key);
	bool address = e->key_kind == SCORE_KEY_CLIENT || e->key_kind == SCORE_KEY_NET;
	if (e->key_len == 0)
		return;
	e->key_len = 0;
	memset(e->key, 0, sizeof e->key);
	memcpy(e->key, &digest, KEY_DIGEST);
	if (address)
		e->key[KEY_DIGEST] = bits;
}

void slot_live(struct slot_head *e, uint64_t life_ms)
{
	e->life = log2_up(life_ms / 1000 + 1);
}

static bool is_hidden(const struct score_store *s)
{
	return atomic_load_explicit(&s->hide, memory_order_relaxed);
}

void *slot_make(struct score_store *s, struct score_table *t, struct score_shard *shard, const struct slot_wanted *w)
{
	struct slot_head *e = slot_find(t, shard, w->tag);
	uint32_t now_s = (uint32_t)(w->now_ms / 1000);
	if (!e) {
		e = place_for(s, t, shard, w);
		if (!e)
			return NULL;
		memset((void *)e, 0, t->slot_bytes);
		slot_mark(t, shard, e, w->tag);
		e->tag = w->tag;
		e->kind = (uint8_t)w->kind;
		e->key_kind = w->key->kind;
		e->key_len = w->key->len;
		memcpy(e->key, w->key->bytes, sizeof e->key);
		if (is_hidden(s)) /* the key may have been made just before */
			slot_hide(e);
		slot_live(e, w->life_ms);
		e->first_s = e->last_s = now_s;
	}
	if (now_s > e->last_s)
		e->last_s = now_s;
	return e;
}

void slot_remove(const struct score_table *t, struct score_shard *shard, void *slot)
{
	memset(slot, 0, t->slot_bytes);
	slot_mark(t, shard, slot, SLOT_DELETED); /* not empty: others may lie in their second bucket for it */
	shard->used--;
}

/* --- putting back --- */

static const uint16_t kinds_of[STORE_TABLES] = {
	[STORE_MAIN] = 1 << SLOT_RECORD | 1 << SLOT_WINDOW,
	[STORE_DISTINCT] = 1 << SLOT_DISTINCT,
	[STORE_USUAL] = 1 << SLOT_USUAL,
	[STORE_KNOWN] = 1 << SLOT_KNOWN,
	[STORE_HOLDS] = 1 << SLOT_HOLD,
	[STORE_GREYLIST] = 1 << SLOT_TRY,
	[STORE_IDENTITIES] = 1 << SLOT_IDENTITY,
};

static bool makes_sense(enum score_table_name table, const struct slot_head *e)
{
	const struct score_slot *small = (const void *)e;
	const struct distinct_slot *many = (const void *)e;
	const struct hold_slot *hold = (const void *)e;
	if (e->tag < SLOT_FIRST_TAG || e->kind > SLOT_IDENTITY || !(kinds_of[table] >> e->kind & 1) ||
		e->key_kind >= SCORE_KEY_KINDS || e->life > 31 || e->last_s < e->first_s || (e->flags & ~SLOT_PROVEN))
		return false;
	if (e->kind == SLOT_RECORD)
		return isfinite(small->u.record.points);
	if (e->kind == SLOT_USUAL)
		return isfinite(small->u.usual.sum) && isfinite(small->u.usual.squares) && small->u.usual.sum >= 0;
	if (e->kind == SLOT_TRY)
		return small->u.try.sender && small->u.try.recipient;
	if (e->kind == SLOT_DISTINCT)
		return many->n <= DISTINCT_EXACT || many->n == DISTINCT_IS_SKETCH;
	if (e->kind == SLOT_HOLD)
		return hold->hold > SCORE_HOLD_NONE && hold->hold <= SCORE_HOLD_ALLOW &&
		       hold->by_len <= SCORE_HOLD_BY && hold->reason_len <= SCORE_HOLD_REASON;
	return true;
}

union any_slot {
	struct score_slot one;
	struct distinct_slot distinct;
	struct hold_slot hold;
};

/* Under the lock. */
static bool put(struct score_store *s, struct score_table *t, struct score_shard *shard, const struct slot_head *from,
	uint32_t now_s)
{
	struct slot_head *to = slot_find(t, shard, from->tag);
	uint64_t least;
	if (to && to->last_s > from->last_s)
		return false;
	if (!to) {
		to = slot_free_for(t, shard, from->tag);
		shard->used += to != NULL;
	}
	if (!to) {
		to = least_of(t, shard, from->tag, now_s, &least);
		if (worth(from, now_s) <= least)
			return false;
	}
	slot_mark(t, shard, to, from->tag);
	memcpy((void *)to, (const void *)from, t->slot_bytes);
	if (is_hidden(s))
		slot_hide(to);
	return true;
}

uint64_t slot_put_all(struct score_store *s, enum score_table_name table, const char *slots, size_t n, uint64_t now_ms)
{
	struct score_table *t = &s->tables[table];
	struct score_shard *shard = NULL;
	uint32_t now_s = (uint32_t)(now_ms / 1000);
	uint64_t kept = 0;
	union any_slot copy;
	for (const char *end = slots + n * t->slot_bytes; slots < end; slots += t->slot_bytes) {
		const struct slot_head *from = (const void *)slots;
		if ((uintptr_t)slots % _Alignof(union any_slot)) /* behind damage they may lie at any address */
			from = memcpy(&copy, slots, t->slot_bytes);
		if (!makes_sense(table, from) || is_over(from, now_s))
			continue;
		if (shard != slot_shard(t, from->tag)) { /* those of one block lie in one shard, as a rule */
			if (shard)
				slot_unlock(shard);
			shard = slot_lock(t, from->tag);
		}
		if (!put(s, t, shard, from, now_s))
			continue;
		kept++;
		if (from->kind == SLOT_HOLD)
			hold_noted(s, from);
	}
	if (shard)
		slot_unlock(shard);
	return kept;
}

bool slot_delete(struct score_table *t, uint64_t tag)
{
	struct score_shard *shard = slot_lock(t, tag);
	void *e = slot_find(t, shard, tag);
	if (e)
		slot_remove(t, shard, e);
	slot_unlock(shard);
	return e != NULL;
}
