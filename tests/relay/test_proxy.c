/* relay.identity = "proxy": each connection is opened for one client. */
#include "base/clock.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;

static void begin(const struct fake_rule *rule)
{
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, rule, rule ? 1 : 0));
	g.fake->proxy = true;
	g.config.identity = RELAY_PROXY;
	g.config.domains_n = 0; /* the backend knows the client */
	rig_start(&g);
	rig_run(&g, 50);
}

static struct relay_done deliver(struct relay_client c)
{
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", "u@example.test", "x\r\n");
	m->client = c;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	return rig_wait(&g, m->ticket);
}

static enum relay_state state_of(void)
{
	struct relay_backend_info info;
	relay_shared_info(g.shared, clock_mono_ms(), &info, 1);
	return info.state;
}

static void the_backends_check_names_nobody(void **state)
{
	(void)state;
	begin(NULL);
	assert_int_equal(state_of(), RELAY_UP);
	assert_int_equal(fake_seen(g.fake, "PROXY LOCAL"), 1);
	assert_int_equal(fake_seen(g.fake, "1:EHLO mx.test"), 1);
	assert_int_equal(fake_seen(g.fake, "1:QUIT"), 1);
	rig_stop(&g);
}

static void a_connection_is_of_one_client(void **state)
{
	(void)state;
	begin(NULL);
	struct relay_done d = rig_check(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 250);
	/* the mail comes behind its question */
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	assert_int_equal(g.fake->conns, 2);
	assert_int_equal(fake_seen(g.fake, "2:PROXY 192.0.2.1 4321 0.0.0.0 0 [] [] []"), 1);
	assert_int_equal(fake_seen(g.fake, "2:EHLO client.test"), 1);
	assert_int_equal(rig_deliver(&g, "192.0.2.2", "u@example.test").code, 250);
	assert_int_equal(rig_deliver(&g, "2001:db8::7", "u@example.test").code, 250);
	assert_int_equal(g.fake->conns, 4);
	assert_string_equal(g.fake->mails[0].client, "192.0.2.1");
	assert_string_equal(g.fake->mails[1].client, "192.0.2.2");
	assert_string_equal(g.fake->mails[2].client, "2001:db8::7");
	assert_int_equal(fake_seen(g.fake, "PROXY 2001:db8::7 4321 :: 0"), 1);
	rig_stop(&g);
}

static void what_is_known_of_the_connection(void **state)
{
	(void)state;
	begin(NULL);
	struct relay_client c = rig_client("192.0.2.1");
	c.session = SLICE("SESSION1");
	c.tls_version = SLICE("TLSv1.3");
	c.tls_cipher = SLICE("X");
	c.server_name = SLICE("mx.test");
	c.dest_port = 25;
	assert_true(ip_parse(SLICE("198.51.100.1"), &c.dest));
	assert_int_equal(deliver(c).code, 250);
	assert_int_equal(
		fake_seen(g.fake, "2:PROXY 192.0.2.1 4321 198.51.100.1 25 [SESSION1] [TLSv1.3] [mx.test]"), 1);
	assert_int_equal(deliver(c).code, 250);
	assert_int_equal(g.fake->conns, 2);
	/* another session of the same client, or another HELO: other words in the backend's log */
	c.session = SLICE("SESSION2");
	assert_int_equal(deliver(c).code, 250);
	assert_int_equal(g.fake->conns, 3);
	c.helo = SLICE("other.test");
	assert_int_equal(deliver(c).code, 250);
	assert_int_equal(fake_seen(g.fake, "4:EHLO other.test"), 1);
	/* where XCLIENT named the client its destination may be of another family: its own form counts */
	assert_true(ip_parse(SLICE("2001:db8::1"), &c.dest));
	c.session = SLICE("SESSION3");
	assert_int_equal(deliver(c).code, 250);
	assert_int_equal(fake_seen(g.fake, "5:PROXY 192.0.2.1 4321 0.0.0.0 25"), 1);
	rig_stop(&g);
}

/* More clients than connections: those that others left idle give way, and none is opened twice for one. */
static void clients_wait_for_a_permit(void **state)
{
	(void)state;
	begin(&(struct fake_rule){ "MAIL", FAKE_SAY, "250 ok\r\n", .delay_ms = 20 });
	uint64_t tickets[12];
	for (int i = 0; i < 12; i++) {
		char ip[24];
		snprintf(ip, sizeof ip, "192.0.2.%d", i + 1);
		struct relay_mail *m = rig_mail(&g, ip, "from@a.test", "u@example.test", "x\r\n");
		tickets[i] = m->ticket;
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	}
	int taken = 0;
	for (uint64_t end = clock_mono_ms() + 10000; taken < 12 && clock_mono_ms() < end; rig_turn(&g, 20))
		for (struct relay_done d; rig_pop(&g, &d); taken++)
			assert_true(d.ticket >= tickets[0] && d.ticket <= tickets[11]);
	assert_int_equal(taken, 12);
	assert_true(g.fake->most_open <= 5);
	assert_int_equal(g.fake->conns, 13);
	rig_stop(&g);
}

/* What the backend thinks of a client is told to it, and costs the others nothing. */
static void a_client_that_is_turned_away(void **state)
{
	(void)state;
	begin(NULL);
	static const struct {
		struct fake_rule rule;
		unsigned code;
	} cases[] = {
		{ { "GREETING", FAKE_SAY_AND_CLOSE, "554 5.7.1 go away\r\n", .times = 1 }, 554 },
		{ { "GREETING", FAKE_SAY_AND_CLOSE, "421 4.7.0 too many of you\r\n", .times = 1 }, 421 },
		{ { "*HLO client", FAKE_SAY, "404 4.5.2 what a name\r\n", .times = 1 }, 404 },
		{ { "PROXY 192.0.2.9", FAKE_CLOSE, .times = 2 }, 451 },
		{ { "EHLO client", FAKE_SAY, "hello there\r\n", .times = 2 }, 451 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		fake_set_rule(g.fake, 0, cases[i].rule);
		assert_int_equal(rig_deliver(&g, "192.0.2.9", "u@example.test").code, cases[i].code);
		assert_int_equal(state_of(), RELAY_UP);
		assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	}
	rig_stop(&g);
}

/* A lost connection is tried once more, as everywhere. */
static void hung_up_once(void **state)
{
	(void)state;
	begin(NULL);
	fake_set_rule(g.fake, 0, (struct fake_rule){ "PROXY 192.0.2.9", FAKE_CLOSE, .times = 1 });
	assert_int_equal(rig_deliver(&g, "192.0.2.9", "u@example.test").code, 250);
	rig_stop(&g);
}

static void a_backend_that_goes_and_comes(void **state)
{
	(void)state;
	begin(NULL);
	fake_down(g.fake, true);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	assert_int_equal(d.code, 451);
	assert_memory_equal(d.text, "4.3.2", 5);
	fake_down(g.fake, false);
	for (int i = 0; i < 70 && state_of() != RELAY_UP; i++)
		rig_run(&g, 100);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	rig_stop(&g);
}

/* No client is named to a backend that has not shown that it understands. */
static void a_backend_that_wants_no_header(void **state)
{
	(void)state;
	static const struct fake_rule rules[] = {
		{ "GREETING", FAKE_SAY, "220 fake ESMTP\r\n", .times = 0 },
		{ "", FAKE_SAY, "500 5.5.2 Error: bad syntax\r\n", .times = 0 },
	};
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, rules, 2));
	g.config.identity = RELAY_PROXY;
	rig_start(&g);
	rig_run(&g, 50);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 451);
	assert_int_equal(state_of(), RELAY_DOWN);
	assert_int_equal(fake_mails(g.fake), 0);
	rig_stop(&g);
}

/* Its client goes while the connection is opened: that goes, too. */
static void given_up_on_the_way(void **state)
{
	(void)state;
	begin(NULL);
	fake_set_rule(g.fake, 0, (struct fake_rule){ "GREETING", FAKE_SILENT, .times = 0 });
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", "u@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	rig_run(&g, 50);
	assert_int_equal(g.fake->open, 1);
	relay_cancel(g.relay, m->ticket, clock_mono_ms());
	rig_run(&g, 50);
	assert_int_equal(g.fake->open, 0);
	assert_true(relay_is_idle(g.relay));
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_backends_check_names_nobody),
		cmocka_unit_test(a_connection_is_of_one_client),
		cmocka_unit_test(what_is_known_of_the_connection),
		cmocka_unit_test(clients_wait_for_a_permit),
		cmocka_unit_test(a_client_that_is_turned_away),
		cmocka_unit_test(hung_up_once),
		cmocka_unit_test(a_backend_that_goes_and_comes),
		cmocka_unit_test(a_backend_that_wants_no_header),
		cmocka_unit_test(given_up_on_the_way),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
