#include "base/mem.h"
#include "score/slots.h"

/* 64 KB a shard or twice that: copied in some 10 microseconds. */
enum { SHARD_SLOTS = 1024, SHARD_BITS_MAX = 16, MEMORY_MIN = 1024 * 1024 };
/* Of score.memory, in per cent; the rest belongs to the other tables. */
enum { SHARE_RECORDS = 60 };
/* One point or one event is worth as much as having been seen a minute later. */
enum { WORTH_S = 60, WORTH_MAX = 10000 };

static unsigned shard_bits_for(uint64_t slots)
{
	unsigned bits = 0;
	while (bits < SHARD_BITS_MAX && slots >> (bits + 1) >= SHARD_SLOTS)
		bits++;
	return bits;
}

static bool shards_init(struct score_store *s, uint64_t slots)
{
	size_t shards = (size_t)1 << s->shard_bits, each = (size_t)(slots >> s->shard_bits);
	s->memory_bytes = shards * each * sizeof(struct score_slot);
	s->memory = mem_pages(s->memory_bytes); /* untouched pages cost nothing yet */
	s->shards = mem_zalloc((shards + 1) * sizeof *s->shards);
	if (!s->memory || !s->shards)
		return false;
	char *first = s->memory; /* a page's start: the slots are cache lines */
	for (size_t i = 0; i < shards; i++) {
		s->shards[i].slots = (struct score_slot *)(void *)first + i * each;
		if (pthread_mutex_init(&s->shards[i].lock, NULL) != 0)
			return false;
	}
	s->shard_slots = (uint32_t)each - (STORE_NEIGHBOURS - 1);
	return true;
}

struct score_store *score_store_new(uint64_t memory, const struct hash_key *key)
{
	struct score_store *s = mem_zalloc(sizeof *s);
	if (!s)
		return NULL;
	uint64_t slots = (memory < MEMORY_MIN ? MEMORY_MIN : memory) / 100 * SHARE_RECORDS / sizeof(struct score_slot);
	s->key = *key;
	s->shard_bits = shard_bits_for(slots);
	if (!shards_init(s, slots))
		score_store_free(&s);
	return s;
}

void score_store_free(struct score_store **s)
{
	if (!*s)
		return;
	for (size_t i = 0; (*s)->shards && i < (size_t)1 << (*s)->shard_bits; i++)
		if ((*s)->shards[i].slots)
			(void)pthread_mutex_destroy(&(*s)->shards[i].lock);
	mem_free(&(*s)->shards);
	mem_pages_free(&(*s)->memory, (*s)->memory_bytes);
	mem_free(s);
}

static struct score_slot *home_of(const struct score_store *s, struct score_shard *shard, uint64_t tag)
{
	return shard->slots + (((tag & UINT32_MAX) * s->shard_slots) >> 32);
}

struct score_shard *slot_lock(struct score_store *s, uint64_t tag)
{
	struct score_shard *shard = &s->shards[s->shard_bits ? tag >> (64 - s->shard_bits) : 0];
	__builtin_prefetch(home_of(s, shard, tag), 1); /* the entry comes while the lock is taken */
	(void)pthread_mutex_lock(&shard->lock);
	return shard;
}

struct score_slot *slot_find(const struct score_store *s, struct score_shard *shard, uint64_t tag)
{
	struct score_slot *home = home_of(s, shard, tag);
	for (unsigned i = 0; i < STORE_NEIGHBOURS && home[i].tag != SLOT_EMPTY; i++)
		if (home[i].tag == tag)
			return &home[i];
	return NULL;
}

static bool is_over(const struct score_slot *e, uint32_t now_s)
{
	return (uint64_t)e->last_s + ((uint64_t)1 << e->life) < now_s;
}

/* What an entry holds: points, or events. */
static uint64_t content(const struct score_slot *e)
{
	double n = e->u.record.points;
	if (e->kind == SLOT_WINDOW) {
		n = 0;
		for (unsigned i = 0; i < SLOT_PARTS; i++)
			n += e->u.window.part[i];
	}
	return n < 0 ? 0 : n > WORTH_MAX ? WORTH_MAX : (uint64_t)n;
}

/* The lowest goes first. Class before age and content. */
static uint64_t worth(const struct score_slot *e, uint32_t now_s)
{
	enum { OVER, NEWCOMER, ESTABLISHED, PROVEN } class = NEWCOMER;
	if (e->flags & SLOT_PROVEN)
		class = PROVEN;
	else if (is_over(e, now_s))
		class = OVER;
	else if (e->last_s - e->first_s >= STORE_ESTABLISHED_S)
		class = ESTABLISHED;
	return (uint64_t) class << 40 | (e->last_s + WORTH_S * content(e));
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

/* A place for a new entry: a free one, one whose time is over, or the least valuable neighbour's. */
static struct score_slot *place_for(struct score_store *s, struct score_shard *shard, const struct slot_wanted *w)
{
	struct score_slot *home = home_of(s, shard, w->tag), *least = home;
	uint32_t now_s = (uint32_t)(w->now_ms / 1000);
	uint64_t least_worth = UINT64_MAX;
	for (struct score_slot *e = home; e < home + STORE_NEIGHBOURS; e++) {
		if (e->tag < SLOT_FIRST_TAG) {
			shard->used++;
			return e;
		}
		uint64_t v = worth(e, now_s);
		if (v < least_worth)
			least_worth = v, least = e;
	}
	if (is_over(least, now_s) && !(least->flags & SLOT_PROVEN))
		return least;
	if ((least->flags & SLOT_PROVEN) || !budget_take(s, w->origin, w->now_ms)) {
		shard->turned_away++;
		return NULL;
	}
	shard->evicted++;
	return least;
}

static uint8_t log2_up(uint64_t n)
{
	uint8_t bits = 0;
	while (bits < 31 && (uint64_t)1 << bits < n)
		bits++;
	return bits;
}

struct score_slot *slot_make(struct score_store *s, struct score_shard *shard, const struct slot_wanted *w)
{
	struct score_slot *e = slot_find(s, shard, w->tag);
	uint32_t now_s = (uint32_t)(w->now_ms / 1000);
	if (!e) {
		e = place_for(s, shard, w);
		if (!e)
			return NULL;
		memset(e, 0, sizeof *e);
		e->tag = w->tag;
		e->kind = (uint8_t)w->kind;
		e->key_kind = w->key->kind;
		e->key_len = w->key->len;
		memcpy(e->key, w->key->bytes, sizeof e->key);
		e->life = log2_up(w->life_ms / 1000 + 1);
		e->first_s = e->last_s = now_s;
	}
	if (now_s > e->last_s)
		e->last_s = now_s;
	return e;
}

void score_store_stats(struct score_store *s, struct score_store_stats *stats_r)
{
	*stats_r = (struct score_store_stats){ .memory = s->memory_bytes };
	stats_r->slots = s->memory_bytes / sizeof(struct score_slot);
	for (size_t i = 0; i < (size_t)1 << s->shard_bits; i++) {
		struct score_shard *shard = &s->shards[i];
		(void)pthread_mutex_lock(&shard->lock);
		stats_r->used += shard->used;
		stats_r->evicted += shard->evicted;
		stats_r->turned_away += shard->turned_away;
		slot_unlock(shard);
	}
}
