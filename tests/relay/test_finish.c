/* Second tries: who gets one, who does not, and what is left when memory or the backend is gone by then. */
#include "base/clock.h"
#include "base/mem.h"
#include "tests/base/cmocka_setup.h"
#include "tests/relay/rig.h"

static struct rig g;

static void begin(enum fake_xclient x, unsigned connections)
{
	rig_init(&g, fake_start(x, NULL, 0));
	g.config.connections = connections;
	g.config.identity = x == FAKE_NO_XCLIENT ? RELAY_NONE : RELAY_XCLIENT;
	rig_start(&g);
	rig_run(&g, 30);
}

static void await_seen(const char *text, int times)
{
	for (uint64_t end = clock_mono_ms() + 10000; fake_seen(g.fake, text) < times && clock_mono_ms() < end;)
		rig_turn(&g, 5);
	assert_int_equal(fake_seen(g.fake, text), times);
}

static void answered(struct relay_done d, unsigned code, const char *text)
{
	if (d.code != code || !slice_starts(slice_of(d.text, d.text_n), slice_str(text)))
		fail_msg("answer is %u %.*s", d.code, d.text_n, d.text);
}

static uint64_t ask(const char *client)
{
	struct relay_done d;
	bool known;
	uint64_t ticket = rig_ask(&g, client, "u@example.test", &d, &known);
	assert_false(known);
	return ticket;
}

/* How a connection ends under a question, some time after this was said. */
static const struct {
	enum fake_xclient x;
	const char *said;
	enum fake_act act;
	const char *reply;
} ENDS[] = {
	{ FAKE_NO_XCLIENT, "MAIL", FAKE_CLOSE, NULL }, /* it had rested: stale */
	{ FAKE_NO_XCLIENT, "RCPT", FAKE_CLOSE, NULL }, /* it was heard */
	{ FAKE_XCLIENT_ANY, "XCLIENT", FAKE_SAY, "501 5.5.4 a name\r\n" },
};

static void a_forsaken_question_is_not_asked_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
		begin(ENDS[i].x, 4);
		assert_int_equal(rig_check(&g, "192.0.2.1", "before@example.test").code, 250);
		int before = fake_seen(g.fake, ENDS[i].said);
		fake_set_rule(g.fake, 0, RULE(ENDS[i].said, ENDS[i].act, ENDS[i].reply, 1, FAKE_HELD));
		uint64_t ticket = ask("192.0.2.2");
		await_seen(ENDS[i].said, before + 1);
		relay_cancel(g.relay, ticket, rig_now(&g));
		fake_let_go(g.fake);
		rig_run(&g, 50);
		struct relay_done d;
		assert_false(rig_pop(&g, &d));
		assert_int_equal(fake_seen(g.fake, ENDS[i].said), before + 1);
		assert_int_equal(fake_seen(g.fake, "RCPT TO:<u@"), i == 1);
		assert_int_equal(rig_check(&g, "192.0.2.2", "u@example.test").code, 250);
		rig_stop(&g);
	}
}

static void while_others_wait_for_it_it_is_once(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof ENDS / sizeof ENDS[0]; i++) {
		begin(ENDS[i].x, 4);
		assert_int_equal(rig_check(&g, "192.0.2.1", "before@example.test").code, 250);
		int before = fake_seen(g.fake, ENDS[i].said);
		fake_set_rule(g.fake, 0, RULE(ENDS[i].said, ENDS[i].act, ENDS[i].reply, 1, FAKE_HELD));
		uint64_t ticket = ask("192.0.2.2"), second = ask("192.0.2.3"), third = ask("192.0.2.4");
		await_seen(ENDS[i].said, before + 1);
		relay_cancel(g.relay, ticket, rig_now(&g));
		fake_let_go(g.fake);
		struct relay_done d;
		for (int heard = 0; heard < 2; rig_turn(&g, 20))
			for (; rig_pop(&g, &d); heard++) {
				assert_true(d.ticket == second || d.ticket == third);
				answered(d, 250, "");
			}
		assert_int_equal(fake_seen(g.fake, ENDS[i].said), before + 2);
		rig_stop(&g);
	}
}

/* Four connections have carried a mail and rest. All are closed by now, as it turns out: three cost no try, the fourth
 * does, and what comes after goes out on a new one, once. */
static void more_stale_connections_than_cost_nothing(void **state)
{
	(void)state;
	for (int lost = 4; lost <= 5; lost++) {
		begin(FAKE_NO_XCLIENT, 4);
		fake_set_rule(g.fake, 0, RULE("DATA", FAKE_SAY, "450 4.0.0 later\r\n", 4, FAKE_HELD));
		for (int i = 0; i < 4; i++) {
			struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
			assert_true(relay_deliver(g.relay, m, rig_now(&g)));
		}
		await_seen("DATA", 4);
		fake_let_go(g.fake);
		struct relay_done d;
		for (int heard = 0; heard < 4; rig_turn(&g, 20))
			for (; rig_pop(&g, &d); heard++)
				answered(d, 450, "4.0.0 later");
		rig_run(&g, 50);
		assert_int_equal(g.fake->open, 4);
		fake_set_rule(g.fake, 0, RULE("MAIL", FAKE_CLOSE, NULL, lost, 0));
		d = rig_deliver(&g, "192.0.2.1", "u@example.test");
		if (lost == 4)
			answered(d, 250, "");
		else
			answered(d, 451, "4.4.2 Connection to the mail system lost");
		assert_int_equal(fake_seen(g.fake, "MAIL"), 4 + 5);
		assert_int_equal(g.fake->conns, 5);
		rig_stop(&g);
	}
}

/* Lost before the dot, and by the second try there is nobody: the words say what happened to this mail. */
static void lost_and_then_unreachable(void **state)
{
	(void)state;
	begin(FAKE_NO_XCLIENT, 4);
	fake_set_rule(g.fake, 0, RULE("MAIL", FAKE_STALL, NULL, 0, 0));
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
	assert_true(relay_deliver(g.relay, m, rig_now(&g)));
	await_seen("MAIL", 1);
	fake_down(g.fake, true);
	answered(rig_wait(&g, m->ticket), 451, "4.4.2 Connection to the mail system lost");
	answered(rig_deliver(&g, "192.0.2.1", "u@example.test"), 451, "4.3.2 Mail system not reachable");
	rig_stop(&g);
}

static void no_memory_for_a_second_try(void **state)
{
	(void)state;
	int out = 0;
	for (long n = 0; n < 4; n++) {
		begin(FAKE_NO_XCLIENT, 1);
		fake_set_rule(g.fake, 0, RULE("MAIL", FAKE_STALL, NULL, 1, 0));
		struct relay_mail *first = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", "x\r\n");
		struct relay_mail *second = rig_mail(&g, "192.0.2.2", "a@b.test", "u@example.test", "x\r\n");
		assert_true(relay_deliver(g.relay, first, rig_now(&g)));
		await_seen("MAIL", 1);
		/* this one has the place in the queue that the first had */
		assert_true(relay_deliver(g.relay, second, rig_now(&g)));
		mem_fail_after(n);
		fake_drop_all(g.fake);
		struct relay_done d[2] = { 0 }, got;
		for (int heard = 0; heard < 2; rig_turn(&g, 20))
			for (; rig_pop(&g, &got); heard++)
				d[got.ticket == second->ticket] = got;
		mem_fail_after(-1);
		assert_int_equal(fake_mails(g.fake), (d[0].code == 250) + (d[1].code == 250));
		assert_true(d[0].code == 250 || d[0].code == 451);
		assert_true(d[1].code == 250 || d[1].code == 451);
		assert_false(d[0].doubtful);
		out += slice_starts(slice_of(d[0].text, d[0].text_n), SLICE("4.3.0 Out of memory"));
		rig_stop(&g);
	}
	assert_true(out > 0);
}

/* Three wait for one answer, which is not for all: each must ask for himself, and one finds no memory for that. */
static void no_memory_to_ask_for_oneself(void **state)
{
	(void)state;
	int out = 0;
	for (long n = 0; n < 4; n++) {
		begin(FAKE_NO_XCLIENT, 16);
		fake_set_rule(g.fake, 0, RULE("RCPT", FAKE_SAY, "554 5.7.1 not you\r\n", 1, FAKE_HELD));
		ask("192.0.2.1");
		ask("192.0.2.2");
		ask("192.0.2.3");
		await_seen("RCPT", 1);
		mem_fail_after(n);
		fake_let_go(g.fake);
		int refused = 0, without = 0;
		struct relay_done d;
		for (int heard = 0; heard < 3; rig_turn(&g, 20))
			for (; rig_pop(&g, &d); heard++) {
				refused += d.code == 554;
				without += d.code == 451;
				assert_true(d.code == 554 || d.code == 250 || d.code == 451);
				if (d.code == 451)
					out += slice_starts(slice_of(d.text, d.text_n), SLICE("4.3.0 Out of memory"));
			}
		mem_fail_after(-1);
		assert_true(refused <= 1 && without <= 1);
		rig_stop(&g);
	}
	assert_true(out > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_forsaken_question_is_not_asked_again),
		cmocka_unit_test(while_others_wait_for_it_it_is_once),
		cmocka_unit_test(more_stale_connections_than_cost_nothing),
		cmocka_unit_test(lost_and_then_unreachable),
		cmocka_unit_test(no_memory_for_a_second_try),
		cmocka_unit_test(no_memory_to_ask_for_oneself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
