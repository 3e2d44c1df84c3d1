#include "base/clock.h"
#include "base/log.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
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

static struct relay_done deliver_as(const char *ip, struct slice name, struct slice helo)
{
	struct relay_mail *m = rig_mail(&g, ip, "a@b.test", "u@example.test", "x\r\n");
	m->client.name = name;
	m->client.helo = helo;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	return rig_wait(&g, m->ticket);
}

static enum relay_state backend_state(void)
{
	struct relay_backend_info info;
	relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
	return info.state;
}

/* Lines that the log has gathered in a file. */
static int logged(const char *path, const char *text)
{
	char all[16384] = "";
	FILE *f = fopen(path, "r");
	assert_non_null(f);
	all[fread(all, 1, sizeof all - 1, f)] = 0;
	fclose(f);
	int n = 0;
	for (const char *p = all; (p = strstr(p, text)); p += strlen(text))
		n++;
	return n;
}

/* Postfix with inet_protocols = ipv4 takes no IPv6 address: that is this client's loss alone, with either command. */
static void refuses_ipv6(enum fake_xclient x, enum relay_identity identity, const char *verb)
{
	static const struct fake_rule no = { "*ADDR=IPV6", FAKE_SAY, "501 5.5.4 Bad ADDR syntax: IPV6\r\n", 0, 0 };
	char path[] = "/tmp/relay_logXXXXXX";
	close(mkstemp(path));
	assert_true(log_open(&(struct log_config){ .to = path, .level = LOG_LEVEL_INFO }));
	begin(x, identity, &no);
	struct relay_done d = rig_deliver(&g, "2001:db8::1", "u@example.test");
	assert_int_equal(d.code, 451);
	assert_true(slice_starts(slice_of(d.text, d.text_n), SLICE("4.3.2")));
	assert_int_equal(d.from, RELAY_FROM_US);
	assert_int_equal(fake_seen(g.fake, verb), 2); /* as it is, then without names; never without the address */
	assert_int_equal(fake_seen(g.fake, "ADDR=IPV6:2001:db8::1"), 2);
	assert_int_equal(fake_seen(g.fake, "HELO=[UNAVAILABLE]"), 1);
	assert_int_equal(logged(path, "takes no mail from 2001:db8::1"), 1);
	assert_int_equal(rig_check(&g, "2001:db8::1", "u@example.test").code, 451);
	assert_int_equal(fake_mails(g.fake), 0);
	/* everybody else is served, at once */
	assert_int_equal(backend_state(), RELAY_UP);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	assert_int_equal(fake_mails(g.fake), 1);
	rig_stop(&g);
	assert_true(log_open(&(struct log_config){ .to = "stderr", .level = LOG_LEVEL_INFO }));
	unlink(path);
}

static void an_address_that_it_does_not_take(void **state)
{
	(void)state;
	refuses_ipv6(FAKE_XCLIENT_ANY, RELAY_XCLIENT, ":XCLIENT");
	refuses_ipv6(FAKE_XCLIENT_ONCE, RELAY_XCLIENT, ":XCLIENT");
	refuses_ipv6(FAKE_NO_XCLIENT, RELAY_XFORWARD, ":XFORWARD");
}

static void refuses_odd_names(enum fake_xclient x, enum relay_identity identity)
{
	static const struct fake_rule no = { "*=odd", FAKE_SAY, "501 5.5.4 Bad NAME syntax\r\n", 0, 0 };
	begin(x, identity, &no);
	assert_int_equal(rig_deliver(&g, "192.0.2.9", "u@example.test").code, 250);
	int conns = g.fake->conns;
	assert_int_equal(deliver_as("192.0.2.1", SLICE("odd.test"), SLICE("client.test")).code, 250);
	assert_int_equal(fake_seen(g.fake, "ADDR=192.0.2.1 "), 2);
	assert_int_equal(fake_seen(g.fake, "NAME=odd.test"), 1);
	assert_int_equal(fake_seen(g.fake, "HELO=[UNAVAILABLE]"), 1);
	assert_int_equal(g.fake->conns, conns + 1); /* what was half told serves nobody */
	assert_int_not_equal(g.fake->mails[1].conn, g.fake->mails[0].conn);
	assert_int_equal(deliver_as("192.0.2.2", SLICE("good.test"), SLICE("odd")).code, 250);
	assert_int_equal(fake_seen(g.fake, "ADDR=192.0.2.2 "), 2);
	/* with no names at all there is nothing to leave out: one try */
	fake_set_rule(g.fake, 0, (struct fake_rule){ "*=192.0.2.3 ", FAKE_SAY, "501 5.5.4 no\r\n", 0, 0 });
	assert_int_equal(deliver_as("192.0.2.3", SLICE(""), SLICE("")).code, 451);
	assert_int_equal(fake_seen(g.fake, "ADDR=192.0.2.3 "), 1);
	assert_int_equal(backend_state(), RELAY_UP);
	assert_int_equal(fake_mails(g.fake), 3);
	rig_stop(&g);
}

static void names_that_it_does_not_take(void **state)
{
	(void)state;
	refuses_odd_names(FAKE_XCLIENT_ANY, RELAY_XCLIENT);
	refuses_odd_names(FAKE_NO_XCLIENT, RELAY_XFORWARD);
}

/* Each code to a connection's first XCLIENT: of the command, of the values, of the client; and what answers nothing. */
static void what_a_refusal_speaks_of(void **state)
{
	(void)state;
	static const struct {
		const char *say;
		unsigned code;
		enum relay_state state;
	} CASES[] = {
		{ "500 5.5.2 unknown\r\n", 451, RELAY_UNHEALTHY },
		{ "502 5.5.1 not here\r\n", 451, RELAY_UNHEALTHY },
		{ "503 5.5.1 not now\r\n", 451, RELAY_UNHEALTHY },
		{ "550 5.7.0 not you\r\n", 451, RELAY_UNHEALTHY },
		{ "501 5.5.4 bad value\r\n", 451, RELAY_UP },
		{ "504 5.5.4 bad value\r\n", 451, RELAY_UP },
		{ "450 4.7.1 later\r\n", 450, RELAY_UP },
		{ "554 5.7.1 never\r\n", 554, RELAY_UP },
		{ "354 what\r\n", 451, RELAY_UP },
	};
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		struct fake_rule rule = { "XCLIENT", FAKE_SAY, CASES[i].say, 0, 0 };
		begin(FAKE_XCLIENT_ANY, RELAY_XCLIENT, &rule);
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		assert_int_equal(d.code, CASES[i].code);
		assert_int_equal(backend_state(), CASES[i].state);
		assert_int_equal(fake_seen(g.fake, ":MAIL"), 0);
		rig_stop(&g);
	}
}

/* The same on a connection that has served a client: only 500, 502, 503 and 550 mean that it serves no second one. */
static void a_second_xclient_refused(void **state)
{
	(void)state;
	static const char *const SAY[] = { "500 5.5.2 x\r\n", "503 5.5.1 x\r\n", "550 5.7.0 x\r\n", "501 5.5.4 x\r\n" };
	for (size_t i = 0; i < 4; i++) {
		begin(FAKE_XCLIENT_ANY, RELAY_XCLIENT, NULL);
		assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
		fake_set_rule(g.fake, 0, (struct fake_rule){ "XCLIENT", FAKE_SAY, SAY[i], 1, 0 });
		assert_int_equal(rig_deliver(&g, "192.0.2.2", "u@example.test").code, 250);
		assert_int_equal(backend_state(), RELAY_UP);
		assert_int_equal(reusable(), i == 3);
		assert_string_equal(g.fake->mails[1].client, "192.0.2.2");
		rig_stop(&g);
	}
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
		cmocka_unit_test(an_address_that_it_does_not_take),
		cmocka_unit_test(names_that_it_does_not_take),
		cmocka_unit_test(what_a_refusal_speaks_of),
		cmocka_unit_test(a_second_xclient_refused),
		cmocka_unit_test(xforward_goes_with_the_mail),
		cmocka_unit_test(hostile_names_add_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
