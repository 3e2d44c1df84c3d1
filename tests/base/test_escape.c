#include "tests/base/cmocka_setup.h"

#include <stdio.h>

#include "base/escape.h"
#include "base/mem.h"

typedef bool escaper(struct buf *out, struct slice s, size_t max);

static void assert_escaped(escaper *escape, struct slice in, size_t max, const char *wanted)
{
	struct buf out = { 0 };
	assert_true(escape(&out, in, max));
	assert_slice(buf_slice(&out), wanted);
	buf_release(&out);
}

static void plain(void **state)
{
	(void)state;
	assert_escaped(escape_plain, SLICE("user@example.test"), 99, "user@example.test");
	assert_escaped(escape_plain, SLICE("a b=c \"d\""), 99, "a b=c \"d\"");
	assert_escaped(escape_plain, SLICE("a\r\nb\0c"), 99, "a\\x0d\\x0ab\\x00c");
	/* what looks like an escape is told apart from one */
	assert_escaped(escape_plain, SLICE("\\x0d"), 99, "\\\\x0d");
	assert_escaped(escape_plain, SLICE("\x1b[2J\x7f\x9b\xc3\xa4"), 99, "\\x1b[2J\\x7f\\x9b\\xc3\\xa4");
	assert_escaped(escape_plain, SLICE(""), 99, "");
}

static void logfmt(void **state)
{
	(void)state;
	assert_escaped(escape_logfmt, SLICE("bare"), 99, "bare");
	assert_escaped(escape_logfmt, SLICE(""), 99, "\"\"");
	assert_escaped(escape_logfmt, SLICE("a b"), 99, "\"a b\"");
	assert_escaped(escape_logfmt, SLICE("a=b"), 99, "\"a=b\"");
	assert_escaped(escape_logfmt, SLICE("say \"hi\""), 99, "\"say \\\"hi\\\"\"");
	assert_escaped(escape_logfmt, SLICE("\n"), 99, "\"\\x0a\"");
	/* a value cannot end its quotes and add a key of its own */
	assert_escaped(escape_logfmt, SLICE("x\" verdict=accepted"), 99, "\"x\\\" verdict=accepted\"");
}

static void json(void **state)
{
	(void)state;
	assert_escaped(escape_json, SLICE("a \"b\" \\ c"), 99, "\"a \\\"b\\\" \\\\ c\"");
	assert_escaped(escape_json, SLICE("\0\t\xff"), 99, "\"\\u0000\\u0009\\u00ff\"");
	assert_escaped(escape_json, SLICE(""), 99, "\"\"");
}

static void what_is_too_long_is_cut_and_marked(void **state)
{
	(void)state;
	assert_escaped(escape_plain, SLICE("abcdef"), 6, "abcdef");
	assert_escaped(escape_plain, SLICE("abcdef"), 5, "abcde...");
	assert_escaped(escape_plain, SLICE("abcdef"), 0, "...");
	assert_escaped(escape_logfmt, SLICE("abcdef"), 3, "\"abc...\"");
	assert_escaped(escape_json, SLICE("ab\ncdef"), 3, "\"ab\\u000a...\"");
}

/* One event is one line and no byte of it can steer a terminal, whatever the byte. */
static void every_byte_becomes_printable(void **state)
{
	(void)state;
	escaper *const all[] = { escape_plain, escape_logfmt, escape_json };
	for (size_t e = 0; e < 3; e++) {
		for (unsigned byte = 0; byte < 256; byte++) {
			char in[3] = { 'a', (char)byte, 'z' };
			struct buf out = { 0 };
			assert_true(all[e](&out, slice_of(in, 3), 99));
			struct slice s = buf_slice(&out);
			for (size_t i = 0; i < s.n; i++)
				assert_in_range((unsigned char)s.p[i], 0x20, 0x7e);
			buf_release(&out);
		}
	}
}

static void different_values_stay_different(void **state)
{
	(void)state;
	static char seen[65536][16];
	for (unsigned two = 0; two < 65536; two += 7) {
		char in[2] = { (char)(two >> 8), (char)two };
		struct buf out = { 0 };
		assert_true(escape_plain(&out, slice_of(in, 2), 99));
		assert_true(buf_len(&out) < sizeof seen[0]);
		memcpy(seen[two], buf_slice(&out).p, buf_len(&out));
		buf_release(&out);
	}
	/* the way back: \\ is one backslash, \xHH one byte, all else itself */
	for (unsigned two = 0; two < 65536; two += 7) {
		const char *s = seen[two];
		unsigned back = 0, byte;
		for (int i = 0; i < 2; i++) {
			if (s[0] == '\\' && s[1] == '\\')
				byte = '\\', s += 2;
			else if (s[0] == '\\')
				assert_int_equal(sscanf(s, "\\x%2x", &byte), 1), s += 4;
			else
				byte = (unsigned char)*s++;
			back = back << 8 | byte;
		}
		assert_int_equal(back, two);
		assert_int_equal(*s, 0);
	}
}

static void memory_out_is_told(void **state)
{
	(void)state;
	escaper *const all[] = { escape_plain, escape_logfmt, escape_json };
	for (size_t e = 0; e < 3; e++) {
		struct buf out = { 0 };
		mem_fail_after(0);
		assert_false(all[e](&out, SLICE("x y"), 99));
		mem_fail_after(-1);
		buf_release(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(plain), cmocka_unit_test(logfmt), cmocka_unit_test(json),
		cmocka_unit_test(what_is_too_long_is_cut_and_marked), cmocka_unit_test(every_byte_becomes_printable),
		cmocka_unit_test(different_values_stay_different), cmocka_unit_test(memory_out_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
