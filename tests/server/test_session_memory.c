/* Whole sessions whose memory ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/server/rig.h"

#include "base/mem.h"

#include <sys/socket.h>

/* A whole dialogue whose nth allocation fails (negative: none), whatever it is answered. How many were made. */
static long dialogue_without(struct rig *g, long n)
{
	static const char *const SAID[] = { "EHLO client.test\r\n", "MAIL FROM:<a@client.test>\r\n",
		"RCPT TO:<good@example.test>\r\n", "DATA\r\n", "Subject: x\r\n\r\nx\r\n.\r\n", "QUIT\r\n" };
	struct client c;
	(void)mem_fail_after(n);
	client_open(&c, g, "192.0.2.7");
	int code = client_reply(&c);
	for (size_t i = 0; code && i < sizeof SAID / sizeof SAID[0]; i++)
		code = client_cmd(&c, SAID[i]);
	assert_true(client_is_closed(&c)); /* not left to hang, whatever went wrong */
	long made = mem_fail_after(-1);
	client_close(&c);
	assert_int_equal(g->worker.sessions_open, 0);
	return made;
}

/* A relay that had no memory for its connection looks away from the backend for a moment: until that is over. */
static bool works_as_before(struct rig *g)
{
	int before = fake_mails(g->fake);
	for (int i = 0; i < 1000 && fake_mails(g->fake) == before; i++) {
		(void)dialogue_without(g, -1);
		rig_turn(g, 10);
	}
	return fake_mails(g->fake) > before;
}

static void memory_that_ends_anywhere_ends_one_session(void **state)
{
	(void)state;
	struct rig g;
	long n = 0;
	rig_open(&g, "", NULL, 0);
	while (n < 10000 && dialogue_without(&g, n) > n) {
		assert_true(works_as_before(&g));
		n++;
	}
	assert_in_range(n, 10, 9999);
	rig_close(&g);
}

/* The client ends its side while its mail is on its way, and there is no memory for the digests that would make its
 * retry wait: that looks at its connection as long as it is open. */
static void a_retry_waits_without_memory(void **state)
{
	(void)state;
	static const struct fake_rule SLOW = { ".", FAKE_SAY, "250 2.0.0 taken\r\n", 1, 300 };
	static const char ENVELOPE[] = "EHLO client.test\r\nMAIL FROM:<a@client.test>\r\n"
				       "RCPT TO:<good@example.test>\r\n";
	struct rig g;
	struct client c[2];
	rig_open(&g, "", &SLOW, 1);
	for (int i = 0; i < 2; i++) {
		client_open(&c[i], &g, "192.0.2.7");
		assert_int_equal(client_reply(&c[i]), 220);
		assert_int_equal(client_cmd(&c[i], ENVELOPE), 250);
		assert_int_equal(client_reply(&c[i]), 250);
		assert_int_equal(client_reply(&c[i]), 250);
		assert_int_equal(client_cmd(&c[i], "DATA\r\n"), 354);
	}
	client_say(&c[0], "Subject: x\r\n\r\nx\r\n.\r\n");
	for (int i = 0; i < 500 && !fake_seen(g.fake, ":.\n"); i++)
		rig_turn(&g, 10);
	assert_int_equal(shutdown(c[0].fd, SHUT_WR), 0);
	(void)mem_fail_after(0);
	rig_turn(&g, 10);
	(void)mem_fail_after(-1);
	client_say(&c[1], "Subject: x\r\n\r\nx\r\n.\r\n");
	for (int i = 0; i < 10; i++)
		rig_turn(&g, 10);
	assert_int_equal(fake_seen(g.fake, "DATA"), 1);
	assert_int_equal(client_reply(&c[0]), 250);
	assert_int_equal(client_reply(&c[1]), 250);
	for (int i = 0; i < 2; i++)
		client_close(&c[i]);
	rig_close(&g);
}

/* The block that is read into becomes the body's, and there is none for what comes next. A part of the body at a time,
 * each without the next piece of memory, until the server has something to say: what else the worker does may meet the
 * lack first, and what the kernel cuts in two is copied. */
static void starve(struct client *c, const char *part)
{
	enum { TIMES = 50 };
	struct pool *pool = &c->g->worker.stock.pool;
	void *held[TIMES * POOL_SLAB_BLOCKS];
	unsigned n = 0;
	char first;
	for (int i = 0; i < TIMES && recv(c->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) < 0; i++) {
		while (pool->free_n)
			held[n++] = pool_take(pool);
		(void)mem_fail_after(0);
		client_say(c, part);
	}
	(void)mem_fail_after(-1);
	while (n)
		pool_give(pool, held[--n]);
}

static void memory_that_ends_within_a_body_is_told(void **state)
{
	(void)state;
	static char much[40 * 1024 + 1];
	struct rig g;
	struct client c;
	rig_open(&g, "", NULL, 0);
	client_open(&c, &g, "192.0.2.7");
	assert_int_equal(client_reply(&c), 220);
	assert_int_equal(client_cmd(&c, "EHLO client.test\r\n"), 250);
	assert_int_equal(client_cmd(&c, "MAIL FROM:<a@client.test>\r\n"), 250);
	assert_int_equal(client_cmd(&c, "RCPT TO:<good@example.test>\r\n"), 250);
	assert_int_equal(client_cmd(&c, "DATA\r\n"), 354);
	for (size_t i = 0; i < sizeof much - 1; i++)
		much[i] = "0123456789\r\n"[i % 12];
	starve(&c, much);
	assert_int_equal(client_reply(&c), 421);
	assert_true(client_is_closed(&c));
	client_close(&c);
	assert_int_equal(atomic_load(&g.app.spool.memory), 0);
	assert_true(rig_journaled(&g, "\"by\":\"limit\"", "Out of memory"));
	rig_close(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(memory_that_ends_anywhere_ends_one_session),
		cmocka_unit_test(a_retry_waits_without_memory),
		cmocka_unit_test(memory_that_ends_within_a_body_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
