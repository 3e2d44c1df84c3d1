#include "tests/base/cmocka_setup.h"

#include "base/arena.h"
#include "base/mem.h"

enum { ALIGN = 16 };

static void gives_zeroed_aligned_blocks_that_do_not_overlap(void **state)
{
	(void)state;
	struct arena a = { 0 };
	unsigned char *block[300];
	for (size_t i = 0; i < 300; i++) {
		block[i] = arena_alloc(&a, i);
		assert_non_null(block[i]);
		assert_int_equal((uintptr_t)block[i] % ALIGN, 0);
		for (size_t j = 0; j < i; j++)
			assert_int_equal(block[i][j], 0);
		memset(block[i], (int)(i & 255), i);
	}
	for (size_t i = 0; i < 300; i++)
		for (size_t j = 0; j < i; j++)
			assert_int_equal(block[i][j], i & 255);
	arena_release(&a);
	assert_int_equal(a.total, 0);
}

static void a_block_may_be_bigger_than_all_before(void **state)
{
	(void)state;
	struct arena a = { 0 };
	assert_non_null(arena_alloc(&a, 10));
	unsigned char *big = arena_alloc(&a, 1000000);
	assert_non_null(big);
	big[999999] = 1;
	assert_non_null(arena_alloc(&a, 10));
	arena_release(&a);
}

static void copies_end_in_a_nul(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct slice s = arena_copy(&a, SLICE("a\0b"));
	assert_int_equal(s.n, 3);
	assert_memory_equal(s.p, "a\0b", 4);
	s = arena_copy(&a, slice_of(NULL, 0));
	assert_non_null(s.p);
	assert_int_equal(s.n, 0);
	char *text = arena_str(&a, SLICE("text"));
	assert_string_equal(text, "text");
	text[0] = 'T';
	arena_release(&a);
}

/* No client can make a scope grow without limit. */
static void the_limit_holds(void **state)
{
	(void)state;
	struct arena a = { .limit = 10000 };
	size_t got = 0;
	while (arena_alloc(&a, 100))
		got += 100;
	assert_true(a.total <= a.limit);
	/* and most of it can be used */
	assert_true(got >= 8000);
	assert_null(arena_alloc(&a, 10001));
	assert_null(arena_alloc(&a, SIZE_MAX));
	assert_null(arena_copy(&a, slice_of("", SIZE_MAX)).p);
	arena_release(&a);
	assert_non_null(arena_alloc(&a, 100));
	arena_release(&a);
}

static void memory_out_leaves_it_usable(void **state)
{
	(void)state;
	struct arena a = { 0 };
	mem_fail_after(0);
	assert_null(arena_alloc(&a, 1));
	assert_non_null(arena_alloc(&a, 1));
	mem_fail_after(0);
	assert_null(arena_alloc(&a, 5000));
	assert_null(arena_copy(&a, slice_of(NULL, SIZE_MAX)).p);
	assert_non_null(arena_alloc(&a, 5000));
	mem_fail_after(-1);
	arena_release(&a);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gives_zeroed_aligned_blocks_that_do_not_overlap),
		cmocka_unit_test(a_block_may_be_bigger_than_all_before), cmocka_unit_test(copies_end_in_a_nul),
		cmocka_unit_test(the_limit_holds), cmocka_unit_test(memory_out_leaves_it_usable),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
