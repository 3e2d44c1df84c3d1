/* server/record.h: one line, valid in both formats, whatever is put in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/record.h"

#include <string.h>

static const struct hash_key KEY = { 1, 2 };

static void fill(struct record *r)
{
	record_begin(r, 1795308683123, "mail");
	record_text(r, "helo", SLICE("a b\"\\\r\n\x9b"));
	record_address(r, "client", SLICE("192.0.2.7"));
	record_number(r, "size", 1234567890123);
	record_decimal(r, "score", 2.5);
	record_list_begin(r, "to");
	record_item(r, SLICE("x@y:250"));
	record_item(r, SLICE("q\"z:550"));
	record_list_end(r);
}

static void check(enum log_format format, enum settings_log_addresses addresses, const char *want)
{
	struct record r = { .format = format, .addresses = addresses, .key = &KEY };
	fill(&r);
	assert_false(r.broken);
	assert_true(buf_put(&r.line, slice_of("", 1)));
	assert_string_equal(r.line.data, want);
	buf_release(&r.line);
}

static void logfmt_is_one_line(void **state)
{
	(void)state;
	check(LOG_FORMAT_LOGFMT, SETTINGS_ADDRESSES_PLAIN,
		"time=2026-11-22T00:51:23.123Z event=mail helo=\"a b\\\"\\\\\\x0d\\x0a\\x9b\" client=192.0.2.7 "
		"size=1234567890123 score=2.5 to=\"x@y:250,q\\\"z:550\"");
}

static void json_is_one_object(void **state)
{
	(void)state;
	check(LOG_FORMAT_JSON, SETTINGS_ADDRESSES_NONE,
		"{\"time\":\"2026-11-22T00:51:23.123Z\",\"event\":\"mail\",\"helo\":\"a "
		"b\\\"\\\\\\u000d\\u000a\\u009b\","
		"\"client\":\"-\",\"size\":1234567890123,\"score\":2.5,\"to\":[\"x@y:250\",\"q\\\"z:550\"]");
}

static void a_hashed_address_is_the_same_each_time_and_not_the_address(void **state)
{
	(void)state;
	struct record r = { .addresses = SETTINGS_ADDRESSES_HASH, .key = &KEY };
	struct buf a = { 0 }, b = { 0 }, other = { 0 };
	assert_true(record_format_address(&r, &a, SLICE("192.0.2.7")));
	assert_true(record_format_address(&r, &b, SLICE("192.0.2.7")));
	assert_true(record_format_address(&r, &other, SLICE("192.0.2.8")));
	assert_true(slice_eq(buf_slice(&a), buf_slice(&b)));
	assert_false(slice_eq(buf_slice(&a), buf_slice(&other)));
	assert_int_equal(buf_len(&a), 16);
	buf_release(&a);
	buf_release(&b);
	buf_release(&other);
}

static void an_address_within_words_is_treated_as_one(void **state)
{
	(void)state;
	static const char *const told[][2] = { { "5.1.1 <Joe@a.test>: User unknown, client 192.0.2.7.",
						       "5.1.1 <->: User unknown, client -." },
		{ "[192.0.2.7]", "[-]" }, { "[IPv6:2001:db8::1]", "[-]" },
		{ "from=<joe+x@a.test> to=b@c", "from=<-> -" },
		{ "4.7.1 Too many from 2001:db8::7, wait 10:30", "4.7.1 Too many from -, wait 10:30" },
		{ "2.0.0 Ok: queued as 12", "2.0.0 Ok: queued as 12" }, { "mx.a.test", "mx.a.test" }, { "", "" } };
	for (unsigned i = 0; i < sizeof told / sizeof *told; i++) {
		struct record r = { .addresses = SETTINGS_ADDRESSES_NONE }, plain = { 0 };
		struct buf out = { 0 }, same = { 0 };
		assert_true(record_format_words(&r, &out, slice_str(told[i][0])) && buf_put(&out, slice_of("", 1)));
		assert_string_equal(out.data + out.start, told[i][1]);
		assert_true(record_format_words(&plain, &same, slice_str(told[i][0])));
		assert_true(slice_eq(buf_slice(&same), slice_str(told[i][0])));
		buf_release(&out);
		buf_release(&same);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(logfmt_is_one_line),
		cmocka_unit_test(json_is_one_object),
		cmocka_unit_test(a_hashed_address_is_the_same_each_time_and_not_the_address),
		cmocka_unit_test(an_address_within_words_is_treated_as_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
