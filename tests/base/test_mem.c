#include "tests/base/cmocka_setup.h"

#include <pthread.h>

#include "base/mem.h"

static void free_takes_the_address_and_clears_it(void **state)
{
	(void)state;
	char *p = mem_alloc(10);
	assert_non_null(p);
	mem_free(&p);
	assert_null(p);
	mem_free(&p);
}

static void zeroed_and_grown(void **state)
{
	(void)state;
	char zero[100] = { 0 };
	char *p = mem_zalloc(sizeof zero);
	assert_non_null(p);
	assert_memory_equal(p, zero, sizeof zero);
	memset(p, 'x', sizeof zero);
	char *grown = mem_realloc(p, 10000);
	assert_non_null(grown);
	assert_int_equal(grown[99], 'x');
	mem_free(&grown);
}

static void nothing_is_still_a_block(void **state)
{
	(void)state;
	void *a = mem_alloc(0), *b = mem_zalloc(0), *c = mem_realloc(NULL, 0);
	assert_true(a && b && c && a != b);
	mem_free(&a);
	mem_free(&b);
	mem_free(&c);
}

static void strndup_ends_in_a_nul(void **state)
{
	(void)state;
	char *s = mem_strndup("abcdef", 3);
	assert_string_equal(s, "abc");
	mem_free(&s);
	s = mem_strndup(NULL, 0);
	assert_string_equal(s, "");
	mem_free(&s);
	mem_fail_after(0);
	assert_null(mem_strndup("abc", 3));
	mem_fail_after(-1);
}

static bool allocates(int how)
{
	char *p = how == 0 ? mem_alloc(8) : how == 1 ? mem_zalloc(8) : how == 2 ? mem_realloc(NULL, 8)
		: how == 3 ? mem_hook_malloc(8) : mem_hook_realloc(NULL, 8);
	bool ok = p;
	mem_hook_free(p);
	return ok;
}

static void the_nth_allocation_fails_and_only_that(void **state)
{
	(void)state;
	for (int how = 0; how < 5; how++) {
		mem_fail_after(2);
		assert_true(allocates(how));
		assert_true(allocates(how));
		assert_false(allocates(how));
		assert_true(allocates(how));
		assert_int_equal(mem_fail_after(-1), 4);
		assert_true(allocates(how));
	}
	mem_fail_after(-1);
}

static void *allocate_elsewhere(void *result_r)
{
	*(bool *)result_r = allocates(0);
	return NULL;
}

static void another_threads_allocations_do_not_fail(void **state)
{
	(void)state;
	pthread_t other;
	bool ok = false;
	mem_fail_after(0);
	assert_int_equal(pthread_create(&other, NULL, allocate_elsewhere, &ok), 0);
	pthread_join(other, NULL);
	assert_true(ok);
	assert_false(allocates(0));
	mem_fail_after(-1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(free_takes_the_address_and_clears_it), cmocka_unit_test(zeroed_and_grown),
		cmocka_unit_test(nothing_is_still_a_block), cmocka_unit_test(strndup_ends_in_a_nul),
		cmocka_unit_test(the_nth_allocation_fails_and_only_that),
		cmocka_unit_test(another_threads_allocations_do_not_fail),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
