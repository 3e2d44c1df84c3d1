/* Which backend is used, and what is not its fault. */
#include "base/clock.h"
#include "relay/backend.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;
static struct fake *first;

/* Two backends; the first one has a rule. */
static void begin_two(struct fake_rule rule)
{
	first = fake_start(FAKE_NO_XCLIENT, &rule, rule.on ? 1 : 0);
	rig_init(&g, first);
	g.fake = fake_start(FAKE_NO_XCLIENT, NULL, 0);
	rig_add_backend(&g, g.fake->port);
	rig_start(&g);
}

static void end_two(void)
{
	rig_stop(&g);
	fake_stop(first);
}

static void begin_one(void)
{
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
}

static struct relay_backend_info info(size_t i)
{
	struct relay_backend_info all[2];
	assert_true(relay_shared_info(g.shared, clock_mono_ms(), all, 2) > i);
	return all[i];
}

static void one_that_never_greets_costs_a_moment(void **state)
{
	(void)state;
	begin_two((struct fake_rule){ "GREETING", FAKE_STALL, NULL, 0, 0 });
	uint64_t began = clock_mono_ms();
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	assert_string_equal(d.backend, g.names[1]);
	assert_in_range(clock_mono_ms() - began, 900, 5000);
	began = clock_mono_ms();
	d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_string_equal(d.backend, g.names[1]);
	assert_in_range(clock_mono_ms() - began, 0, 850);
	assert_int_equal(info(0).state, RELAY_UNTRIED);
	relay_on_time(g.relay, clock_mono_ms() + 10100);
	assert_int_equal(info(0).state, RELAY_DOWN);
	end_two();
}

static void one_that_stops_greeting_is_left_after_10_seconds(void **state)
{
	(void)state;
	begin_two((struct fake_rule){ .on = NULL });
	assert_string_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").backend, g.names[0]);
	fake_set_rule(first, 0, (struct fake_rule){ "GREETING", FAKE_STALL, NULL, 0, 0 });
	fake_drop_all(first);
	rig_run(&g, 50);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	uint64_t now = clock_mono_ms();
	struct relay_done d;
	assert_true(relay_deliver(g.relay, m, now));
	rig_run(&g, 50);
	relay_on_time(g.relay, now + 9000);
	assert_false(rig_pop(&g, &d));
	relay_on_time(g.relay, now + 10200);
	d = rig_wait(&g, m->ticket);
	assert_int_equal(d.code, 250);
	assert_string_equal(d.backend, g.names[1]);
	end_two();
}

/* It greets, and then leaves each recipient without a word: a question goes to the other one in its 20 seconds, and who
 * comes next need not wait at all. */
static void one_that_hangs_in_a_mail_is_left_for_another(void **state)
{
	(void)state;
	struct relay_done d;
	bool known;
	begin_two((struct fake_rule){ "RCPT", FAKE_STALL, NULL, 0, 0 });
	rig_run(&g, 100);
	assert_int_equal(info(0).state, RELAY_UP);
	uint64_t ticket = rig_ask(&g, "192.0.2.1", "a@example.test", &d, &known);
	assert_false(known);
	rig_run(&g, 50);
	rig_pass(&g, 6000);
	assert_false(rig_pop(&g, &d));
	rig_pass(&g, 1100);
	d = rig_wait(&g, ticket);
	assert_int_equal(d.code, 250);
	assert_string_equal(d.backend, g.names[1]);
	uint64_t began = clock_mono_ms();
	assert_string_equal(rig_deliver(&g, "192.0.2.1", "b@example.test").backend, g.names[1]);
	assert_in_range(clock_mono_ms() - began, 0, 2000);
	assert_int_equal(info(0).state, RELAY_UP);
	/* the preferred one has its chance again */
	fake_set_rule(first, 0, (struct fake_rule){ 0 });
	rig_pass(&g, RELAY_STUCK_MS);
	assert_string_equal(rig_deliver(&g, "192.0.2.1", "b@example.test").backend, g.names[0]);
	end_two();
}

/* A mail has a minute there. */
static void a_mail_that_hangs_goes_to_another(void **state)
{
	(void)state;
	begin_two((struct fake_rule){ "MAIL", FAKE_STALL, NULL, 0, 0 });
	rig_run(&g, 100);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, rig_now(&g)));
	rig_run(&g, 50);
	rig_pass(&g, 59000);
	assert_int_equal(fake_mails(g.fake), 0);
	rig_pass(&g, 2000);
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	assert_int_equal(fake_mails(g.fake), 1);
	end_two();
}

static void the_only_one_has_its_five_minutes(void **state)
{
	(void)state;
	begin_one();
	fake_set_rule(g.fake, 0, (struct fake_rule){ "GREETING", FAKE_STALL, NULL, 0, 0 });
	rig_start(&g);
	rig_run(&g, 50);
	uint64_t now = clock_mono_ms();
	for (uint64_t s = 5; s < 295; s += 5)
		relay_on_time(g.relay, now + s * 1000);
	assert_int_equal(info(0).state, RELAY_UNTRIED);
	relay_on_time(g.relay, now + 301000);
	assert_int_equal(info(0).state, RELAY_DOWN);
	rig_stop(&g);
}

static void lost_here_it_is_tried_there(void **state)
{
	(void)state;
	begin_two((struct fake_rule){ "MAIL", FAKE_CLOSE, NULL, 0, 0 });
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	assert_string_equal(d.backend, g.names[1]);
	assert_int_equal(fake_seen(first, "MAIL"), 1);
	d = rig_check(&g, "192.0.2.1", "v@example.test");
	assert_int_equal(d.code, 250);
	end_two();
}

/* The backend takes two connections, the settings say four. */
static void its_own_limit_of_connections_is_learned(void **state)
{
	(void)state;
	enum { MAILS = 12 };
	begin_one();
	g.fake->max_open = 2;
	fake_set_rule(g.fake, 0, (struct fake_rule){ ".", FAKE_SAY, "250 2.0.0 Ok\r\n", 0, 30 });
	rig_start(&g);
	rig_run(&g, 50);
	struct relay_mail *m[MAILS];
	for (int i = 0; i < MAILS; i++) {
		m[i] = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
		assert_true(relay_deliver(g.relay, m[i], clock_mono_ms()));
	}
	int taken = 0;
	struct relay_done d;
	for (uint64_t end = clock_mono_ms() + 5000; taken < MAILS && clock_mono_ms() < end; rig_turn(&g, 5))
		while (rig_pop(&g, &d))
			taken += d.code == 250;
	assert_int_equal(taken, MAILS);
	assert_int_equal(info(0).state, RELAY_UP);
	assert_int_equal(info(0).failures, 0);
	assert_int_equal(info(0).limit, 2);
	assert_in_range(g.fake->conns, 3, 6); /* those that were turned away taught it */
	/* and forgotten after a while */
	struct relay_backend_info later;
	relay_shared_info(g.shared, clock_mono_ms() + 6 * 60 * 1000, &later, 1);
	assert_int_equal(later.limit, 4);
	rig_stop(&g);
}

static void turned_away_with_none_open_it_is_down(void **state)
{
	(void)state;
	begin_one();
	fake_set_rule(g.fake, 0, (struct fake_rule){ "GREETING", FAKE_SAY_AND_CLOSE, "421 4.3.2 busy\r\n", 0, 0 });
	rig_start(&g);
	rig_run(&g, 50);
	assert_int_equal(info(0).state, RELAY_DOWN);
	rig_stop(&g);
}

static void our_own_shortage_is_not_its_fault(void **state)
{
	(void)state;
	struct rlimit old, none;
	begin_one();
	rig_start(&g);
	rig_run(&g, 50);
	fake_drop_all(g.fake);
	rig_run(&g, 50);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &old), 0);
	none = old;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	uint64_t turns = 0;
	for (uint64_t end = clock_mono_ms() + 250; clock_mono_ms() < end; turns++)
		rig_turn(&g, 50);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &old), 0);
	assert_in_range(turns, 1, 60); /* it rests, it does not spin */
	assert_int_equal(info(0).state, RELAY_UP);
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	rig_stop(&g);
}

static void its_own_limit_of_recipients_is_learned(void **state)
{
	(void)state;
	begin_one();
	g.fake->max_rcpts = 2;
	g.config.ask_backend = false;
	rig_start(&g);
	rig_run(&g, 50);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms()), UINT32_MAX);
	struct relay_done d =
		rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test,c@example.test,d@example.test");
	assert_int_equal(d.code, 451);
	assert_int_equal(fake_mails(g.fake), 0);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms()), 2);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms() + 3700 * 1000), UINT32_MAX);
	/* those left over are no suspects: nobody is asked for them */
	assert_true(rig_check(&g, "192.0.2.1", "c@example.test").cached);
	d = rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test");
	assert_int_equal(d.code, 250);
	d = rig_deliver(&g, "192.0.2.1", "c@example.test,d@example.test");
	assert_int_equal(d.code, 250);
	rig_stop(&g);
}

/* RFC 9422: told, it need not be found out at a mail's expense, and it holds as long as it is told. */
static void its_limit_of_recipients_is_told(void **state)
{
	(void)state;
	begin_one();
	g.fake->max_rcpts = 2;
	g.fake->says_limits = true;
	rig_start(&g);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test").code, 250);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms()), 2);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms() + 3700 * 1000), 2);
	rig_stop(&g);
}

/* What it can do may change without our losing a connection. */
static void it_is_asked_anew_every_5_minutes(void **state)
{
	(void)state;
	begin_one();
	rig_start(&g);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test").code, 250);
	g.fake->max_rcpts = 2;
	g.fake->says_limits = true;
	rig_pass(&g, 295000);
	rig_run(&g, 50);
	assert_int_equal(relay_rcpt_max(g.relay, rig_now(&g)), UINT32_MAX);
	rig_pass(&g, 6000);
	rig_run(&g, 50);
	assert_int_equal(relay_rcpt_max(g.relay, rig_now(&g)), 2);
	rig_stop(&g);
}

/* OpenSMTPD takes 100 mails in a session. That is said of the connection, not of the mail: another one has it. */
static void its_limit_of_mails_in_a_session(void **state)
{
	(void)state;
	begin_one();
	rig_start(&g);
	struct fake_rule enough = { "MAIL", FAKE_SAY, "452 4.5.3 Too many messages sent\r\n", 1, 0 };
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test").code, 250);
	assert_int_equal(g.fake->conns, 1);
	fake_set_rule(g.fake, 0, enough);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test").code, 250);
	assert_int_equal(g.fake->conns, 2);
	fake_set_rule(g.fake, 0, enough);
	assert_int_equal(rig_check(&g, "192.0.2.1", "b@example.test").code, 250);
	assert_int_equal(g.fake->conns, 3);
	/* who says it at once means something else */
	enough.times = 0;
	fake_set_rule(g.fake, 0, enough);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "a@example.test");
	assert_int_equal(d.code, 452);
	assert_memory_equal(d.text, "4.5.3 Too many messages sent", d.text_n);
	assert_int_equal(fake_mails(g.fake), 2);
	rig_stop(&g);
}

/* RFC 5321 4.5.3.1.10: some say 552 to what they should say 452 to. At the retry the recipient is taken when he is
 * asked for alone, and refused behind others again: then it is known what was meant. */
static void its_limit_of_recipients_said_in_another_way(void **state)
{
	(void)state;
	begin_one();
	fake_set_rule(g.fake, 0, (struct fake_rule){ "RCPT TO:<c", FAKE_SAY, "552 too many\r\n", 1, 0 });
	rig_start(&g);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test,c@example.test").code, 451);
	assert_int_equal(relay_rcpt_max(g.relay, rig_now(&g)), UINT32_MAX);
	assert_int_equal(rig_check(&g, "192.0.2.1", "c@example.test").code, 250);
	fake_set_rule(g.fake, 0, (struct fake_rule){ "RCPT TO:<c", FAKE_SAY, "552 too many\r\n", 1, 0 });
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test,c@example.test").code, 451);
	assert_int_equal(relay_rcpt_max(g.relay, rig_now(&g)), 2);
	rig_stop(&g);
}

/* But whose mailbox is full is told so at his RCPT, and no limit comes of it. */
static void a_full_mailbox_is_no_limit(void **state)
{
	(void)state;
	begin_one();
	fake_set_rule(g.fake, 0, (struct fake_rule){ "RCPT TO:<c", FAKE_SAY, "552 mailbox full\r\n", 0, 0 });
	rig_start(&g);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test,c@example.test").code, 451);
	struct relay_done d = rig_check(&g, "192.0.2.1", "c@example.test");
	assert_int_equal(d.code, 552);
	assert_memory_equal(d.text, "mailbox full", d.text_n);
	assert_int_equal(relay_rcpt_max(g.relay, rig_now(&g)), UINT32_MAX);
	rig_stop(&g);
}

/* One that knows no EHLO is greeted as in the year 1982, and gets one command after the other. */
static void helo_where_ehlo_is_unknown(void **state)
{
	(void)state;
	begin_one();
	fake_set_rule(g.fake, 0, (struct fake_rule){ "EHLO", FAKE_SAY, "502 unimplemented\r\n", 0, 0 });
	fake_set_rule(g.fake, 1, (struct fake_rule){ "HELO", FAKE_SAY, "250-fake\r\n250 PIPELINING\r\n", 0, 0 });
	rig_start(&g);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test").code, 250);
	assert_int_equal(fake_seen(g.fake, "HELO mx.test"), 1);
	assert_int_equal(fake_seen(g.fake, "SIZE="), 0);
	assert_int_equal(info(0).exts, 0);
	fake_set_rule(g.fake, 1, (struct fake_rule){ "HELO", FAKE_SAY, "502 unimplemented\r\n", 0, 0 });
	fake_drop_all(g.fake);
	rig_run(&g, 50);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test").code, 451);
	assert_int_equal(info(0).state, RELAY_DOWN);
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_that_never_greets_costs_a_moment),
		cmocka_unit_test(one_that_stops_greeting_is_left_after_10_seconds),
		cmocka_unit_test(one_that_hangs_in_a_mail_is_left_for_another),
		cmocka_unit_test(a_mail_that_hangs_goes_to_another),
		cmocka_unit_test(the_only_one_has_its_five_minutes),
		cmocka_unit_test(lost_here_it_is_tried_there),
		cmocka_unit_test(its_own_limit_of_connections_is_learned),
		cmocka_unit_test(turned_away_with_none_open_it_is_down),
		cmocka_unit_test(our_own_shortage_is_not_its_fault),
		cmocka_unit_test(its_own_limit_of_recipients_is_learned),
		cmocka_unit_test(its_limit_of_recipients_is_told),
		cmocka_unit_test(it_is_asked_anew_every_5_minutes),
		cmocka_unit_test(its_limit_of_mails_in_a_session),
		cmocka_unit_test(its_limit_of_recipients_said_in_another_way),
		cmocka_unit_test(a_full_mailbox_is_no_limit),
		cmocka_unit_test(helo_where_ehlo_is_unknown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
