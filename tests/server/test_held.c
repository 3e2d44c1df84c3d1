/* server/held.h: one account for what sessions hold, on a worker that is turned by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/held.h"
#include "tests/server/rig.h"

#include <stdio.h>
#include <sys/socket.h>

enum { CLIENTS = 3 };

static const char MANY[] = "limits = { errors = 100000; junk_commands = 100000; recipients = 1000; };";

/* A mail with so many recipients that are not ours, 200 bytes each: kept for the journal. The last reply's code. */
static int name_recipients(struct client *c, int n)
{
	char line[256];
	int code = client_reply(c);
	if (code == 220 && client_cmd(c, "EHLO client.test\r\n") == 250)
		code = client_cmd(c, "MAIL FROM:<a@client.test>\r\n");
	for (int i = 0; i < n && code != 421 && code != 0; i++) {
		(void)snprintf(line, sizeof line, "RCPT TO:<%060d@%050d.%050d.test>\r\n", i, 1, 2);
		code = client_cmd(c, line);
	}
	return code;
}

static uint64_t held(struct rig *g)
{
	return atomic_load(&g->app.held);
}

static void an_ordinary_session_claims_nothing(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, MANY, NULL, 0);
	atomic_store(&g.app.held_max, 0);
	client_open(&c, &g, "192.0.2.1");
	assert_int_equal(name_recipients(&c, 20), 550);
	assert_int_equal(held(&g), 0);
	client_close(&c);
	rig_close(&g);
}

static void who_finds_it_empty_has_to_leave(void **state)
{
	(void)state;
	struct rig g;
	struct client c[CLIENTS];
	rig_open(&g, MANY, NULL, 0);
	atomic_store(&g.app.held_max, 300 * 1000);
	client_open(&c[0], &g, "192.0.2.1");
	assert_int_equal(name_recipients(&c[0], 500), 550);
	uint64_t first = held(&g);
	assert_in_range(first, 100 * 1000, 300 * 1000);
	client_open(&c[1], &g, "192.0.2.2");
	assert_int_equal(name_recipients(&c[1], 500), 421);
	assert_non_null(strstr(client_words(&c[1]), "4.3.1"));
	client_close(&c[1]);
	for (int i = 0; i < 100 && g.worker.sessions_open > 1; i++)
		rig_turn(&g, 1);
	assert_int_equal(held(&g), first);
	assert_true(rig_journaled(&g, "\"event\":\"session\"", "\"by\":\"limit\""));
	/* the end of a mail gives its part back, the end of a session the rest */
	assert_int_equal(client_cmd(&c[0], "RSET\r\n"), 250);
	assert_int_equal(held(&g), 0);
	client_close(&c[0]);
	rig_close(&g);
}

static void clients_known_good_go_over_it(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	rig_open(&g, MANY, NULL, 0);
	atomic_store(&g.app.held_max, 0);
	client_open(&c, &g, "192.0.2.1");
	rig_session(&g)->standing.known_good = true;
	assert_int_equal(name_recipients(&c, 500), 550);
	assert_in_range(held(&g), 100 * 1000, 300 * 1000);
	client_close(&c);
	for (int i = 0; i < 100 && g.worker.sessions_open; i++)
		rig_turn(&g, 1);
	assert_int_equal(held(&g), 0);
	rig_close(&g);
}

/* A client that asks and never reads: what the kernel's buffers do not take waits with us, up to 64 KB and what one
 * portion of commands is answered; then nothing more is read of it. */
static void replies_not_read_stop_the_input(void **state)
{
	(void)state;
	struct rig g;
	struct client c;
	char commands[6 * 512 + 1] = "";
	size_t pushed = 0;
	rig_open(&g, MANY, NULL, 0);
	client_open(&c, &g, "192.0.2.1");
	for (size_t i = 0; i < 512; i++)
		memcpy(commands + 6 * i, "VRFY\r\n", 7);
	for (int silent = 0; silent < 50;) {
		ssize_t n = send(c.fd, commands, sizeof commands - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		silent = n > 0 ? 0 : silent + 1;
		pushed += n > 0 ? (size_t)n : 0;
		rig_turn(&g, 0);
		assert_true(pushed < 16 << 20);
		assert_in_range(buf_len(&rig_session(&g)->conn.out), 0, 80 * 1024);
		assert_in_range(buf_len(&rig_session(&g)->in), 0, 4096);
	}
	assert_in_range(buf_len(&rig_session(&g)->conn.out), 64 * 1024, 80 * 1024);
	assert_in_range(held(&g), 48 * 1024, 256 * 1024);
	client_close(&c);
	for (int i = 0; i < 100 && g.worker.sessions_open; i++)
		rig_turn(&g, 1);
	rig_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ordinary_session_claims_nothing),
		cmocka_unit_test(who_finds_it_empty_has_to_leave),
		cmocka_unit_test(replies_not_read_stop_the_input),
		cmocka_unit_test(clients_known_good_go_over_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
