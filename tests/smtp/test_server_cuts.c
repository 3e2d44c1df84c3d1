/* Whole sessions in one piece, in two, in even pieces and at random: the same events and replies. */
#include "server_driver.h"

#include <stdlib.h>

#include <stdarg.h>
#include <setjmp.h>
#include <cmocka.h>

#define BEGIN "EHLO client.test\r\nMAIL FROM:<a@b.test> SIZE=9 BODY=8BITMIME\r\nRCPT TO:<c@d.test>\r\nDATA\r\n"
#define ENVELOPE "EHLO client.test\r\nMAIL FROM:<a@b.test>\r\nRCPT TO:<c@d.test>\r\n"
#define AGAIN "MAIL FROM:<evil@b.test>\r\nRCPT TO:<c@d.test>\r\nDATA\r\nsecond\r\n.\r\nQUIT\r\n"
#define X100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X500 X100 X100 X100 X100 X100

static const struct {
	struct slice in;
	unsigned mails; /* bodies that were ended */
} SESSIONS[] = {
	{ SLICE_INIT(BEGIN "Subject: x\r\n\r\ntext\r\n..\r\n.\r\nQUIT\r\n"), 1 },
	{ SLICE_INIT(BEGIN "x\r\n.\r\n" AGAIN), 2 },
	/* the smuggling forms: one mail or none, never two more */
	{ SLICE_INIT(BEGIN "x\n.\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\n.\r\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r\n.\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r.\r" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r\n.\r" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r.\r\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r.\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\n.\r" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r\n\0.\r\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r\n.\0\r\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN "x\r\0\n.\r\n" AGAIN), 1 },
	{ SLICE_INIT(BEGIN X500 "\r\n" X500 "\n" X500 "\r\n.\r\nQUIT\r\n"), 1 },
	/* commands */
	{ SLICE_INIT("EHLO x\r\n" X500 X100 "\r\nMAIL FROM:<a@b.test>\r\n"), 0 },
	{ SLICE_INIT("EHLO x\r\nNOOP " X500 "MAIL FROM:<a@b.test>\r\nNOOP\r\n"), 0 },
	{ SLICE_INIT("EHLO x\r\n" X500 X100 "\nNOOP\r\nNOOP\r\nNOOP\n"), 0 },
	{ SLICE_INIT("EHLO x\nMAIL FROM:<a@b.test>\r\nNOOP\r\n"), 0 },
	{ SLICE_INIT("EHLO x\rMAIL FROM:<a@b.test>\r\r\nNOOP\r\n"), 0 },
	{ SLICE_INIT("EHLO x\r\nMAIL FROM:<a@b.test>\r\nEHLO y\r\nRSET\r\nHELO z\r\nMAIL FROM:<a@b.test>\r\n"), 0 },
	{ SLICE_INIT("NOOP\0\r\n\r\nNO\x01OP\r\n\x16\x03"), 0 },
	{ SLICE_INIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), 0 },
	{ SLICE_INIT("\r\n\r\n\r\n \r\nfoo\r\nQUIT\r\nMAIL\r\n"), 0 },
	/* chunks: their bytes never run */
	{ SLICE_INIT(ENVELOPE "BDAT 8\r\nRSET\r\nx\rBDAT 9 LAST\r\n\nQUIT\r\n\r\nQUIT\r\n"), 1 },
	{ SLICE_INIT(ENVELOPE "BDAT 501\r\n" X500 "\rBDAT 3 LAST\r\n\n.\nMAIL FROM:<a@b.test>\r\n"), 1 },
	{ SLICE_INIT(ENVELOPE "BDAT 1\r\n\0BDAT 6 LAST\r\nQUIT\r\nNOOP\r\n"), 1 },
	{ SLICE_INIT(ENVELOPE "BDAT 4\r\nabcdRSET\r\nBDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@b.test>\r\n"), 0 },
	{ SLICE_INIT("EHLO x\r\nBDAT 6\r\nQUIT\r\nMAIL FROM:<nodata@b>\r\nRCPT TO:<a@b>\r\nBDAT 6\r\nQUIT\r\n"
		     "BDAT 6 LAST\r\nQUIT\r\nMAIL FROM:<a@b>\r\nRCPT TO:<a@b>\r\nBDAT 1 LAST\r\nx"), 1 },
	{ SLICE_INIT("EHLO x\r\nBDAT 6x\r\nMAIL FROM:<a@b.test>\r\n"), 0 },
	{ SLICE_INIT("XCLIENT NAME=a.test ADDR=192.0.2.1\r\nEHLO x\r\nXCLIENT NAME=bad.test\r\nNOOP\r\n"), 0 },
	{ SLICE_INIT("EHLO x\r\nMAIL FROM:<\xc3\xa4@b> SMTPUTF8 RET=FULL\r\nRCPT TO:<\xe4@d> NOTIFY=NEVER\r\n"), 0 },
	{ SLICE_INIT("EHLO x\r\nMAIL FROM:<>\r\nRCPT TO:<no@d>\r\nRCPT TO:<later@d>\r\nRSET\r\n"), 0 },
};
static const unsigned ADDED = SMTP_EXT_CHUNKING | SMTP_EXT_SMTPUTF8 | SMTP_EXT_DSN | SMTP_EXT_XCLIENT | SMTP_EXT_LIMITS;
enum { COUNT = sizeof SESSIONS / sizeof SESSIONS[0] };

static unsigned ended(struct driver *d)
{
	unsigned n = 0;
	for (const char *at = driver_log(d); (at = strstr(at, "BODY_END")); at++)
		n++;
	return n;
}

/* Pieces: `first` bytes, then steps. */
static void run(struct driver *d, struct slice in, size_t first, size_t step, bool refuse)
{
	driver_init(d);
	d->config.ext |= ADDED;
	d->config.bare_newline = refuse ? SMTP_STRAY_REFUSE : SMTP_STRAY_REPAIR;
	driver_feed(d, slice_of(in.p, first));
	driver_feed_cut(d, slice_skip(in, first), step);
	assert_false(d->broken);
}

static void compare(struct driver *whole, struct slice in, size_t first, size_t step, bool refuse)
{
	struct driver d;
	run(&d, in, first, step, refuse);
	if (!logs_are_equal(whole, &d))
		fail_msg("first %zu, step %zu:\n%s--- whole:\n%s", first, step, driver_log(&d), driver_log(whole));
	assert_true(slice_eq(buf_slice(&whole->out), buf_slice(&d.out)));
	driver_free(&d);
}

static void every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < 2 * COUNT; i++) {
		struct slice in = SESSIONS[i / 2].in;
		bool refuse = i % 2;
		struct driver whole;
		run(&whole, in, in.n, 1, refuse);
		if (ended(&whole) != SESSIONS[i / 2].mails)
			fail_msg("session %zu:\n%s", i / 2, driver_log(&whole));
		for (size_t first = 0; first <= in.n; first++)
			compare(&whole, in, first, in.n, refuse);
		for (size_t step = 1; step < 70; step++)
			compare(&whole, in, 0, step, refuse);
		driver_free(&whole);
	}
}

static void random_cuts(void **state)
{
	(void)state;
	srand(11);
	for (int round = 0; round < 3000; round++) {
		struct slice in = SESSIONS[rand() % COUNT].in;
		struct driver whole, cut;
		run(&whole, in, in.n, 1, false);
		driver_init(&cut);
		cut.config.ext |= ADDED;
		for (size_t at = 0, n; at < in.n; at += n) {
			n = 1 + (size_t)rand() % 40;
			n = in.n - at < n ? in.n - at : n;
			driver_feed(&cut, slice_of(in.p + at, n));
		}
		assert_true(logs_are_equal(&whole, &cut) && !cut.broken);
		assert_true(slice_eq(buf_slice(&whole.out), buf_slice(&cut.out)));
		driver_free(&whole);
		driver_free(&cut);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(every_cut), cmocka_unit_test(random_cuts) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
