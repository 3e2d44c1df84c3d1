/* The forms of values, the scan, the suggestions. */
#include "tests/config/parse.h"

#include "config/scan.h"
#include "config/suggest.h"
#include "config/types.h"

static void test_duration(void **state)
{
	static const struct {
		const char *text;
		uint64_t ms;
		const char *again;
	} good[] = { { "250ms", 250, "250ms" }, { "30s", 30000, "30s" },     { "60s", 60000, "1m" },
		     { "0s", 0, "0s" },	        { "7d", 604800000, "7d" },   { "36h", 129600000, "36h" },
		     { "1500ms", 1500, "1500ms" } };
	static const char *const bad[] = { "", "s", "30", "-1s", "1.5s", "30 s", "30S", "1h30m", "99999999999999999d" };
	uint64_t ms;

	(void)state;
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		struct buf out = { 0 };
		assert_true(duration_parse(slice_str(good[i].text), &ms));
		assert_int_equal(ms, good[i].ms);
		assert_true(duration_write(ms, &out));
		assert_true(slice_eq(buf_slice(&out), slice_str(good[i].again)));
		buf_release(&out);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(duration_parse(slice_str(bad[i]), &ms));
}

static void test_size(void **state)
{
	struct buf out = { 0 };
	uint64_t n;

	(void)state;
	assert_true(size_parse(SLICE("64k"), &n));
	assert_int_equal(n, 65536);
	assert_true(size_parse(SLICE("1G"), &n));
	assert_int_equal(n, 1u << 30);
	assert_true(size_parse(SLICE("500"), &n));
	assert_int_equal(n, 500);
	assert_false(size_parse(SLICE("64K"), &n));
	assert_false(size_parse(SLICE("64kB"), &n));
	assert_false(size_parse(SLICE("9999999999999G"), &n));
	assert_true(size_write(0, &out) && size_write(1536, &out) && size_write(25 << 20, &out));
	assert_true(slice_eq(buf_slice(&out), SLICE("0153625M")));
	buf_release(&out);
}

static void test_date(void **state)
{
	int64_t ms;

	(void)state;
	assert_true(date_parse(SLICE("1970-01-01"), &ms));
	assert_int_equal(ms, 86400000);
	assert_true(date_parse(SLICE("2027-01-31"), &ms));
	assert_int_equal(ms, 1801440000000);
	assert_true(date_parse(SLICE("2028-02-29"), &ms));
	assert_false(date_parse(SLICE("2027-02-29"), &ms));
	assert_false(date_parse(SLICE("2027-13-01"), &ms));
	assert_false(date_parse(SLICE("2027-00-01"), &ms));
	assert_false(date_parse(SLICE("2027-1-31"), &ms));
	assert_false(date_parse(SLICE("1969-12-31"), &ms));
}

static void test_names(void **state)
{
	(void)state;
	assert_true(domain_valid(SLICE("mx.example.com")));
	assert_true(domain_valid(SLICE("_dmarc.a-b.example")));
	assert_false(domain_valid(SLICE(".example.com")));
	assert_false(domain_valid(SLICE("example.com.")));
	assert_false(domain_valid(SLICE("a..b")));
	assert_false(domain_valid(SLICE("-a.b")));
	assert_false(domain_valid(SLICE("a@b")));
	assert_false(domain_valid(SLICE("")));
	assert_true(name_valid(SLICE("hold-off.2_x")));
	assert_false(name_valid(SLICE("hold off")));
	assert_false(name_valid(SLICE("")));
	assert_true(mail_address_valid(SLICE("a.b+c@example.com")));
	assert_false(mail_address_valid(SLICE("@example.com")));
	assert_false(mail_address_valid(SLICE("a b@example.com")));
	assert_false(mail_address_valid(SLICE("example.com")));
}

static void backend_is(const char *text, enum settings_scheme scheme, const char *host, unsigned port, const char *path,
		       const char *again)
{
	struct arena arena = { 0 };
	struct settings_backend b;
	const char *why = "";

	assert_true(backend_parse(&arena, "/etc/sg", slice_str(text), &b, &why));
	assert_int_equal(b.scheme, scheme);
	assert_string_equal(b.host, host);
	assert_int_equal(b.port, port);
	assert_string_equal(b.path, path);
	assert_string_equal(b.text, again);
	arena_release(&arena);
}

static void test_backend(void **state)
{
	static const char *const bad[] = { "smtp://", "smtp://127.0.0.1", "smtp://127.0.0.1:0", "smtp://a:65536",
					   "smtp://:25", "smtp://a b:25", "smtp://::1:25", "lmtp+unix://run/x",
					   "maildir://", "http://a:80", "SMTP://a:25", "127.0.0.1:25", "" };
	struct arena arena = { 0 };
	struct settings_backend b;
	const char *why;

	(void)state;
	backend_is("smtp://127.0.0.1:10025", SETTINGS_SMTP, "127.0.0.1", 10025, "", "smtp://127.0.0.1:10025");
	backend_is("lmtp://[::1]:24", SETTINGS_LMTP, "::1", 24, "", "lmtp://[::1]:24");
	backend_is("smtp://mail.example.com:25", SETTINGS_SMTP, "mail.example.com", 25, "",
		   "smtp://mail.example.com:25");
	backend_is("lmtp+unix:///run/l", SETTINGS_LMTP_UNIX, "", 0, "/run/l", "lmtp+unix:///run/l");
	backend_is("maildir://demo", SETTINGS_MAILDIR, "", 0, "/etc/sg/demo", "maildir:///etc/sg/demo");
	backend_is("maildir:///var/m", SETTINGS_MAILDIR, "", 0, "/var/m", "maildir:///var/m");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(backend_parse(&arena, NULL, slice_str(bad[i]), &b, &why));
		assert_non_null(why);
	}
	arena_release(&arena);
}

static void test_answers(void **state)
{
	struct settings_answer a;
	struct buf out = { 0 };

	(void)state;
	assert_true(answer_parse(SLICE("127.0.0.2-127.0.0.11"), &a) && answer_write(&a, &out));
	assert_true(slice_eq(buf_slice(&out), SLICE("127.0.0.2-127.0.0.11")));
	assert_true(answer_parse(SLICE("127.0.0.4"), &a));
	assert_false(answer_parse(SLICE("127.0.0.11-127.0.0.2"), &a));
	assert_false(answer_parse(SLICE("127.0.0.2-"), &a));
	assert_false(answer_parse(SLICE("::1"), &a));
	buf_release(&out);
}

static void scan_is(const char *text, size_t n, enum scan_kind kind, uint32_t line, const char *found)
{
	struct scan s = scan_start(slice_of(text, n));
	struct slice what;

	assert_int_equal(scan_next(&s, &what), kind);
	if (kind == SCAN_END)
		return;
	if (!slice_eq(what, slice_str(found)))
		print_error("%s: found \"%.*s\"\n", text, SLICE_ARG(what));
	assert_int_equal(s.line, line);
	assert_true(slice_eq(what, slice_str(found)));
}

#define SCAN_IS(text, kind, line, found) scan_is(text, sizeof(text) - 1, kind, line, found)

static void test_scan(void **state)
{
	(void)state;
	SCAN_IS("a = 2147483647;", SCAN_END, 0, "");
	SCAN_IS("a = -2147483648;", SCAN_END, 0, "");
	SCAN_IS("\na = 2147483648;", SCAN_BIG_NUMBER, 2, "2147483648");
	SCAN_IS("a = -2147483649;", SCAN_BIG_NUMBER, 1, "-2147483649");
	SCAN_IS("a = 0xFFFFFFFF;", SCAN_BIG_NUMBER, 1, "0xFFFFFFFF");
	SCAN_IS("a = 0x7fffffff;", SCAN_END, 0, "");
	SCAN_IS("a = 5000000000L;", SCAN_END, 0, "");
	SCAN_IS("a = 99999999999999999999L;", SCAN_BIG_NUMBER, 1, "99999999999999999999L");
	SCAN_IS("a = 5000000000.0; b = 5e10; c = 50000000000e-9;", SCAN_END, 0, "");
	SCAN_IS("a-5000000000 = 1; x5000000000 = 2;", SCAN_END, 0, "");
	SCAN_IS("# 5000000000\n// 5000000000\n/* 5000000000\n */ a = \"5000000000 \\\" 5000000000\";", SCAN_END, 0, "");
	SCAN_IS("/* \n\n */ a = \"\n\n\"; b = 5000000000;", SCAN_BIG_NUMBER, 5, "5000000000");
	SCAN_IS("a = (1,5000000000);", SCAN_BIG_NUMBER, 1, "5000000000");
	SCAN_IS("(\n @include \"r.d/x.cfg\"\n)", SCAN_INCLUDE, 2, "r.d/x.cfg");
	SCAN_IS("a = 1;\nb = ( @include \"x\" );", SCAN_BAD_INCLUDE, 2, "");
	SCAN_IS("@include 'x'", SCAN_BAD_INCLUDE, 1, "");
	SCAN_IS("@other", SCAN_END, 0, "");
	SCAN_IS("# @include \"x\"\n", SCAN_END, 0, "");
	SCAN_IS("a = 1;\n// b", SCAN_LAST_COMMENT, 2, "");
	SCAN_IS("a\n\0b", SCAN_NUL, 2, "");
	SCAN_IS("a = 1;\n/* b", SCAN_OPEN_COMMENT, 2, "");
	SCAN_IS("a = \"b\n\n\\\"", SCAN_OPEN_STRING, 1, "");
	SCAN_IS("/*", SCAN_OPEN_COMMENT, 1, "");
	SCAN_IS("a = 1;\nb = 10m;", SCAN_BARE_WORD, 2, "10m");
	SCAN_IS("a = [1, 64k];", SCAN_BARE_WORD, 1, "64k");
	SCAN_IS("a = { b =\n # c = d\n observe; };", SCAN_BARE_WORD, 3, "observe");
	SCAN_IS("a = true; b : FALSE; c = 0x1d; d = 0X2M; e10 = 1e5; /* = */ m = { s = 1; }", SCAN_END, 0, "");
	SCAN_IS("/*/", SCAN_OPEN_COMMENT, 1, "");
}

static const char *suggestion(const char *wanted, const char *a, const char *b)
{
	struct suggest s = { .wanted = slice_str(wanted) };

	suggest_try(&s, a);
	suggest_try(&s, b);
	return s.best ? s.best : "";
}

static void test_suggest(void **state)
{
	(void)state;
	assert_int_equal(suggest_distance(SLICE("delay"), SLICE("dealy")), 1);
	assert_int_equal(suggest_distance(SLICE("delay"), SLICE("DELAYS")), 1);
	assert_int_equal(suggest_distance(SLICE(""), SLICE("abc")), 3);
	assert_int_equal(suggest_distance(SLICE("kitten"), SLICE("sitting")), 3);
	assert_string_equal(suggestion("dealy", "errors", "delay"), "delay");
	assert_string_equal(suggestion("colour", "errors", "delay"), "");
	assert_string_equal(suggestion("a", "b", "c"), "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_duration), cmocka_unit_test(test_size),	 cmocka_unit_test(test_date),
		cmocka_unit_test(test_names),	 cmocka_unit_test(test_backend), cmocka_unit_test(test_answers),
		cmocka_unit_test(test_scan),	 cmocka_unit_test(test_suggest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
