/* spike(): seeded synthetic traces; what must be found, and what must stay silent. Times are arguments: no sleeping. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "score/usual.h"

#define T0 ((uint64_t)1767225600000u) /* a midnight */
#define WINDOW ((uint64_t)300000)
#define DAY ((uint64_t)86400000)
enum { WINDOWS_A_DAY = 288 };

static const struct hash_key secret = { 11, 12 };
static const struct score_window five_minutes = { 79, 75000 };

struct trace {
	struct score_store *s;
	struct score_key key;
	uint32_t seed;
	double highest; /* spike seen at any event */
};

static struct trace make(void)
{
	struct trace t = { score_store_new(1 << 20, &secret), { 0 }, 4711, 0 };
	assert_non_null(t.s);
	t.key = score_key_text(t.s, SCORE_KEY_SENDER, SLICE("joe@example.org"));
	return t;
}

static unsigned below(struct trace *t, unsigned n)
{
	t->seed = t->seed * 1103515245u + 12345u;
	return (t->seed >> 16) % n;
}

/* `n` events spread over a window; the store is asked at each. */
static void window_of(struct trace *t, uint64_t window, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		uint64_t now = T0 + window * WINDOW + i * WINDOW / n;
		score_usual_add(t->s, &t->key, &five_minutes, 1, 1, now);
		t->highest = fmax(t->highest, score_spike(t->s, &t->key, &five_minutes, now));
	}
}

/* Office hours: 8 to 18, about `mean` events in each window. */
static void office(struct trace *t, unsigned from_day, unsigned days, unsigned mean)
{
	for (unsigned w = from_day * WINDOWS_A_DAY; w < (from_day + days) * WINDOWS_A_DAY; w++) {
		unsigned hour = w % WINDOWS_A_DAY / 12;
		window_of(t, w, hour >= 8 && hour < 18 ? mean / 2 + below(t, mean + 1) : 0);
	}
}

static void too_young_or_too_seldom_gives_one(void **state)
{
	(void)state;
	struct trace t = make();
	assert_float_equal(score_spike(t.s, &t.key, &five_minutes, T0), 1, 0);
	for (unsigned w = 0; w < WINDOWS_A_DAY - 1; w++) /* under a day old, whatever it does */
		window_of(&t, w, w == 200 ? 500 : 1);
	assert_float_equal(t.highest, 1, 0);
	struct trace seldom = make();
	for (unsigned day = 0; day < 11; day++)
		window_of(&seldom, day * WINDOWS_A_DAY, 1);
	window_of(&seldom, 30 * WINDOWS_A_DAY, 500); /* 11 windows so far */
	assert_float_equal(seldom.highest, 1, 0);
	window_of(&seldom, 31 * WINDOWS_A_DAY, 500); /* 12 */
	assert_true(seldom.highest > 2);
	score_store_free(&t.s);
	score_store_free(&seldom.s);
}

/* Mean and deviation against a plain computation over all windows. */
static void usual_is_the_fading_mean(void **state)
{
	(void)state;
	struct trace t = make();
	struct score_usual u;
	double sum = 0, squares = 0, weight = 0, left = exp(-300.0 / (7 * 86400));
	for (unsigned w = 0; w < 10 * WINDOWS_A_DAY; w++) {
		unsigned n = below(&t, 3) ? 0 : below(&t, 30);
		n = w ? n : 1;
		window_of(&t, w, n);
		sum = sum * left + n, squares = squares * left + n * n, weight = weight * left + 1;
	}
	score_usual_get(t.s, &t.key, &five_minutes, T0 + 10 * DAY, &u);
	assert_true(fabs(u.mean - sum / weight) < 0.01);
	assert_true(fabs(u.deviation - sqrt(squares / weight - sum / weight * sum / weight)) < 0.02);
	assert_int_equal(u.first_s, T0 / 1000);
	score_store_free(&t.s);
}

static void a_stolen_account_is_seen(void **state)
{
	(void)state;
	struct trace t = make();
	office(&t, 0, 10, 2);
	assert_true(t.highest < 2); /* ten days of usual mail: silence */
	window_of(&t, 10 * WINDOWS_A_DAY + 36, 200);
	assert_true(t.highest > 10); /* at three in the night */
	score_store_free(&t.s);
}

static void a_busy_sender_may_be_busy(void **state)
{
	(void)state;
	struct trace t = make();
	office(&t, 0, 10, 100);
	assert_true(t.highest < 3);
	window_of(&t, 10 * WINDOWS_A_DAY + 120, 300); /* three times its day's rate: busy, no spike of ten */
	assert_true(t.highest < 10);
	window_of(&t, 10 * WINDOWS_A_DAY + 122, 5000);
	assert_true(t.highest > 10);
	score_store_free(&t.s);
}

static void a_slow_ramp_is_no_spike(void **state)
{
	(void)state;
	struct trace t = make();
	for (unsigned day = 0; day < 28; day++) /* a shop that grows from 2 to 56 a window in four weeks */
		office(&t, day, 1, 2 + 2 * day);
	assert_true(t.highest < 10);
	score_store_free(&t.s);
}

static void a_newsletter_becomes_usual(void **state)
{
	(void)state;
	struct trace t = make();
	for (unsigned day = 0; day < 30; day++) {
		if (day == 5) /* by then it is known what the mornings bring */
			t.highest = 0;
		for (unsigned w = 0; w < 12; w++)
			window_of(&t, day * WINDOWS_A_DAY + 84 + w, 150 + below(&t, 100));
	}
	assert_true(t.highest < 10);
	score_store_free(&t.s);
}

/* One sender, many addresses: the sender's rate shows it, no single address's does. */
static void snowshoe_shows_in_the_sender(void **state)
{
	(void)state;
	struct trace t = make();
	double highest = 0;
	office(&t, 0, 10, 2);
	for (unsigned i = 0; i < 200; i++) {
		uint64_t now = T0 + 10 * DAY + i * 1000;
		struct ip ip = { { [10] = 0xff, [11] = 0xff, 10, 0, 0, (uint8_t)i } };
		struct score_key client = score_key_ip(t.s, SCORE_KEY_CLIENT, &ip, 128);
		score_usual_add(t.s, &client, &five_minutes, 1, i, now);
		highest = fmax(highest, score_spike(t.s, &client, &five_minutes, now));
		score_usual_add(t.s, &t.key, &five_minutes, 1, i, now);
		t.highest = fmax(t.highest, score_spike(t.s, &t.key, &five_minutes, now));
	}
	assert_float_equal(highest, 1, 0);
	assert_true(t.highest > 10);
	score_store_free(&t.s);
}

static void what_is_taken_back_is_no_rate(void **state)
{
	(void)state;
	struct trace t = make();
	struct score_usual u;
	uint64_t now = T0 + 10 * DAY;
	office(&t, 0, 10, 2);
	score_usual_add(t.s, &t.key, &five_minutes, 100, 1, now);
	score_usual_sub(t.s, &t.key, &five_minutes, 60, now);
	score_usual_get(t.s, &t.key, &five_minutes, now, &u);
	assert_float_equal(u.rate, 40, 1e-9);
	score_usual_get(t.s, &t.key, &five_minutes, now + WINDOW + WINDOW / 2, &u);
	assert_float_equal(u.rate, 20, 1e-9); /* the window before, by its share */
	score_usual_sub(t.s, &t.key, &five_minutes, 60, now);
	score_usual_get(t.s, &t.key, &five_minutes, now - DAY, &u);
	assert_float_equal(u.rate, 0, 1e-9); /* never below; a clock that jumped back */
	score_store_free(&t.s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(too_young_or_too_seldom_gives_one),
		cmocka_unit_test(usual_is_the_fading_mean),
		cmocka_unit_test(a_stolen_account_is_seen),
		cmocka_unit_test(a_busy_sender_may_be_busy),
		cmocka_unit_test(a_slow_ramp_is_no_spike),
		cmocka_unit_test(a_newsletter_becomes_usual),
		cmocka_unit_test(snowshoe_shows_in_the_sender),
		cmocka_unit_test(what_is_taken_back_is_no_rate),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
