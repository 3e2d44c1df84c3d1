#include "replay/sessions.h"

#include "base/mem.h"

enum { BUCKETS = 1 << 16, FIRST_ROOM = 1024 };

static uint64_t hash_of(struct slice id)
{
	static const struct hash_key fixed = { 0x5265706c61795365, 0x7373696f6e496473 };
	return hash_bytes(&fixed, id);
}

/* Where the link to this session stands: its bucket's or another's `next`; to 0 when it is not open. */
static uint32_t *link_to(struct replay_sessions *all, uint64_t hash)
{
	uint32_t *link = &all->buckets[hash % BUCKETS];
	while (*link && all->items[*link - 1].hash != hash)
		link = &all->items[*link - 1].next;
	return link;
}

struct replay_session *replay_session_find(struct replay_sessions *all, struct slice id)
{
	uint32_t at = all->buckets ? *link_to(all, hash_of(id)) : 0;
	return at ? &all->items[at - 1] : NULL;
}

static bool make_room(struct replay_sessions *all)
{
	if (all->free || all->n < all->cap)
		return true;
	uint32_t cap = all->cap ? 2 * all->cap : FIRST_ROOM;
	if (cap > REPLAY_SESSIONS_MAX)
		return false;
	struct replay_session *items = mem_realloc(all->items, cap * sizeof *items);
	if (!items)
		return false;
	all->items = items;
	all->cap = cap;
	return true;
}

struct replay_session *replay_session_make(struct replay_sessions *all, struct slice id)
{
	if (!all->buckets)
		all->buckets = mem_zalloc(BUCKETS * sizeof *all->buckets);
	if (!all->buckets || !make_room(all))
		return NULL;
	uint64_t hash = hash_of(id);
	uint32_t at = all->free ? all->free : ++all->n, *bucket = &all->buckets[hash % BUCKETS];
	struct replay_session *s = &all->items[at - 1];
	if (all->free)
		all->free = s->next;
	*s = (struct replay_session){ .hash = hash, .next = *bucket };
	*bucket = at;
	all->open++;
	return s;
}

void replay_session_end(struct replay_sessions *all, struct slice id)
{
	uint32_t *link = all->buckets ? link_to(all, hash_of(id)) : NULL, at = link ? *link : 0;
	if (!at)
		return;
	struct replay_session *s = &all->items[at - 1];
	score_case_free(&s->c);
	*link = s->next;
	s->next = all->free;
	all->free = at;
	all->open--;
}

void replay_sessions_release(struct replay_sessions *all)
{
	for (uint32_t i = 0; i < all->n; i++)
		score_case_free(&all->items[i].c);
	mem_free(&all->items);
	mem_free(&all->buckets);
	*all = (struct replay_sessions){ 0 };
}
