#include "base/clock.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;

static void begin(struct fake_rule rule, unsigned connections)
{
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, &rule, 1));
	g.config.connections = connections;
	rig_start(&g);
	rig_run(&g, 30);
}

static void known_ones_are_not_asked_again(void **state)
{
	(void)state;
	begin(RULE("RCPT TO:<bad", FAKE_SAY, "550 5.1.1 <bad>: unknown\r\n", 0, 0), 4);
	for (int i = 0; i < 3; i++) {
		struct relay_done d = rig_check(&g, "192.0.2.1", "good@example.test");
		assert_int_equal(d.code, 250);
		assert_int_equal(d.cached, i > 0);
		d = rig_check(&g, "192.0.2.2", "bad@example.test");
		assert_int_equal(d.code, 550);
		assert_true(slice_eq(slice_of(d.text, d.text_n), SLICE("5.1.1 <bad>: unknown")));
		assert_int_equal(d.from, RELAY_FROM_BACKEND);
		assert_true(d.bad_recipient);
	}
	assert_int_equal(fake_seen(g.fake, "RCPT"), 2);
	assert_int_equal(fake_seen(g.fake, "MAIL FROM:<from@a.test>\n"), 2);
	assert_true(relay_shared_forget(g.shared, SLICE("bad@example.test")));
	rig_check(&g, "192.0.2.1", "bad@example.test");
	assert_int_equal(fake_seen(g.fake, "RCPT"), 3);
	rig_stop(&g);
}

static void other_refusals_are_this_clients_alone(void **state)
{
	(void)state;
	static const char *const SAY[] = { "450 4.1.1 try later\r\n", "554 5.7.1 client blocked\r\n",
		"550 5.7.1 no\r\n", "551 plain\r\n" };
	for (size_t i = 0; i < 4; i++) {
		begin(RULE("RCPT", FAKE_SAY, SAY[i], 0, 0), 4);
		struct relay_done d = rig_check(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.from, RELAY_FROM_BACKEND);
		assert_false(d.bad_recipient);
		assert_int_equal(d.code, atoi(SAY[i]));
		d = rig_check(&g, "192.0.2.1", "u@example.test");
		assert_false(d.cached);
		assert_int_equal(fake_seen(g.fake, "RCPT"), 2);
		rig_stop(&g);
	}
	begin(RULE("MAIL", FAKE_SAY, "550 5.1.1 odd\r\n", 0, 0), 4);
	struct relay_done d = rig_check(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 550);
	assert_false(d.bad_recipient); /* said of MAIL, not of the recipient */
	rig_stop(&g);
}

static void one_recipient_is_asked_once_for_many(void **state)
{
	(void)state;
	begin(RULE("RCPT", FAKE_SAY, "550 5.1.1 unknown\r\n", 0, 60), 16);
	struct relay_done d;
	bool known;
	uint64_t t[5];
	for (int i = 0; i < 5; i++) {
		char ip[] = "192.0.2.1";
		ip[8] = (char)('1' + i);
		t[i] = rig_ask(&g, ip, "u@example.test", &d, &known);
		assert_false(known);
	}
	relay_cancel(g.relay, t[0], clock_mono_ms()); /* the one that asks leaves: the others still hear */
	relay_cancel(g.relay, t[3], clock_mono_ms());
	for (int heard = 0; heard < 3;)
		for (rig_turn(&g, 20); rig_pop(&g, &d); heard++) {
			assert_int_equal(d.code, 550);
			assert_true(d.bad_recipient);
			assert_true(d.ticket != t[0] && d.ticket != t[3]);
		}
	assert_int_equal(fake_seen(g.fake, "RCPT"), 1);
	rig_stop(&g);
}

/* What is said of a mail holds for a smaller one. */
static void a_larger_mail_is_asked_for_itself(void **state)
{
	(void)state;
	static const uint64_t sizes[] = { 100, 50, 200 };
	begin(RULE("RCPT", FAKE_SAY, "250 2.1.5 ok\r\n", 0, 20), 16);
	rig_run(&g, 20);
	struct relay_client c = rig_client("192.0.2.1");
	struct relay_done d;
	for (unsigned i = 0; i < 3; i++)
		assert_int_equal(relay_check_rcpt(g.relay, &c, SLICE("a@b.test"), sizes[i], SLICE("u@example.test"), i,
					 rig_now(&g), &d),
			RELAY_ASKED);
	for (int heard = 0; heard < 3;)
		for (rig_turn(&g, 20); rig_pop(&g, &d); heard++)
			assert_int_equal(d.code, 250);
	assert_int_equal(fake_seen(g.fake, "SIZE=100"), 1);
	assert_int_equal(fake_seen(g.fake, "SIZE=50"), 0);
	assert_int_equal(fake_seen(g.fake, "SIZE=200"), 1);
	rig_stop(&g);
}

static void an_answer_that_is_not_for_all_is_asked_by_each(void **state)
{
	(void)state;
	begin(RULE("RCPT", FAKE_SAY, "554 5.7.1 not you\r\n", 0, 20), 16);
	struct relay_done d;
	bool known;
	for (int i = 0; i < 3; i++) {
		char ip[] = "192.0.2.1";
		ip[8] = (char)('1' + i);
		rig_ask(&g, ip, "u@example.test", &d, &known);
	}
	for (int heard = 0; heard < 3;)
		for (rig_turn(&g, 20); rig_pop(&g, &d); heard++)
			assert_int_equal(d.code, 554);
	assert_int_equal(fake_seen(g.fake, "RCPT"), 3);
	rig_stop(&g);
}

static void questions_keep_to_their_share(void **state)
{
	(void)state;
	begin(RULE("RCPT", FAKE_SAY, "450 4.2.1 later\r\n", 0, 30), 16);
	struct relay_done d;
	bool known;
	char rcpt[32][40];
	for (int i = 0; i < 32; i++) { /* a harvester ... */
		snprintf(rcpt[i], sizeof rcpt[i], "u%d@example.test", i);
		rig_ask(&g, "192.0.2.66", rcpt[i], &d, &known);
	}
	rig_run(&g, 20);
	struct relay_backend_info info;
	relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
	assert_int_equal(info.probes, 2);
	for (int i = 0; i < 8; i++) { /* ... and others beside it */
		char ip[] = "192.0.2.1";
		ip[8] = (char)('1' + i);
		rig_ask(&g, ip, rcpt[i + 8], &d, &known);
		snprintf(rcpt[i], sizeof rcpt[i], "x%d@example.test", i);
		rig_ask(&g, ip, rcpt[i], &d, &known);
	}
	unsigned most = 0;
	for (int heard = 0; heard < 48;) {
		rig_turn(&g, 20);
		relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
		most = info.probes > most ? info.probes : most;
		while (rig_pop(&g, &d))
			heard++;
	}
	assert_int_equal(most, 4); /* a quarter of 16 */
	assert_true(g.fake->most_open <= 16);
	rig_stop(&g);
}

static void worn_connections_retire(void **state)
{
	(void)state;
	begin(RULE("RCPT TO:<bad", FAKE_SAY, "550 5.1.1 unknown\r\n", 0, 0), 1);
	char rcpt[40];
	for (int i = 0; i < 17; i++) {
		snprintf(rcpt, sizeof rcpt, "bad%d@example.test", i);
		rig_check(&g, "192.0.2.1", rcpt);
	}
	assert_int_equal(g.fake->conns, 3); /* 8 refusals each */
	for (int i = 0; i < 100; i++) {
		snprintf(rcpt, sizeof rcpt, "good%d@example.test", i);
		rig_check(&g, "192.0.2.1", rcpt);
	}
	assert_int_equal(g.fake->conns, 4); /* 80 RSETs */
	for (int i = 0; i < 20; i++) {	    /* a delivered mail makes it new */
		snprintf(rcpt, sizeof rcpt, "bad9%d@example.test", i);
		rig_check(&g, "192.0.2.1", rcpt);
		if (i % 5 == 0)
			rig_deliver(&g, "192.0.2.1", "u@example.test");
	}
	assert_int_equal(g.fake->conns, 4);
	rig_stop(&g);
}

static void slow_or_leaving_connections_are_replaced(void **state)
{
	(void)state;
	struct fake_rule rules[] = { { "RCPT TO:<bad", FAKE_SAY, "550 5.1.1 unknown\r\n", 0, 0 },
		{ "RCPT TO:<slow", FAKE_SAY, "250 ok\r\n", 1, 4000 },
		{ "MAIL FROM:<leave", FAKE_SAY_AND_CLOSE, "421 4.7.0 too many errors\r\n", 1, 0 } };
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, rules, 3));
	rig_start(&g);
	rig_check(&g, "192.0.2.1", "bad@example.test");
	uint64_t start = clock_mono_ms();
	struct relay_done d = rig_check(&g, "192.0.2.1", "slow@example.test");
	assert_int_equal(d.code, 250);
	assert_in_range(clock_mono_ms() - start, 850, 3500);
	assert_int_equal(g.fake->conns, 2);
	struct relay_client c = rig_client("192.0.2.1");
	assert_int_equal(relay_check_rcpt(g.relay, &c, SLICE("leave@a.test"), 0, SLICE("u@example.test"), 999,
				 clock_mono_ms(), &d),
		RELAY_ASKED);
	d = rig_wait(&g, 999);
	assert_int_equal(d.code, 250);
	assert_int_equal(g.fake->conns, 3);
	rig_stop(&g);
}

/* The transaction of the question may be open still. */
static void a_connection_whose_rset_is_refused_gets_no_mail(void **state)
{
	(void)state;
	begin(RULE("RSET", FAKE_SAY, "500 5.5.2 what is that?\r\n", 1, 0), 4);
	assert_int_equal(rig_check(&g, "192.0.2.1", "u@example.test").code, 250);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	assert_int_equal(fake_seen(g.fake, "1:RSET"), 1);
	assert_int_equal(fake_seen(g.fake, "1:DATA"), 0);
	rig_stop(&g);
}

static void mails_come_through_beside_a_harvester(void **state)
{
	(void)state;
	begin(RULE("RCPT TO:<bad", FAKE_SAY, "550 5.1.1 unknown\r\n", 0, 20), 4);
	struct relay_done d;
	bool known;
	static char rcpt[200][40];
	for (int i = 0; i < 200; i++) {
		snprintf(rcpt[i], sizeof rcpt[i], "bad%d@example.test", i);
		rig_ask(&g, "192.0.2.66", rcpt[i], &d, &known);
	}
	for (int i = 0; i < 10; i++) {
		uint64_t start = clock_mono_ms();
		d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, 250);
		assert_in_range(clock_mono_ms() - start, 0, 2000); /* the harvest takes 4 s */
	}
	rig_stop(&g);
}

static void what_may_be_announced(void **state)
{
	(void)state;
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
	rig_start(&g);
	uint64_t size = 1;
	uint32_t before = relay_caps(g.relay, &size);
	assert_int_equal(size, 0);
	rig_run(&g, 100);
	uint32_t after = relay_caps(g.relay, &size);
	assert_int_equal(size, 1000000);
	assert_true(after != before && (after & before) == before);
	struct ip ip;
	assert_true(ip_parse(SLICE("192.0.2.1"), &ip));
	assert_true(relay_may_relay(g.relay, &ip, SLICE("EXAMPLE.test")));
	assert_false(relay_may_relay(g.relay, &ip, SLICE("sub.example.test")));
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_ones_are_not_asked_again),
		cmocka_unit_test(other_refusals_are_this_clients_alone),
		cmocka_unit_test(one_recipient_is_asked_once_for_many),
		cmocka_unit_test(a_larger_mail_is_asked_for_itself),
		cmocka_unit_test(an_answer_that_is_not_for_all_is_asked_by_each),
		cmocka_unit_test(questions_keep_to_their_share),
		cmocka_unit_test(worn_connections_retire),
		cmocka_unit_test(slow_or_leaving_connections_are_replaced),
		cmocka_unit_test(a_connection_whose_rset_is_refused_gets_no_mail),
		cmocka_unit_test(mails_come_through_beside_a_harvester),
		cmocka_unit_test(what_may_be_announced),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
