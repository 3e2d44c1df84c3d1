#include "tests/base/cmocka_setup.h"

#include "base/mem.h"
#include "relay/rcpt_cache.h"

#include <pthread.h>
#include <stdio.h>

enum { NOW = 1000, LATER = 5000 };

#define MAIN SLICE("main")

static struct relay_rcpt_cache *new_cache(size_t entries)
{
	struct relay_rcpt_cache *c = relay_rcpt_cache_new(entries);
	assert_non_null(c);
	return c;
}

static enum relay_rcpt_state state_of(struct relay_rcpt_cache *c, const char *rcpt, uint64_t now_ms)
{
	struct relay_rcpt_known known;
	enum relay_rcpt_state state = relay_rcpt_cache_get(c, MAIN, slice_str(rcpt), now_ms, &known);
	assert_int_equal(known.state, state);
	return state;
}

static void what_was_put_is_got_until_its_time(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(100);
	struct relay_rcpt_known known;
	assert_int_equal(state_of(c, "a@b", NOW), RELAY_RCPT_UNKNOWN);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("a@b"), NOW, LATER);
	relay_rcpt_cache_put_bad(c, MAIN, SLICE("x@b"), 550, SLICE("5.1.1 No such user"), NOW, LATER);
	relay_rcpt_cache_put_suspect(c, MAIN, SLICE("s@b"), NOW, LATER);
	assert_int_equal(state_of(c, "a@b", LATER - 1), RELAY_RCPT_OK);
	assert_int_equal(state_of(c, "s@b", LATER - 1), RELAY_RCPT_SUSPECT);
	assert_int_equal(relay_rcpt_cache_get(c, MAIN, SLICE("x@b"), LATER - 1, &known), RELAY_RCPT_BAD);
	assert_int_equal(known.code, 550);
	assert_slice(slice_of(known.text, known.text_n), "5.1.1 No such user");
	assert_int_equal(relay_rcpt_cache_counters(c).entries, 3);
	assert_int_equal(state_of(c, "a@b", LATER), RELAY_RCPT_UNKNOWN);
	assert_int_equal(state_of(c, "x@b", LATER), RELAY_RCPT_UNKNOWN);
	struct relay_rcpt_counters n = relay_rcpt_cache_counters(c);
	assert_int_equal(n.entries, 1);
	assert_int_equal(n.hits, 3);
	assert_int_equal(n.misses, 3);
	assert_int_equal(n.evicted, 0);
	relay_rcpt_cache_free(&c);
	assert_null(c);
	relay_rcpt_cache_free(&c);
}

static void the_last_word_counts(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(100);
	struct relay_rcpt_known known;
	relay_rcpt_cache_put_bad(c, MAIN, SLICE("a@b"), 550, SLICE("no"), NOW, LATER);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("a@b"), NOW + 1, LATER);
	assert_int_equal(relay_rcpt_cache_get(c, MAIN, SLICE("a@b"), NOW + 2, &known), RELAY_RCPT_OK);
	assert_int_equal(known.text_n, 0);
	assert_int_equal(known.code, 0);
	relay_rcpt_cache_put_suspect(c, MAIN, SLICE("a@b"), NOW + 3, LATER + 5);
	assert_int_equal(state_of(c, "a@b", LATER + 4), RELAY_RCPT_SUSPECT);
	assert_int_equal(relay_rcpt_cache_counters(c).entries, 1);
	relay_rcpt_cache_free(&c);
}

static void the_domain_is_folded_and_nothing_else(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(100);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("Joe@Example.COM"), NOW, LATER);
	assert_int_equal(state_of(c, "Joe@example.com", NOW), RELAY_RCPT_OK);
	assert_int_equal(state_of(c, "Joe@EXAMPLE.com", NOW), RELAY_RCPT_OK);
	assert_int_equal(state_of(c, "joe@example.com", NOW), RELAY_RCPT_UNKNOWN);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("\"A@B\"@x"), NOW, LATER);
	assert_int_equal(state_of(c, "\"A@b\"@x", NOW), RELAY_RCPT_UNKNOWN);
	assert_int_equal(state_of(c, "\"A@B\"@X", NOW), RELAY_RCPT_OK);
	relay_rcpt_cache_free(&c);
}

static void forgetting_tells_whether_it_was_there(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(100);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("a@b"), NOW, LATER);
	assert_true(relay_rcpt_cache_forget(c, MAIN, SLICE("a@B")));
	assert_false(relay_rcpt_cache_forget(c, MAIN, SLICE("a@b")));
	assert_int_equal(state_of(c, "a@b", NOW), RELAY_RCPT_UNKNOWN);
	assert_int_equal(relay_rcpt_cache_counters(c).entries, 0);
	relay_rcpt_cache_free(&c);
}

static void lengths_are_bounded(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(100);
	char address[RELAY_RCPT_CACHE_ADDRESS + 1], text[RELAY_RCPT_CACHE_TEXT + 50];
	struct relay_rcpt_known known;
	memset(address, 'a', sizeof address);
	address[5] = '@';
	relay_rcpt_cache_put_ok(c, MAIN, slice_of(address, sizeof address), NOW, LATER);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("postmaster"), NOW, LATER);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE(""), NOW, LATER);
	assert_int_equal(
		relay_rcpt_cache_get(c, MAIN, slice_of(address, sizeof address), NOW, &known), RELAY_RCPT_UNKNOWN);
	assert_int_equal(state_of(c, "postmaster", NOW), RELAY_RCPT_UNKNOWN);
	assert_int_equal(relay_rcpt_cache_counters(c).entries, 0);
	memset(text, 't', sizeof text);
	relay_rcpt_cache_put_bad(
		c, MAIN, slice_of(address, sizeof address - 1), 553, slice_of(text, sizeof text), NOW, LATER);
	assert_int_equal(
		relay_rcpt_cache_get(c, MAIN, slice_of(address, sizeof address - 1), NOW, &known), RELAY_RCPT_BAD);
	assert_int_equal(known.text_n, RELAY_RCPT_CACHE_TEXT);
	assert_memory_equal(known.text, text, RELAY_RCPT_CACHE_TEXT);
	relay_rcpt_cache_free(&c);
}

static void name_of(char to[32], const char *kind, int i)
{
	snprintf(to, 32, "%s%d@x", kind, i);
}

/* One set: nine addresses in it push out the oldest. */
static void a_full_set_loses_its_oldest(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(1);
	char name[32];
	for (int i = 0; i < 9; i++) {
		name_of(name, "n", i);
		relay_rcpt_cache_put_ok(c, MAIN, slice_str(name), NOW + (uint64_t)((i * 5 + 3) % 9),
			LATER); /* the fourth is the oldest */
	}
	assert_int_equal(relay_rcpt_cache_counters(c).entries, 8);
	assert_int_equal(relay_rcpt_cache_counters(c).evicted, 1);
	for (int i = 0; i < 9; i++) {
		name_of(name, "n", i);
		assert_int_equal(state_of(c, name, NOW + 9), i == 3 ? RELAY_RCPT_UNKNOWN : RELAY_RCPT_OK);
	}
	relay_rcpt_cache_free(&c);
}

static void the_expired_go_before_all_others(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(8);
	char name[32];
	for (int i = 0; i < 8; i++) {
		name_of(name, "n", i);
		relay_rcpt_cache_put_bad(c, MAIN, slice_str(name), 550, SLICE("no"), NOW, LATER);
	}
	relay_rcpt_cache_put_suspect(c, MAIN, SLICE("n7@x"), NOW + 1, NOW + 2);
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("new@x"), NOW + 2, LATER);
	assert_int_equal(relay_rcpt_cache_counters(c).evicted, 0);
	assert_int_equal(state_of(c, "n7@x", NOW + 2), RELAY_RCPT_UNKNOWN);
	assert_int_equal(state_of(c, "n0@x", NOW + 2), RELAY_RCPT_BAD);
	relay_rcpt_cache_free(&c);
}

static void a_harvest_does_not_push_out_the_good(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = new_cache(8);
	char name[32];
	relay_rcpt_cache_put_suspect(c, MAIN, SLICE("s@x"), NOW, LATER + 1000);
	for (int i = 0; i < 6; i++) {
		name_of(name, "good", i);
		relay_rcpt_cache_put_ok(c, MAIN, slice_str(name), NOW, LATER + 1000);
	}
	for (int i = 0; i < 1000; i++) {
		name_of(name, "bad", i);
		relay_rcpt_cache_put_bad(
			c, MAIN, slice_str(name), 550, SLICE("no"), NOW + 1 + (uint64_t)i, LATER + 1000);
	}
	for (int i = 0; i < 6; i++) {
		name_of(name, "good", i);
		assert_int_equal(state_of(c, name, LATER), RELAY_RCPT_OK);
	}
	assert_int_equal(state_of(c, "s@x", LATER), RELAY_RCPT_SUSPECT);
	assert_int_equal(state_of(c, "bad999@x", LATER), RELAY_RCPT_BAD);
	assert_int_equal(relay_rcpt_cache_counters(c).evicted, 999);
	relay_rcpt_cache_free(&c);
}

/* The hash spreads: of as many addresses as there is room for, nearly all are kept. */
static void addresses_spread_over_the_sets(void **state)
{
	(void)state;
	enum { ROOM = 8000 };
	struct relay_rcpt_cache *c = new_cache(ROOM);
	char name[32];
	int kept = 0;
	for (int i = 0; i < ROOM / 2; i++) {
		name_of(name, "user", i);
		relay_rcpt_cache_put_ok(c, MAIN, slice_str(name), NOW, LATER);
	}
	for (int i = 0; i < ROOM / 2; i++) {
		name_of(name, "user", i);
		kept += state_of(c, name, NOW) == RELAY_RCPT_OK;
	}
	assert_in_range(kept, ROOM / 2 * 95 / 100, ROOM / 2);
	relay_rcpt_cache_free(&c);
}

static void no_memory(void **state)
{
	(void)state;
	for (int after = 0; after < 2; after++) {
		mem_fail_after(after);
		assert_null(relay_rcpt_cache_new(100));
	}
	mem_fail_after(-1);
	assert_null(relay_rcpt_cache_new(SIZE_MAX));
}

enum { THREADS = 4, ROUNDS = 20000 };

struct worker {
	pthread_t thread;
	struct relay_rcpt_cache *cache;
	unsigned seed;
	uint64_t asked;
};

/* Whoever put it: the text that comes out belongs to the code that comes out. */
static void *work(void *arg)
{
	struct worker *w = arg;
	struct relay_rcpt_known known;
	char name[32], text[32];
	unsigned x = w->seed;
	for (uint64_t i = 0; i < ROUNDS; i++) {
		x = x * 1103515245u + 12345u;
		name_of(name, "t", (int)(x >> 16) % 64);
		unsigned code = 500 + (x >> 8) % 50;
		snprintf(text, sizeof text, "%u says so", code);
		if (x % 5 == 0)
			relay_rcpt_cache_put_bad(w->cache, MAIN, slice_str(name), code, slice_str(text), i, i + 100);
		else if (x % 5 == 1)
			relay_rcpt_cache_put_ok(w->cache, MAIN, slice_str(name), i, i + 100);
		else if (x % 97 == 0)
			relay_rcpt_cache_forget(w->cache, MAIN, slice_str(name));
		w->asked++;
		if (relay_rcpt_cache_get(w->cache, MAIN, slice_str(name), i, &known) == RELAY_RCPT_BAD) {
			snprintf(text, sizeof text, "%u says so", known.code);
			if (!slice_eq(slice_of(known.text, known.text_n), slice_str(text)))
				return NULL;
		}
	}
	return w;
}

static void threads_share_it(void **state)
{
	(void)state;
	struct worker workers[THREADS];
	struct relay_rcpt_cache *c = new_cache(32);
	uint64_t asked = 0;
	for (unsigned i = 0; i < THREADS; i++) {
		workers[i] = (struct worker){ .cache = c, .seed = i };
		assert_int_equal(pthread_create(&workers[i].thread, NULL, work, &workers[i]), 0);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		void *fine;
		pthread_join(workers[i].thread, &fine);
		assert_non_null(fine);
		asked += workers[i].asked;
	}
	struct relay_rcpt_counters n = relay_rcpt_cache_counters(c);
	assert_int_equal(n.hits + n.misses, asked);
	assert_in_range(n.entries, 1, 32);
	assert_true(n.hits > 0 && n.misses > 0 && n.evicted > 0);
	relay_rcpt_cache_free(&c);
}

/* What a group's backends say is no other group's word. */
static void groups_do_not_share(void **state)
{
	(void)state;
	struct relay_rcpt_cache *c = relay_rcpt_cache_new(64);
	struct relay_rcpt_known known;
	relay_rcpt_cache_put_ok(c, MAIN, SLICE("a@example.test"), 1, 100);
	relay_rcpt_cache_put_bad(c, SLICE("sales"), SLICE("a@example.test"), 550, SLICE("5.1.1 no"), 1, 100);
	assert_int_equal(relay_rcpt_cache_get(c, MAIN, SLICE("A@example.test"), 2, &known), RELAY_RCPT_UNKNOWN);
	assert_int_equal(relay_rcpt_cache_get(c, MAIN, SLICE("a@example.test"), 2, &known), RELAY_RCPT_OK);
	assert_int_equal(relay_rcpt_cache_get(c, SLICE("sales"), SLICE("a@EXAMPLE.test"), 2, &known), RELAY_RCPT_BAD);
	assert_int_equal(relay_rcpt_cache_get(c, SLICE("third"), SLICE("a@example.test"), 2, &known),
		RELAY_RCPT_UNKNOWN);
	assert_true(relay_rcpt_cache_forget(c, SLICE("sales"), SLICE("a@example.test")));
	assert_int_equal(relay_rcpt_cache_get(c, MAIN, SLICE("a@example.test"), 2, &known), RELAY_RCPT_OK);
	relay_rcpt_cache_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_put_is_got_until_its_time),
		cmocka_unit_test(the_last_word_counts),
		cmocka_unit_test(the_domain_is_folded_and_nothing_else),
		cmocka_unit_test(forgetting_tells_whether_it_was_there),
		cmocka_unit_test(lengths_are_bounded),
		cmocka_unit_test(a_full_set_loses_its_oldest),
		cmocka_unit_test(the_expired_go_before_all_others),
		cmocka_unit_test(a_harvest_does_not_push_out_the_good),
		cmocka_unit_test(addresses_spread_over_the_sets),
		cmocka_unit_test(no_memory),
		cmocka_unit_test(threads_share_it),
		cmocka_unit_test(groups_do_not_share),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
