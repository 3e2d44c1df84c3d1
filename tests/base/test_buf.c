#include "tests/base/cmocka_setup.h"

#include "base/buf.h"
#include "base/mem.h"

static void fills_at_the_end_and_empties_at_the_front(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_true(buf_put(&b, SLICE("hello ")));
	assert_true(buf_put(&b, SLICE("world")));
	assert_slice(buf_slice(&b), "hello world");
	buf_consume(&b, 6);
	assert_slice(buf_slice(&b), "world");
	assert_int_equal(buf_len(&b), 5);
	buf_consume(&b, 5);
	assert_int_equal(buf_len(&b), 0);
	assert_int_equal(b.start, 0);
	buf_release(&b);
	assert_null(b.data);
	assert_int_equal(b.cap, 0);
	buf_release(&b);
}

static void is_usable_again_after_release(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_true(buf_put(&b, SLICE("one")));
	buf_release(&b);
	assert_true(buf_put(&b, SLICE("two")));
	assert_slice(buf_slice(&b), "two");
	buf_clear(&b);
	assert_int_equal(buf_len(&b), 0);
	assert_non_null(b.data);
	buf_release(&b);
}

static void an_empty_one_owns_nothing(void **state)
{
	(void)state;
	struct buf b = { 0 };
	mem_fail_after(-1);
	assert_true(buf_put(&b, slice_of(NULL, 0)));
	assert_true(buf_reserve(&b, 0));
	assert_int_equal(mem_fail_after(-1), 0);
	assert_null(b.data);
}

/* A queue that is filled and emptied all the time must move its content down, not grow. */
static void a_steady_queue_does_not_grow(void **state)
{
	(void)state;
	struct buf b = { 0 };
	char in = 0, out = 0;
	for (int i = 0; i < 100000; i++) {
		for (int j = 0; j < 3; j++, in++)
			assert_true(buf_put(&b, slice_of(&in, 1)));
		for (int j = 0; j < 3 && buf_len(&b) > 50; j++, out++) {
			assert_int_equal(buf_slice(&b).p[0], out);
			buf_consume(&b, 1);
		}
	}
	assert_true(b.cap <= 256);
	buf_release(&b);
}

static void prints_what_does_not_fit_at_first(void **state)
{
	(void)state;
	struct buf b = { 0 };
	char wide[5000];
	memset(wide, 'x', sizeof wide);
	for (int i = 0; i < 3; i++)
		assert_true(buf_printf(&b, "%d:%.*s;", i, (int)sizeof wide, wide));
	assert_int_equal(buf_len(&b), 3 * (sizeof wide + 3));
	assert_memory_equal(buf_slice(&b).p + sizeof wide + 3, "1:xxx", 5);
	assert_int_equal(buf_slice(&b).p[buf_len(&b) - 1], ';');
	buf_release(&b);
}

static void keeps_its_content_when_memory_is_out(void **state)
{
	(void)state;
	struct buf b = { 0 };
	mem_fail_after(0);
	assert_false(buf_put(&b, SLICE("x")));
	assert_int_equal(buf_len(&b), 0);
	assert_true(buf_put(&b, SLICE("kept")));
	char big[1024] = { 0 };
	mem_fail_after(0);
	assert_false(buf_put(&b, slice_of(big, sizeof big)));
	assert_slice(buf_slice(&b), "kept");
	mem_fail_after(0);
	assert_false(buf_printf(&b, "%1000d", 1));
	assert_slice(buf_slice(&b), "kept");
	mem_fail_after(-1);
	buf_release(&b);
}

static void ends_at_two_gigabytes(void **state)
{
	(void)state;
	struct buf b = { 0 };
	assert_true(buf_put(&b, SLICE("kept")));
	mem_fail_after(-1);
	assert_false(buf_reserve(&b, (size_t)1 << 31));
	assert_false(buf_reserve(&b, SIZE_MAX));
	assert_false(buf_reserve(&b, SIZE_MAX - 3));
	assert_int_equal(mem_fail_after(-1), 0);
	assert_slice(buf_slice(&b), "kept");
	buf_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fills_at_the_end_and_empties_at_the_front),
		cmocka_unit_test(is_usable_again_after_release), cmocka_unit_test(an_empty_one_owns_nothing),
		cmocka_unit_test(a_steady_queue_does_not_grow),
		cmocka_unit_test(prints_what_does_not_fit_at_first),
		cmocka_unit_test(keeps_its_content_when_memory_is_out), cmocka_unit_test(ends_at_two_gigabytes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
