/* What an owner may answer, and when: by hand, without the driver's own answers. */
#include "server_driver.h"

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define ENVELOPE "EHLO x.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"

static const unsigned EXT = SMTP_EXT_CHUNKING | SMTP_EXT_XCLIENT;

static void begin(struct driver *d, const char *text)
{
	driver_init(d);
	d->config.ext |= EXT;
	driver_say(d, text);
	(void)driver_replies(d);
}

/* One event; what is left of the text is given back. */
static enum smtp_event_kind next(struct driver *d, const char *text, struct slice *rest_r)
{
	struct smtp_event ev;
	*rest_r = slice_str(text);
	return smtp_server_next(&d->s, rest_r, &ev);
}

static void helo_is_refused(void **state)
{
	(void)state;
	struct driver d;
	driver_init(&d);
	driver_answer_next(&d, 550, "5.7.1 Not you");
	driver_answer_next(&d, 250, "");
	driver_say(&d, "HELO x\r\nMAIL FROM:<a@b.test>\r\n");
	assert_string_equal(driver_replies(&d), "550 5.7.1 Not you\r\n503 5.5.1 Send EHLO or HELO first\r\n");
	driver_say(&d, "EHLO x\r\n"); /* no text: our name */
	assert_true(slice_istarts(buf_slice(&d.out), SLICE("250-mx.test\r\n250-PIPELINING\r\n")));
	driver_free(&d);
}

/* The chunk lies behind the question rightly; whatever the answer, it is no reason to close. */
static void a_chunk_waits_for_the_answer(void **state)
{
	(void)state;
	static const char CHUNK[] = "BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n";
	for (int code = 250; code <= 554; code += 152) { /* 250, 402, 554: none of them goes on */
		struct driver d;
		struct slice in;
		begin(&d, ENVELOPE);
		assert_int_equal(next(&d, CHUNK, &in), SMTP_EV_DATA);
		struct smtp_event ev;
		assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_WAIT);
		assert_int_equal(in.n, strlen("QUIT\r\nNOOP\r\n"));
		smtp_server_answer(&d.s, code, SLICE("x"));
		assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_RSET);
		assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_MORE);
		assert_int_equal(in.n, 0);
		assert_true(slice_eq(slice_skip(buf_slice(&d.out), 3), SLICE(" x\r\n250 2.0.0 Ok\r\n")));
		assert_true(smtp_server_is_idle(&d.s));
		driver_free(&d);
	}
}

static void a_chunk_is_closed_upon(void **state)
{
	(void)state;
	struct driver d;
	struct slice in;
	begin(&d, ENVELOPE);
	assert_int_equal(next(&d, "BDAT 6 LAST\r\nQUIT\r\n", &in), SMTP_EV_DATA);
	smtp_server_answer(&d.s, 421, SLICE("4.3.2 Closing"));
	assert_int_equal(next(&d, "QUIT\r\n", &in), SMTP_EV_CLOSE);
	assert_string_equal(driver_replies(&d), "421 4.3.2 Closing\r\n");
	driver_free(&d);
	begin(&d, ENVELOPE "BDAT 6\r\nab");
	assert_false(smtp_server_is_idle(&d.s));
	smtp_server_close(&d.s, 421, SLICE("4.4.2 Timeout"));
	assert_int_equal(next(&d, "cdef", &in), SMTP_EV_CLOSE);
	assert_string_equal(driver_replies(&d), "421 4.4.2 Timeout\r\n");
	driver_free(&d);
}

/* The proxy's client is greeted when the owner is ready; what lies behind waits. */
static void xclient_is_answered_late(void **state)
{
	(void)state;
	struct driver d;
	struct slice in;
	begin(&d, "EHLO proxy\r\n");
	assert_int_equal(next(&d, "XCLIENT ADDR=192.0.2.1\r\nEHLO x\r\n", &in), SMTP_EV_OFFENCE); /* pipelining */
	struct smtp_event ev;
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_XCLIENT);
	assert_int_equal(ev.xclient.known, SMTP_XATTR_ADDR);
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_WAIT);
	smtp_server_answer(&d.s, 220, SLICE("mx.test ESMTP"));
	assert_int_equal(smtp_server_next(&d.s, &in, &ev), SMTP_EV_HELO);
	assert_string_equal(driver_replies(&d), "220 mx.test ESMTP\r\n");
	driver_free(&d);
}

static void tls_and_idleness(void **state)
{
	(void)state;
	struct driver d;
	struct slice in;
	driver_init_ungreeted(&d);
	assert_false(smtp_server_is_idle(&d.s));
	smtp_server_tls_started(&d.s); /* implicit TLS */
	smtp_server_greet(&d.s, 220, SLICE("mx.test"));
	assert_true(smtp_server_is_idle(&d.s));
	driver_say(&d, "EHLO x\r\nSTARTTLS\r\n");
	assert_null(strstr(driver_replies(&d), "STARTTLS"));
	driver_free(&d);
	begin(&d, "EHLO x\r\n");
	assert_int_equal(next(&d, "STARTTLS\r\n", &in), SMTP_EV_STARTTLS);
	smtp_server_answer(&d.s, 220, SLICE("2.0.0 Ready"));
	(void)driver_replies(&d);
	smtp_server_close(&d.s, 421, SLICE("4.4.2 Timeout"));
	assert_int_equal(buf_len(&d.out), 0); /* a handshake is expected, not a reply */
	assert_int_equal(next(&d, "", &in), SMTP_EV_CLOSE);
	driver_free(&d);
	begin(&d, "EHLO x\r\nMAIL FROM:<a@b.test>\r\n");
	assert_false(smtp_server_is_idle(&d.s));
	driver_free(&d);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(helo_is_refused),
		cmocka_unit_test(a_chunk_waits_for_the_answer),
		cmocka_unit_test(a_chunk_is_closed_upon),
		cmocka_unit_test(xclient_is_answered_late),
		cmocka_unit_test(tls_and_idleness),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
