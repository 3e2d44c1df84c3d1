#include "relay/rcpt_cache.h"

#include "base/hash.h"
#include "base/mem.h"

#include <pthread.h>

enum { SET = 8, STRIPES = 64 };

struct slot {
	uint64_t id[2]; /* of the address */
	uint64_t put_ms, until_ms;
	uint8_t state; /* enum relay_rcpt_state; UNKNOWN: empty */
	uint16_t code, text_n;
	char text[RELAY_RCPT_CACHE_TEXT];
};
_Static_assert(sizeof(struct slot) <= RELAY_RCPT_CACHE_SLOT, "the header promises it");

/* Guards the sets whose number is its own modulo STRIPES, and counts for them. */
struct stripe {
	_Alignas(64) pthread_mutex_t lock;
	struct relay_rcpt_counters n;
};

struct relay_rcpt_cache {
	struct stripe stripes[STRIPES];
	struct hash_key keys[2];
	size_t sets;
	struct slot *slots; /* sets * SET */
};

/* An address on its way: its hash, its set, the lock over it. */
struct place {
	uint64_t id[2];
	struct slot *set;
	struct stripe *stripe;
};

struct relay_rcpt_cache *relay_rcpt_cache_new(size_t entries)
{
	struct relay_rcpt_cache *c = mem_zalloc(sizeof *c);
	size_t bytes, sets = entries / SET + (entries % SET != 0 || entries == 0);
	if (!c)
		return NULL;
	c->sets = sets;
	if (!__builtin_mul_overflow(sets, SET * sizeof(struct slot), &bytes))
		c->slots = mem_pages(bytes);
	if (!c->slots) {
		mem_free(&c);
		return NULL;
	}
	c->keys[0] = hash_key_random();
	c->keys[1] = hash_key_random();
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_init(&c->stripes[i].lock, NULL);
	return c;
}

void relay_rcpt_cache_free(struct relay_rcpt_cache **c)
{
	if (!*c)
		return;
	for (size_t i = 0; i < STRIPES; i++)
		pthread_mutex_destroy(&(*c)->stripes[i].lock);
	mem_pages_free(&(*c)->slots, (*c)->sets * SET * sizeof(struct slot));
	mem_free(c);
}

/* Finds the address' place and takes its lock. False: the address is not one that is kept. */
static bool enter(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, struct place *p_r)
{
	char folded[RELAY_RCPT_CACHE_ADDRESS];
	size_t at = slice_rfind(rcpt, '@');
	if (rcpt.n > sizeof folded || at == rcpt.n)
		return false;
	memcpy(folded, rcpt.p, rcpt.n);
	for (size_t i = at; i < rcpt.n; i++)
		if (folded[i] >= 'A' && folded[i] <= 'Z')
			folded[i] = (char)(folded[i] | 0x20);
	for (size_t i = 0; i < 2; i++) {
		struct hash_key key = c->keys[i];
		key.k0 ^= hash_bytes(&key, group);
		p_r->id[i] = hash_bytes(&key, slice_of(folded, rcpt.n));
	}
	size_t set = p_r->id[0] % c->sets;
	p_r->set = c->slots + set * SET;
	p_r->stripe = &c->stripes[set % STRIPES];
	pthread_mutex_lock(&p_r->stripe->lock);
	return true;
}

static void leave(const struct place *p)
{
	pthread_mutex_unlock(&p->stripe->lock);
}

static struct slot *find(const struct place *p)
{
	for (struct slot *s = p->set; s < p->set + SET; s++)
		if (s->state != RELAY_RCPT_UNKNOWN && s->id[0] == p->id[0] && s->id[1] == p->id[1])
			return s;
	return NULL;
}

static void empty(const struct place *p, struct slot *s)
{
	s->state = RELAY_RCPT_UNKNOWN;
	p->stripe->n.entries--;
}

/* How soon an entry goes; the lowest first, among equals the oldest. */
static int worth(const struct slot *s, uint64_t now_ms)
{
	static const int worths[] = {
		[RELAY_RCPT_UNKNOWN] = 0, [RELAY_RCPT_BAD] = 2, [RELAY_RCPT_OK] = 3, [RELAY_RCPT_SUSPECT] = 4
	};
	return s->state && s->until_ms <= now_ms ? 1 : worths[s->state];
}

/* The slot of this address, or the one among its neighbours that goes for it. */
static struct slot *make_room(const struct place *p, uint64_t now_ms)
{
	struct slot *least = find(p);
	if (least) {
		empty(p, least);
		return least;
	}
	least = p->set;
	for (struct slot *s = p->set + 1; s < p->set + SET; s++) {
		int a = worth(s, now_ms), b = worth(least, now_ms);
		if (a < b || (a == b && s->put_ms < least->put_ms))
			least = s;
	}
	if (least->state != RELAY_RCPT_UNKNOWN) {
		p->stripe->n.evicted += least->until_ms > now_ms;
		empty(p, least);
	}
	return least;
}

static void put(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, enum relay_rcpt_state state,
	unsigned code, struct slice text, uint64_t now_ms, uint64_t until_ms)
{
	struct place p;
	if (!enter(c, group, rcpt, &p))
		return;
	struct slot *s = make_room(&p, now_ms);
	s->id[0] = p.id[0], s->id[1] = p.id[1];
	s->put_ms = now_ms;
	s->until_ms = until_ms;
	s->state = (uint8_t)state;
	s->code = (uint16_t)code;
	s->text_n = (uint16_t)(text.n < sizeof s->text ? text.n : sizeof s->text);
	if (s->text_n)
		memcpy(s->text, text.p, s->text_n);
	p.stripe->n.entries++;
	leave(&p);
}

void relay_rcpt_cache_put_ok(
	struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, uint64_t now_ms, uint64_t until_ms)
{
	put(c, group, rcpt, RELAY_RCPT_OK, 0, SLICE(""), now_ms, until_ms);
}

void relay_rcpt_cache_put_bad(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, unsigned code,
	struct slice text, uint64_t now_ms, uint64_t until_ms)
{
	put(c, group, rcpt, RELAY_RCPT_BAD, code, text, now_ms, until_ms);
}

void relay_rcpt_cache_put_suspect(
	struct relay_rcpt_cache *c, struct slice group, struct slice rcpt, uint64_t now_ms, uint64_t until_ms)
{
	put(c, group, rcpt, RELAY_RCPT_SUSPECT, 0, SLICE(""), now_ms, until_ms);
}

enum relay_rcpt_state relay_rcpt_cache_get(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt,
	uint64_t now_ms, struct relay_rcpt_known *known_r)
{
	struct place p;
	known_r->state = RELAY_RCPT_UNKNOWN;
	known_r->code = known_r->text_n = 0;
	if (!enter(c, group, rcpt, &p))
		return RELAY_RCPT_UNKNOWN;
	struct slot *s = find(&p);
	if (s && s->until_ms <= now_ms) {
		empty(&p, s);
		s = NULL;
	}
	if (s) {
		known_r->state = (enum relay_rcpt_state)s->state;
		known_r->code = s->code;
		known_r->text_n = s->text_n;
		memcpy(known_r->text, s->text, s->text_n);
	}
	*(s ? &p.stripe->n.hits : &p.stripe->n.misses) += 1;
	leave(&p);
	return known_r->state;
}

bool relay_rcpt_cache_forget(struct relay_rcpt_cache *c, struct slice group, struct slice rcpt)
{
	struct place p;
	if (!enter(c, group, rcpt, &p))
		return false;
	struct slot *s = find(&p);
	if (s)
		empty(&p, s);
	leave(&p);
	return s != NULL;
}

struct relay_rcpt_counters relay_rcpt_cache_counters(struct relay_rcpt_cache *c)
{
	struct relay_rcpt_counters sum = { 0 };
	for (size_t i = 0; i < STRIPES; i++) {
		struct stripe *s = &c->stripes[i];
		pthread_mutex_lock(&s->lock);
		sum.hits += s->n.hits;
		sum.misses += s->n.misses;
		sum.entries += s->n.entries;
		sum.evicted += s->n.evicted;
		pthread_mutex_unlock(&s->lock);
	}
	return sum;
}
