#include "tools/replay_tally.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#include <stdlib.h>

enum { BUCKETS = 1 << 14, FIRST_ROOM = 64 };

static bool make_room(struct tally *t)
{
	if (!t->buckets)
		t->buckets = mem_zalloc(BUCKETS * sizeof *t->buckets);
	if (!t->buckets || t->n < t->cap)
		return t->buckets != NULL;
	uint32_t cap = t->cap ? 2 * t->cap : FIRST_ROOM;
	struct tally_item *items = mem_realloc(t->items, cap * sizeof *items);
	if (items) {
		t->items = items;
		t->cap = cap;
	}
	return items != NULL;
}

static struct tally_item *find(struct tally *t, struct slice key)
{
	static const struct hash_key fixed = { 3, 4 };
	uint64_t hash = hash_bytes(&fixed, key);
	uint32_t *bucket = &t->buckets[hash % BUCKETS];
	for (uint32_t i = *bucket; i; i = t->items[i - 1].next)
		if (t->items[i - 1].hash == hash && slice_eq(t->items[i - 1].key, key))
			return &t->items[i - 1];
	if (t->n == TALLY_KEYS && !slice_eq(key, SLICE("others")))
		return find(t, SLICE("others"));
	struct slice copy = arena_copy(&t->arena, key);
	if (!copy.p)
		return NULL;
	t->items[t->n] = (struct tally_item){ .key = copy, .hash = hash, .next = *bucket };
	*bucket = ++t->n;
	return &t->items[t->n - 1];
}

static bool keep_example(struct tally *t, struct tally_item *item, const struct tally_example *e)
{
	if (!item->examples)
		item->examples = arena_alloc(&t->arena, TALLY_EXAMPLES * sizeof *item->examples);
	if (!item->examples)
		return false;
	struct tally_example *copy = &item->examples[item->examples_n++];
	*copy = *e;
	struct slice *texts[] = { &copy->session, &copy->mail, &copy->client, &copy->sender, &copy->recipient,
		&copy->from, &copy->to };
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
		*texts[i] = arena_copy(&t->arena, *texts[i]);
	return true;
}

void tally_add(struct tally *t, struct slice key, const struct tally_example *example)
{
	struct tally_item *item = make_room(t) ? find(t, key) : NULL;
	t->failed |= !item;
	if (!item)
		return;
	item->count++;
	if (item->examples_n < TALLY_EXAMPLES)
		t->failed |= !keep_example(t, item, example);
}

static int by_count(const void *a, const void *b)
{
	const struct tally_item *x = a, *y = b;
	if (x->count != y->count)
		return x->count < y->count ? 1 : -1;
	size_t n = x->key.n < y->key.n ? x->key.n : y->key.n;
	int order = memcmp(x->key.p, y->key.p, n);
	return order ? order : (x->key.n > y->key.n) - (x->key.n < y->key.n);
}

static void put_some(struct ctl_json at, const char *key, struct slice s)
{
	if (s.n)
		ctl_json_put_text(at, key, s);
}

static void put_example(struct ctl_json list, const struct tally_example *e)
{
	char when[CLOCK_RFC3339];
	struct ctl_json at = ctl_json_put_object(list, NULL);
	ctl_json_put_text(at, "time", slice_of(when, clock_rfc3339(e->time_ms, when)));
	ctl_json_put_text(at, "session", e->session);
	put_some(at, "mail", e->mail);
	ctl_json_put_text(at, "stage", e->stage);
	ctl_json_put_text(at, "client", e->client);
	put_some(at, "sender", e->sender);
	put_some(at, "recipient", e->recipient);
	ctl_json_put_text(at, "from", e->from);
	ctl_json_put_text(at, "to", e->to);
}

void tally_put(struct tally *t, struct ctl_json at, const char *name, size_t top)
{
	struct ctl_json list = ctl_json_put_array(at, name);
	if (t->n)
		qsort(t->items, t->n, sizeof *t->items, by_count);
	mem_free(&t->buckets); /* they say nothing any more: the items are sorted */
	for (size_t i = 0; i < t->n && (top == 0 || i < top); i++) {
		struct ctl_json one = ctl_json_put_object(list, NULL);
		ctl_json_put_text(one, "key", t->items[i].key);
		ctl_json_put_count(one, "count", t->items[i].count);
		struct ctl_json examples = ctl_json_put_array(one, "examples");
		for (unsigned k = 0; k < t->items[i].examples_n; k++)
			put_example(examples, &t->items[i].examples[k]);
	}
}

void tally_release(struct tally *t)
{
	arena_release(&t->arena);
	mem_free(&t->items);
	mem_free(&t->buckets);
	*t = (struct tally){ 0 };
}
