/* server/session.h: STARTTLS that is never finished, broken off or abused, on a worker that is turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/net/certs.h"
#include "tests/server/rig.h"

#include <stdio.h>
#include <sys/socket.h>

static struct certs certs;
static char with_tls[512];

static int make_certs(void **state)
{
	(void)state;
	if (!certs_make(&certs))
		return -1;
	(void)snprintf(with_tls, sizeof with_tls, "tls = { certificates = ( { cert = \"%s\"; key = \"%s\"; } ); };\n",
		certs.of[0].cert, certs.of[0].key);
	return 0;
}

static int remove_certs(void **state)
{
	(void)state;
	certs_remove(&certs);
	return 0;
}

/* A client that has heard 220 to its STARTTLS. */
static void in_a_handshake(struct client *c, struct rig *g)
{
	rig_open(g, with_tls, NULL, 0);
	client_open(c, g, "192.0.2.7");
	assert_int_equal(client_reply(c), 220);
	assert_int_equal(client_cmd(c, "EHLO client.test\r\n"), 250);
	assert_int_equal(client_cmd(c, "STARTTLS\r\n"), 220);
	assert_int_equal(rig_session(g)->awaiting, AWAIT_TLS);
}

static void it_has_one_deadline_for_all(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	in_a_handshake(&c, &g);
	rig_pass(&g, rig_session(&g), 11000);
	assert_int_equal(g.worker.sessions_open, 1);
	client_say(&c, "\x16\x03\x01"); /* a byte now and then does not put it off */
	rig_pass(&g, rig_session(&g), 2000);
	assert_int_equal(g.worker.sessions_open, 1);
	rig_pass(&g, rig_session(&g), 2100);
	assert_true(client_is_closed(&c));
	client_close(&c);
	assert_int_equal(stat_get(&g.worker.stats, STAT_TLS_FAILED), 1);
	assert_true(rig_journaled(&g, "\"event\":\"session\"", "handshake took too long"));
	rig_close(&g);
}

static void what_is_no_handshake_ends_it(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	in_a_handshake(&c, &g);
	client_say(&c, "MAIL FROM:<a@client.test>\r\n");
	assert_true(client_is_closed(&c));
	client_close(&c);
	assert_int_equal(stat_get(&g.worker.stats, STAT_TLS_FAILED), 1);
	assert_true(rig_journaled(&g, "\"event\":\"session\"", "\"by\":\"tls\""));
	rig_close(&g);
}

static void a_client_that_leaves_it(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	in_a_handshake(&c, &g);
	client_say(&c, "\x16\x03\x01");
	client_close(&c);
	for (int i = 0; i < 100 && g.worker.sessions_open; i++)
		rig_turn(&g, 1);
	assert_int_equal(g.worker.sessions_open, 0);
	rig_close(&g);
}

static void a_drain_ends_it(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	in_a_handshake(&c, &g);
	worker_drain(&g.worker);
	rig_turn(&g, 0);
	assert_true(client_is_closed(&c));
	client_close(&c);
	rig_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_has_one_deadline_for_all),
		cmocka_unit_test(what_is_no_handshake_ends_it),
		cmocka_unit_test(a_client_that_leaves_it),
		cmocka_unit_test(a_drain_ends_it),
	};
	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
