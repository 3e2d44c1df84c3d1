/* server/trace.h: the Received: line, and what a hostile HELO cannot do to it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/trace.h"

#include <string.h>

static struct trace sample(void)
{
	struct trace t = { .helo = SLICE("client.example"),
		.hostname = SLICE("mx.example"),
		.protocol = SLICE("ESMTP"),
		.id = SLICE("7F3K9QZ2"),
		.recipient = SLICE("user@example.test"),
		.wall_ms = 1795308683123 };
	assert_true(ip_parse(SLICE("192.0.2.7"), &t.ip));
	return t;
}

static void check(const struct trace *t, const char *want)
{
	struct buf out = { 0 };
	assert_true(trace_write(t, &out));
	assert_true(buf_put(&out, slice_of("", 1)));
	assert_string_equal(out.data, want);
	buf_release(&out);
}

static void one_recipient_is_named(void **state)
{
	(void)state;
	struct trace t = sample();
	check(&t, "Received: from client.example (unknown [192.0.2.7])\r\n"
		  "\tby mx.example (SmtpGuard) with ESMTP id 7F3K9QZ2\r\n"
		  "\tfor <user@example.test>; Sun, 22 Nov 2026 00:51:23 +0000\r\n");
}

static void tls_ipv6_and_several_recipients(void **state)
{
	(void)state;
	struct trace t = sample();
	assert_true(ip_parse(SLICE("2001:db8::7"), &t.ip));
	t.recipient.n = 0;
	t.tls = SLICE("TLSv1.3");
	t.cipher = SLICE("TLS_AES_256_GCM_SHA384");
	t.protocol = SLICE("ESMTPS");
	check(&t, "Received: from client.example (unknown [IPv6:2001:db8::7])\r\n"
		  "\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384)\r\n"
		  "\tby mx.example (SmtpGuard) with ESMTPS id 7F3K9QZ2; Sun, 22 Nov 2026 00:51:23 +0000\r\n");
}

static void a_helo_cannot_leave_its_place(void **state)
{
	(void)state;
	struct trace t = sample();
	t.helo = SLICE("x) by evil (\r\nBcc: a\0b");
	t.recipient.n = 0;
	check(&t, "Received: from x??by?evil????Bcc:?a?b (unknown [192.0.2.7])\r\n"
		  "\tby mx.example (SmtpGuard) with ESMTP id 7F3K9QZ2; Sun, 22 Nov 2026 00:51:23 +0000\r\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_recipient_is_named),
		cmocka_unit_test(tls_ipv6_and_several_recipients),
		cmocka_unit_test(a_helo_cannot_leave_its_place),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
