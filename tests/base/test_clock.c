#include "tests/base/cmocka_setup.h"

#include "base/clock.h"

/* Values from `date -u -d @N --iso-8601=ns` and `date -u -d @N -R`. */
static const struct {
	uint64_t ms;
	const char *rfc3339, *rfc5322;
} CASES[] = {
	{ 0, "1970-01-01T00:00:00.000Z", "Thu, 01 Jan 1970 00:00:00 +0000" },
	{ 1795308683123, "2026-11-22T00:51:23.123Z", "Sun, 22 Nov 2026 00:51:23 +0000" },
	{ 1795308683007, "2026-11-22T00:51:23.007Z", "Sun, 22 Nov 2026 00:51:23 +0000" },
	{ 1709251199999, "2024-02-29T23:59:59.999Z", "Thu, 29 Feb 2024 23:59:59 +0000" },
	{ 1709251200000, "2024-03-01T00:00:00.000Z", "Fri, 01 Mar 2024 00:00:00 +0000" },
	{ 253402300799999, "9999-12-31T23:59:59.999Z", "Fri, 31 Dec 9999 23:59:59 +0000" },
};

static void assert_case(size_t i)
{
	char text[CLOCK_RFC3339], date[CLOCK_RFC5322];
	assert_int_equal(clock_rfc3339(CASES[i].ms, text), strlen(CASES[i].rfc3339));
	assert_string_equal(text, CASES[i].rfc3339);
	assert_int_equal(clock_rfc5322(CASES[i].ms, date), strlen(CASES[i].rfc5322));
	assert_string_equal(date, CASES[i].rfc5322);
}

/* Twice and back again: the second that a thread keeps must not be given out for another one. */
static void both_forms(void **state)
{
	(void)state;
	enum { N = sizeof CASES / sizeof CASES[0] };
	for (size_t i = 0; i < N; i++) {
		assert_case(i);
		assert_case(i);
	}
	for (size_t i = N; i-- > 0;)
		assert_case(i);
}

static void the_clocks_run(void **state)
{
	(void)state;
	uint64_t a = clock_mono_ms(), b = a;
	for (long spins = 0; b == a && spins < 1000000000; spins++)
		b = clock_mono_ms();
	assert_true(b > a);
	/* after 2025 and before 2500 */
	assert_in_range(clock_wall_ms(), 1735689600000, 16725225600000);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(both_forms), cmocka_unit_test(the_clocks_run) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
