/* Time limits, with the clock moved by the test, and memory that runs out. */
#include "base/clock.h"
#include "base/mem.h"
#include "tests/relay/rig.h"

#include <arpa/inet.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;

static void begin(const char *on, enum fake_act act, unsigned connections)
{
	struct fake_rule rule = { on, act, NULL, 0, 0 };
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, &rule, 1));
	g.config.connections = connections;
	rig_start(&g);
	rig_run(&g, 40);
}

static void expect(uint64_t ticket, unsigned code, const char *text)
{
	struct relay_done d;
	assert_true(rig_pop(&g, &d));
	assert_int_equal(d.ticket, ticket);
	assert_int_equal(d.from, RELAY_FROM_US);
	assert_int_equal(d.code, code);
	assert_true(slice_starts(slice_of(d.text, d.text_n), slice_str(text)));
}

static void a_question_waits_20_seconds(void **state)
{
	(void)state;
	begin("RCPT", FAKE_STALL, 4);
	struct relay_done d;
	bool known;
	uint64_t now = clock_mono_ms(), first = rig_ask(&g, "192.0.2.1", "u@example.test", &d, &known);
	uint64_t second =
		rig_ask(&g, "192.0.2.2", "v@example.test", &d, &known); /* waits: one question at once with 4 */
	uint64_t third = rig_ask(&g, "192.0.2.3", "u@example.test", &d, &known); /* hangs on the first */
	rig_run(&g, 30);
	relay_on_time(g.relay, now + 19000);
	assert_false(rig_pop(&g, &d));
	relay_on_time(g.relay, now + 20200);
	unsigned heard = 0;
	while (rig_pop(&g, &d)) {
		assert_int_equal(d.code, 451);
		assert_true(slice_starts(slice_of(d.text, d.text_n), SLICE("4.3.2")));
		heard |= (d.ticket == first ? 1u : 0u) | (d.ticket == second ? 2u : 0u) | (d.ticket == third ? 4u : 0u);
	}
	assert_int_equal(heard, 7);
	rig_stop(&g);
}

static void a_mail_waits_4_minutes(void **state)
{
	(void)state;
	begin("MAIL", FAKE_STALL, 1);
	struct relay_mail *a = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	struct relay_mail *b = rig_mail(&g, "192.0.2.2", "a@b.test", "u@example.test", "x\r\n");
	uint64_t now = clock_mono_ms();
	assert_true(relay_deliver(g.relay, a, now));
	assert_true(relay_deliver(g.relay, b, now + 1000)); /* no connection comes free for it */
	rig_run(&g, 30);
	relay_on_time(g.relay, now + 240100);
	expect(a->ticket, 451, "4.4.2");
	relay_on_time(g.relay, now + 241200);
	expect(b->ticket, 451, "4.3.2");
	rig_stop(&g);
}

/* What the rules made it wait is part of it. */
static void the_4_minutes_begin_with_the_clients_dot(void **state)
{
	(void)state;
	begin("MAIL", FAKE_STALL, 1);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	uint64_t now = clock_mono_ms();
	struct relay_done d;
	m->dot_ms = now - 100000;
	assert_true(relay_deliver(g.relay, m, now));
	rig_run(&g, 30);
	relay_on_time(g.relay, now + 139000);
	assert_false(rig_pop(&g, &d));
	relay_on_time(g.relay, now + 140100);
	expect(m->ticket, 451, "4.4.2");
	rig_stop(&g);
}

/* RFC 5321 4.5.3.2.4: 2 minutes for the reply to DATA; then another connection has the mail, once. */
static void data_has_2_minutes(void **state)
{
	(void)state;
	begin("DATA", FAKE_STALL, 4);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test,v@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, rig_now(&g)));
	rig_run(&g, 50);
	assert_int_equal(fake_seen(g.fake, "DATA"), 1);
	rig_pass(&g, 119000);
	assert_int_equal(g.fake->open, 1);
	fake_set_rule(g.fake, 0, (struct fake_rule){ 0 });
	rig_pass(&g, 2000);
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	assert_int_equal(fake_mails(g.fake), 1);
	assert_int_equal(fake_seen(g.fake, "DATA"), 2);
	rig_stop(&g);
}

/* RFC 5321 4.5.3.2.5: 3 minutes for each block of the body that the backend does not take. */
static void a_block_of_the_body_has_3_minutes(void **state)
{
	(void)state;
	static char body[8 * 1024 * 1024];
	for (size_t i = 0; i < sizeof body; i += 64) {
		memset(body + i, 'x', 62);
		memcpy(body + i + 62, "\r\n", 2);
	}
	begin("BODY", FAKE_STALL, 4);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "");
	struct rope_block whole = { .bytes = slice_of(body, sizeof body) };
	m->body.mem = &whole;
	assert_true(relay_deliver(g.relay, m, rig_now(&g)));
	rig_run(&g, 200);
	rig_pass(&g, 178000);
	assert_int_equal(g.fake->conns, 1);
	fake_set_rule(g.fake, 0, (struct fake_rule){ 0 });
	rig_pass(&g, 4000);
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	assert_int_equal(g.fake->conns, 2);
	assert_int_equal(fake_mails(g.fake), 1);
	rig_stop(&g);
}

/* A port whose queue of connections is full does not answer at all. */
static void connecting_has_30_seconds(void **state)
{
	(void)state;
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof sa;
	int fd = socket(AF_INET, SOCK_STREAM, 0), full[4];
	assert_int_equal(bind(fd, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(fd, 0), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	for (int i = 0; i < 4; i++) {
		full[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		assert_true(connect(full[i], (struct sockaddr *)&sa, sizeof sa) == 0 || errno == EINPROGRESS);
	}
	rig_init(&g, NULL);
	rig_add_backend(&g, ntohs(sa.sin_port));
	rig_start(&g);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	uint64_t now = clock_mono_ms();
	struct relay_done d;
	assert_true(relay_deliver(g.relay, m, now));
	rig_run(&g, 30);
	relay_on_time(g.relay, now + 29000);
	assert_false(rig_pop(&g, &d));
	relay_on_time(g.relay, now + 31000);
	expect(m->ticket, 451, "4.3.2");
	rig_stop(&g);
	for (int i = 0; i < 4; i++)
		close(full[i]);
	close(fd);
}

static void after_the_dot_it_is_10_minutes(void **state)
{
	(void)state;
	begin(".", FAKE_STALL, 4);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	uint64_t now = clock_mono_ms();
	struct relay_done d;
	assert_true(relay_deliver(g.relay, m, now));
	rig_run(&g, 30);
	relay_on_time(g.relay, now + 590000);
	assert_false(rig_pop(&g, &d));
	relay_on_time(g.relay, now + 601000);
	assert_true(rig_pop(&g, &d));
	assert_int_equal(d.code, 451);
	assert_true(d.doubtful);
	rig_stop(&g);
}

static void idle_connections_end(void **state)
{
	(void)state;
	begin("NOTHING", FAKE_SAY, 4);
	rig_deliver(&g, "192.0.2.1", "u@example.test");
	relay_on_time(g.relay, clock_mono_ms() + 60100);
	rig_run(&g, 30);
	assert_int_equal(fake_seen(g.fake, "QUIT"), 1);
	assert_int_equal(g.fake->open, 0);
	rig_stop(&g);
}

/* Whichever allocation fails: a question is answered or refused, a mail is never said to be taken when it was not, and
 * the next one works. */
static void memory_that_runs_out(void **state)
{
	(void)state;
	begin("RCPT TO:<bad", FAKE_SAY_AND_CLOSE, 4);
	fake_set_rule(g.fake, 0, (struct fake_rule){ .on = NULL });
	for (long n = 0; n < 25; n++) {
		struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test,v@example.test", "x\r\n");
		char rcpt[40];
		snprintf(rcpt, sizeof rcpt, "n%ld@example.test", n);
		int before = fake_mails(g.fake);
		fake_drop_all(g.fake); /* so that a connection must be made, too */
		mem_fail_after(n);
		bool taken = relay_deliver(g.relay, m, clock_mono_ms());
		struct relay_done d = { 0 };
		if (taken)
			d = rig_wait(&g, m->ticket);
		mem_fail_after(-1);
		assert_int_equal(fake_mails(g.fake) - before, d.code == 250);
		assert_true(!taken || d.code == 250 || d.code == 451);
		mem_fail_after(n);
		d = rig_check(&g, "192.0.2.1", rcpt);
		mem_fail_after(-1);
		assert_true(d.code == 250 || d.code == 451);
		rig_run(&g, 1);
	}
	relay_on_time(g.relay, clock_mono_ms());
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_question_waits_20_seconds),
		cmocka_unit_test(a_mail_waits_4_minutes),
		cmocka_unit_test(the_4_minutes_begin_with_the_clients_dot),
		cmocka_unit_test(data_has_2_minutes),
		cmocka_unit_test(a_block_of_the_body_has_3_minutes),
		cmocka_unit_test(connecting_has_30_seconds),
		cmocka_unit_test(after_the_dot_it_is_10_minutes),
		cmocka_unit_test(idle_connections_end),
		cmocka_unit_test(memory_that_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
