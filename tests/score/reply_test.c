#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "score/reply.h"

static void text_of(const char *source, unsigned klass, const char *wanted)
{
	struct arena a = { 0 };
	struct buf out = { 0 };
	struct score_reply r;
	const char *why = score_reply_parse(&a, slice_str(source), klass, &r);
	if (why)
		fail_msg("%s: %s", source, why);
	assert_true(buf_printf(&out, "%u %u.%u.%u ", r.code, r.klass, r.subject, r.detail));
	const struct score_reply_values values = { .id = SLICE("7F3K9QZ2"),
		.client = SLICE("192.0.2.7"),
		.rule = SLICE("grey"),
		.list = SLICE("zen.example"),
		.txt = SLICE("see https://zen.example/?192.0.2.7 \r\n250 ok") };
	assert_true(score_reply_expand(&r, &values, &out));
	assert_true(buf_put(&out, slice_of("", 1)));
	assert_string_equal(out.data, wanted);
	buf_release(&out);
	arena_release(&a);
}

static void refused(const char *source, unsigned klass, const char *says)
{
	struct arena a = { 0 };
	struct score_reply r;
	const char *why = score_reply_parse(&a, slice_str(source), klass, &r);
	if (!why || !strstr(why, says))
		fail_msg("%s: %s", source, why ? why : "taken");
	arena_release(&a);
}

static void placeholders_are_filled(void **state)
{
	(void)state;
	text_of("450 4.7.1 From {client} by {rule} (id {id})", 4, "450 4.7.1 From 192.0.2.7 by grey (id 7F3K9QZ2)");
	text_of("550 On {list}: {txt} (id {id})", 5,
		"550 5.7.1 On zen.example: see https://zen.example/?192.0.2.7 \\x0d\\x0a250 ok (id 7F3K9QZ2)");
}

static void every_refusal_has_its_id(void **state)
{
	(void)state;
	text_of("451 try later", 4, "451 4.7.1 try later (id 7F3K9QZ2)");
	text_of("554 5.7.26 no", 5, "554 5.7.26 no (id 7F3K9QZ2)");
	text_of("550 5.1 is a number", 5, "550 5.7.1 5.1 is a number (id 7F3K9QZ2)");
	text_of(score_reply_default(4).p, 4,
		"450 4.7.1 Too much unusual traffic from 192.0.2.7, try later (id 7F3K9QZ2)");
	text_of(score_reply_default(5).p, 5, "550 5.7.1 Refused by local policy, rule grey (id 7F3K9QZ2)");
}

static void the_code_fits_the_action(void **state)
{
	(void)state;
	refused("550 no", 4, "defers has a 4xx code");
	refused("450 no", 5, "rejects has a 5xx code");
	refused("250 ok", 5, "rejects has a 5xx code");
	refused("450 5.7.1 no", 4, "begin with the same digit");
	refused("460 no", 4, "second digit");
	refused("45 no", 4, "three-digit");
	refused("4500 no", 4, "three-digit");
	refused("", 4, "three-digit");
	refused("450", 4, "needs a text");
	refused("450 4.7.1", 4, "needs a text");
	refused("450 4.7.1 \t ", 4, "needs a text");
	refused("450 a\r\n250 b", 4, "printable");
	refused("450 caf\xc3\xa9", 4, "printable");
	refused("450 {clent}", 4, "known in braces");
	refused("450 {", 4, "known in braces");
}

static void a_reply_fits_its_line(void **state)
{
	(void)state;
	struct arena a = { 0 };
	struct buf out = { 0 };
	struct score_reply r;
	char source[SCORE_REPLY_TEXT + 10] = "450 ", bytes[200];
	for (size_t n = 4; n + 8 < sizeof source - 2; n += 8)
		memcpy(source + n, "{client}", 8);
	assert_null(score_reply_parse(&a, slice_str(source), 4, &r));
	memset(bytes, '\r', sizeof bytes); /* a foreign value cannot break the line */
	assert_true(buf_put(&out, SLICE("before")));
	const struct score_reply_values values = {
		.id = SLICE("x"), .client = slice_of(bytes, sizeof bytes), .rule = SLICE("r")
	};
	assert_true(score_reply_expand(&r, &values, &out));
	assert_true(buf_len(&out) <= 6 + SCORE_REPLY_LINE - 14);
	assert_null(memchr(out.data, '\r', buf_len(&out)));
	memset(source + 4, 'x', sizeof source - 5);
	source[sizeof source - 1] = '\0';
	refused(source, 4, "1 to 300");
	buf_release(&out);
	arena_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(placeholders_are_filled),
		cmocka_unit_test(every_refusal_has_its_id),
		cmocka_unit_test(the_code_fits_the_action),
		cmocka_unit_test(a_reply_fits_its_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
