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

static void keys_have_the_stated_error(void **state)
{
	(void)state;
	static const struct {
		unsigned n, keys;
		double rms; /* the standard error that the manual states, and a little for the sample */
	} at[] = { { 33, 100, 0.033 }, { 1000, 100, 0.037 }, { 5000, 40, 0.055 } };
	for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
		double mean, rms;
		error_at(at[i].n, at[i].keys, &mean, &rms);
		assert_true(rms < at[i].rms);
		assert_true(fabs(mean) < 3 * at[i].rms / sqrt(at[i].keys));
	}
}

/* Relative error of a fresh sketch of `n` values. */
static double sketch_error(unsigned n, uint64_t *seed)
{
	uint8_t cells[CELLS_BYTES] = { 0 };
	struct cells_count set;
	for (unsigned i = 0; i < n; i++) {
		*seed ^= *seed << 13, *seed ^= *seed >> 7, *seed ^= *seed << 17;
		cells_set(cells, *seed * 0x2545f4914f6cdd1du, CELL_NOW);
	}
	cells_count(cells, &set);
	return cells_estimate(set.now) / n - 1;
}

/* The table of the manual, with what a sample of that size may be off. */
static void the_manuals_table_holds(void **state)
{
	(void)state;
	static const struct {
		unsigned n, sketches;
		double standard, within; /* standard error; share of answers within 5 % */
	} at[] = { { 33, 1000, 0.027, 0.93 }, { 50, 1000, 0.027, 0.93 }, { 100, 1000, 0.027, 0.93 },
		{ 300, 1000, 0.0275, 0.93 }, { 1000, 1000, 0.031, 0.89 }, { 3000, 400, 0.041, 0.77 },
		{ 5000, 400, 0.045, 0.73 }, { 20000, 150, 0.051, 0.67 }, { 50000, 60, 0.061, 0.58 },
		{ 100000, 40, 0.085, 0.44 } };
	uint64_t seed = 88172645463325252u;
	for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
		double squares = 0, sum = 0, within = 0, twice = 0, n = at[i].sketches;
		for (unsigned s = 0; s < at[i].sketches; s++) {
			double e = sketch_error(at[i].n, &seed);
			sum += e, squares += e * e;
			within += fabs(e) <= 0.05;
			twice += fabs(e) <= 2 * at[i].standard;
		}
		double rms = sqrt(squares / n), w = at[i].within;
		print_message("%u values: mean error %+.2f %%, standard error %.2f %%, within 5 %%: %.1f %%\n", at[i].n,
			100 * sum / n, 100 * rms, 100 * within / n);
		assert_true(rms < at[i].standard * (1 + 3 / sqrt(2 * n)));
		assert_true(fabs(sum / n) < 3.5 * at[i].standard / sqrt(n) + 0.002);
		assert_true(within / n > w - 3 * sqrt(w * (1 - w) / n));
		assert_true(twice / n > 0.95 - 3 * sqrt(0.95 * 0.05 / n));
	}
	double most = sketch_error(3000000, &seed);
	assert_true(most > -0.9 && most < -0.3); /* it says a million, or somewhat less */
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
		cmocka_unit_test(keys_have_the_stated_error),
		cmocka_unit_test(the_manuals_table_holds),
		cmocka_unit_test(the_sketch_slides),
		cmocka_unit_test(a_full_sketch_says_a_million),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
