#include "smtp/addr.h"

#include <stdlib.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

struct vector {
	const char *text;
	unsigned flags;
	enum smtp_path_result want;
	const char *addr, *local, *domain, *rest;
};

#define OK(text, flags, addr, local, domain, rest) { text, flags, SMTP_PATH_OK, addr, local, domain, rest }
#define BAD(text, flags, why) { text, flags, SMTP_PATH_##why, 0, 0, 0, 0 }
#define UTF8 SMTP_PATH_UTF8

static const struct vector VECTORS[] = {
	OK("<a@b>", 0, "a@b", "a", "b", ""),
	OK("<joe.doe+x=y@mail.example.com> SIZE=1", 0, "joe.doe+x=y@mail.example.com", "joe.doe+x=y",
	   "mail.example.com", " SIZE=1"),
	OK("<!#$%&'*+-/=?^_`{|}~@b.c>", 0, "!#$%&'*+-/=?^_`{|}~@b.c", "!#$%&'*+-/=?^_`{|}~", "b.c", ""),
	OK("<>", SMTP_PATH_NULL, "", "", "", ""),
	OK("<> BODY=7BIT", SMTP_PATH_NULL, "", "", "", " BODY=7BIT"),
	OK("<PostMaster>", SMTP_PATH_POSTMASTER, "PostMaster", "PostMaster", "", ""),
	OK("<@one,@two.test:u@d.e>", 0, "u@d.e", "u", "d.e", ""),
	OK("<@[192.0.2.1]:u@d>", 0, "u@d", "u", "d", ""),
	OK("<\"a b@c>\"@d>", 0, "\"a b@c>\"@d", "\"a b@c>\"", "d", ""),
	OK("<\"a\\\"\\\\b\"@d>", 0, "\"a\\\"\\\\b\"@d", "\"a\\\"\\\\b\"", "d", ""),
	OK("<\"\"@d>", 0, "\"\"@d", "\"\"", "d", ""),
	OK("<a@[192.0.2.1]>", 0, "a@[192.0.2.1]", "a", "[192.0.2.1]", ""),
	OK("<a@[IPv6:2001:db8::1]>", 0, "a@[IPv6:2001:db8::1]", "a", "[IPv6:2001:db8::1]", ""),
	OK("<a@[x-400:some/thing]>", 0, "a@[x-400:some/thing]", "a", "[x-400:some/thing]", ""),
	OK("<a..b.@docomo.test>", 0, "a..b.@docomo.test", "a..b.", "docomo.test", ""),
	OK("<a@my_host.test>", 0, "a@my_host.test", "a", "my_host.test", ""),
	OK("<\xc3\xa4@\xc3\xb6.test>", UTF8, "\xc3\xa4@\xc3\xb6.test", "\xc3\xa4", "\xc3\xb6.test", ""),

	BAD("", 0, SYNTAX),
	BAD("a@b", 0, SYNTAX),
	BAD("<", 0, SYNTAX),
	BAD("<a", 0, SYNTAX),
	BAD("<a@", 0, SYNTAX),
	BAD("<a@b", 0, SYNTAX),
	BAD("<a>", 0, SYNTAX),
	BAD("<@b>", 0, SYNTAX),
	BAD("<a@b@c>", 0, SYNTAX),
	BAD("<>", 0, SYNTAX),
	BAD("<postmaster>", SMTP_PATH_NULL, SYNTAX),
	BAD("<postmaster2>", SMTP_PATH_POSTMASTER, SYNTAX),
	BAD("< a@b>", 0, SYNTAX),
	BAD("<a b@c>", 0, SYNTAX),
	BAD("<a@b c>", 0, SYNTAX),
	BAD("<a@b.>", 0, SYNTAX),
	BAD("<a@.b>", 0, SYNTAX),
	BAD("<a@b..c>", 0, SYNTAX),
	BAD("<a@-b>", 0, SYNTAX),
	BAD("<a@b-.c>", 0, SYNTAX),
	BAD("<\"a@b>", 0, SYNTAX),
	BAD("<\"a\"b@c>", 0, SYNTAX),
	BAD("<\"a\\", 0, SYNTAX),
	BAD("<@one:>", 0, SYNTAX),
	BAD("<@one,two:a@b>", 0, SYNTAX),
	BAD("<@one a@b>", 0, SYNTAX),
	BAD("<a@[192.0.2.256]>", 0, SYNTAX),
	BAD("<a@[192.0.2.1>", 0, SYNTAX),
	BAD("<a@[IPv6:192.0.2.1]>", 0, SYNTAX),
	BAD("<a@[IPv6:zz]>", 0, SYNTAX),
	BAD("<a@[]>", 0, SYNTAX),
	BAD("<a@[x:]>", 0, SYNTAX),
	BAD("<a@[x-:y]>", 0, SYNTAX),
	BAD("<a\x01@b>", 0, CONTROL),
	BAD("<\"a\x7f\"@b>", 0, CONTROL),
	BAD("<\"a\\\t\"@b>", 0, CONTROL),
	BAD("<a\r\n@b>", 0, CONTROL),
	BAD("<\xc3\xa4@b>", 0, NOT_ASCII),
	BAD("<a@\xc3\xb6.test>", 0, NOT_ASCII),
	BAD("<\xc3@b>", UTF8, NOT_ASCII),
	BAD("<\xc0\xaf@b>", UTF8, NOT_ASCII),      /* not the shortest form */
	BAD("<\xed\xa0\x80@b>", UTF8, NOT_ASCII),  /* a surrogate */
	BAD("<\xf4\x90\x80\x80@b>", UTF8, NOT_ASCII),
	BAD("<\xc2\x9b" "1m@b>", UTF8, NOT_ASCII), /* a C1 control */
};

/* As an exact block of its own, so that a sanitizer sees a read past the end. */
static char *exact(struct slice s)
{
	char *p = malloc(s.n ? s.n : 1);
	assert_non_null(p);
	if (s.n)
		memcpy(p, s.p, s.n);
	return p;
}

static bool is(struct slice s, const char *want)
{
	return slice_eq(s, slice_str(want));
}

static void check(const struct vector *v)
{
	char *p = exact(slice_str(v->text));
	struct slice in = slice_of(p, strlen(v->text));
	struct smtp_path path = { 0 };
	enum smtp_path_result result = smtp_path_parse(&in, v->flags, &path);
	if (result != v->want)
		fail_msg("%s: got %d, wanted %d", v->text, (int)result, (int)v->want);
	if (v->addr) {
		assert_true(is(path.addr, v->addr) && is(path.local, v->local) && is(path.domain, v->domain));
		assert_true(is(in, v->rest));
	}
	if (result != SMTP_PATH_OK)
		assert_true(in.p == p && in.n == strlen(v->text));
	free(p);
}

static void vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++)
		check(&VECTORS[i]);
}

/* No cut of a path is a path; reading stays within the cut. */
static void cut_short(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
		const struct vector *v = &VECTORS[i];
		if (v->want != SMTP_PATH_OK || !v->addr)
			continue;
		for (size_t n = 0; n < strlen(v->text) - strlen(v->rest); n++) {
			char *p = exact(slice_of(v->text, n));
			struct slice in = slice_of(p, n);
			struct smtp_path path;
			assert_int_not_equal(smtp_path_parse(&in, v->flags, &path), SMTP_PATH_OK);
			free(p);
		}
	}
}

static void round_trip(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
		const struct vector *v = &VECTORS[i];
		struct slice in = slice_str(v->text);
		struct smtp_path path, again;
		struct buf out = { 0 };
		if (v->want != SMTP_PATH_OK || smtp_path_parse(&in, v->flags, &path) != SMTP_PATH_OK)
			continue;
		assert_true(smtp_path_write(&path, &out));
		struct slice written = buf_slice(&out);
		assert_int_equal(smtp_path_parse(&written, v->flags, &again), SMTP_PATH_OK);
		assert_true(slice_eq(path.addr, again.addr) && slice_eq(path.local, again.local));
		assert_true(slice_eq(path.domain, again.domain) && written.n == 0);
		buf_release(&out);
	}
}

/* "<" local "@" domain labels ">", of the wanted lengths. */
static enum smtp_path_result parse_lengths(size_t local, size_t domain)
{
	char text[600];
	size_t n = 0;
	text[n++] = '<';
	for (size_t i = 0; i < local; i++)
		text[n++] = 'l';
	text[n++] = '@';
	for (size_t i = 0; i < domain; i++)
		text[n++] = i % 50 == 49 && i + 1 < domain ? '.' : 'd';
	text[n++] = '>';
	struct slice in = slice_of(text, n);
	struct smtp_path path;
	return smtp_path_parse(&in, 0, &path);
}

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(parse_lengths(65, 100), SMTP_PATH_OK);
	assert_int_equal(parse_lengths(255, 100), SMTP_PATH_OK);
	assert_int_equal(parse_lengths(256, 100), SMTP_PATH_TOO_LONG);
	assert_int_equal(parse_lengths(254, 255), SMTP_PATH_OK); /* 512 with brackets and @ */
	assert_int_equal(parse_lengths(255, 255), SMTP_PATH_TOO_LONG);
	assert_int_equal(parse_lengths(64, 256), SMTP_PATH_TOO_LONG);
}

static void long_label(void **state)
{
	(void)state;
	char text[80] = "<a@";
	memset(text + 3, 'd', 64);
	struct smtp_path path;
	text[66] = '>';
	struct slice in = slice_of(text, 67);
	assert_int_equal(smtp_path_parse(&in, 0, &path), SMTP_PATH_OK);
	text[66] = 'd';
	text[67] = '>';
	in = slice_of(text, 68);
	assert_int_equal(smtp_path_parse(&in, 0, &path), SMTP_PATH_SYNTAX);
}

static void nul_byte(void **state)
{
	(void)state;
	struct slice in = SLICE("<a\0b@c>");
	struct smtp_path path;
	assert_int_equal(smtp_path_parse(&in, 0, &path), SMTP_PATH_CONTROL);
	in = SLICE("<\"a\0b\"@c>");
	assert_int_equal(smtp_path_parse(&in, 0, &path), SMTP_PATH_CONTROL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),    cmocka_unit_test(cut_short), cmocka_unit_test(round_trip),
		cmocka_unit_test(lengths),    cmocka_unit_test(long_label), cmocka_unit_test(nul_byte),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
