#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "score/inspect.h"

#define T0 ((uint64_t)1767225600000u)
enum { HOUR = 3600000, DAY = 24 * HOUR };

static const struct hash_key secret = { 11, 12 };
static const struct score_known_limits limits = { 20, 14 * (uint64_t)DAY, 0.02 };
static const struct score_known_limits at_once = { 1, 0, 0 };

static struct score_key numbered(const struct score_store *s, unsigned n)
{
	struct ip ip = { { [10] = 0xff, [11] = 0xff, 10, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n } };
	return score_key_ip(s, SCORE_KEY_CLIENT, &ip, 128);
}

static struct score_store *make(void)
{
	struct score_store *s = score_store_new(1 << 20, &secret);
	assert_non_null(s);
	return s;
}

static void it_takes_messages_and_time(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_key k = numbered(s, 1);
	struct score_known known;
	for (unsigned i = 0; i < 19; i++)
		assert_false(score_known_accepted(s, &k, &limits, 1, T0 + i * (uint64_t)DAY));
	score_known_get(s, &k, &limits, &known);
	assert_true(known.accepted == 19 && known.refused == 0 && !known.good);
	assert_int_equal(known.first_s, T0 / 1000);
	assert_int_equal(known.last_s, (T0 + 18 * (uint64_t)DAY) / 1000);
	assert_true(score_known_accepted(s, &k, &limits, 1, T0 + 19 * (uint64_t)DAY));

	struct score_key hasty = numbered(s, 2); /* enough mails, but in too short a time */
	for (unsigned i = 0; i < 100; i++)
		assert_false(score_known_accepted(s, &hasty, &limits, 1, T0 + i * (uint64_t)(3 * HOUR)));
	assert_true(score_known_accepted(s, &hasty, &limits, 1, T0 + 14 * (uint64_t)DAY));

	struct score_known_limits quick = { 20, 0, 0.02 }; /* over = "0s" */
	struct score_key burst = numbered(s, 3);
	for (unsigned i = 0; i < 19; i++)
		assert_false(score_known_accepted(s, &burst, &quick, 1, T0));
	assert_true(score_known_accepted(s, &burst, &quick, 1, T0));
	score_store_free(&s);
}

static void refused_mail_ends_it(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_key k = numbered(s, 1), never = numbered(s, 2);
	struct score_known known;
	for (unsigned i = 0; i < 98; i++)
		(void)score_known_accepted(s, &k, &limits, 1, T0 + i * (uint64_t)DAY);
	assert_true(score_known_refused(s, &k, &limits));
	assert_true(score_known_refused(s, &k, &limits)); /* 2 of 100 is 2 % */
	assert_false(score_known_refused(s, &k, &limits));
	score_known_get(s, &k, &limits, &known);
	assert_true(known.refused == 3 && !known.good);
	for (unsigned i = 0; i < 49; i++) /* it can be won back: 3 of 150 */
		assert_int_equal(score_known_accepted(s, &k, &limits, 1, T0 + 100 * (uint64_t)DAY), i == 48);
	assert_false(score_known_refused(s, &never, &limits)); /* refusals alone make no entry */
	score_known_get(s, &never, &limits, &known);
	assert_int_equal(known.first_s, 0);
	assert_true(score_known_delete(s, &k) && !score_known_delete(s, &k));
	score_known_get(s, &k, &limits, &known);
	assert_true(known.accepted == 0 && !known.good);
	score_store_free(&s);
}

/* The promise must outlive a wrong rule: days of retries end no standing, a week without anything good does. */
static void being_spared_ends_it_in_the_end(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_known_limits brief = { 2, 0, 0.02 };
	struct score_key k = numbered(s, 1), mixed = numbered(s, 2), never = numbered(s, 3);
	struct score_known known;
	for (unsigned i = 0; i < 2; i++) {
		(void)score_known_accepted(s, &k, &brief, 1, T0);
		(void)score_known_accepted(s, &mixed, &brief, 1, T0);
	}
	uint64_t late = T0 + 100 * (uint64_t)DAY; /* it was silent for long: that alone is no fault */
	for (unsigned hour = 0; hour < 7 * 24; hour++)
		assert_true(score_known_spared(s, &k, &brief, late + hour * (uint64_t)HOUR));
	score_known_get(s, &k, &brief, &known);
	assert_true(known.good && known.refused == 0);
	assert_false(score_known_spared(s, &k, &brief, late + 7 * (uint64_t)DAY));
	score_known_get(s, &k, &brief, &known);
	assert_true(!known.good && known.accepted == 0);
	assert_false(score_known_accepted(s, &k, &brief, 1, late + 8 * (uint64_t)DAY)); /* it begins anew */
	assert_true(score_known_accepted(s, &k, &brief, 1, late + 8 * (uint64_t)DAY));
	for (unsigned day = 0; day < 60; day++) { /* some of its mail is good */
		assert_true(score_known_spared(s, &mixed, &brief, T0 + day * (uint64_t)DAY));
		if (day % 5 == 4)
			assert_true(score_known_accepted(s, &mixed, &brief, 1, T0 + day * (uint64_t)DAY));
	}
	assert_false(score_known_spared(s, &never, &brief, T0));
	struct score_known_limits slow = { 2, 14 * (uint64_t)DAY, 0.02 }; /* `over` is longer than the week */
	struct score_key old = numbered(s, 4);
	(void)score_known_accepted(s, &old, &slow, 1, T0);
	assert_true(score_known_accepted(s, &old, &slow, 1, late));
	assert_true(score_known_spared(s, &old, &slow, late));
	assert_true(score_known_spared(s, &old, &slow, late + 13 * (uint64_t)DAY));
	assert_false(score_known_spared(s, &old, &slow, late + 14 * (uint64_t)DAY));
	score_store_free(&s);
}

/* Of 300 clients known good all are there after floods of ever new clients and origins, those whose mail is accepted
 * included; what is not kept is the new. */
static void a_flood_evicts_none_known_good(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_known known;
	unsigned kept = 0;
	for (unsigned i = 0; i < 300; i++) {
		struct score_key k = numbered(s, i);
		assert_true(score_known_accepted(s, &k, &at_once, i, T0));
	}
	for (unsigned i = 0; i < 300000; i++) {
		struct score_key k = numbered(s, 1000000 + i);
		(void)score_known_accepted(s, &k, &limits, i, T0 + 30 * (uint64_t)DAY + i);
		(void)score_record_charge(s, &k, 100, HOUR, i, T0 + 30 * (uint64_t)DAY + i);
	}
	for (unsigned i = 0; i < 300; i++) {
		struct score_key k = numbered(s, i);
		score_known_get(s, &k, &at_once, &known);
		kept += known.good;
	}
	assert_int_equal(kept, 300);
	struct score_store_stats st;
	score_table_stats(s, STORE_KNOWN, &st);
	assert_true(st.used <= st.slots && st.memory <= (1 << 20) * 5 / 100 && st.evicted > 0);
	score_store_free(&s);
}

static void the_proven_make_room_after_a_year(void **state)
{
	(void)state;
	struct score_store *s = make();
	struct score_store_stats before, after;
	for (unsigned i = 0; i < 20000; i++) {
		struct score_key k = numbered(s, i);
		(void)score_known_accepted(s, &k, &at_once, i, T0);
	}
	score_table_stats(s, STORE_KNOWN, &before);
	assert_true(before.turned_away > 10000); /* the table was full of proven ones */
	struct score_key late = numbered(s, 1000000);
	assert_true(score_known_accepted(s, &late, &at_once, 1, T0 + 400 * (uint64_t)DAY));
	score_table_stats(s, STORE_KNOWN, &after);
	assert_int_equal(after.turned_away, before.turned_away);
	score_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_takes_messages_and_time),
		cmocka_unit_test(refused_mail_ends_it),
		cmocka_unit_test(being_spared_ends_it_in_the_end),
		cmocka_unit_test(a_flood_evicts_none_known_good),
		cmocka_unit_test(the_proven_make_room_after_a_year),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
