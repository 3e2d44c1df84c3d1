/* server/rule_counts.h: nothing is lost when all workers count at once; a reader's sum only grows. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/rule_counts.h"

#include <pthread.h>
#include <stdatomic.h>

enum { THREADS = 4, TIMES = 20000 };

static struct rule_counts *shared;
static atomic_uint next_worker;

static void *count(void *arg)
{
	unsigned worker = atomic_fetch_add(&next_worker, 1) * RULE_COUNT_STRIPES / 2; /* two share a stripe */
	for (int i = 0; i < TIMES; i++) {
		rule_count_add(shared, worker, RULE_FIRED, 1);
		rule_count_add(shared, worker, RULE_CHARGE_MILLI, -500);
	}
	return arg;
}

static void all_is_counted(void **state)
{
	(void)state;
	pthread_t threads[THREADS];
	int64_t before = 0;
	shared = rule_counts_new();
	assert_non_null(shared);
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	for (int i = 0; i < 1000; i++) {
		int64_t now = rule_count_sum(shared, RULE_FIRED);
		assert_true(now >= before);
		before = now;
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(rule_count_sum(shared, RULE_FIRED), THREADS * TIMES);
	assert_int_equal(rule_count_sum(shared, RULE_CHARGE_MILLI), -500 * THREADS * TIMES);
	assert_int_equal(rule_count_sum(shared, RULE_DECIDED), 0);
	struct rule_counts *again = rule_counts_ref(shared);
	rule_counts_unref(&shared);
	assert_null(shared);
	assert_int_equal(rule_count_sum(again, RULE_FIRED), THREADS * TIMES);
	rule_counts_unref(&again);
	rule_counts_unref(&again);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(all_is_counted) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
