#include "smtp/command.h"
#include "smtp/line.h"

#include <stdarg.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

struct vector {
	struct slice in;
	enum smtp_line_result want;
	struct slice line, rest;
};

static const struct vector VECTORS[] = {
	{ SLICE_INIT("NOOP\r\nQUIT"), SMTP_LINE_GOT, SLICE_INIT("NOOP"), SLICE_INIT("QUIT") },
	{ SLICE_INIT("\r\n"), SMTP_LINE_GOT, SLICE_INIT(""), SLICE_INIT("") },
	{ SLICE_INIT("a\0b\r\n"), SMTP_LINE_GOT, SLICE_INIT("a\0b"), SLICE_INIT("") },
	{ SLICE_INIT("NOOP\nQUIT\r\n"), SMTP_LINE_BARE_LF, SLICE_INIT("NOOP"), SLICE_INIT("QUIT\r\n") },
	{ SLICE_INIT("\n"), SMTP_LINE_BARE_LF, SLICE_INIT(""), SLICE_INIT("") },
	{ SLICE_INIT("NOOP\rQUIT\r\n"), SMTP_LINE_BARE_CR, SLICE_INIT("NOOP"), SLICE_INIT("QUIT\r\n") },
	{ SLICE_INIT("NOOP\r\r\n"), SMTP_LINE_BARE_CR, SLICE_INIT("NOOP"), SLICE_INIT("\r\n") },
	{ SLICE_INIT("NOOP\r\0\n"), SMTP_LINE_BARE_CR, SLICE_INIT("NOOP"), SLICE_INIT("\0\n") },
	{ SLICE_INIT(""), SMTP_LINE_MORE, SLICE_INIT(""), SLICE_INIT("") },
	{ SLICE_INIT("NOOP"), SMTP_LINE_MORE, SLICE_INIT(""), SLICE_INIT("NOOP") },
	{ SLICE_INIT("NOOP\r"), SMTP_LINE_MORE, SLICE_INIT(""), SLICE_INIT("NOOP\r") },
};

/* Whole, and with the bytes becoming visible one by one. */
static void vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
		const struct vector *v = &VECTORS[i];
		for (size_t first = 0; first <= v->in.n; first++) {
			struct slice in = slice_of(v->in.p, first), line = { 0 };
			enum smtp_line_result result = SMTP_LINE_MORE;
			for (; in.n <= v->in.n; in.n++) {
				result = smtp_line_take(&in, SMTP_LINE_MAX, &line);
				if (result != SMTP_LINE_MORE)
					break;
				assert_ptr_equal(in.p, v->in.p);
			}
			assert_int_equal(result, v->want);
			if (result != SMTP_LINE_MORE)
				assert_true(slice_eq(line, v->line) && in.p == v->in.p + v->in.n - v->rest.n);
		}
	}
}

static enum smtp_line_result take(size_t n, const char *end, size_t *left_r)
{
	char text[1200];
	memset(text, 'x', sizeof text);
	memcpy(text + n, end, strlen(end));
	struct slice in = slice_of(text, n + strlen(end)), line;
	enum smtp_line_result result = smtp_line_take(&in, SMTP_LINE_MAX, &line);
	*left_r = in.n;
	return result;
}

static void longest(void **state)
{
	(void)state;
	size_t left;
	assert_int_equal(take(510, "\r\n", &left), SMTP_LINE_GOT);
	assert_int_equal(take(511, "\r\n", &left), SMTP_LINE_TOO_LONG);
	assert_int_equal(left, 2); /* the CR stays for the skipping */
	assert_int_equal(take(512, "\r\n", &left), SMTP_LINE_TOO_LONG);
	assert_int_equal(left, 2);
	assert_int_equal(take(511, "", &left), SMTP_LINE_MORE);
	assert_int_equal(take(512, "", &left), SMTP_LINE_TOO_LONG);
	assert_int_equal(take(511, "\n", &left), SMTP_LINE_BARE_LF);
	assert_int_equal(take(1000, "\n", &left), SMTP_LINE_TOO_LONG);
}

/* Feeds in pieces; the result letters in order: G(ot), L(F), C(R). */
static void throw_away(struct slice bytes, size_t step, const char *want, uint32_t bytes_want)
{
	struct smtp_line_skip s = { 0 };
	char got[16] = "";
	size_t n = 0;
	for (; bytes.n; bytes = slice_skip(bytes, step)) {
		struct slice in = slice_of(bytes.p, bytes.n < step ? bytes.n : step);
		enum smtp_line_result result;
		while ((result = smtp_line_skip(&s, &in)) != SMTP_LINE_MORE) {
			assert_true(n + 1 < sizeof got);
			got[n++] = result == SMTP_LINE_GOT ? 'G' : result == SMTP_LINE_BARE_LF ? 'L' : 'C';
			if (result == SMTP_LINE_GOT)
				break;
		}
		if (result == SMTP_LINE_GOT)
			break;
		assert_int_equal(in.n, 0);
	}
	assert_string_equal(got, want);
	assert_int_equal(s.bytes, bytes_want);
}

static void skipping(void **state)
{
	(void)state;
	for (size_t step = 1; step < 20; step++) {
		throw_away(SLICE("tail\r\nnot this"), step, "G", 4);
		throw_away(SLICE("\r\n"), step, "G", 0);
		throw_away(SLICE("a\nb\r\n"), step, "LG", 3);
		throw_away(SLICE("a\rb\r\n"), step, "CG", 3);
		throw_away(SLICE("\r\r\r\n"), step, "CCG", 2);
		throw_away(SLICE("no end"), step, "", 6);
	}
}

static void commands(void **state)
{
	(void)state;
	struct smtp_command c = smtp_command_parse(SLICE("mail FROM:<a@b>  "));
	assert_int_equal(c.verb, SMTP_VERB_MAIL);
	assert_true(slice_eq(c.arg, SLICE("FROM:<a@b>")));
	assert_int_equal(smtp_command_parse(SLICE("MAILFROM:<a@b>")).verb, SMTP_VERB_UNKNOWN);
	assert_int_equal(smtp_command_parse(SLICE(" NOOP")).verb, SMTP_VERB_UNKNOWN);
	assert_int_equal(smtp_command_parse(SLICE("")).verb, SMTP_VERB_UNKNOWN);
	assert_int_equal(smtp_command_parse(SLICE("NOOP\tx")).verb, SMTP_VERB_NOOP);
	assert_int_equal(smtp_command_parse(SLICE("get / HTTP/1.0")).verb, SMTP_VERB_FOREIGN);
	assert_int_equal(smtp_command_parse(SLICE("SSH-2.0-x")).verb, SMTP_VERB_FOREIGN);
	assert_int_equal(smtp_command_parse(SLICE("XFORWARD NAME=x")).verb, SMTP_VERB_ABSENT);
	assert_int_equal(smtp_command_parse(SLICE("data")).flags, SMTP_VERB_LAST | SMTP_VERB_NO_ARG);
	assert_true(smtp_command_is_clean(SLICE("NOOP \t\xff~")));
	assert_false(smtp_command_is_clean(SLICE("NOOP \0")));
	assert_false(smtp_command_is_clean(SLICE("NOOP \x7f")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(longest),
		cmocka_unit_test(skipping),
		cmocka_unit_test(commands),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
