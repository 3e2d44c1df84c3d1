/* server/id.h: no id twice, over all workers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/id.h"

#include <stdlib.h>

enum { WORKERS = 3, EACH = 100000 };

static int by_value(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static void no_id_is_given_twice(void **state)
{
	(void)state;
	static uint64_t all[WORKERS * EACH];
	size_t n = 0;
	for (unsigned w = 0; w < WORKERS; w++) {
		struct id_source s;
		id_source_init(&s, 0xfffffffffff0u, w, WORKERS);
		for (int i = 0; i < EACH; i++)
			all[n++] = id_next(&s);
	}
	qsort(all, n, sizeof *all, by_value);
	for (size_t i = 1; i < n; i++)
		assert_int_not_equal(all[i], all[i - 1]);
	assert_true(all[n - 1] < 1ull << 40);
}

static void the_text_has_eight_clear_characters(void **state)
{
	(void)state;
	char text[ID_TEXT];
	id_format(0, text);
	assert_string_equal(text, "00000000");
	id_format((1ull << 40) - 1, text);
	assert_string_equal(text, "ZZZZZZZZ");
	id_format(32 * 18 + 19, text); /* no I, L, O, U */
	assert_string_equal(text, "000000JK");
}

static void an_id_is_read_as_it_was_heard(void **state)
{
	(void)state;
	static const char *const BAD[] = { "", "-", "7F3K9QZ", "7F3K9QZ22", "7F3K9QZU", "7F3K9QZ2-x", "7F3K9QZ2-99999",
		"7F3K 9QZ" };
	char text[ID_TEXT];
	uint64_t id;
	unsigned sub;
	for (uint64_t n = 1; n < 1ull << 40; n = n * 7 + 3) {
		id_format(n, text);
		assert_true(id_parse(slice_str(text), &id, &sub));
		assert_true(id == n && sub == 0);
	}
	assert_true(id_parse(SLICE("7f3k9qz2-12"), &id, &sub));
	id_format(id, text);
	assert_string_equal(text, "7F3K9QZ2");
	assert_int_equal(sub, 12);
	assert_true(id_parse(SLICE("oOiIlL00"), &id, &sub));
	id_format(id, text);
	assert_string_equal(text, "00111100");
	for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++)
		assert_false(id_parse(slice_str(BAD[i]), &id, &sub));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_id_is_given_twice),
		cmocka_unit_test(the_text_has_eight_clear_characters),
		cmocka_unit_test(an_id_is_read_as_it_was_heard),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
