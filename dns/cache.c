#include "dns/cache.h"

#include "base/hash.h"
#include "base/mem.h"

struct entry {
	struct entry *chain;	     /* of its bucket */
	struct entry *newer, *older; /* of its list */
	uint64_t hash, came_ms, until_ms;
	struct dns_answer answer;
	uint32_t bytes;
	uint16_t type;
	bool used;
	uint8_t name_n;
	char data[]; /* the name, then the records */
};

struct list {
	struct entry *newest, *oldest;
	size_t n;
};

struct dns_cache {
	struct hash_key key;
	struct entry **buckets;
	size_t mask, most, most_bytes, bytes;
	struct list fresh, used;
};

static size_t buckets_for(size_t entries)
{
	size_t n = 64;
	while (n < entries && n < (size_t)1 << 30)
		n *= 2;
	return n;
}

struct dns_cache *dns_cache_new(size_t entries)
{
	struct dns_cache *c = mem_zalloc(sizeof *c);
	size_t n = buckets_for(entries);
	if (!c)
		return NULL;
	c->buckets = mem_zalloc(n * sizeof *c->buckets);
	if (!c->buckets)
		mem_free(&c);
	if (!c)
		return NULL;
	c->key = hash_key_random();
	c->mask = n - 1;
	c->most = entries;
	c->most_bytes = entries * DNS_CACHE_ENTRY_BYTES;
	return c;
}

static void unlink_from(struct list *l, struct entry *e)
{
	*(e->newer ? &e->newer->older : &l->newest) = e->older;
	*(e->older ? &e->older->newer : &l->oldest) = e->newer;
	l->n--;
}

static void link_newest(struct list *l, struct entry *e)
{
	e->newer = NULL;
	e->older = l->newest;
	*(l->newest ? &l->newest->newer : &l->oldest) = e;
	l->newest = e;
	l->n++;
}

static struct list *list_of(struct dns_cache *c, const struct entry *e)
{
	return e->used ? &c->used : &c->fresh;
}

static void drop(struct dns_cache *c, struct entry *e)
{
	struct entry **at = &c->buckets[e->hash & c->mask];
	while (*at != e)
		at = &(*at)->chain;
	*at = e->chain;
	unlink_from(list_of(c, e), e);
	c->bytes -= e->bytes;
	mem_free(&e);
}

void dns_cache_free(struct dns_cache **c)
{
	if (!*c)
		return;
	while ((*c)->fresh.oldest)
		drop(*c, (*c)->fresh.oldest);
	while ((*c)->used.oldest)
		drop(*c, (*c)->used.oldest);
	mem_free(&(*c)->buckets);
	mem_free(c);
}

static uint64_t hash_of(const struct dns_cache *c, const struct dns_question *q)
{
	return hash_bytes(&c->key, dns_name_slice(&q->name)) + (uint64_t)q->type * 0x9e3779b97f4a7c15u;
}

static struct entry *find(const struct dns_cache *c, const struct dns_question *q, uint64_t hash)
{
	struct entry *e = c->buckets[hash & c->mask];
	while (e && !(e->hash == hash && e->type == q->type &&
			    slice_eq(slice_of(e->data, e->name_n), dns_name_slice(&q->name))))
		e = e->chain;
	return e;
}

/* Asked for again: among the used ones. When they are too many their oldest is fresh again. */
static void touch(struct dns_cache *c, struct entry *e)
{
	unlink_from(list_of(c, e), e);
	e->used = true;
	link_newest(&c->used, e);
	if (c->used.n <= c->most - c->most / 4)
		return;
	struct entry *last = c->used.oldest;
	unlink_from(&c->used, last);
	last->used = false;
	link_newest(&c->fresh, last);
}

bool dns_cache_get(struct dns_cache *c, const struct dns_question *q, uint64_t since_ms, uint64_t now_ms,
	struct dns_answer *answer_r)
{
	struct entry *e = find(c, q, hash_of(c, q));
	if (!e || e->came_ms < since_ms)
		return false;
	if (e->until_ms <= now_ms) {
		drop(c, e);
		return false;
	}
	touch(c, e);
	*answer_r = e->answer;
	answer_r->ttl_s = (uint32_t)((e->until_ms - now_ms) / 1000);
	return true;
}

static uint32_t within(uint32_t v, uint32_t least, uint32_t most)
{
	return v < least ? least : v > most ? most : v;
}

uint64_t dns_cache_keep_ms(const struct dns_answer *a)
{
	switch (a->status) {
	case DNS_FOUND:
		return within(a->ttl_s, DNS_KEEP_FOUND_MIN_S, DNS_KEEP_FOUND_MAX_S) * (uint64_t)1000;
	case DNS_NODATA:
	case DNS_NXDOMAIN:
		return within(a->ttl_s, DNS_KEEP_NEGATIVE_MIN_S, DNS_KEEP_NEGATIVE_MAX_S) * (uint64_t)1000;
	case DNS_FAILED:
		break;
	}
	return a->failure == DNS_BUSY || a->failure == DNS_NO_BUDGET || a->failure == DNS_NO_MEMORY
		       ? 0
		       : DNS_KEEP_FAILED_S * 1000;
}

static struct entry *make_entry(const struct dns_question *q, const struct dns_answer *answer)
{
	size_t bytes = sizeof(struct entry) + q->name.n + answer->records.n;
	struct entry *e = mem_alloc(bytes);
	if (!e)
		return NULL;
	*e = (struct entry){
		.bytes = (uint32_t)bytes, .type = (uint16_t)q->type, .name_n = q->name.n, .answer = *answer
	};
	memcpy(e->data, q->name.b, q->name.n);
	if (answer->records.n)
		memcpy(e->data + q->name.n, answer->records.p, answer->records.n);
	e->answer.records.p = e->data + q->name.n;
	return e;
}

static void make_room(struct dns_cache *c, size_t bytes)
{
	while (c->fresh.n + c->used.n >= c->most || c->bytes + bytes > c->most_bytes)
		drop(c, c->fresh.oldest ? c->fresh.oldest : c->used.oldest);
}

void dns_cache_put(struct dns_cache *c, const struct dns_question *q, const struct dns_answer *answer, uint64_t now_ms)
{
	uint64_t keep_ms = dns_cache_keep_ms(answer), hash = hash_of(c, q);
	struct entry *e = find(c, q, hash);
	if (e)
		drop(c, e);
	if (!keep_ms || !c->most || !(e = make_entry(q, answer)))
		return;
	if (e->bytes > c->most_bytes) {
		mem_free(&e);
		return;
	}
	make_room(c, e->bytes);
	e->hash = hash;
	e->came_ms = now_ms;
	e->until_ms = now_ms + keep_ms;
	e->chain = c->buckets[hash & c->mask];
	c->buckets[hash & c->mask] = e;
	link_newest(&c->fresh, e);
	c->bytes += e->bytes;
}

size_t dns_cache_entries(const struct dns_cache *c)
{
	return c->fresh.n + c->used.n;
}

size_t dns_cache_bytes(const struct dns_cache *c)
{
	return c->bytes;
}
