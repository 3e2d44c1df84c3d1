/* What dialogues cannot say: the calls an owner makes, their order, memory. */
#include "server_driver.h"

#include <stdlib.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define EHLO "EHLO x.test\r\n"

static enum smtp_event_kind next(struct driver *d, const char *text)
{
	struct slice in = slice_str(text);
	struct smtp_event ev;
	return smtp_server_next(&d->s, &in, &ev);
}

static void greeting(void **state)
{
	(void)state;
	struct driver d;
	driver_init_ungreeted(&d);
	assert_int_equal(next(&d, "EHLO x\r\n"), SMTP_EV_WAIT); /* early talk runs nothing */
	smtp_server_tease(&d.s, SLICE("mx.test"));
	smtp_server_tease(&d.s, SLICE("mx.test"));
	assert_string_equal(driver_replies(&d), "220-mx.test\r\n");
	assert_int_equal(next(&d, ""), SMTP_EV_WAIT);
	smtp_server_greet(&d.s, 220, SLICE("mx.test ESMTP\x01"));
	smtp_server_greet(&d.s, 220, SLICE("twice"));
	smtp_server_tease(&d.s, SLICE("late"));
	assert_string_equal(driver_replies(&d), "220 mx.test ESMTP?\r\n");
	assert_int_equal(next(&d, ""), SMTP_EV_MORE);
	driver_free(&d);
}

static void rejected_at_greeting(void **state)
{
	(void)state;
	struct driver d;
	driver_init_ungreeted(&d);
	smtp_server_greet(&d.s, 554, SLICE("5.7.1 No"));
	driver_say(&d, EHLO "MAIL FROM:<a@b.test>\r\nQUIT\r\n");
	assert_string_equal(driver_replies(&d), "554 5.7.1 No\r\n503 5.5.1 No service here, please QUIT\r\n"
						"503 5.5.1 No service here, please QUIT\r\n221 2.0.0 Bye\r\n");
	assert_true(d.closed);
	driver_free(&d);

	driver_init_ungreeted(&d);
	smtp_server_greet(&d.s, 421, SLICE("4.7.0 Later"));
	driver_say(&d, EHLO);
	assert_string_equal(driver_log(&d), "CLOSE\n");
	driver_free(&d);
}

/* Nothing runs while a question is open, and an answer without a question is nothing. */
static void one_question_at_a_time(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_say(&d, EHLO);
	driver_replies(&d);
	struct slice in = SLICE("MAIL FROM:<a@b.test>\r\nRSET\r\n");
	struct smtp_event ev;
	smtp_server_answer(&d.s, 250, SLICE("2.1.0 Nobody asked"));
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_MAIL);
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_WAIT);
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_WAIT);
	assert_int_equal(in.n, 6);
	assert_string_equal(driver_replies(&d), "");
	smtp_server_answer(&d.s, 250, SLICE("2.1.0 Ok"));
	smtp_server_answer(&d.s, 250, SLICE("2.1.0 Twice"));
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_RSET);
	assert_string_equal(driver_replies(&d), "250 2.1.0 Ok\r\n250 2.0.0 Ok\r\n");
	assert_true(smtp_server_is_idle(&d.s));
	driver_free(&d);
}

static void starttls(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_say(&d, EHLO);
	driver_say(&d, "STARTTLS now\r\n");
	driver_replies(&d);
	driver_say(&d, "STARTTLS\r\n");
	assert_string_equal(driver_replies(&d), "220 2.0.0 Ready\r\n");
	assert_int_equal(next(&d, ""), SMTP_EV_WAIT);
	smtp_server_tls_started(&d.s);
	driver_say(&d, "MAIL FROM:<a@b.test>\r\n"); /* HELO is forgotten */
	driver_say(&d, EHLO);
	driver_say(&d, "STARTTLS\r\n");
	assert_string_equal(driver_replies(&d),
			    "503 5.5.1 Send EHLO or HELO first\r\n250-mx.test\r\n250-PIPELINING\r\n250-SIZE 1000000\r\n"
			    "250-ENHANCEDSTATUSCODES\r\n250 8BITMIME\r\n503 5.5.1 TLS is already active\r\n");
	driver_free(&d);
}

static void starttls_refused(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_say(&d, EHLO);
	driver_answer_next(&d, 454, "4.7.0 TLS not available");
	driver_say(&d, "STARTTLS\r\n");
	driver_say(&d, "MAIL FROM:<a@b.test>\r\n");
	assert_non_null(strstr(driver_replies(&d), "454 4.7.0 TLS not available\r\n250 2.1.0 Ok\r\n"));
	driver_free(&d);

	driver_init(&d);
	d.config.ext &= ~(unsigned)SMTP_EXT_STARTTLS;
	driver_say(&d, EHLO);
	driver_say(&d, "STARTTLS\r\n");
	const char *said = driver_replies(&d);
	assert_null(strstr(said, "-STARTTLS"));
	assert_non_null(strstr(said, "502 5.5.1 Command not implemented\r\n"));
	driver_free(&d);
}

/* Clear text that comes while the owner thinks about STARTTLS, or before the handshake. */
static void starttls_late_injection(void **state)
{
	(void)state;
	for (int answered = 0; answered < 2; answered++) {
		struct driver d;
		driver_init(&d);
		driver_say(&d, EHLO);
		driver_replies(&d);
		struct slice in = SLICE("STARTTLS\r\n");
		struct smtp_event ev;
		assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_STARTTLS);
		if (answered)
			smtp_server_answer(&d.s, 220, SLICE("2.0.0 Ready"));
		driver_say(&d, "MAIL FROM:<evil@b.test>\r\n");
		assert_int_equal(d.offences[SMTP_OFFENCE_INJECTION], 1);
		assert_true(d.closed);
		assert_null(strstr(driver_log(&d), "MAIL"));
		assert_string_equal(driver_replies(&d), answered ? "220 2.0.0 Ready\r\n"
								 : "421 4.7.0 Clear text behind STARTTLS, closing\r\n");
		driver_free(&d);
	}
}

/* DATA's body already arriving while the owner still thinks, then a refusal. */
static void refused_data_with_waiting_input(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_say(&d, EHLO);
	driver_say(&d, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n");
	struct slice in = SLICE("DATA\r\n");
	struct smtp_event ev;
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_DATA);
	assert_int_equal(next(&d, "RSET\r\n"), SMTP_EV_WAIT);
	driver_replies(&d);
	smtp_server_answer(&d.s, 451, SLICE("4.3.0 No"));
	driver_say(&d, "RSET\r\nMAIL FROM:<evil@b.test>\r\n");
	assert_string_equal(driver_replies(&d),
			    "451 4.3.0 No\r\n421 4.7.0 Message sent though DATA was refused, closing\r\n");
	assert_int_equal(d.offences[SMTP_OFFENCE_REFUSED_DATA], 1);
	assert_null(strstr(driver_log(&d), "evil"));
	driver_free(&d);
}

/* Every kind of broken line after a refused DATA closes. */
static void refused_data_then_garbage(void **state)
{
	(void)state;
	static const char *const GARBAGE[] = { "Received: x\r\n", "\r\n", "a\nb\r\n", "RSET\rx\r\n", "NOOP \x01\r\n" };
	for (size_t i = 0; i < sizeof GARBAGE / sizeof GARBAGE[0]; i++) {
		struct driver d;
		driver_init(&d);
		driver_say(&d, EHLO);
		driver_say(&d, "MAIL FROM:<nodata@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
		assert_false(d.closed);
		driver_say(&d, GARBAGE[i]);
		assert_true(d.closed);
		assert_int_equal(d.offences[SMTP_OFFENCE_REFUSED_DATA], 1);
		driver_free(&d);
	}
}

static void closed_from_outside(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_say(&d, EHLO);
	driver_say(&d, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\n");
	driver_say(&d, "half a body");
	driver_replies(&d);
	smtp_server_close(&d.s, 421, SLICE("4.4.2 Too slow"));
	smtp_server_close(&d.s, 421, SLICE("4.4.2 Again"));
	smtp_server_answer(&d.s, 250, SLICE("2.0.0 Late"));
	assert_string_equal(driver_replies(&d), "421 4.4.2 Too slow\r\n");
	driver_say(&d, "\r\n.\r\n");
	assert_true(d.closed);
	assert_null(strstr(driver_log(&d), "BODY_END"));
	assert_int_equal(next(&d, "QUIT\r\n"), SMTP_EV_CLOSE);
	driver_free(&d);
}

static void endless_line(void **state)
{
	(void)state;
	static char text[SMTP_LINE_SKIP_MAX + 2000];
	memset(text, 'x', sizeof text);
	for (size_t step = 100; step < 100000; step *= 9) {
		struct driver d;
		driver_init(&d);
		driver_feed_cut(&d, slice_of(text, sizeof text), step);
		assert_string_equal(driver_replies(&d), "421 4.7.0 Line without end, closing\r\n");
		assert_string_equal(driver_log(&d), "OFFENCE line-length 421\nCLOSE\n");
		driver_free(&d);
	}
}

static void owners_refusals_count(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	d.config.errors = 2;
	driver_say(&d, EHLO);
	driver_say(&d, "MAIL FROM:<a@b.test>\r\nRCPT TO:<later@x>\r\nRCPT TO:<no1@x>\r\n");
	driver_replies(&d);
	driver_say(&d, "RCPT TO:<no2@x>\r\nRCPT TO:<c@x>\r\n");
	assert_string_equal(driver_replies(&d), "550 5.1.1 No such user\r\n421 4.7.0 Too many errors, closing\r\n");
	assert_int_equal(d.offences[SMTP_OFFENCE_ERRORS], 1);
	assert_true(d.closed);
	driver_free(&d);
}

static void pipelining_offence_once_a_burst(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_say(&d, "HELO x\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@x>\r\n");
	assert_int_equal(d.offences[SMTP_OFFENCE_PIPELINING], 1);
	driver_say(&d, "RSET\r\nMAIL FROM:<a@b.test>\r\n"); /* HELO allows no pipelining at all */
	assert_int_equal(d.offences[SMTP_OFFENCE_PIPELINING], 2);
	driver_say(&d, EHLO);
	driver_say(&d, "MAIL FROM:<a@b.test>\r\nRCPT TO:<c@x>\r\nDATA\r\n");
	assert_int_equal(d.offences[SMTP_OFFENCE_PIPELINING], 2);
	driver_say(&d, ".\r\nMAIL FROM:<a@b.test>\r\n");
	driver_say(&d, "NOOP\r\nRSET\r\n");
	assert_int_equal(d.offences[SMTP_OFFENCE_PIPELINING], 3);
	driver_free(&d);
}

/* What a backend offers and we do not speak is neither announced nor taken. */
static void only_what_is_spoken(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	d.config.ext = SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_STARTTLS | SMTP_EXT_ENHANCEDSTATUSCODES |
		       SMTP_EXT_XFORWARD | SMTP_EXT_AUTH; /* the last two are a backend's */
	d.config.size_max = 0;
	driver_say(&d, EHLO);
	assert_string_equal(driver_replies(&d), "250-mx.test\r\n250-PIPELINING\r\n250-SIZE\r\n250-STARTTLS\r\n"
						"250 ENHANCEDSTATUSCODES\r\n");
	driver_say(&d, "MAIL FROM:<\xc3\xa4@b.test>\r\n");
	driver_say(&d, "MAIL FROM:<a@b.test> SMTPUTF8\r\n");
	driver_say(&d, "MAIL FROM:<a@b.test> BODY=8BITMIME\r\n");
	assert_string_equal(driver_replies(&d), "553 5.6.7 Address is not ASCII, and SMTPUTF8 was not asked for\r\n"
						"555 5.5.4 Unsupported parameter\r\n"
						"555 5.5.4 Unsupported parameter\r\n");
	driver_free(&d);
}

/* `out` cannot grow: closed, whatever was being said. */
static void memory_is_out(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_say(&d, EHLO);
	buf_release(&d.out);
	d.out = (struct buf){ .end = UINT32_MAX - 1, .cap = UINT32_MAX - 1 }; /* any growth would pass 2^31 */
	assert_int_equal(next(&d, "NOOP\r\n"), SMTP_EV_CLOSE);
	assert_int_equal(next(&d, "NOOP\r\n"), SMTP_EV_CLOSE);
	d.out = (struct buf){ 0 };
	driver_free(&d);
}

static void faults_have_replies(void **state)
{
	(void)state;
	struct slice text;
	assert_int_equal(smtp_fault_reply(SMTP_FAULT_NONE, &text), 0);
	assert_int_equal(smtp_fault_reply(SMTP_FAULT_TOO_BIG, &text), 552);
	assert_true(slice_starts(text, SLICE("5.3.4 ")));
	assert_int_equal(smtp_fault_reply(SMTP_FAULT_BARE_CR, &text), 550);
	assert_true(slice_starts(text, SLICE("5.6.11 ")));
	assert_int_equal(smtp_fault_reply(SMTP_FAULT_NUL, &text), 550);
	assert_true(slice_starts(text, SLICE("5.6.0 ")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(greeting),
		cmocka_unit_test(rejected_at_greeting),
		cmocka_unit_test(one_question_at_a_time),
		cmocka_unit_test(starttls),
		cmocka_unit_test(starttls_refused),
		cmocka_unit_test(starttls_late_injection),
		cmocka_unit_test(refused_data_with_waiting_input),
		cmocka_unit_test(refused_data_then_garbage),
		cmocka_unit_test(closed_from_outside),
		cmocka_unit_test(endless_line),
		cmocka_unit_test(owners_refusals_count),
		cmocka_unit_test(pipelining_offence_once_a_burst),
		cmocka_unit_test(only_what_is_spoken),
		cmocka_unit_test(memory_is_out),
		cmocka_unit_test(faults_have_replies),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
