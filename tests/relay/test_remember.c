/* Partial deliveries and lost replies: what the retry gets, over restarts too. */
#include "base/clock.h"
#include "base/mem.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;
static char folder[64], state_path[128];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/relay-remember-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(state_path, sizeof state_path, "%s/relay.state", folder);
	return 0;
}

static int drop_folder(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void begin(bool lmtp, struct fake_rule rule)
{
	struct fake *f = fake_start(FAKE_NO_XCLIENT, &rule, rule.on ? 1 : 0);
	f->lmtp = lmtp;
	rig_init(&g, f);
	g.state = state_path;
	rig_start(&g);
}

/* A new process, as far as the relay is concerned; the backend stays. */
static void restart(void)
{
	struct fake *f = g.fake;
	g.fake = NULL;
	rig_stop(&g);
	rig_init(&g, f);
	g.state = state_path;
	rig_start(&g);
}

static const char THREE[] = "a@example.test,b@example.test,c@example.test";

static void lmtp_in_good_order(void **state)
{
	(void)state;
	begin(true, NO_RULE);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", THREE);
	assert_int_equal(d.code, 250);
	assert_int_equal(d.from, RELAY_FROM_BACKEND);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test").code, 250);
	assert_int_equal(fake_mails_for(g.fake, "<a@"), 2);
	assert_int_equal(fake_seen(g.fake, "LHLO"), 1);
	assert_int_equal(rig_check(&g, "192.0.2.1", "d@example.test").code, 250);
	rig_stop(&g);
}

static void the_retry_gets_what_is_missing(void **state)
{
	(void)state;
	for (int restarted = 0; restarted < 2; restarted++) {
		begin(true, RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, 0));
		struct relay_done d = rig_deliver(&g, "192.0.2.1", THREE);
		assert_int_equal(d.code, 451);
		assert_int_equal(d.from, RELAY_FROM_US);
		assert_int_equal(d.failed_rcpt, 1);
		assert_false(d.doubtful);
		assert_int_equal(fake_mails_for(g.fake, "<b@"), 0);
		if (restarted)
			restart();
		d = rig_deliver(&g, "192.0.2.1", THREE);
		assert_int_equal(d.code, 250);
		rig_assert_each_once(&g);
		if (restarted)
			restart();
		/* what was remembered has served: the same again is a new mail */
		assert_int_equal(rig_deliver(&g, "192.0.2.1", THREE).code, 250);
		assert_int_equal(fake_mails_for(g.fake, "<a@"), 2);
		rig_stop(&g);
	}
}

/* It was taken at RCPT and refused for good behind the dot: the retry asks at RCPT. */
static void a_refused_recipient_is_asked_for_again(void **state)
{
	(void)state;
	begin(true, RULE(".<b", FAKE_SAY, "550 5.2.1 disabled\r\n", 0, 0));
	assert_int_equal(rig_check(&g, "192.0.2.1", "b@example.test").code, 250);
	assert_true(rig_check(&g, "192.0.2.1", "b@example.test").cached);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", THREE).code, 451);
	fake_set_rule(g.fake, 1, RULE("RCPT TO:<b", FAKE_SAY, "550 5.2.1 disabled\r\n", 0, 0));
	assert_int_equal(rig_check(&g, "192.0.2.1", "b@example.test").code, 550);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test,c@example.test").code, 250);
	assert_int_equal(fake_mails_for(g.fake, "<a@"), 1);
	assert_int_equal(fake_mails_for(g.fake, "<b@"), 0);
	assert_int_equal(fake_mails_for(g.fake, "<c@"), 1);
	rig_stop(&g);
}

static void refused_for_all_is_a_plain_refusal(void **state)
{
	(void)state;
	begin(true, RULE(".<", FAKE_SAY, "550 5.7.1 no\r\n", 0, 0));
	struct relay_done d = rig_deliver(&g, "192.0.2.1", THREE);
	assert_int_equal(d.code, 550);
	assert_int_equal(d.from, RELAY_FROM_BACKEND);
	fake_set_rule(g.fake, 0, RULE(".<c", FAKE_SAY, "452 4.2.2 full\r\n", 0, 0));
	fake_set_rule(g.fake, 1, RULE(".<", FAKE_SAY, "550 5.7.1 no\r\n", 0, 0));
	d = rig_deliver(&g, "192.0.2.1", THREE);
	assert_int_equal(d.code, 452); /* the mildest stands for all */
	assert_int_equal(d.failed_rcpt, 2);
	assert_int_equal(fake_mails(g.fake), 0);
	rig_stop(&g);
}

static void lost_between_two_replies(void **state)
{
	(void)state;
	begin(true, RULE(".<b", FAKE_CLOSE, NULL, 1, 0));
	struct relay_done d = rig_deliver(&g, "192.0.2.1", THREE);
	assert_int_equal(d.code, 451);
	assert_true(d.doubtful); /* of b and c nothing is known */
	assert_int_equal(rig_deliver(&g, "192.0.2.1", THREE).code, 250);
	rig_assert_each_once(&g);
	fake_set_rule(g.fake, 0, RULE(".<b", FAKE_SAY, "354 what\r\n", 1, 0));
	assert_true(rig_deliver(&g, "192.0.2.2", THREE).doubtful);
	rig_stop(&g);
}

/* The client has gone while the backend thought; its mail was taken, so it must not be sent again. */
static void a_reply_that_nobody_heard(void **state)
{
	(void)state;
	for (int lmtp = 0; lmtp < 2; lmtp++) {
		begin(lmtp, RULE(lmtp ? ".<a" : ".", FAKE_SAY, "250 2.0.0 taken\r\n", 1, FAKE_HELD));
		struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "Subject: x\r\n\r\nlost\r\n");
		struct relay_mail again = *m;
		again.ticket += 1000000;
		uint64_t ticket = m->ticket;
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
		rig_run(&g, 50);
		relay_cancel(g.relay, ticket, clock_mono_ms());
		memset(m, 0xee, sizeof *m);
		fake_let_go(g.fake);
		assert_true(rig_wait(&g, ticket).orphan);
		restart();
		assert_true(relay_deliver(g.relay, &again, clock_mono_ms()));
		struct relay_done d = rig_wait(&g, again.ticket);
		assert_int_equal(d.code, 250);
		assert_int_equal(d.from, RELAY_FROM_US);
		assert_true(d.cached);
		assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
		rig_stop(&g);
	}
}

/* It was answered, but the client left before the answer was fetched; and the answer from memory is not heard either.
 */
static void an_answer_that_was_not_fetched(void **state)
{
	(void)state;
	begin(false, NO_RULE);
	rig_run(&g, 50);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "Subject: x\r\n\r\nfetch\r\n");
	for (int i = 0; i < 3; i++) {
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
		rig_run(&g, 50);
		relay_cancel(g.relay, m->ticket, clock_mono_ms());
		assert_true(rig_wait(&g, m->ticket).orphan);
	}
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	rig_stop(&g);
}

static void a_reply_that_the_server_knows_to_be_lost(void **state)
{
	(void)state;
	begin(false, NO_RULE);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "Subject: x\r\n\r\nreset\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	relay_reply_lost(g.relay, m, NULL);
	mem_fail_after(0);
	relay_reply_lost(g.relay, m, NULL);
	mem_fail_after(1);
	struct relay_save *undo = NULL;
	relay_reply_lost(g.relay, m, &undo); /* remembered, and cannot be taken back */
	mem_fail_after(-1);
	assert_null(undo);
	relay_reply_heard(g.relay, &undo);
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_true(rig_wait(&g, m->ticket).cached);
	assert_int_equal(fake_mails(g.fake), 1);
	rig_stop(&g);
}

static void a_reply_that_is_heard_after_all(void **state)
{
	(void)state;
	begin(false, NO_RULE);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "Subject: x\r\n\r\nlate\r\n");
	struct relay_save *undo = NULL;
	assert_true(relay_remembers(g.relay));
	for (int heard = 0; heard < 2; heard++) {
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
		assert_false(rig_wait(&g, m->ticket).cached);
		relay_reply_lost(g.relay, m, &undo);
		assert_non_null(undo);
		if (heard)
			relay_reply_heard(g.relay, &undo);
		relay_save_free(&undo);
		m->ticket += 5000;
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
		assert_int_equal(rig_wait(&g, m->ticket).cached, !heard);
		rig_run(&g, 100);
		m->ticket += 5000;
	}
	assert_int_equal(fake_mails(g.fake), 3);
	rig_stop(&g);
}

/* The same words of another sender, to another recipient, or of another content are other mails. */
static void only_the_same_mail_is_a_retry(void **state)
{
	(void)state;
	static const struct {
		const char *from, *rcpt, *body;
	} OTHERS[] = { { "other@a.test", "a@example.test", "one\r\n" }, { "from@a.test", "d@example.test", "one\r\n" },
		{ "from@a.test", "a@example.test", "two\r\n" }, { "from@a.test", "a@example.test", "three\r\n" } };
	begin(true, RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, 0));
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "one\r\n");
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m->ticket).code, 451);
	int before = fake_mails(g.fake);
	for (int i = 0; i < 4; i++) {
		m = rig_mail(&g, "192.0.2.1", OTHERS[i].from, OTHERS[i].rcpt, OTHERS[i].body);
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
		assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	}
	assert_int_equal(fake_mails(g.fake), before + 4);
	rig_stop(&g);
}

/* The body may lie in memory at the first try and in a file at the second. */
static void a_body_in_a_file_is_the_same_body(void **state)
{
	(void)state;
	static char body[40001];
	FILE *file = tmpfile();
	for (size_t i = 0; i < 40000; i += 8)
		memcpy(body + i, "abcdef\r\n", 8);
	assert_int_equal(fwrite(body, 1, 40000, file), 40000);
	assert_int_equal(fflush(file), 0);
	begin(true, RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, 0));
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, body);
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m->ticket).code, 451);
	m->ticket += 5000;
	struct rope_block first[] = { { .next = first + 1, .bytes = slice_of(body, 33) },
		{ .bytes = slice_of(body + 33, 67) } };
	m->body.mem = first;
	FILE *rest = tmpfile();
	assert_int_equal(fwrite(body + 100, 1, 39900, rest), 39900);
	assert_int_equal(fflush(rest), 0);
	m->body.fd = fileno(rest);
	m->body.fd_size = 39900;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	rig_assert_each_once(&g);
	/* one that cannot be read back while something is remembered of such a mail is not sent */
	fake_set_rule(g.fake, 0, RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, 0));
	m->ticket++;
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m->ticket).code, 451);
	assert_int_equal(ftruncate(fileno(rest), 7), 0);
	m->ticket++;
	int before = fake_mails(g.fake);
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m->ticket).code, 451);
	assert_int_equal(fake_mails(g.fake), before);
	fclose(rest);
	fclose(file);
	rig_stop(&g);
}

/* ---- a retry that comes while the first is under way ---- */

static struct relay_mail *begin_slow(struct fake_rule rule)
{
	begin(false, rule);
	struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "Subject: x\r\n\r\nslow\r\n");
	relay_expect(g.relay, m);
	assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
	for (int i = 0; i < 500 && !fake_seen(g.fake, ":.\n"); i++)
		rig_run(&g, 10);
	return m;
}

static struct relay_mail *the_same(const struct relay_mail *m)
{
	struct relay_mail *again = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "Subject: x\r\n\r\nslow\r\n");
	assert_int_not_equal(again->ticket, m->ticket);
	return again;
}

static void the_retry_waits_for_the_first(void **state)
{
	(void)state;
	struct relay_mail *m = begin_slow(RULE(".", FAKE_SAY, "250 2.0.0 taken\r\n", 1, FAKE_HELD));
	struct relay_mail *impatient = the_same(m), *patient = the_same(m);
	relay_cancel(g.relay, m->ticket, clock_mono_ms());
	assert_true(relay_deliver(g.relay, impatient, clock_mono_ms()));
	assert_true(relay_deliver(g.relay, patient, clock_mono_ms()));
	rig_run(&g, 100);
	relay_cancel(g.relay, impatient->ticket, clock_mono_ms()); /* nothing was sent of it: nothing is popped */
	fake_let_go(g.fake);
	assert_true(rig_wait(&g, m->ticket).orphan);
	struct relay_done d = rig_wait(&g, patient->ticket);
	assert_int_equal(d.code, 250);
	assert_true(d.cached);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	rig_stop(&g);
}

/* The client has ended its side and may be gone: until it is known the same mail waits, then it goes its own way. */
static void a_doubt_that_comes_to_nothing(void **state)
{
	(void)state;
	struct relay_mail *m = begin_slow(RULE(".", FAKE_SAY, "250 2.0.0 taken\r\n", 1, FAKE_HELD));
	struct relay_mail *again = the_same(m);
	struct relay_save *doubt = relay_reply_doubted(g.relay, m);
	relay_expect(g.relay, again);
	assert_true(relay_deliver(g.relay, again, clock_mono_ms()));
	fake_let_go(g.fake);
	assert_int_equal(rig_wait(&g, m->ticket).code, 250);
	rig_run(&g, 200);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	struct relay_save *second = relay_reply_doubted(g.relay, again); /* who waits does not wait for itself */
	relay_save_free(&doubt);
	struct relay_done d = rig_wait(&g, again->ticket);
	assert_int_equal(d.code, 250);
	assert_false(d.cached);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 2);
	relay_save_free(&second);
	rig_stop(&g);
}

static void a_retry_does_not_wait_for_ever(void **state)
{
	(void)state;
	struct relay_mail *m = begin_slow(RULE(".", FAKE_SILENT, NULL, 0, 0));
	struct relay_mail *again = the_same(m), *other = the_same(m);
	relay_cancel(g.relay, m->ticket, clock_mono_ms());
	assert_true(relay_deliver(g.relay, again, clock_mono_ms()));
	assert_true(relay_deliver(g.relay, other, clock_mono_ms() + 1000));
	relay_on_time(g.relay, clock_mono_ms() + RELAY_ANSWER_WITHIN_MS + 100);
	struct relay_done d;
	assert_true(relay_pop(g.relay, &d) && d.ticket == again->ticket);
	assert_true(d.code == 451 && d.from == RELAY_FROM_US);
	assert_false(relay_pop(g.relay, &d));
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	rig_stop(&g);
}

/* Every place of relay.remember may be needed: none is given up for another, and a mail that might need more than
 * there are is not sent. */
static void a_memory_that_is_full(void **state)
{
	(void)state;
	struct fake *f = fake_start(FAKE_NO_XCLIENT, &RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 2, 0), 1);
	f->lmtp = true;
	rig_init(&g, f);
	g.config.remember = 3;
	rig_start(&g);
	rig_run(&g, 50);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms()), 4);
	struct relay_mail *m[2];
	for (int i = 0; i < 2; i++)
		m[i] = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, i ? "one\r\n" : "two\r\n");
	assert_true(relay_deliver(g.relay, m[0], clock_mono_ms()));
	assert_int_equal(rig_wait(&g, m[0]->ticket).code, 451);
	assert_int_equal(fake_mails_for(g.fake, "<a@"), 1);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms()), 2);
	assert_true(relay_deliver(g.relay, m[1], clock_mono_ms()));
	struct relay_done d = rig_wait(&g, m[1]->ticket);
	assert_int_equal(d.code, 451);
	assert_false(d.doubtful);
	assert_int_equal(fake_mails_for(g.fake, "<a@"), 1); /* nobody has it */
	/* to one recipient there is no part of a delivery */
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "d@example.test").code, 250);
	fake_set_rule(g.fake, 0, RULE(".<none", FAKE_SAY, "250 ok\r\n", 0, 0));
	for (int i = 0; i < 2; i++) {
		m[i]->ticket += 5000;
		assert_true(relay_deliver(g.relay, m[i], clock_mono_ms()));
		assert_int_equal(rig_wait(&g, m[i]->ticket).code, 250);
		rig_run(&g, 100);
	}
	assert_int_equal(fake_mails_for(g.fake, "<a@"), 2);
	assert_int_equal(fake_mails_for(g.fake, "<b@"), 2);
	assert_int_equal(fake_mails_for(g.fake, "<c@"), 2);
	assert_int_equal(relay_rcpt_max(g.relay, clock_mono_ms()), 4);
	rig_stop(&g);
}

/* Nothing is remembered: it is delivered all the same, and said to be doubtful. */
static void without_a_memory(void **state)
{
	(void)state;
	struct fake *f = fake_start(FAKE_NO_XCLIENT, &RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, 0), 1);
	f->lmtp = true;
	rig_init(&g, f);
	g.config.remember = 0;
	rig_start(&g);
	struct relay_done d = rig_deliver(&g, "192.0.2.1", THREE);
	assert_int_equal(d.code, 451);
	assert_true(d.doubtful);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", THREE).code, 250);
	assert_int_equal(fake_mails_for(g.fake, "<a@"), 2);
	rig_stop(&g);
}

/* Whichever allocation fails: nobody gets it twice without a word, and nothing that was refused is said to be taken. */
static void memory_that_runs_out(void **state)
{
	(void)state;
	begin(true, NO_RULE);
	for (long n = 0; n < 30; n++) {
		char body[40];
		snprintf(body, sizeof body, "mail %ld\r\n", n);
		struct relay_mail *m = rig_mail(&g, "192.0.2.1", "from@a.test", THREE, body);
		struct relay_done d = { 0 };
		bool doubtful = false;
		fake_set_rule(g.fake, 0, RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, 0));
		int before = fake_mails_for(g.fake, "<a@");
		for (int tries = 0; tries < 5 && d.code != 250; tries++, m->ticket += 10000) {
			mem_fail_after(tries < 2 ? n : -1);
			d.code = 0;
			if (relay_deliver(g.relay, m, rig_now(&g)))
				d = rig_wait(&g, m->ticket);
			mem_fail_after(-1);
			rig_pass(&g, 5000); /* a backend that could not be connected to is left alone so long */
			doubtful |= d.doubtful;
		}
		assert_true(d.code == 250 && (fake_mails_for(g.fake, "<a@") - before == 1 || doubtful));
	}
	rig_stop(&g);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		TEST(lmtp_in_good_order),
		TEST(the_retry_gets_what_is_missing),
		TEST(a_refused_recipient_is_asked_for_again),
		TEST(refused_for_all_is_a_plain_refusal),
		TEST(lost_between_two_replies),
		TEST(a_reply_that_nobody_heard),
		TEST(an_answer_that_was_not_fetched),
		TEST(a_reply_that_the_server_knows_to_be_lost),
		TEST(a_reply_that_is_heard_after_all),
		TEST(only_the_same_mail_is_a_retry),
		TEST(a_body_in_a_file_is_the_same_body),
		TEST(the_retry_waits_for_the_first),
		TEST(a_doubt_that_comes_to_nothing),
		TEST(a_retry_does_not_wait_for_ever),
		TEST(a_memory_that_is_full),
		TEST(without_a_memory),
		TEST(memory_that_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
