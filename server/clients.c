#include "server/clients.h"

#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>

enum { STRIPES = 16, FIRST_SLOTS = 64 };

struct entry {
	struct ip ip;
	uint32_t count; /* 0: the slot is free */
};

/* Open addressing with linear probing; a leaving entry is filled by shifting back, so no tombstones. */
struct stripe {
	pthread_mutex_t lock;
	struct entry *slot;
	uint32_t slots, used;
};

struct table {
	struct hash_key key;
	struct stripe stripe[STRIPES];
};

struct clients {
	struct table each, nets;
};

static void table_init(struct table *t)
{
	t->key = hash_key_random();
	for (int i = 0; i < STRIPES; i++)
		pthread_mutex_init(&t->stripe[i].lock, NULL);
}

static void table_release(struct table *t)
{
	for (int i = 0; i < STRIPES; i++) {
		mem_free(&t->stripe[i].slot);
		pthread_mutex_destroy(&t->stripe[i].lock);
	}
}

struct clients *clients_new(void)
{
	struct clients *c = mem_zalloc(sizeof *c);
	if (!c)
		return NULL;
	table_init(&c->each);
	table_init(&c->nets);
	return c;
}

void clients_free(struct clients **c)
{
	if (!*c)
		return;
	table_release(&(*c)->each);
	table_release(&(*c)->nets);
	mem_free(c);
}

static uint64_t hash_of(const struct table *t, const struct ip *ip)
{
	return hash_bytes(&t->key, slice_of((const char *)ip->b, sizeof ip->b));
}

static uint32_t home_of(const struct table *t, const struct stripe *s, const struct ip *ip)
{
	return (uint32_t)(hash_of(t, ip) >> 8) & (s->slots - 1);
}

/* The client's slot, or the free one where it belongs; the stripe has slots and one of them is free. */
static struct entry *slot_of(const struct table *t, const struct stripe *s, const struct ip *ip)
{
	uint32_t i = home_of(t, s, ip);
	while (s->slot[i].count && memcmp(&s->slot[i].ip, ip, sizeof *ip) != 0)
		i = (i + 1) & (s->slots - 1);
	return &s->slot[i];
}

static bool grow(const struct table *t, struct stripe *s)
{
	struct stripe bigger = { .slots = s->slots ? s->slots * 2 : FIRST_SLOTS };
	bigger.slot = mem_zalloc(bigger.slots * sizeof *bigger.slot);
	if (!bigger.slot)
		return false;
	for (uint32_t i = 0; i < s->slots; i++)
		if (s->slot[i].count)
			*slot_of(t, &bigger, &s->slot[i].ip) = s->slot[i];
	mem_free(&s->slot);
	s->slot = bigger.slot;
	s->slots = bigger.slots;
	return true;
}

static bool enter_stripe(const struct table *t, struct stripe *s, const struct ip *ip, uint32_t limit)
{
	if ((!s->slots || s->used >= s->slots / 4 * 3) && !grow(t, s))
		return false;
	struct entry *e = slot_of(t, s, ip);
	if (e->count >= limit)
		return false;
	if (e->count++ == 0) {
		e->ip = *ip;
		s->used++;
	}
	return true;
}

static void remove_slot(const struct table *t, struct stripe *s, uint32_t hole)
{
	uint32_t mask = s->slots - 1;
	for (uint32_t i = (hole + 1) & mask; s->slot[i].count; i = (i + 1) & mask) {
		uint32_t home = home_of(t, s, &s->slot[i].ip);
		if (((i - home) & mask) < ((i - hole) & mask))
			continue; /* it would come before its home */
		s->slot[hole] = s->slot[i];
		hole = i;
	}
	s->slot[hole].count = 0;
	s->used--;
}

static struct stripe *stripe_of(struct table *t, const struct ip *ip)
{
	return &t->stripe[hash_of(t, ip) % STRIPES];
}

static bool enter(struct table *t, const struct ip *ip, uint32_t limit)
{
	struct stripe *s = stripe_of(t, ip);
	pthread_mutex_lock(&s->lock);
	bool ok = enter_stripe(t, s, ip, limit);
	pthread_mutex_unlock(&s->lock);
	return ok;
}

/* False: it was not there. */
static bool leave(struct table *t, const struct ip *ip)
{
	struct stripe *s = stripe_of(t, ip);
	pthread_mutex_lock(&s->lock);
	struct entry *e = s->slots ? slot_of(t, s, ip) : NULL;
	bool there = e && e->count;
	if (there && --e->count == 0) {
		e->count = 1; /* taken, as remove_slot() expects */
		remove_slot(t, s, (uint32_t)(e - s->slot));
	}
	pthread_mutex_unlock(&s->lock);
	return there;
}

static struct ip net_of(const struct ip *client)
{
	return ip_mask(client, ip_is_v4(client) ? 96 + 24 : 48);
}

enum clients_room clients_enter(struct clients *c, const struct ip *client, const struct clients_limits *limits)
{
	struct ip ip = ip_client(client), net = net_of(client);
	if (!enter(&c->each, &ip, limits->each))
		return CLIENTS_FULL;
	if (enter(&c->nets, &net, limits->net))
		return CLIENTS_ROOM;
	(void)leave(&c->each, &ip);
	return CLIENTS_NET_FULL;
}

void clients_leave(struct clients *c, const struct ip *client)
{
	struct ip ip = ip_client(client), net = net_of(client);
	if (leave(&c->each, &ip))
		(void)leave(&c->nets, &net);
}

uint32_t clients_count(struct clients *c, const struct ip *client)
{
	struct ip ip = ip_client(client);
	struct stripe *s = stripe_of(&c->each, &ip);
	pthread_mutex_lock(&s->lock);
	uint32_t n = s->slots ? slot_of(&c->each, s, &ip)->count : 0;
	pthread_mutex_unlock(&s->lock);
	return n;
}
