#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "score/cells.h"
#include "score/distinct.h"

/* the beginning of an hour, so of a part of the window too */
#define T0 ((uint64_t)1767225600000u)
enum { SECOND = 1000, MINUTE = 60 * SECOND, HOUR = 60 * MINUTE };

static const struct hash_key secret = { 11, 12 };
static const struct score_window hour = { 78, HOUR / 4 };

struct world {
	struct score_store *s;
	struct score_key key;
};

static struct world make(void)
{
	struct world w = { score_store_new(1 << 20, &secret), { 0 } };
	assert_non_null(w.s);
	w.key = score_key_text(w.s, SCORE_KEY_CLIENT, SLICE("a client"));
	return w;
}

static void show(struct world *w, unsigned from, unsigned n, uint64_t now_ms)
{
	char text[24];
	for (unsigned i = from; i < from + n; i++) {
		int len = snprintf(text, sizeof text, "v%u@example.org", i);
		struct score_key value = score_key_text(w->s, SCORE_KEY_SENDER, slice_of(text, (size_t)len));
		score_distinct_add(w->s, &w->key, &hour, &value, 1, now_ms);
	}
}

static double seen(struct world *w, uint64_t now_ms)
{
	return score_distinct_get(w->s, &w->key, &hour, now_ms);
}

static void exact_to_32(void **state)
{
	(void)state;
	struct world w = make();
	assert_float_equal(seen(&w, T0), 0, 0);
	for (unsigned i = 0; i < 32; i++) {
		show(&w, i, 1, T0 + i * SECOND);
		show(&w, 0, i + 1, T0 + i * SECOND); /* shown again, nothing new */
		assert_float_equal(seen(&w, T0 + i * SECOND), i + 1, 0);
	}
	struct score_key other = score_key_text(w.s, SCORE_KEY_CLIENT, SLICE("another"));
	assert_float_equal(score_distinct_get(w.s, &other, &hour, T0), 0, 0);
	score_store_free(&w.s);
}

static void the_exact_form_slides(void **state)
{
	(void)state;
	struct world w = make();
	for (unsigned i = 0; i < 30; i++) /* one every two minutes */
		show(&w, i, 1, T0 + i * 2 * MINUTE);
	assert_float_equal(seen(&w, T0 + 59 * MINUTE), 30, 0);
	double later = seen(&w, T0 + 90 * MINUTE); /* those of the last hour: after minute 30 */
	assert_true(later >= 14 && later <= 15);
	show(&w, 100, 17, T0 + 90 * MINUTE); /* there is room again */
	assert_float_equal(seen(&w, T0 + 90 * MINUTE), later + 17, 0);
	assert_float_equal(seen(&w, T0 + 200 * MINUTE), 0, 0);
	score_store_free(&w.s);
}

/* Mean and root of mean squares of the error over many keys. */
static void error_at(unsigned n, unsigned keys, double *mean_r, double *rms_r)
{
	struct world w = make();
	double sum = 0, squares = 0;
	for (unsigned i = 0; i < keys; i++) {
		w.key.hash = (i + 1) * 0x9e3779b97f4a7c15u;
		show(&w, 0, n, T0);
		double e = seen(&w, T0) / n - 1;
		sum += e, squares += e * e;
	}
	*mean_r = sum / keys, *rms_r = sqrt(squares / keys);
	score_store_free(&w.s);
}

static void within_five_percent_above(void **state)
{
	(void)state;
	static const struct {
		unsigned n, keys;
		double rms; /* the standard error that the manual states, and a little for the sample */
	} at[] = { { 33, 100, 0.035 }, { 100, 100, 0.035 }, { 1000, 100, 0.037 }, { 5000, 60, 0.052 },
		{ 20000, 30, 0.06 }, { 100000, 12, 0.12 } };
	for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
		double mean, rms;
		error_at(at[i].n, at[i].keys, &mean, &rms);
		print_message("%u values: mean error %+.2f %%, standard error %.2f %%\n", at[i].n, mean * 100,
			rms * 100);
		assert_true(rms < at[i].rms);
		assert_true(fabs(mean) < 3 * at[i].rms / sqrt(at[i].keys));
	}
}

static void the_sketch_slides(void **state)
{
	(void)state;
	struct world w = make();
	show(&w, 0, 1000, T0 + 50 * MINUTE);
	assert_float_equal(seen(&w, T0 + 50 * MINUTE), 1000, 80);
	show(&w, 0, 1000, T0 + 65 * MINUTE); /* the same values in the next hour are not counted twice */
	assert_float_equal(seen(&w, T0 + 65 * MINUTE), 1000, 80);
	show(&w, 5000, 500, T0 + 70 * MINUTE);
	assert_float_equal(seen(&w, T0 + 70 * MINUTE), 1500, 120);
	assert_float_equal(seen(&w, T0 + 150 * MINUTE), 750, 80); /* half of the part before */
	assert_true(seen(&w, T0 + 10 * MINUTE) > 1000);		  /* a clock that jumped back stands still */
	assert_float_equal(seen(&w, T0 + 181 * MINUTE), 0, 0);
	show(&w, 0, 20, T0 + 185 * MINUTE); /* exact again */
	assert_float_equal(seen(&w, T0 + 185 * MINUTE), 20, 0);
	score_store_free(&w.s);
}

static void a_full_sketch_says_a_million(void **state)
{
	(void)state;
	uint16_t full[CELL_GROUPS] = { 400, 200, 200, 200, 200, 200, 200 }, none[CELL_GROUPS] = { 0 };
	assert_float_equal(cells_estimate(full), CELLS_MOST, 0);
	assert_float_equal(cells_estimate(none), 0, 0);
	uint8_t cells[CELLS_BYTES] = { 0 };
	struct cells_count set;
	for (uint64_t i = 0; i < 4000; i++)
		cells_set(cells, i * 0x9e3779b97f4a7c15u, i % 2 ? CELL_BEFORE : CELL_NOW);
	cells_count(cells, &set);
	uint16_t now[CELL_GROUPS];
	memcpy(now, set.now, sizeof now);
	assert_true(cells_age(cells));
	cells_count(cells, &set);
	assert_memory_equal(set.all, now, sizeof now);
	assert_false(cells_age(cells));
	cells_count(cells, &set);
	assert_memory_equal(set.all, none, sizeof none);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exact_to_32),
		cmocka_unit_test(the_exact_form_slides),
		cmocka_unit_test(within_five_percent_above),
		cmocka_unit_test(the_sketch_slides),
		cmocka_unit_test(a_full_sketch_says_a_million),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
