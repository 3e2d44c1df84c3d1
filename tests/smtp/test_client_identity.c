#include "tests/base/cmocka_setup.h"

#include "smtp/client_identity.h"

#include <stdio.h>

enum { ALL = 0xffff };

static struct smtp_identity someone(const char *ip)
{
	struct smtp_identity id = {
		.port = 4321, .helo = SLICE("me.example"), .proto = SLICE("ESMTP"), .name = SLICE("Me.example")
	};
	assert_true(ip_parse(slice_str(ip), &id.ip));
	return id;
}

static void assert_xclient(unsigned offered, const struct smtp_identity *id, const char *wanted)
{
	char line[SMTP_IDENTITY_LINE];
	assert_slice(slice_of(line, smtp_identity_xclient(line, offered, id)), wanted);
}

static void assert_xforward(unsigned offered, const struct smtp_identity *id, const char *wanted)
{
	char line[SMTP_IDENTITY_LINE];
	assert_slice(slice_of(line, smtp_identity_xforward(line, offered, id)), wanted);
}

static void everything_is_said(void **state)
{
	(void)state;
	struct smtp_identity id = someone("192.0.2.7");
	id.reverse = SLICE("ptr.example");
	id.login = SLICE("joe=x");
	id.ident = SLICE("7F3K9QZ2");
	assert_xclient(ALL, &id,
		"XCLIENT ADDR=192.0.2.7 PORT=4321 PROTO=ESMTP NAME=Me.example REVERSE_NAME=ptr.example "
		"HELO=me.example LOGIN=joe+3Dx");
	assert_xforward(ALL, &id,
		"XFORWARD ADDR=192.0.2.7 PORT=4321 PROTO=ESMTP SOURCE=REMOTE NAME=Me.example HELO=me.example "
		"IDENT=7F3K9QZ2");
}

static void only_what_was_offered(void **state)
{
	(void)state;
	struct smtp_identity id = someone("2001:db8::1");
	assert_xclient(SMTP_XATTR_ADDR, &id, "XCLIENT ADDR=IPV6:2001:db8::1");
	assert_xclient(SMTP_XATTR_HELO | SMTP_XATTR_NAME, &id, "XCLIENT NAME=Me.example HELO=me.example");
	assert_xclient(0, &id, "");
	assert_xclient(SMTP_XATTR_DESTADDR | SMTP_XATTR_DESTPORT | SMTP_XATTR_IDENT, &id, "");
	assert_xforward(SMTP_XATTR_LOGIN, &id, "");
	assert_xforward(SMTP_XATTR_SOURCE, &id, "XFORWARD SOURCE=REMOTE");
}

/* One left out would keep the value of the client before. */
static void the_unknown_is_said_to_be_so(void **state)
{
	(void)state;
	struct smtp_identity id = { .port = 0 };
	assert_true(ip_parse(SLICE("192.0.2.7"), &id.ip));
	assert_xclient(ALL, &id,
		"XCLIENT ADDR=192.0.2.7 PORT=[UNAVAILABLE] NAME=[UNAVAILABLE] "
		"REVERSE_NAME=[UNAVAILABLE] HELO=[UNAVAILABLE]");
	id.name_failed = true;
	assert_xclient(SMTP_XATTR_NAME | SMTP_XATTR_REVERSE_NAME | SMTP_XATTR_HELO, &id,
		"XCLIENT NAME=[TEMPUNAVAIL] REVERSE_NAME=[TEMPUNAVAIL] HELO=[UNAVAILABLE]");
	assert_xforward(SMTP_XATTR_NAME, &id, "XFORWARD NAME=[UNAVAILABLE]");
	id.name = SLICE("a.example");
	assert_xclient(SMTP_XATTR_NAME | SMTP_XATTR_REVERSE_NAME, &id, "XCLIENT NAME=a.example REVERSE_NAME=a.example");
}

static void no_value_adds_a_line_or_an_attribute(void **state)
{
	(void)state;
	struct smtp_identity id = someone("192.0.2.7");
	static const struct slice bad[] = {
		SLICE_INIT("a.example\r\nMAIL"),
		SLICE_INIT("a b"),
		SLICE_INIT("a=b"),
		SLICE_INIT("a+b"),
		SLICE_INIT("a\0b"),
		SLICE_INIT("a\x80"),
		SLICE_INIT("a\n"),
		SLICE_INIT("[UNAVAILABLE]"),
		SLICE_INIT("a/b"),
		SLICE_INIT("a:b"),
		SLICE_INIT(""),
		SLICE_INIT("a@b"),
		SLICE_INIT("a`b"),
		SLICE_INIT("a{b"),
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		id.name = bad[i];
		assert_xclient(SMTP_XATTR_NAME, &id, "XCLIENT NAME=[UNAVAILABLE]");
		assert_xforward(SMTP_XATTR_NAME, &id, "XFORWARD NAME=[UNAVAILABLE]");
	}
	id.helo = SLICE("a\r\nNAME=x y\0+\xff");
	assert_xclient(SMTP_XATTR_HELO, &id, "XCLIENT HELO=a+0D+0ANAME+3Dx+20y+00+2B+FF");
	id.login = id.ident = id.proto = SLICE("\r\n");
	assert_xclient(SMTP_XATTR_LOGIN, &id, "XCLIENT LOGIN=+0D+0A");
	assert_xforward(SMTP_XATTR_PROTO, &id, "XFORWARD PROTO=+0D+0A");
	assert_xforward(SMTP_XATTR_IDENT, &id, "XFORWARD IDENT=+0D+0A");
}

/* Tried with Postfix 3.7: the one kind it takes, the other it answers with 501. */
static void host_names_are_those_that_postfix_takes(void **state)
{
	(void)state;
	static const char *const good[] = { "a", "a_b.c", "_a.b", "1.a", "a.1", "A.B", "xn--a.b", "_", "0x1", "1-2",
		"a--b.c", "1_2" };
	static const char *const bad[] = { "a..b", ".a", "a.", ".", "-a.b", "a-.b", "a.-b", "a.b-", "1.2.3.4", "123",
		"999.1", "-", "a.b." };
	struct smtp_identity id = someone("192.0.2.7");
	char label[80], wanted[100];
	for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
		id.name = slice_str(good[i]);
		snprintf(wanted, sizeof wanted, "XCLIENT NAME=%s", good[i]);
		assert_xclient(SMTP_XATTR_NAME, &id, wanted);
	}
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		id.name = slice_str(bad[i]);
		assert_xclient(SMTP_XATTR_NAME, &id, "XCLIENT NAME=[UNAVAILABLE]");
		id.reverse = id.name;
		assert_xclient(SMTP_XATTR_REVERSE_NAME, &id, "XCLIENT REVERSE_NAME=[UNAVAILABLE]");
	}
	memset(label, 'x', sizeof label);
	memcpy(label + 64, ".a", 2);
	id.name = slice_of(label, 66);
	assert_xclient(SMTP_XATTR_NAME, &id, "XCLIENT NAME=[UNAVAILABLE]");
	id.name = slice_of(label + 1, 65);
	snprintf(wanted, sizeof wanted, "XCLIENT NAME=%.65s", label + 1);
	assert_xclient(SMTP_XATTR_NAME, &id, wanted);
}

static void protocols_are_those_that_postfix_takes(void **state)
{
	(void)state;
	char bytes[65];
	struct smtp_identity id = someone("192.0.2.7");
	id.proto = SLICE("SMTP");
	assert_xclient(SMTP_XATTR_PROTO | SMTP_XATTR_PORT, &id, "XCLIENT PORT=4321 PROTO=SMTP");
	id.proto = SLICE("ESMTPS");
	assert_xclient(SMTP_XATTR_PROTO | SMTP_XATTR_PORT, &id, "XCLIENT PORT=4321");
	assert_xclient(SMTP_XATTR_PROTO, &id, "");
	assert_xforward(SMTP_XATTR_PROTO, &id, "XFORWARD PROTO=ESMTPS");
	memset(bytes, 'x', sizeof bytes);
	id.proto = slice_of(bytes, 65);
	assert_xforward(SMTP_XATTR_PROTO, &id, "XFORWARD PROTO=[UNAVAILABLE]");
}

static struct smtp_identity longest(char *bytes)
{
	struct smtp_identity id = someone("2001:db8:1111:2222:3333:4444:5555:6666");
	for (size_t i = 0; i < 300; i++)
		bytes[i] = i % 50 == 49 ? '.' : 'n';
	id.port = 65535;
	id.name = id.reverse = id.helo = id.login = id.ident = slice_of(bytes, SMTP_IDENTITY_VALUE);
	return id;
}

static void values_and_lines_are_bounded(void **state)
{
	(void)state;
	char bytes[300], line[SMTP_IDENTITY_LINE], wanted[600];
	struct smtp_identity id = longest(bytes);
	size_t n = smtp_identity_xclient(line, ALL, &id);
	assert_in_range(n, 1, SMTP_IDENTITY_LINE - 2);
	snprintf(wanted, sizeof wanted,
		"XCLIENT ADDR=IPV6:2001:db8:1111:2222:3333:4444:5555:6666 PORT=65535 PROTO=ESMTP NAME=%.255s "
		"REVERSE_NAME=[UNAVAILABLE] HELO=[UNAVAILABLE] LOGIN=[UNAVAILABLE]",
		bytes);
	assert_slice(slice_of(line, n), wanted);
	assert_in_range(smtp_identity_xforward(line, ALL, &id), 1, SMTP_IDENTITY_LINE - 2);

	id.name = id.helo = slice_of(bytes, SMTP_IDENTITY_VALUE + 1);
	assert_xclient(SMTP_XATTR_NAME | SMTP_XATTR_HELO, &id, "XCLIENT NAME=[UNAVAILABLE] HELO=[UNAVAILABLE]");
	memset(bytes, '=', 86); /* 258 bytes as xtext */
	id.helo = slice_of(bytes, 86);
	assert_xclient(SMTP_XATTR_HELO, &id, "XCLIENT HELO=[UNAVAILABLE]");
}

/* Whatever the lengths, the line has its length and every attribute offered. */
static void no_lengths_pass_the_line(void **state)
{
	(void)state;
	char bytes[300], line[SMTP_IDENTITY_LINE];
	struct smtp_identity id = longest(bytes);
	for (size_t name = 0; name <= 256; name += 3) {
		for (size_t helo = 0; helo <= 256; helo += 3) {
			id.name.n = name, id.helo.n = id.reverse.n = id.ident.n = id.login.n = helo;
			size_t n = smtp_identity_xclient(line, ALL, &id);
			assert_in_range(n, 1, SMTP_IDENTITY_LINE - 2);
			size_t words = 0;
			for (size_t i = 0; i < n; i++)
				words += line[i] == ' ';
			assert_int_equal(words, helo ? 7 : 6); /* no LOGIN when there is none */
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_said),
		cmocka_unit_test(only_what_was_offered),
		cmocka_unit_test(the_unknown_is_said_to_be_so),
		cmocka_unit_test(no_value_adds_a_line_or_an_attribute),
		cmocka_unit_test(host_names_are_those_that_postfix_takes),
		cmocka_unit_test(protocols_are_those_that_postfix_takes),
		cmocka_unit_test(values_and_lines_are_bounded),
		cmocka_unit_test(no_lengths_pass_the_line),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
