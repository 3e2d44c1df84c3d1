#include "tests/base/cmocka_setup.h"

#include "smtp/client_identity.h"
#include "smtp/xclient.h"

#include <stdlib.h>

static char room[1024];

static bool parse(const char *text, struct smtp_xclient *x_r)
{
	return smtp_xclient_parse(slice_str(text), room, x_r);
}

static void values(void **state)
{
	(void)state;
	struct smtp_xclient x;
	assert_true(parse("NAME=Mail.example.org ADDR=192.0.2.7 PORT=4321 PROTO=ESMTP HELO=a+2Bb LOGIN=j+20d+C3+A4 "
			  "DESTADDR=IPV6:2001:db8::1 DESTPORT=25 REVERSE_NAME=ptr.example",
		&x));
	assert_int_equal(x.given, SMTP_XCLIENT_TAKES);
	assert_int_equal(x.known, SMTP_XCLIENT_TAKES);
	assert_false(x.name_failed);
	assert_true(x.esmtp);
	assert_slice(x.name, "Mail.example.org");
	assert_slice(x.reverse, "ptr.example");
	assert_slice(x.helo, "a+b");
	assert_slice(x.login, "j d\xc3\xa4");
	assert_int_equal(x.port, 4321);
	assert_int_equal(x.dest_port, 25);
	char text[IP_TEXT];
	ip_format(&x.ip, text);
	assert_string_equal(text, "192.0.2.7");
	ip_format(&x.dest, text);
	assert_string_equal(text, "2001:db8::1");
}

static void unknown_ones(void **state)
{
	(void)state;
	struct smtp_xclient x;
	assert_true(parse("  name=[UNAVAILABLE]   ADDR=[unavailable] PORT=[UNAVAILABLE] HELO=[UNAVAILABLE] ", &x));
	assert_int_equal(x.given, SMTP_XATTR_NAME | SMTP_XATTR_ADDR | SMTP_XATTR_PORT | SMTP_XATTR_HELO);
	assert_int_equal(x.known, 0);
	assert_false(x.name_failed);
	assert_int_equal(x.name.n + x.helo.n + x.port, 0);
	assert_true(parse("REVERSE_NAME=[TEMPUNAVAIL]", &x) && x.name_failed && x.known == 0);
	assert_true(parse("NAME=[TEMPUNAVAIL]", &x) && x.name_failed);
	assert_true(parse("HELO=[TEMPUNAVAIL]", &x) && !x.name_failed);
	assert_true(parse("PROTO=smtp", &x) && !x.esmtp && x.known == SMTP_XATTR_PROTO);
}

static void bad_ones(void **state)
{
	(void)state;
	static const char *const bad[] = {
		"", "  ", "NAME", "NAME=", "=x", "NAME=a NAME=a", "NAME=a name=[UNAVAILABLE]", "WHO=x", "IDENT=x",
		"SOURCE=REMOTE", "IDENT=[UNAVAILABLE]", "NAME=-a", "NAME=a..b", "NAME=1.2.3.4", "NAME=a+20b",
		"NAME=a_b.",
		"NAME=a ADDR", "ADDR=192.0.2.256", "ADDR=2001:db8::1", "ADDR=IPV6:192.0.2.1", "ADDR=IPV6:x",
		"ADDR=[192.0.2.1]", "PORT=65536", "PORT=-1", "PORT=x", "PORT=1+", "PROTO=LMTP", "PROTO=[UNAVAILABLE]",
		"HELO=a+20b", "HELO=a+0D+0A", "HELO=a+2b", "HELO=a+2", "HELO=a=b", "HELO=+C3+A4", "LOGIN=a+00",
		"LOGIN=a+7F", "LOGIN=+E4", "REVERSE_NAME=-", "DESTADDR=x", "DESTPORT=70000", "NAME\ta=b",
	};
	struct smtp_xclient x;
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		if (parse(bad[i], &x))
			fail_msg("\"%s\" was taken", bad[i]);
}

static void values_are_bounded(void **state)
{
	(void)state;
	char line[300] = "HELO=";
	struct smtp_xclient x;
	memset(line + 5, 'h', 256);
	assert_false(parse(line, &x));
	line[5 + 255] = 0;
	assert_true(parse(line, &x));
	assert_int_equal(x.helo.n, 255);
}

/* What our own client writes is what we read. */
static void what_is_written_is_read(void **state)
{
	(void)state;
	static const char *const names[] = { "", "a.example", "Mail-1.example.org", "x_y.example" };
	static const char *const helos[] = { "", "me", "[192.0.2.1]", "a+b=c", "<>\"\\" };
	static const char *const ips[] = { "192.0.2.7", "2001:db8::9" };
	srand(3);
	for (int i = 0; i < 2000; i++) {
		struct smtp_identity id = {
			.port = (uint16_t)(rand() % 3 * 777),
			.name_failed = rand() % 2,
			.name = slice_str(names[rand() % 4]),
			.reverse = slice_str(names[rand() % 4]),
			.helo = slice_str(helos[rand() % 5]),
			.proto = rand() % 2 ? SLICE("ESMTP") : SLICE("SMTP"),
			.login = slice_str(rand() % 2 ? "j\xc3\xa4 d" : ""),
		};
		assert_true(ip_parse(slice_str(ips[rand() % 2]), &id.ip));
		char line[SMTP_IDENTITY_LINE];
		size_t n = smtp_identity_xclient(line, SMTP_XCLIENT_TAKES, &id);
		struct smtp_xclient x;
		assert_true(n > 8 && smtp_xclient_parse(slice_of(line + 8, n - 8), room, &x));
		assert_memory_equal(x.ip.b, id.ip.b, 16);
		assert_int_equal(x.port, id.port);
		assert_true(slice_eq(x.name, id.name) && slice_eq(x.helo, id.helo) && slice_eq(x.login, id.login));
		assert_true(slice_eq(x.reverse, id.reverse.n ? id.reverse : id.name));
		assert_int_equal(x.name_failed, id.name_failed && id.name.n == 0);
		assert_int_equal(x.esmtp, id.proto.n == 5);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values),
		cmocka_unit_test(unknown_ones),
		cmocka_unit_test(bad_ones),
		cmocka_unit_test(values_are_bounded),
		cmocka_unit_test(what_is_written_is_read),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
