#include "tests/base/cmocka_setup.h"

static void comparing(void **state)
{
	(void)state;
	const struct slice none = { NULL, 0 };
	assert_true(slice_eq(SLICE("a\0b"), slice_of("a\0b", 3)));
	assert_false(slice_eq(SLICE("a\0b"), SLICE("a\0c")));
	assert_false(slice_eq(SLICE("ab"), SLICE("abc")));
	assert_true(slice_eq(none, SLICE("")));
	assert_true(slice_ieq(SLICE("RcPt"), SLICE("rCpT")));
	assert_false(slice_ieq(SLICE("rcpt"), SLICE("rcp")));
	/* only ASCII letters are folded: 0xc4 and 0xe4 are not one letter, nor are '@' and '`' */
	assert_false(slice_ieq(SLICE("\xc4"), SLICE("\xe4")));
	assert_false(slice_ieq(SLICE("@"), SLICE("`")));
	assert_true(slice_ieq(none, none));
}

static void beginnings(void **state)
{
	(void)state;
	assert_true(slice_starts(SLICE("MAIL FROM"), SLICE("MAIL")));
	assert_true(slice_starts(SLICE("MAIL"), SLICE("MAIL")));
	assert_false(slice_starts(SLICE("MAI"), SLICE("MAIL")));
	assert_false(slice_starts(SLICE("mail"), SLICE("MAIL")));
	assert_true(slice_istarts(SLICE("mail from"), SLICE("MAIL")));
	assert_false(slice_istarts(SLICE("mai"), SLICE("MAIL")));
}

static void finding(void **state)
{
	(void)state;
	struct slice s = SLICE("a@b@c");
	assert_int_equal(slice_find(s, '@'), 1);
	assert_int_equal(slice_rfind(s, '@'), 3);
	assert_int_equal(slice_find(s, 'x'), 5);
	assert_int_equal(slice_rfind(s, 'x'), 5);
	assert_int_equal(slice_find(slice_of(NULL, 0), 'x'), 0);
	assert_int_equal(slice_rfind(slice_of(NULL, 0), 'x'), 0);
}

static void skipping_stops_at_the_end(void **state)
{
	(void)state;
	assert_slice(slice_skip(SLICE("abc"), 1), "bc");
	assert_slice(slice_skip(SLICE("abc"), 3), "");
	assert_slice(slice_skip(SLICE("abc"), SIZE_MAX), "");
}

static void cutting(void **state)
{
	(void)state;
	struct slice s = SLICE("a:b::c");
	assert_slice(slice_cut(&s, ':'), "a");
	assert_slice(slice_cut(&s, ':'), "b");
	assert_slice(slice_cut(&s, ':'), "");
	assert_slice(slice_cut(&s, ':'), "c");
	assert_int_equal(s.n, 0);
	assert_slice(slice_cut(&s, ':'), "");
	struct slice last = SLICE("x:");
	assert_slice(slice_cut(&last, ':'), "x");
	assert_int_equal(last.n, 0);
}

static void trimming(void **state)
{
	(void)state;
	assert_slice(slice_trim(SLICE(" \t a b\t ")), "a b");
	assert_slice(slice_trim(SLICE(" \t ")), "");
	assert_slice(slice_trim(SLICE("\r\n")), "\r\n");
	assert_slice(slice_trim(SLICE("")), "");
}

static void of_a_string(void **state)
{
	(void)state;
	assert_slice(slice_str("abc"), "abc");
	assert_int_equal(slice_str(NULL).n, 0);
}

static void numbers(void **state)
{
	(void)state;
	uint64_t v = 7;
	assert_true(slice_u64(SLICE("0"), UINT64_MAX, &v));
	assert_int_equal(v, 0);
	assert_true(slice_u64(SLICE("18446744073709551615"), UINT64_MAX, &v));
	assert_true(v == UINT64_MAX);
	assert_true(slice_u64(SLICE("0025"), 25, &v));
	assert_int_equal(v, 25);
}

static void what_is_no_number_changes_nothing(void **state)
{
	(void)state;
	static const char *const BAD[] = { "", "-1", "+1", " 1", "1 ", "1a", "0x1", "18446744073709551616",
		"99999999999999999999999", "26", "/", ":" };
	for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
		uint64_t v = 7;
		uint64_t max = strlen(BAD[i]) > 3 ? UINT64_MAX : 25;
		assert_false(slice_u64(slice_str(BAD[i]), max, &v));
		assert_int_equal(v, 7);
	}
	uint64_t v = 7;
	assert_false(slice_u64(slice_of("1\0", 2), 25, &v));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(comparing), cmocka_unit_test(beginnings), cmocka_unit_test(finding),
		cmocka_unit_test(skipping_stops_at_the_end), cmocka_unit_test(cutting), cmocka_unit_test(trimming),
		cmocka_unit_test(of_a_string), cmocka_unit_test(numbers),
		cmocka_unit_test(what_is_no_number_changes_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
