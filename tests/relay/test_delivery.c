#include "base/clock.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static void assert_text(const struct relay_done *d, const char *want)
{
	if (!slice_eq(rig_text(d), slice_str(want)))
		fail_msg("text is \"%.*s\"", SLICE_ARG(rig_text(d)));
}

static struct rig g;

static void begin(enum fake_xclient x, struct fake_rule rule)
{
	rig_init(&g, fake_start(x, &rule, rule.on ? 1 : 0));
	rig_start(&g);
}

static void mails_share_one_connection(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, NO_RULE);
	rig_run(&g, 50);
	for (int i = 0; i < 20; i++) {
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.from, RELAY_FROM_BACKEND);
		rig_assert_starts(&d, 250, "2.0.0 Ok: queued as FAKE");
		assert_false(d.doubtful || d.orphan || d.cached);
	}
	assert_int_equal(fake_mails(g.fake), 20);
	assert_int_equal(g.fake->conns, 1);
	assert_string_equal(g.fake->mails[0].body, "Received: by mx.test\nSubject: x\n\nhello\n..dot\n");
	assert_string_equal(g.fake->mails[19].rcpts, "<u@example.test>");
	assert_int_equal(fake_seen(g.fake, "RSET"), 0);
	rig_stop(&g);
}

static void several_recipients(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, NO_RULE);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test,c@example.test");
	assert_int_equal(d.code, 250);
	assert_string_equal(g.fake->mails[0].rcpts, "<a@example.test><b@example.test><c@example.test>");
	rig_stop(&g);
}

static void without_pipelining(void **state)
{
	(void)state;
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, &RULE("RCPT TO:<bad", FAKE_SAY, "550 5.1.1 no\r\n", 0, 0), 1));
	g.fake->no_pipelining = true;
	rig_start(&g);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "a@example.test");
	assert_int_equal(d.code, 250);
	d = rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test");
	assert_int_equal(d.code, 250);
	d = rig_deliver(&g, "192.0.2.1", "bad@example.test");
	rig_assert_starts(&d, 550, "5.1.1 no");
	assert_int_equal(fake_mails(g.fake), 2);
	d = rig_check(&g, "192.0.2.1", "bad2@example.test");
	assert_int_equal(d.code, 550);
	rig_stop(&g);
}

/* Each row of the failure table. */
static void refusals_pass_unchanged(void **state)
{
	(void)state;
	static const struct fake_rule RULES[] = {
		{ "MAIL", FAKE_SAY, "450 4.7.1 not you\r\n", 0, 0 },
		{ "DATA", FAKE_SAY, "452 4.3.1 disk full\r\n", 0, 0 },
		{ ".", FAKE_SAY, "554-5.6.0 no\r\n554 5.6.0 really\r\n", 0, 0 },
		{ "RCPT", FAKE_SAY, "550 5.7.1 no relay\r\n", 0, 0 },
	};
	static const char *const WANT[] = { "4.7.1 not you", "4.3.1 disk full", "5.6.0 no\n5.6.0 really",
		"5.7.1 no relay" };
	static const unsigned CODE[] = { 450, 452, 554, 550 };
	for (size_t i = 0; i < 4; i++) {
		begin(FAKE_NO_XCLIENT, RULES[i]);
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.from, RELAY_FROM_BACKEND);
		assert_int_equal(d.code, CODE[i]);
		assert_text(&d, WANT[i]);
		assert_int_equal(fake_mails(g.fake), 0);
		/* the connection goes on in good order */
		fake_set_rule(g.fake, 0, NO_RULE);
		rig_run(&g, 20);
		d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, 250);
		assert_int_equal(g.fake->conns, 1);
		rig_stop(&g);
	}
}

static void lost_before_the_dot_is_tried_again(void **state)
{
	(void)state;
	static const char *const WHERE[] = { "MAIL", "RCPT", "DATA", "BODY" };
	for (size_t i = 0; i < 4; i++) {
		begin(FAKE_NO_XCLIENT, RULE(WHERE[i], FAKE_CLOSE, NULL, 1, 0));
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, i < 3 ? 250 : 451);
		/* a small body has its dot in the same write: the backend had it all, so it is doubtful and not tried
		 * again */
		assert_int_equal(d.doubtful, i == 3);
		assert_int_equal(fake_mails(g.fake), i < 3 ? 1 : 0);
		rig_stop(&g);
		begin(FAKE_NO_XCLIENT, RULE(WHERE[i], FAKE_CLOSE, NULL, 0, 0));
		rig_run(&g, 30);
		d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		rig_assert_starts(&d, 451, "4.4.2");
		assert_int_equal(d.from, RELAY_FROM_US);
		if (i < 3)
			assert_int_equal(fake_seen(g.fake, "MAIL"), 2);
		rig_stop(&g);
	}
}

static void lost_after_the_dot_is_doubtful(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RULE(".", FAKE_CLOSE, NULL, 0, 0));
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	rig_assert_starts(&d, 451, "4.4.2");
	assert_true(d.doubtful);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	rig_stop(&g);
}

static void nonsense_after_the_dot_is_doubtful(void **state)
{
	(void)state;
	static const char *const SAY[] = { "thanks\r\n", "354 more\r\n" };
	for (size_t i = 0; i < 2; i++) {
		begin(FAKE_NO_XCLIENT, RULE(".", FAKE_SAY, SAY[i], 0, 0));
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		rig_assert_starts(&d, 451, "4.3.0");
		assert_true(d.doubtful);
		struct relay_backend_info info;
		relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
		assert_int_equal(info.doubtful, 1);
		rig_stop(&g);
	}
}

static void nonsense_ends_the_connection(void **state)
{
	(void)state;
	static const struct fake_rule RULES[] = {
		{ "MAIL", FAKE_SAY, "hello there\r\n", 0, 0 },
		{ "MAIL", FAKE_FLOOD, NULL, 0, 0 },
		{ "RCPT", FAKE_SAY, "250 a\r\n250 b\r\n250 c\r\n250 d\r\n", 0, 0 },
		{ "MAIL", FAKE_SAY, "354 go\r\n", 0, 0 },
		{ "DATA", FAKE_SAY, "250 fine\r\n", 0, 0 },
	};
	for (size_t i = 0; i < 5; i++) {
		begin(FAKE_NO_XCLIENT, RULES[i]);
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		rig_assert_starts(&d, 451, "4.3.0");
		assert_int_equal(fake_mails(g.fake), 0);
		fake_set_rule(g.fake, 0, NO_RULE);
		d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, 250);
		assert_int_equal(g.fake->conns, 2);
		rig_stop(&g);
	}
}

static void greeting_refused(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RULE("GREETING", FAKE_SAY_AND_CLOSE, "421 4.3.2 too busy\r\n", 1, 0));
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	rig_assert_starts(&d, 451, "4.3.2");
	d = rig_check(&g, "192.0.2.1", "u@example.test");
	rig_assert_starts(&d, 451, "4.3.2"); /* known to be down: at once */
	assert_int_equal(g.fake->conns, 1);
	rig_run(&g, 1100);
	d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	rig_stop(&g);
}

static void unreachable_then_back(void **state)
{
	(void)state;
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
	fake_down(g.fake, true);
	rig_start(&g);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	rig_assert_starts(&d, 451, "4.3.2");
	struct relay_backend_info info;
	assert_int_equal(relay_shared_info(g.shared, clock_mono_ms(), &info, 1), 1);
	assert_int_equal(info.state, RELAY_DOWN);
	assert_true(info.retry_in_ms > 0 && info.retry_in_ms <= 5000 && strlen(info.error) > 5);
	fake_down(g.fake, false);
	rig_run(&g, 1100);
	d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
	assert_int_equal(info.state, RELAY_UP);
	rig_stop(&g);
}

static void second_backend_takes_over(void **state)
{
	(void)state;
	struct fake *first = fake_start(FAKE_NO_XCLIENT, NULL, 0);
	rig_init(&g, first);
	g.fake = fake_start(FAKE_NO_XCLIENT, NULL, 0);
	rig_add_backend(&g, g.fake->port);
	fake_down(first, true);
	rig_start(&g);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	assert_string_equal(d.backend, g.names[1]);
	fake_down(first, false);
	rig_run(&g, 1100);
	/* one connection tries it, the mail does not wait for that */
	d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_string_equal(d.backend, g.names[1]);
	rig_run(&g, 50);
	d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_string_equal(d.backend, g.names[0]);
	fake_stop(first);
	rig_stop(&g);
}

static void stale_connections_cost_nothing(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, NO_RULE);
	rig_deliver(&g, "192.0.2.1", "u@example.test");
	for (int i = 0; i < 5; i++) {
		fake_drop_all(g.fake);
		usleep(20000); /* the relay has not seen it yet */
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, 250);
	}
	assert_int_equal(fake_mails(g.fake), 6);
	rig_stop(&g);
}

/* So it is with fresh ones that have waited for their first job: after the backend's restart all of them are closed,
 * and the second try must not end on the next of them. */
static void a_stale_stock_costs_nothing(void **state)
{
	(void)state;
	rig_init(&g, fake_start(FAKE_XCLIENT_ONCE, NULL, 0));
	g.config.identity = RELAY_XCLIENT;
	rig_start(&g);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	assert_int_equal(rig_deliver(&g, "192.0.2.2", "u@example.test").code, 250);
	rig_run(&g, 50);
	assert_true(g.fake->open >= 3); /* two that served, and the stock */
	usleep(1100000);
	/* closed without our hearing of it, as behind a firewall: seen when they are used */
	fake_set_rule(g.fake, 0, (struct fake_rule){ "XCLIENT", FAKE_CLOSE, NULL, 2, 0 });
	assert_int_equal(rig_deliver(&g, "192.0.2.3", "u@example.test").code, 250);
	rig_stop(&g);
}

static void partly_refused_delivers_nothing(void **state)
{
	(void)state;
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, &RULE("RCPT TO:<gone", FAKE_SAY, "550 5.1.1 gone\r\n", 0, 0), 1));
	g.config.ask_backend = false; /* recipients = "none" */
	rig_start(&g);
	struct relay_done d = rig_check(&g, "192.0.2.1", "gone@example.test");
	assert_int_equal(d.code, 250);
	d = rig_deliver(&g, "192.0.2.1", "a@example.test,gone@example.test");
	rig_assert_starts(&d, 451, "4.3.0");
	assert_int_equal(d.failed_rcpt, 1);
	assert_int_equal(fake_mails(g.fake), 0);
	assert_int_equal(fake_seen(g.fake, "DATA"), 0);
	rig_run(&g, 20);
	assert_int_equal(fake_seen(g.fake, "RSET"), 1);
	/* the retry learns it at RCPT, although nobody is asked otherwise */
	d = rig_check(&g, "192.0.2.1", "gone@example.test");
	rig_assert_starts(&d, 550, "5.1.1 gone");
	assert_true(d.bad_recipient);
	d = rig_check(&g, "192.0.2.1", "a@example.test");
	assert_int_equal(d.from, RELAY_FROM_US);
	d = rig_deliver(&g, "192.0.2.1", "a@example.test");
	assert_int_equal(d.code, 250);
	rig_stop(&g);
}

static void a_mild_refusal_stands_for_all(void **state)
{
	(void)state;
	struct fake_rule rules[] = { { "RCPT TO:<gone", FAKE_SAY, "550 5.1.1 gone\r\n", 0, 0 },
		{ "RCPT TO:<full", FAKE_SAY, "452 4.2.2 full\r\n", 0, 0 } };
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, rules, 2));
	rig_start(&g);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "gone@example.test,full@example.test,gone2@example.test");
	rig_assert_starts(&d, 452, "4.2.2 full");
	assert_int_equal(d.failed_rcpt, 1);
	rig_run(&g, 20);
	d = rig_deliver(&g, "192.0.2.1", "gone@example.test,gone2@example.test");
	rig_assert_starts(&d, 550, "5.1.1 gone");
	assert_true(d.bad_recipient);
	rig_stop(&g);
}

static void refused_recipient_with_354_gets_no_body(void **state)
{
	(void)state;
	struct fake_rule rules[] = { { "RCPT", FAKE_SAY, "550 5.1.1 no\r\n", 0, 0 },
		{ "DATA", FAKE_SAY, "354 go\r\n", 0, 0 } };
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, rules, 2));
	rig_start(&g);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	rig_assert_starts(&d, 550, "5.1.1 no");
	rig_run(&g, 50);
	assert_int_equal(fake_mails(g.fake), 0);
	assert_int_equal(fake_seen(g.fake, ":.\n"), 0);
	rig_stop(&g);
}

static void cancelled_before_the_dot_is_not_delivered(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RULE("DATA", FAKE_SAY, "354 go\r\n", 1, FAKE_HELD));
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	rig_run(&g, 50);
	relay_cancel(g.relay, m->ticket, clock_mono_ms());
	memset(m, 0xee, sizeof *m);
	fake_let_go(g.fake);
	rig_run(&g, 50);
	struct relay_done d;
	assert_false(rig_pop(&g, &d));
	assert_int_equal(fake_mails(g.fake), 0);
	d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	rig_stop(&g);
}

static void cancelled_after_the_dot_is_an_orphan(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RULE(".", FAKE_SAY, "250 2.0.0 taken\r\n", 1, FAKE_HELD));
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	uint64_t ticket = m->ticket;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	rig_run(&g, 50);
	relay_cancel(g.relay, ticket, clock_mono_ms());
	memset(m, 0xee, sizeof *m);
	fake_let_go(g.fake);
	struct relay_done d = rig_wait(&g, ticket);
	assert_true(d.orphan);
	rig_assert_starts(&d, 250, "2.0.0 taken");
	relay_cancel(g.relay, 4711, clock_mono_ms());
	rig_stop(&g);
}

static void draining(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RULE(".", FAKE_SAY, "250 2.0.0 taken\r\n", 1, FAKE_HELD));
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	relay_drain(g.relay, clock_mono_ms());
	assert_false(relay_is_idle(g.relay));
	fake_let_go(g.fake);
	struct relay_done d = rig_wait(&g, m->ticket);
	assert_int_equal(d.code, 250);
	rig_run(&g, 50);
	assert_true(relay_is_idle(g.relay));
	assert_int_equal(fake_seen(g.fake, "QUIT"), 1);
	rig_stop(&g);
}

/* It keeps no end of the server waiting: nobody wants anything of it. */
static void draining_leaves_a_backend_that_does_not_greet(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RULE(.on = "GREETING", .act = FAKE_SILENT));
	assert_false(relay_is_idle(g.relay));
	relay_drain(g.relay, clock_mono_ms());
	assert_true(relay_is_idle(g.relay));
	rig_stop(&g);
}

static void reload_changes_the_backend(void **state)
{
	(void)state;
	struct fake *old = fake_start(FAKE_NO_XCLIENT, NULL, 0);
	rig_init(&g, old);
	rig_start(&g);
	rig_deliver(&g, "192.0.2.1", "u@example.test");
	g.fake = fake_start(FAKE_NO_XCLIENT, NULL, 0);
	g.config.backends_n = 0;
	assert_false(relay_shared_configure(g.shared, &g.config));
	rig_add_backend(&g, g.fake->port);
	assert_true(relay_shared_configure(g.shared, &g.config));
	relay_configure(g.relay, clock_mono_ms());
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	rig_run(&g, 50);
	assert_int_equal(fake_mails(old), 1);
	assert_int_equal(fake_mails(g.fake), 1);
	assert_int_equal(fake_seen(old, "QUIT"), 1);
	fake_stop(old);
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_share_one_connection),
		cmocka_unit_test(several_recipients),
		cmocka_unit_test(without_pipelining),
		cmocka_unit_test(refusals_pass_unchanged),
		cmocka_unit_test(lost_before_the_dot_is_tried_again),
		cmocka_unit_test(lost_after_the_dot_is_doubtful),
		cmocka_unit_test(nonsense_after_the_dot_is_doubtful),
		cmocka_unit_test(nonsense_ends_the_connection),
		cmocka_unit_test(greeting_refused),
		cmocka_unit_test(unreachable_then_back),
		cmocka_unit_test(second_backend_takes_over),
		cmocka_unit_test(stale_connections_cost_nothing),
		cmocka_unit_test(a_stale_stock_costs_nothing),
		cmocka_unit_test(partly_refused_delivers_nothing),
		cmocka_unit_test(a_mild_refusal_stands_for_all),
		cmocka_unit_test(refused_recipient_with_354_gets_no_body),
		cmocka_unit_test(cancelled_before_the_dot_is_not_delivered),
		cmocka_unit_test(cancelled_after_the_dot_is_an_orphan),
		cmocka_unit_test(draining),
		cmocka_unit_test(draining_leaves_a_backend_that_does_not_greet),
		cmocka_unit_test(reload_changes_the_backend),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
