#include "tests/base/cmocka_setup.h"

#include "smtp/body_run.h"

#include <stdlib.h>
#include <string.h>

enum { LONG = 300 };

/* Lines of `width` bytes with their ends; the exact size, for the sanitizer. */
static char *text(size_t n, size_t width)
{
	char *p = malloc(n);
	for (size_t i = 0; i < n; i++)
		p[i] = i % width == width - 2 ? '\r' : i % width == width - 1 ? '\n' : 'x';
	return p;
}

static size_t run(const char *p, size_t n, bool at_line_start, bool dots_matter)
{
	bool eight_bit = false;
	struct smtp_body_rule rule = { .at_line_start = at_line_start, .dots_matter = dots_matter };
	size_t got = smtp_body_run(slice_of(p, n), rule, &eight_bit);
	bool high = false;
	for (size_t i = 0; i < got; i++)
		high |= (unsigned char)p[i] > 127;
	assert_int_equal(eight_bit, high);
	return got;
}

/* The same said byte by byte: where the first byte is that needs a closer look. */
static size_t first_to_look_at(const char *p, size_t n, bool at_line_start, bool dots_matter)
{
	char before = at_line_start ? '\n' : 'x';
	for (size_t i = 0; i < n; before = p[i++]) {
		bool stray = i == 0 ? p[i] == '\r' || p[i] == '\n' : (before == '\r') != (p[i] == '\n');
		if (stray || p[i] == 0 || (dots_matter && p[i] == '.' && before == '\n'))
			return i;
	}
	return n;
}

static void clean_text_of_any_length_is_one_run(void **state)
{
	(void)state;
	for (size_t n = 65; n < LONG; n++) {
		for (size_t width = 3; width < 100; width++) {
			char *p = text(n, width);
			assert_int_equal(run(p, n, true, true), n);
			free(p);
		}
	}
}

static void short_text_is_left_to_others(void **state)
{
	(void)state;
	for (size_t n = 0; n < 65; n++) {
		char *p = text(n ? n : 1, 80);
		assert_int_equal(run(p, n, true, true), 0);
		free(p);
	}
}

/* Every interesting byte at every place: never a byte too far, never more than a block too short. */
static void it_stops_before_what_needs_a_look(void **state)
{
	(void)state;
	const char bytes[] = { '\r', '\n', '\0', '.', (char)0x80, (char)0xff, '\t', (char)0x0d, (char)0x8d,
		(char)0x8a };
	for (size_t at = 0; at < LONG; at++) {
		for (size_t b = 0; b < sizeof bytes; b++) {
			for (unsigned rule = 0; rule < 4; rule++) {
				char *p = text(LONG, 40);
				p[at] = bytes[b];
				bool start = rule & 1, dots = rule & 2;
				size_t got = run(p, LONG, start, dots), limit = first_to_look_at(p, LONG, start, dots);
				assert_true(got <= limit);
				assert_true(got == limit || limit - got < 65);
				free(p);
			}
		}
	}
}

static void random_bytes_are_judged_as_byte_by_byte(void **state)
{
	(void)state;
	srandom(7);
	for (unsigned round = 0; round < 20000; round++) {
		size_t n = 65 + (size_t)random() % 200;
		char *p = text(n, 20 + (size_t)random() % 60);
		for (unsigned i = (unsigned)random() % 4; i; i--)
			p[(size_t)random() % n] = "\r\n.\0\x80x"[random() % 6];
		bool start = random() % 2, dots = random() % 2;
		size_t got = run(p, n, start, dots), limit = first_to_look_at(p, n, start, dots);
		assert_true(got <= limit && (got == limit || limit - got < 65));
		free(p);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(clean_text_of_any_length_is_one_run),
		cmocka_unit_test(short_text_is_left_to_others),
		cmocka_unit_test(it_stops_before_what_needs_a_look),
		cmocka_unit_test(random_bytes_are_judged_as_byte_by_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
