#include "tests/base/cmocka_setup.h"

#include "smtp/xtext.h"

#include <stdlib.h>

static void assert_xtext(struct slice in, const char *wanted)
{
	char out[64];
	size_t n = smtp_xtext_write(out, sizeof out, in);
	assert_slice(slice_of(out, n), wanted);
}

static void vectors(void **state)
{
	(void)state;
	assert_xtext(SLICE(""), "");
	assert_xtext(SLICE("mail.example.com"), "mail.example.com");
	assert_xtext(SLICE("a b"), "a+20b");
	assert_xtext(SLICE("a+b=c"), "a+2Bb+3Dc");
	assert_xtext(SLICE("\r\n\0\t\x7f\x80\xff"), "+0D+0A+00+09+7F+80+FF");
	assert_xtext(SLICE("!~[x]\"<>"), "!~[x]\"<>");
}

static int value(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

static void what_is_no_xtext(void **state)
{
	(void)state;
	static const char *const bad[] = { "a b", "=", "+", "+4", "+4g", "+g4", "+4a", "a+2B+", "\x7f", "\x80", "\t" };
	char to[16];
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_true(smtp_xtext_read(to, slice_str(bad[i])) == SIZE_MAX);
		assert_false(smtp_xtext_is_printable(slice_str(bad[i])));
	}
	assert_int_equal(smtp_xtext_read(to, SLICE("")), 0);
	assert_true(smtp_xtext_is_printable(SLICE("a+20b+2B~")));
	assert_false(smtp_xtext_is_printable(SLICE("a+1Fb")));
	assert_false(smtp_xtext_is_printable(SLICE("a+7F")));
	assert_false(smtp_xtext_is_printable(SLICE("+C3+A4")));
}

/* RFC 3461 4, read back. */
static size_t decode(struct slice s, char *to)
{
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		assert_true(s.p[i] > 0x20 && s.p[i] < 0x7f && s.p[i] != '=');
		if (s.p[i] == '+') {
			assert_true(s.n - i >= 3);
			to[n++] = (char)(value(s.p[i + 1]) * 16 + value(s.p[i + 2]));
			i += 2;
		} else {
			to[n++] = s.p[i];
		}
	}
	return n;
}

static void every_byte_comes_back(void **state)
{
	(void)state;
	char in[256], out[768], back[256];
	for (int i = 0; i < 256; i++)
		in[i] = (char)i;
	size_t n = smtp_xtext_write(out, sizeof out, slice_of(in, sizeof in));
	assert_true(n != SIZE_MAX);
	assert_int_equal(decode(slice_of(out, n), back), 256);
	assert_memory_equal(in, back, 256);
	assert_int_equal(smtp_xtext_read(out, slice_of(out, n)), 256); /* in place */
	assert_memory_equal(in, out, 256);
}

static void never_writes_past_its_room(void **state)
{
	(void)state;
	struct slice in = SLICE("ab +c");
	const size_t wanted = strlen("ab+20+2Bc");
	for (size_t room = 0; room < 12; room++) {
		char *out = malloc(room ? room : 1); /* the exact size, for the sanitizer */
		size_t n = smtp_xtext_write(out, room, in);
		assert_true(n == (room < wanted ? SIZE_MAX : wanted));
		free(out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(what_is_no_xtext),
		cmocka_unit_test(every_byte_comes_back),
		cmocka_unit_test(never_writes_past_its_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
