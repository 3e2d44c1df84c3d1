#include "base/clock.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;

static void begin(enum fake_xclient x, enum relay_identity identity, const struct fake_rule *rule)
{
	rig_init(&g, fake_start(x, rule, rule ? 1 : 0));
	g.config.identity = identity;
	rig_start(&g);
	rig_run(&g, 30);
}

static bool reusable(void)
{
	struct relay_backend_info info;
	relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
	return info.reusable;
}

static void one_connection_for_all_clients(void **state)
{
	(void)state;
	begin(FAKE_XCLIENT_ANY, RELAY_XCLIENT, NULL);
	static const char *const IP[] = { "192.0.2.1", "192.0.2.2", "192.0.2.2", "2001:db8::1" };
	for (int i = 0; i < 4; i++)
		assert_int_equal(rig_deliver(&g, IP[i], "u@example.test").code, 250);
	assert_int_equal(g.fake->conns, 1);
	assert_int_equal(fake_seen(g.fake, "XCLIENT"), 3); /* not again for the same client */
	assert_int_equal(fake_seen(g.fake, "EHLO client.test"), 3);
	assert_string_equal(g.fake->mails[2].client, "192.0.2.2");
	assert_string_equal(g.fake->mails[3].client, "IPV6:2001:db8::1");
	assert_true(reusable());
	/* a recipient question is this client's too */
	rig_check(&g, "192.0.2.9", "x@example.test");
	assert_int_equal(fake_seen(g.fake, "ADDR=192.0.2.9"), 1);
	rig_stop(&g);
}

static void a_connection_each_with_a_stock(enum fake_xclient x)
{
	begin(x, RELAY_XCLIENT, NULL);
	char ip[24];
	for (int i = 0; i < 12; i++) {
		snprintf(ip, sizeof ip, "192.0.2.%d", i + 1);
		assert_int_equal(rig_deliver(&g, ip, "u@example.test").code, 250);
		snprintf(ip, sizeof ip, "192.0.2.%d", i + 1);
		assert_string_equal(g.fake->mails[i].client, ip);
	}
	int conns = g.fake->conns;
	/* the same client again finds its own connection */
	assert_int_equal(rig_deliver(&g, "192.0.2.12", "u@example.test").code, 250);
	assert_string_equal(g.fake->mails[12].client, "192.0.2.12");
	assert_true(g.fake->conns - conns <= 1);
	assert_false(reusable());
	rig_run(&g, 50);
	struct relay_backend_info info;
	relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
	assert_true(info.open <= 4);
	assert_true(g.fake->most_open <= 5); /* one may be saying goodbye */
	rig_stop(&g);
}

static void where_xclient_is_taken_once(void **state)
{
	(void)state;
	a_connection_each_with_a_stock(FAKE_XCLIENT_ONCE);
}

static void where_it_is_offered_again_and_refused(void **state)
{
	(void)state;
	a_connection_each_with_a_stock(FAKE_XCLIENT_LIES);
}

static void never_without_identity(void **state)
{
	(void)state;
	static const struct fake_rule refuse = { "XCLIENT", FAKE_SAY, "550 5.7.0 no\r\n", 0, 0 };
	static const struct {
		enum fake_xclient x;
		const struct fake_rule *rule;
	} CASES[] = { { FAKE_NO_XCLIENT, NULL }, { FAKE_XCLIENT_NO_ADDR, NULL }, { FAKE_XCLIENT_ANY, &refuse } };
	for (size_t i = 0; i < 3; i++) {
		begin(CASES[i].x, RELAY_XCLIENT, CASES[i].rule);
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, 451);
		assert_true(slice_starts(slice_of(d.text, d.text_n), SLICE("4.3.2")));
		d = rig_check(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, 451);
		assert_int_equal(fake_seen(g.fake, "MAIL"), 0);
		struct relay_backend_info info;
		relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
		assert_int_equal(info.state, RELAY_UNHEALTHY);
		rig_stop(&g);
	}
}

static void a_client_that_the_backend_turns_away(void **state)
{
	(void)state;
	static const struct fake_rule refuse = { "XCLIENT", FAKE_SAY, "554 5.7.1 Client host rejected\r\n", 1, 0 };
	begin(FAKE_XCLIENT_ANY, RELAY_XCLIENT, &refuse);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 554);
	assert_int_equal(d.from, RELAY_FROM_BACKEND);
	assert_int_equal(rig_deliver(&g, "192.0.2.2", "u@example.test").code, 250);
	rig_stop(&g);
}

static void xforward_goes_with_the_mail(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, RELAY_XFORWARD, NULL);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	assert_int_equal(rig_deliver(&g, "192.0.2.2", "u@example.test").code, 250);
	assert_int_equal(g.fake->conns, 1);
	assert_int_equal(fake_seen(g.fake, "XFORWARD"), 2);
	assert_int_equal(fake_seen(g.fake, "ADDR=192.0.2.2"), 1);
	rig_stop(&g);
}

static void hostile_names_add_nothing(void **state)
{
	(void)state;
	begin(FAKE_XCLIENT_ANY, RELAY_XCLIENT, NULL);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	m->client.name = SLICE("a\r\nRSET\r\n");
	m->client.helo = SLICE("x\r\nMAIL FROM:<evil@x>");
	m->client.login = SLICE("me ADDR=127.0.0.1");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	assert_int_equal(fake_seen(g.fake, "evil@x\n"), 0);
	assert_int_equal(fake_seen(g.fake, ":RSET"), 0);
	assert_int_equal(fake_seen(g.fake, " ADDR="), 1);
	assert_int_equal(fake_seen(g.fake, "EHLO mx.test"), 2);
	m = rig_mail(&g, "192.0.2.1", "a>\r\nDATA", "u@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	struct relay_done d = rig_wait(&g, m->ticket);
	assert_int_equal(d.code, 451);
	assert_int_equal(fake_mails(g.fake), 1);
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(one_connection_for_all_clients),
		cmocka_unit_test(where_xclient_is_taken_once),
		cmocka_unit_test(where_it_is_offered_again_and_refused),
		cmocka_unit_test(never_without_identity),
		cmocka_unit_test(a_client_that_the_backend_turns_away),
		cmocka_unit_test(xforward_goes_with_the_mail),
		cmocka_unit_test(hostile_names_add_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
