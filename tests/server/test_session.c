/* server/session.h, worker.h: whole sessions on a worker that is turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/server/rig.h"

#include <string.h>

static const char LIMITS[] =
	"limits = { command_timeout = \"10s\"; stress_timeout = \"10s\"; data_timeout = \"20s\";\n"
	"           session_time = \"30s\"; min_data_rate = 1000; sessions_per_client = 2; };\n";

/* A client that has said EHLO. */
static void greeted(struct client *c, struct rig *g)
{
	client_open(c, g, "192.0.2.7");
	assert_int_equal(client_reply(c), 220);
	assert_int_equal(client_cmd(c, "EHLO client.test\r\n"), 250);
}

static void in_a_body(struct client *c, struct rig *g)
{
	greeted(c, g);
	assert_int_equal(client_cmd(c, "MAIL FROM:<a@client.test>\r\n"), 250);
	assert_int_equal(client_cmd(c, "RCPT TO:<good@example.test>\r\n"), 250);
	assert_int_equal(client_cmd(c, "DATA\r\n"), 354);
}

/* ---- a mail ---- */

static void a_mail_is_handed_on(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, LIMITS, NULL, 0);
	in_a_body(&c, &g);
	assert_int_equal(client_cmd(&c, "Subject: x\r\n\r\n..dot\r\n.\r\n"), 250);
	assert_int_equal(client_cmd(&c, "QUIT\r\n"), 221);
	assert_true(client_is_closed(&c));
	client_close(&c);
	assert_int_equal(fake_mails(g.fake), 1);
	assert_non_null(strstr(g.fake->mails[0].body, "Received: from client.test"));
	assert_non_null(strstr(g.fake->mails[0].body, "Subject: x"));
	assert_true(rig_journaled(&g, "\"event\":\"mail\"", "\"verdict\":\"accepted\""));
	assert_int_equal(stat_get(&g.worker.stats, STAT_MAILS_ACCEPTED), 1);
	rig_close(&g);
}

static void a_refusal_of_the_backend_is_passed_on(void **state)
{
	(void)state;
	static const struct fake_rule RULES[] = { { .on = "RCPT TO:<no", .say = "550 5.1.1 nobody of that name\r\n" } };
	struct rig g;
	struct client c;
	rig_open(&g, LIMITS, RULES, 1);
	greeted(&c, &g);
	assert_int_equal(client_cmd(&c, "MAIL FROM:<a@client.test>\r\n"), 250);
	assert_int_equal(client_cmd(&c, "RCPT TO:<no@example.test>\r\n"), 550);
	assert_non_null(strstr(client_words(&c), "5.1.1 nobody of that name"));
	client_close(&c);
	assert_true(rig_journaled(&g, "\"event\":\"mail\"", "\"to\":[\"no@example.test:550\"]"));
	assert_int_equal(stat_get(&g.worker.stats, STAT_RCPT_REFUSED), 1);
	rig_close(&g);
}

/* ---- time ---- */

static void a_silent_client_is_sent_away(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, LIMITS, NULL, 0);
	greeted(&c, &g);
	rig_pass(&g, rig_session(&g), 9000);
	assert_int_equal(client_cmd(&c, "NOOP\r\n"), 250); /* not yet, and it begins anew */
	rig_pass(&g, rig_session(&g), 9000);
	assert_int_equal(g.worker.sessions_open, 1);
	rig_pass(&g, rig_session(&g), 1000);
	assert_int_equal(client_reply(&c), 421);
	assert_true(client_is_closed(&c));
	client_close(&c);
	assert_true(rig_journaled(&g, "\"event\":\"session\"", "\"by\":\"limit\""));
	assert_int_equal(stat_get(&g.worker.stats, STAT_TIMEOUTS), 1);
	rig_close(&g);
}

static void a_body_that_stops_is_given_up(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, "limits = { data_timeout = \"20s\"; min_data_rate = 0; };\n", NULL, 0);
	in_a_body(&c, &g);
	client_say(&c, "Subject: half a");
	rig_pass(&g, rig_session(&g), 19000);
	assert_int_equal(g.worker.sessions_open, 1);
	rig_pass(&g, rig_session(&g), 1100);
	assert_int_equal(client_reply(&c), 421);
	client_close(&c);
	assert_true(rig_journaled(&g, "\"event\":\"mail\"", "\"verdict\":\"deferred\""));
	assert_int_equal(fake_mails(g.fake), 0);
	rig_close(&g);
}

/* Bytes that keep coming do not help a body that is too slow. */
static void a_body_below_the_least_rate_is_given_up(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, LIMITS, NULL, 0);
	in_a_body(&c, &g);
	for (int i = 0; i < 60 && g.worker.sessions_open; i++) {
		client_say(&c, "drip\r\n");
		rig_pass(&g, rig_session(&g), 500);
	}
	assert_int_equal(client_reply(&c), 421);
	assert_non_null(strstr(client_words(&c), "too slowly"));
	client_close(&c);
	assert_int_equal(stat_get(&g.worker.stats, STAT_TIMEOUTS), 1);
	rig_close(&g);
}

/* Whoever types it by hand, or stalls for a while, is not yet too slow. */
static void a_body_may_begin_late(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, LIMITS, NULL, 0);
	in_a_body(&c, &g);
	rig_pass(&g, rig_session(&g), 15000);
	assert_int_equal(g.worker.sessions_open, 1);
	assert_int_equal(client_cmd(&c, "Subject: late\r\n\r\nbut here\r\n.\r\n"), 250);
	client_close(&c);
	rig_close(&g);
}

static void a_body_that_is_fast_enough_goes_on(void **state)
{
	(void)state;
	static char lines[10000];
	struct rig g;
	struct client c;
	for (size_t i = 0; i + 1 < sizeof lines; i++)
		lines[i] = i % 100 == 98 ? '\r' : i % 100 == 99 ? '\n' : 'x';
	lines[9900] = 0;
	rig_open(&g, LIMITS, NULL, 0);
	in_a_body(&c, &g);
	for (int i = 0; i < 6; i++) {
		client_say(&c, lines);
		rig_turn(&g, 0);
		rig_pass(&g, rig_session(&g), 2500);
	}
	assert_int_equal(client_cmd(&c, "\r\n.\r\n"), 250);
	client_close(&c);
	rig_close(&g);
}

static void after_its_time_a_session_gets_no_further_mail(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, LIMITS, NULL, 0);
	greeted(&c, &g);
	for (int i = 0; i < 4; i++) {
		rig_pass(&g, rig_session(&g), 8000);
		assert_int_equal(client_cmd(&c, "NOOP\r\n"), 250);
	}
	assert_int_equal(client_cmd(&c, "MAIL FROM:<a@client.test>\r\n"), 421);
	assert_true(client_is_closed(&c));
	client_close(&c);
	rig_close(&g);
}

static void nothing_lasts_longer_than_an_hour(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, "limits = { command_timeout = \"5m\"; };\n", NULL, 0);
	greeted(&c, &g);
	rig_session(&g)->opened_ms -= 60 * 60 * 1000 - 5000;
	rig_pass(&g, rig_session(&g), 4000);
	assert_int_equal(client_cmd(&c, "NOOP\r\n"), 250);
	rig_pass(&g, rig_session(&g), 1000);
	assert_int_equal(client_reply(&c), 421);
	assert_non_null(strstr(client_words(&c), "too long"));
	client_close(&c);
	rig_close(&g);
}

/* A byte that comes in the very turn in which it is time does not put it off. */
static void a_body_puts_nothing_off(void **state)
{
	(void)state;
	for (int hard_stop = 0; hard_stop < 2; hard_stop++) {
		struct rig g;
		struct client c;
		rig_open(&g, LIMITS, NULL, 0);
		in_a_body(&c, &g);
		struct session *s = rig_session(&g);
		if (hard_stop)
			s->opened_ms -= 60 * 60 * 1000;
		s->pace.started_ms -= hard_stop ? 0 : 60 * 1000;
		s->pace.looked_ms -= hard_stop ? 0 : 60 * 1000;
		client_say(&c, "x");
		if (s->awaiting == AWAIT_CLIENT)
			session_on_timer(s);
		assert_int_not_equal(s->awaiting, AWAIT_CLIENT);
		assert_int_equal(client_reply(&c), 421);
		assert_non_null(strstr(client_words(&c), hard_stop ? "too long" : "too slowly"));
		client_close(&c);
		rig_close(&g);
	}
}

/* ---- delays ---- */

#define DELAY "rules = ( { name = \"slow\"; when = \"client.ip is known\"; do = \"wait\"; delay = \"5s\"; } );\n"

static void a_delay_is_waited_for(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, DELAY, NULL, 0);
	client_open(&c, &g, "192.0.2.7");
	assert_int_equal(rig_session(&g)->awaiting, AWAIT_DELAY);
	assert_int_equal(atomic_load(&g.app.waiting), 1);
	rig_pass(&g, rig_session(&g), 4000);
	assert_int_equal(rig_session(&g)->awaiting, AWAIT_DELAY);
	rig_pass(&g, rig_session(&g), 1000);
	assert_int_equal(client_reply(&c), 220);
	assert_int_equal(atomic_load(&g.app.waiting), 0);
	client_close(&c);
	rig_close(&g);
}

/* The client hears something within 4 minutes of its dot: half of them are the backend's, whatever the rules want. */
static void a_delay_behind_the_dot_has_2_minutes(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g,
		"limits = { delay = \"10m\"; };\n"
		"rules = ( { name = \"slow\"; when = \"message.size > 0\"; do = \"wait\"; delay = \"10m\"; } );\n",
		NULL, 0);
	in_a_body(&c, &g);
	client_say(&c, "Subject: x\r\n\r\nx\r\n.\r\n");
	for (int i = 0; i < 50 && rig_session(&g)->awaiting != AWAIT_DELAY; i++)
		rig_turn(&g, 10);
	assert_int_equal(rig_session(&g)->awaiting, AWAIT_DELAY);
	rig_pass(&g, rig_session(&g), 119000);
	assert_int_equal(rig_session(&g)->awaiting, AWAIT_DELAY);
	rig_pass(&g, rig_session(&g), 1100);
	assert_int_equal(client_reply(&c), 250);
	client_close(&c);
	rig_close(&g);
}

/* Whatever rules and limits.delay say: honest clients hang up when the greeting does not come. */
static void delays_before_the_greeting_have_20_seconds(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g,
		"limits = { delay = \"10m\"; };\n"
		"rules = ({ name = \"a\"; stage=\"connect\"; when=\"stress < 1\"; do = \"wait\"; delay = \"15s\"; },\n"
		"  { name = \"b\"; stage = \"greet\"; when = \"stress < 1\"; do = \"wait\"; delay = \"10m\"; } );\n",
		NULL, 0);
	client_open(&c, &g, "192.0.2.7");
	rig_pass(&g, rig_session(&g), 15100);
	assert_int_equal(rig_session(&g)->awaiting, AWAIT_DELAY);
	rig_pass(&g, rig_session(&g), 3000);
	assert_int_equal(rig_session(&g)->awaiting, AWAIT_DELAY);
	rig_pass(&g, rig_session(&g), 2000);
	assert_int_equal(client_reply(&c), 220);
	assert_int_equal(rig_session(&g)->tally.waited_ms, 20000);
	client_close(&c);
	rig_close(&g);
}

static void a_client_that_leaves_in_a_delay_waits_no_more(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, DELAY, NULL, 0);
	client_open(&c, &g, "192.0.2.7");
	assert_int_equal(stat_get(&g.worker.stats, STAT_WAITING), 1);
	client_close(&c);
	rig_turn(&g, 0);
	assert_int_equal(g.worker.sessions_open, 0);
	assert_int_equal(atomic_load(&g.app.waiting), 0);
	rig_close(&g);
}

static void delays_above_the_limit_are_left_out(void **state)
{
	(void)state;
	struct rig g;
	struct client first, second;
	rig_open(&g, "limits = { waiting = 1; };\n" DELAY, NULL, 0);
	client_open(&first, &g, "192.0.2.7");
	client_open(&second, &g, "192.0.2.8");
	assert_int_equal(client_reply(&second), 220);
	assert_int_equal(stat_get(&g.worker.stats, STAT_WAITS_SKIPPED), 1);
	client_close(&first);
	client_close(&second);
	rig_close(&g);
}

static void the_end_comes_in_a_delay_too(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, DELAY, NULL, 0);
	client_open(&c, &g, "192.0.2.7");
	worker_stop(&g.worker);
	rig_turn(&g, 0);
	assert_int_equal(client_reply(&c), 421);
	client_close(&c);
	rig_close(&g); /* and nobody is counted as waiting */
}

/* ---- limits at the door ---- */

static void one_too_many_is_turned_away(void **state)
{
	(void)state;
	struct rig g;
	struct client c[3];
	rig_open(&g, LIMITS, NULL, 0);
	atomic_store(&g.app.sessions_limit, 2);
	for (int i = 0; i < 3; i++)
		client_open(&c[i], &g, "192.0.2.7");
	assert_int_equal(client_reply(&c[2]), 421);
	assert_non_null(strstr(client_words(&c[2]), "4.3.2"));
	assert_true(client_is_closed(&c[2]));
	client_close(&c[0]);
	client_close(&c[2]);
	client_open(&c[2], &g, "192.0.2.7"); /* a place is free again */
	assert_int_equal(client_reply(&c[2]), 220);
	assert_int_equal(stat_get(&g.worker.stats, STAT_OVER_LIMIT), 1);
	assert_int_equal(stat_get(&g.worker.stats, STAT_SESSIONS_PEAK), 2);
	client_close(&c[1]);
	client_close(&c[2]);
	rig_close(&g);
}

static void one_client_takes_no_more_than_its_share(void **state)
{
	(void)state;
	struct rig g;
	struct client c[3], other;
	rig_open(&g, LIMITS, NULL, 0);
	for (int i = 0; i < 3; i++)
		client_open(&c[i], &g, "192.0.2.7");
	assert_int_equal(client_reply(&c[2]), 421);
	assert_non_null(strstr(client_words(&c[2]), "4.7.0"));
	client_open(&other, &g, "192.0.2.8");
	assert_int_equal(client_reply(&other), 220);
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
	client_close(&other);
	rig_close(&g);
}

/* ---- reload and end ---- */

static void a_session_keeps_the_settings_it_began_with(void **state)
{
	(void)state;
	struct rig g;
	struct client old, fresh;
	rig_open(&g, "limits = { recipients = 1; };\n", NULL, 0);
	greeted(&old, &g);
	rig_reload(&g, "limits = { recipients = 2; };\n");
	greeted(&fresh, &g);
	struct client *both[] = { &old, &fresh };
	for (int i = 0; i < 2; i++) {
		assert_int_equal(client_cmd(both[i], "MAIL FROM:<a@client.test>\r\n"), 250);
		assert_int_equal(client_cmd(both[i], "RCPT TO:<good@example.test>\r\n"), 250);
		assert_int_equal(client_cmd(both[i], "RCPT TO:<other@example.test>\r\n"), i ? 250 : 452);
		client_close(both[i]);
	}
	rig_close(&g);
}

static void a_drain_lets_a_mail_finish(void **state)
{
	(void)state;
	struct rig g;
	struct client idle, busy;
	rig_open(&g, "", NULL, 0);
	in_a_body(&busy, &g);
	client_open(&idle, &g, "192.0.2.8");
	assert_int_equal(client_reply(&idle), 220);
	worker_drain(&g.worker);
	rig_turn(&g, 0);
	assert_int_equal(client_reply(&idle), 421);
	assert_true(client_is_closed(&idle));
	assert_true(g.alive);
	assert_int_equal(client_cmd(&busy, "Subject: last\r\n\r\nx\r\n.\r\n"), 250);
	assert_int_equal(client_cmd(&busy, "MAIL FROM:<a@client.test>\r\n"), 421);
	client_close(&idle);
	client_close(&busy);
	for (int i = 0; i < 1000 && g.alive; i++)
		rig_turn(&g, 1);
	assert_false(g.alive);
	assert_int_equal(fake_mails(g.fake), 1);
	rig_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_is_handed_on),
		cmocka_unit_test(a_refusal_of_the_backend_is_passed_on),
		cmocka_unit_test(a_silent_client_is_sent_away),
		cmocka_unit_test(a_body_that_stops_is_given_up),
		cmocka_unit_test(a_body_below_the_least_rate_is_given_up),
		cmocka_unit_test(a_body_may_begin_late),
		cmocka_unit_test(a_body_that_is_fast_enough_goes_on),
		cmocka_unit_test(after_its_time_a_session_gets_no_further_mail),
		cmocka_unit_test(nothing_lasts_longer_than_an_hour),
		cmocka_unit_test(a_body_puts_nothing_off),
		cmocka_unit_test(a_delay_is_waited_for),
		cmocka_unit_test(a_delay_behind_the_dot_has_2_minutes),
		cmocka_unit_test(delays_before_the_greeting_have_20_seconds),
		cmocka_unit_test(a_client_that_leaves_in_a_delay_waits_no_more),
		cmocka_unit_test(delays_above_the_limit_are_left_out),
		cmocka_unit_test(the_end_comes_in_a_delay_too),
		cmocka_unit_test(one_too_many_is_turned_away),
		cmocka_unit_test(one_client_takes_no_more_than_its_share),
		cmocka_unit_test(a_session_keeps_the_settings_it_began_with),
		cmocka_unit_test(a_drain_lets_a_mail_finish),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
