#include "tests/base/cmocka_setup.h"

#include "base/mem.h"
#include "smtp/reply_in.h"

#include <stdio.h>
#include <stdlib.h>

/* What came of a stream, as text: "code e.n.h text|" for each reply, "GARBAGE" at its end. */
struct told {
	char text[20000];
	size_t n;
};

static void tell(struct told *t, const struct smtp_reply *r)
{
	t->n += (size_t)snprintf(t->text + t->n, sizeof t->text - t->n, "%u %u.%u.%u %.*s|", r->code, r->enhanced.class,
		r->enhanced.subject, r->enhanced.detail, SLICE_ARG(r->text));
}

/* False: garbage came, nothing more is to be fed. */
static bool feed(struct smtp_reply_in *r, struct slice in, struct told *t)
{
	struct smtp_reply reply;
	enum smtp_reply_result got;
	while ((got = smtp_reply_in_next(r, &in, &reply)) == SMTP_REPLY_GOT)
		tell(t, &reply);
	if (got == SMTP_REPLY_GARBAGE) {
		assert_true(reply.text.n > 0);
		t->n += (size_t)snprintf(t->text + t->n, sizeof t->text - t->n, "GARBAGE");
		return false;
	}
	assert_int_equal(got, SMTP_REPLY_MORE);
	assert_int_equal(in.n, 0);
	return true;
}

/* A block of the exact size, so that a sanitizer sees a read past the end. */
static struct told run(struct slice in, size_t first, size_t step)
{
	struct smtp_reply_in r = { 0 };
	struct told t = { .n = 0 };
	size_t at = 0, n = first;
	for (bool go = true; go && at < in.n; at += n, n = step) {
		if (n > in.n - at)
			n = in.n - at;
		char *piece = malloc(n ? n : 1);
		memcpy(piece, in.p + at, n);
		go = feed(&r, slice_of(piece, n), &t);
		free(piece);
	}
	smtp_reply_in_release(&r);
	return t;
}

static void check(struct slice in, const char *wanted)
{
	struct told whole = run(in, in.n, in.n);
	assert_string_equal(whole.text, wanted);
	struct told bytes = run(in, 1, 1);
	assert_string_equal(bytes.text, wanted);
	for (size_t cut = 0; cut <= in.n; cut++) {
		struct told halves = run(in, cut, in.n);
		assert_string_equal(halves.text, wanted);
	}
}

static void replies_are_the_same_however_they_are_cut(void **state)
{
	(void)state;
	check(SLICE("250 Ok\r\n"), "250 0.0.0 Ok|");
	check(SLICE("250\r\n"), "250 0.0.0 |");
	check(SLICE("250 \r\n"), "250 0.0.0 |");
	check(SLICE("220-a\r\n220-\r\n220 c\r\n"), "220 0.0.0 a\n\nc|");
	check(SLICE("250-a\r\n250\r\n"), "250 0.0.0 a\n|");
	check(SLICE("250 2.1.0 Ok\r\n550-5.1.1 no\r\n550 5.1.1 user\r\n354 go\r\n"),
		"250 2.1.0 2.1.0 Ok|550 5.1.1 5.1.1 no\n5.1.1 user|354 0.0.0 go|");
	check(SLICE("599 x"), "");
	check(SLICE("250-x\r\n250"), "");
}

static void enhanced_codes_are_read_strictly(void **state)
{
	(void)state;
	check(SLICE("550 5.7.1\r\n"), "550 5.7.1 5.7.1|");
	check(SLICE("550 5.123.999 x\r\n"), "550 5.123.999 5.123.999 x|");
	check(SLICE("450 5.1.1 other class\r\n"), "450 0.0.0 5.1.1 other class|");
	check(SLICE("550 5.1.1x\r\n"), "550 0.0.0 5.1.1x|");
	check(SLICE("550 5.1 x\r\n"), "550 0.0.0 5.1 x|");
	check(SLICE("550 5.1.1234 x\r\n"), "550 0.0.0 5.1.1234 x|");
	check(SLICE("550 55.1.1 x\r\n"), "550 0.0.0 55.1.1 x|");
	check(SLICE("550 5\r\n550 5.\r\n550 5.x\r\n550 5x1\r\n"),
		"550 0.0.0 5|550 0.0.0 5.|550 0.0.0 5.x|550 0.0.0 5x1|");
	check(SLICE("550 5.1\r\n550 5.1.\r\n550 5.1.x\r\n550 5.1x1\r\n"),
		"550 0.0.0 5.1|550 0.0.0 5.1.|550 0.0.0 5.1.x|550 0.0.0 5.1x1|");
	check(SLICE("354 3.1.1 x\r\n"), "354 3.1.1 3.1.1 x|");
}

static void what_is_no_reply_is_garbage(void **state)
{
	(void)state;
	check(SLICE("\r\n"), "GARBAGE");
	check(SLICE("\n"), "GARBAGE");
	check(SLICE("25\r\n"), "GARBAGE");
	check(SLICE("hello\r\n"), "GARBAGE");
	check(SLICE("150 early\r\n"), "GARBAGE");
	check(SLICE("650 late\r\n"), "GARBAGE");
	check(SLICE("2x0 a\r\n"), "GARBAGE");
	check(SLICE("25x a\r\n"), "GARBAGE");
	check(SLICE("2500 a\r\n"), "GARBAGE");
	check(SLICE("250+a\r\n"), "GARBAGE");
	check(SLICE("250 bare\n"), "GARBAGE");
	check(SLICE("250 ok\r\n250 bare\n250 x\r\n"), "250 0.0.0 ok|GARBAGE");
	check(SLICE("250-a\r\n550 b\r\n"), "GARBAGE");
	check(SLICE("250-a\r\n251-b\r\n250 c\r\n"), "GARBAGE");
	check(SLICE("HTTP/1.1 400 Bad Request\r\n"), "GARBAGE");
}

static void control_bytes_are_made_harmless(void **state)
{
	(void)state;
	check(SLICE("250 a\0b\x1b[1mc\x7f\x80\xff\td\r\n"), "250 0.0.0 a?b?[1mc???\td|");
	check(SLICE("250 a\rb\r\r\n"), "250 0.0.0 a?b?|");
	check(SLICE("250-a\001\r\n250 \002\r\n"), "250 0.0.0 a?\n?|");
}

static void a_line_is_bounded(void **state)
{
	(void)state;
	static char in[SMTP_REPLY_LINE + 1], wanted[SMTP_REPLY_LINE + 32];
	memset(in, 'x', sizeof in);
	memcpy(in, "250 ", 4);
	memcpy(in + SMTP_REPLY_LINE - 2, "\r\n", 2);
	snprintf(wanted, sizeof wanted, "250 0.0.0 %.*s|", SMTP_REPLY_LINE - 6, in + 4);
	check(slice_of(in, SMTP_REPLY_LINE), wanted);
	memcpy(in + SMTP_REPLY_LINE - 2, "x\r\n", 3);
	check(slice_of(in, SMTP_REPLY_LINE + 1), "GARBAGE");
	memset(in + 4, 'x', sizeof in - 4);
	check(slice_of(in, SMTP_REPLY_LINE), "GARBAGE");
	check(slice_of(in, SMTP_REPLY_LINE - 1), "");
}

static struct told many_lines(size_t lines, size_t line_n)
{
	size_t n = lines * line_n;
	char *in = malloc(n);
	for (size_t i = 0; i < lines; i++) {
		memset(in + i * line_n, 'a' + (int)(i % 26), line_n);
		memcpy(in + i * line_n, i + 1 == lines ? "250 " : "250-", 4);
		memcpy(in + (i + 1) * line_n - 2, "\r\n", 2);
	}
	struct told whole = run(slice_of(in, n), n, n), bytes = run(slice_of(in, n), 1, 1);
	free(in);
	assert_string_equal(whole.text, bytes.text);
	return whole;
}

static void a_reply_is_bounded_in_lines_and_text(void **state)
{
	(void)state;
	struct told t = many_lines(SMTP_REPLY_LINES, 8);
	assert_int_equal(t.n, strlen("250 0.0.0 |") + SMTP_REPLY_LINES * 2 + SMTP_REPLY_LINES - 1);
	t = many_lines(SMTP_REPLY_LINES + 1, 8);
	assert_string_equal(t.text, "GARBAGE");
	t = many_lines(SMTP_REPLY_LINES, 1000);
	assert_int_equal(t.n, strlen("250 0.0.0 |") + 8 * 994 + 7); /* a ninth does not fit */
}

static void memory_is_owned_only_in_the_midst_of_a_reply(void **state)
{
	(void)state;
	struct smtp_reply_in r = { 0 };
	struct smtp_reply reply;
	struct slice in = SLICE("250 Ok\r\n250 Ok\r\n"), more = SLICE("250-a\r\n2"), rest = SLICE("50 b\r\n");
	mem_fail_after(-1);
	assert_int_equal(smtp_reply_in_next(&r, &in, &reply), SMTP_REPLY_GOT);
	assert_int_equal(smtp_reply_in_next(&r, &in, &reply), SMTP_REPLY_GOT);
	assert_int_equal(mem_fail_after(-1), 0);
	assert_int_equal(smtp_reply_in_next(&r, &more, &reply), SMTP_REPLY_MORE);
	assert_true(smtp_reply_in_began(&r));
	smtp_reply_in_idle(&r);
	assert_int_equal(smtp_reply_in_next(&r, &rest, &reply), SMTP_REPLY_GOT);
	assert_slice(reply.text, "a\nb");
	assert_false(smtp_reply_in_began(&r));
	assert_non_null(r.kept.data);
	smtp_reply_in_idle(&r);
	assert_null(r.kept.data);
}

static void lost_memory_is_told(void **state)
{
	(void)state;
	struct smtp_reply_in r = { 0 };
	struct smtp_reply reply;
	struct slice in = SLICE("250-a\r\n250 b\r\n");
	mem_fail_after(0);
	assert_int_equal(smtp_reply_in_next(&r, &in, &reply), SMTP_REPLY_NO_MEMORY);
	mem_fail_after(-1);
	smtp_reply_in_release(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(replies_are_the_same_however_they_are_cut),
		cmocka_unit_test(enhanced_codes_are_read_strictly),
		cmocka_unit_test(what_is_no_reply_is_garbage),
		cmocka_unit_test(control_bytes_are_made_harmless),
		cmocka_unit_test(a_line_is_bounded),
		cmocka_unit_test(a_reply_is_bounded_in_lines_and_text),
		cmocka_unit_test(memory_is_owned_only_in_the_midst_of_a_reply),
		cmocka_unit_test(lost_memory_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
