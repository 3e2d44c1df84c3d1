#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "score/slots.h"

#define T0 ((uint64_t)1767225600000u)
enum { HOUR = 3600000, DAY = 24 * HOUR, SECOND = 1000 };

static const struct hash_key secret = { 11, 12 };
static const struct score_window ten_minutes = { 77, 150000 };

static struct score_key numbered(const struct score_store *s, unsigned n)
{
	char text[24];
	int len = snprintf(text, sizeof text, "k%u", n);
	return score_key_text(s, SCORE_KEY_SENDER, slice_of(text, (size_t)len));
}

static struct score_store *make(void)
{
	struct score_store *s = score_store_new(1 << 20, &secret);
	assert_non_null(s);
	return s;
}

static void points_halve_in_each_half_life(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_key k = numbered(s, 1);
	assert_float_equal(score_record_charge(s, &k, 80, HOUR, 1, T0), 80, 0);
	assert_float_equal(score_record_get(s, &k, HOUR, T0).points, 80, 0);
	assert_float_equal(score_record_get(s, &k, HOUR, T0 + HOUR / 2).points, 56.5685, 0.001);
	assert_float_equal(score_record_get(s, &k, HOUR, T0 + HOUR).points, 40, 1e-9);
	assert_float_equal(score_record_get(s, &k, HOUR, T0 + 3 * HOUR).points, 10, 1e-9);
	assert_float_equal(score_record_charge(s, &k, 5, HOUR, 1, T0 + 3 * HOUR), 15, 1e-9);
	assert_float_equal(score_record_get(s, &k, HOUR, T0 + 4 * HOUR).points, 7.5, 1e-9);
	assert_float_equal(
		score_record_get(s, &k, HOUR, T0).points, 15, 1e-9); /* a clock that jumped back stands still */
	assert_int_equal(score_record_get(s, &k, HOUR, T0).first_s, T0 / 1000);
	assert_int_equal(score_record_get(s, &k, HOUR, T0).last_s, (T0 + 3 * HOUR) / 1000);
	score_store_free(&s);
}

static void keys_of_different_kinds_do_not_meet(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_key a = score_key_text(s, SCORE_KEY_SENDER, SLICE("A@b")),
			 b = score_key_text(s, SCORE_KEY_RECIPIENT, SLICE("a@b"));
	struct score_key c = score_key_text(s, SCORE_KEY_SENDER, SLICE("a@B"));
	struct ip ip, near;
	assert_true(ip_parse(SLICE("2001:db8::1"), &ip) && ip_parse(SLICE("2001:db8::2"), &near));
	assert_true(a.hash == c.hash && a.hash != b.hash);
	assert_true(score_key_pair(a, b).hash != score_key_pair(b, a).hash);
	assert_true(
		score_key_ip(s, SCORE_KEY_CLIENT, &ip, 64).hash == score_key_ip(s, SCORE_KEY_CLIENT, &near, 64).hash);
	assert_true(score_key_ip(s, SCORE_KEY_NET, &ip, 64).hash != score_key_ip(s, SCORE_KEY_NET, &ip, 48).hash);
	(void)score_record_charge(s, &a, 5, HOUR, 1, T0);
	assert_float_equal(score_record_get(s, &b, HOUR, T0).points, 0, 0);
	assert_int_equal(score_count_get(s, &a, &ten_minutes, T0), 0); /* a counter is no record */
	assert_true(score_record_delete(s, &a));
	assert_false(score_record_delete(s, &a));
	assert_float_equal(score_record_get(s, &a, HOUR, T0).points, 0, 0);
	score_store_free(&s);
}

static void a_count_covers_its_window(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_key k = numbered(s, 1);
	uint64_t start = T0 - T0 % 150000;
	for (unsigned i = 0; i < 60; i++) /* one a second, for a minute */
		assert_int_equal(score_count_add(s, &k, &ten_minutes, 1, 1, start + i * SECOND), i + 1);
	assert_int_equal(score_count_get(s, &k, &ten_minutes, start + 60 * SECOND), 60);
	assert_int_equal(score_count_get(s, &k, &ten_minutes, start + 599 * SECOND), 60);
	assert_int_equal(
		score_count_get(s, &k, &ten_minutes, start + 675 * SECOND), 30); /* the edge is taken by its share */
	assert_int_equal(score_count_get(s, &k, &ten_minutes, start + 750 * SECOND), 0);
	assert_int_equal(score_count_get(s, &k, &ten_minutes, start - HOUR), 60); /* a clock that jumped back */
	assert_int_equal(score_count_add(s, &k, &ten_minutes, 7, 1, start + DAY), 7);
	score_count_sub(s, &k, &ten_minutes, 3, start + DAY);
	assert_int_equal(score_count_get(s, &k, &ten_minutes, start + DAY), 4);
	score_count_sub(s, &k, &ten_minutes, 30, start + DAY);
	assert_int_equal(score_count_get(s, &k, &ten_minutes, start + DAY), 0);
	score_store_free(&s);
}

/* Against a plain list of times: never off by more than what the last quarter holds. */
static void a_count_is_near_the_truth(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_key k = numbered(s, 1);
	enum { EVENTS = 3000 };
	static uint64_t at[EVENTS];
	unsigned seed = 1;
	uint64_t now = T0;
	for (unsigned i = 0; i < EVENTS; i++) {
		seed = seed * 1103515245u + 12345u;
		now += (seed >> 16) % 4000 * (1 + i / 500 % 3);
		at[i] = now;
		uint64_t counted = score_count_add(s, &k, &ten_minutes, 1, 1, now), least = 0, most = 0;
		for (unsigned j = 0; j <= i; j++) {
			least += at[j] + 450000 > now;
			most += at[j] + 750000 >= now;
		}
		assert_true(counted >= least && counted <= most);
	}
	score_store_free(&s);
}

static void saturated_counts_stay_there(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_key k = numbered(s, 1);
	(void)score_count_add(s, &k, &ten_minutes, UINT32_MAX - 1, 1, T0);
	assert_int_equal(score_count_add(s, &k, &ten_minutes, 5, 1, T0), UINT32_MAX);
	score_store_free(&s);
}

static void memory_is_capped(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_store_stats st;
	for (unsigned i = 0; i < 200000; i++) {
		struct score_key k = numbered(s, i);
		(void)score_count_add(s, &k, &ten_minutes, 1, i, T0 + i); /* of ever new origins */
	}
	score_store_stats(s, &st);
	assert_true(st.memory - st.slots <= (1 << 20) * 6 / 10); /* a mark beside each slot */
	uint64_t all = 0;
	for (unsigned t = 0; t < STORE_TABLES; t++) {
		score_table_stats(s, (enum score_table_name)t, &st);
		all += st.memory;
	}
	assert_true(all <= 1 << 20);
	score_store_stats(s, &st);
	assert_true(st.used <= st.slots && st.used > st.slots * 97 / 100);
	assert_true(st.evicted + st.used > 180000);
	(void)mem_fail_after(0);
	struct score_store *none = score_store_new(1 << 20, &secret);
	(void)mem_fail_after(-1);
	assert_null(none);
	score_store_free(&s);
}

static unsigned found_of(struct score_store *s, unsigned from, unsigned to)
{
	unsigned found = 0;
	for (unsigned i = from; i < to; i++) {
		struct score_key k = numbered(s, i);
		found += score_count_get(s, &k, &ten_minutes, T0) == i + 1;
	}
	return found;
}

/* Nothing goes before the last hundredths are filled; what moved for another is still found, also when slots were
 * deleted meanwhile. */
static void a_table_fills_before_anything_goes(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_store_stats st;
	score_store_stats(s, &st);
	unsigned n = (unsigned)(st.slots * 97 / 100);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < n; i++) {
			struct score_key k = numbered(s, i);
			if (score_count_get(s, &k, &ten_minutes, T0) == 0)
				(void)score_count_add(s, &k, &ten_minutes, i + 1, 1, T0);
		}
		score_store_stats(s, &st);
		assert_int_equal(st.used, n);
		assert_int_equal(st.evicted + st.turned_away, 0);
		assert_int_equal(found_of(s, 0, n), n);
		for (unsigned i = round; i < n; i += 3) {
			struct score_key k = numbered(s, i);
			assert_true(slot_delete(&s->tables[STORE_MAIN], slot_tag(k.hash, ten_minutes.id)));
		}
		assert_int_equal(found_of(s, 0, n), n - (n - round + 2) / 3);
	}
	score_store_free(&s);
}

/* Entries known for two days: newcomers push each other out first. */
static void newcomers_push_each_other_out_first(void **state)
{
	(void)state;
	struct score_store *s = make();
	for (unsigned day = 0; day < 3; day++) {
		for (unsigned i = 0; i < 2000; i++) {
			struct score_key k = numbered(s, i);
			(void)score_record_charge(s, &k, 1, HOUR, i, T0 + day * (uint64_t)DAY);
		}
	}
	for (unsigned i = 0; i < 300000; i++) {
		struct score_key k = numbered(s, 1000000 + i);
		(void)score_record_charge(s, &k, 100, HOUR, i, T0 + 3 * (uint64_t)DAY + i);
	}
	unsigned kept = 0;
	for (unsigned i = 0; i < 2000; i++) {
		struct score_key k = numbered(s, i);
		kept += score_record_get(s, &k, HOUR, T0).first_s != 0;
	}
	assert_true(kept > 1980);
	score_store_free(&s);
}

static void one_origin_cannot_turn_the_table_over(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_store_stats before, after;
	for (unsigned i = 0; i < 60000; i++) {
		struct score_key k = numbered(s, i);
		(void)score_record_charge(s, &k, 1, HOUR, i, T0);
	}
	score_store_stats(s, &before);
	for (unsigned i = 0; i < 50000; i++) {
		struct score_key k = numbered(s, 1000000 + i);
		(void)score_record_charge(s, &k, 1, HOUR, 4711, T0 + 120 * SECOND);
	}
	score_store_stats(s, &after);
	assert_int_equal(after.evicted - before.evicted, STORE_EVICTIONS_PER_MINUTE);
	assert_true(after.turned_away > 40000);
	score_store_free(&s);
}

static void what_is_over_makes_room(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_store_stats before, after;
	for (unsigned i = 0; i < 60000; i++) {
		struct score_key k = numbered(s, i);
		(void)score_count_add(s, &k, &ten_minutes, 1, i, T0);
	}
	score_store_stats(s, &before);
	for (unsigned i = 0; i < 2000; i++) {
		struct score_key k = numbered(s, 1000000 + i);
		assert_int_equal(score_count_add(s, &k, &ten_minutes, 1, 1, T0 + DAY), 1);
		assert_int_equal(score_count_get(s, &k, &ten_minutes, T0 + DAY), 1);
	}
	score_store_stats(s, &after);
	assert_int_equal(after.evicted, before.evicted);
	assert_int_equal(after.turned_away, before.turned_away);
	score_store_free(&s);
}

static unsigned kept_of(struct score_store *s, const unsigned *numbers, unsigned n)
{
	struct score_store_stats st;
	for (unsigned i = 0; i < n; i++) {
		struct score_key k = numbered(s, numbers[i]);
		(void)score_record_charge(s, &k, 1, HOUR, i, T0);
	}
	score_store_stats(s, &st);
	return (unsigned)st.used;
}

/* Keys that all fall into one shard of a store whose secret he knows; the secret of this one he does not. */
static void an_attacker_cannot_choose_where_his_keys_go(void **state)
{
	(void)state;
	enum { CHOSEN = 8000 };
	static unsigned numbers[CHOSEN];
	static const struct hash_key guess = { 1, 2 };
	struct score_store *his = score_store_new(4 << 20, &guess), *ours = score_store_new(4 << 20, &secret);
	const struct score_table *t = &his->tables[STORE_MAIN];
	assert_true(t->shard_bits >= 3);
	for (unsigned n = 0, found = 0; found < CHOSEN; n++)
		if (slot_tag(numbered(his, n).hash, RECORD_PURPOSE) >> (64 - t->shard_bits) == 0)
			numbers[found++] = n;
	assert_true(kept_of(his, numbers, CHOSEN) <= table_shard_slots(t)); /* the guess would have helped him */
	assert_int_equal(kept_of(ours, numbers, CHOSEN), CHOSEN);
	score_store_free(&his);
	score_store_free(&ours);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_halve_in_each_half_life),
		cmocka_unit_test(keys_of_different_kinds_do_not_meet),
		cmocka_unit_test(a_count_covers_its_window),
		cmocka_unit_test(a_count_is_near_the_truth),
		cmocka_unit_test(saturated_counts_stay_there),
		cmocka_unit_test(memory_is_capped),
		cmocka_unit_test(a_table_fills_before_anything_goes),
		cmocka_unit_test(newcomers_push_each_other_out_first),
		cmocka_unit_test(one_origin_cannot_turn_the_table_over),
		cmocka_unit_test(what_is_over_makes_room),
		cmocka_unit_test(an_attacker_cannot_choose_where_his_keys_go),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
