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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(no_id_is_given_twice),
		cmocka_unit_test(the_text_has_eight_clear_characters),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
