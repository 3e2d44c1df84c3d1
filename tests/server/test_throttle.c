#include "server/throttle.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

static void without_a_rate_all_may_pass(void **state)
{
	(void)state;
	struct throttle t = { 0 };
	assert_int_equal(throttle_allows(&t, 65536, 5), 65536);
	throttle_took(&t, 65536);
	assert_int_equal(throttle_allows(&t, 65536, 5), 65536);
}

/* Reads whenever something may be read; how long `total` bytes take. */
static uint64_t time_for(uint64_t rate, uint64_t total)
{
	struct throttle t = { 0 };
	uint64_t now = 1000000, start = now;
	throttle_set(&t, rate, now);
	while (total) {
		size_t n = throttle_allows(&t, total < 4096 ? (size_t)total : 4096, now);
		throttle_took(&t, n);
		total -= n;
		now += n ? 0 : throttle_wait_ms(&t);
	}
	return now - start;
}

/* All but the first second's worth comes at the rate. */
static void keeps_the_rate(void **state)
{
	(void)state;
	static const struct {
		uint64_t rate, total, ms;
	} V[] = { { 20000, 220000, 10000 }, { 1, 4, 3000 }, { 7, 70, 9000 }, { 1000, 900, 0 },
		{ 3000000, 9000000, 2000 } };
	for (size_t i = 0; i < sizeof V / sizeof V[0]; i++) {
		uint64_t ms = time_for(V[i].rate, V[i].total);
		assert_in_range(ms, V[i].ms, V[i].ms + V[i].ms / 20 + 110);
	}
}

static void silence_is_not_saved_up(void **state)
{
	(void)state;
	struct throttle t = { 0 };
	throttle_set(&t, 100, 0);
	throttle_took(&t, 100);
	assert_int_equal(throttle_allows(&t, 4096, 1000000), 100);
}

static void the_same_rate_again_gives_nothing_new(void **state)
{
	(void)state;
	struct throttle t = { 0 };
	throttle_set(&t, 100, 0);
	throttle_took(&t, 100);
	throttle_set(&t, 100, 0);
	assert_int_equal(throttle_allows(&t, 4096, 0), 0);
	assert_int_equal(throttle_allows(&t, 4096, 10), 1);
	throttle_set(&t, 0, 10);
	assert_int_equal(throttle_allows(&t, 4096, 10), 4096);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_a_rate_all_may_pass),
		cmocka_unit_test(keeps_the_rate),
		cmocka_unit_test(silence_is_not_saved_up),
		cmocka_unit_test(the_same_rate_again_gives_nothing_new),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
