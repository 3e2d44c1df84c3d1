/* What is said of a mail from MAIL to DATA, and what its refusals mean. */
#include "base/mem.h"
#include "smtp/params.h"
#include "tests/base/cmocka_setup.h"
#include "tests/relay/rig.h"

#include <stdio.h>
#include <stdlib.h>

static struct rig g;
#define UTF8 "\xc3\xbc"

static void begin(struct fake_rule rule, const char *offers)
{
	struct fake *f = fake_start(FAKE_NO_XCLIENT, &rule, rule.on ? 1 : 0);
	f->offers = offers;
	rig_init(&g, f);
	rig_start(&g);
	rig_run(&g, 30);
}

static struct relay_mail *mail(const char *from, const char *rcpts)
{
	return rig_mail(&g, "192.0.2.1", from, rcpts, "Subject: x\r\n\r\nhello\r\n");
}

static struct relay_done deliver(const struct relay_mail *m)
{
	assert_true(relay_deliver(g.relay, m, rig_now(&g)));
	return rig_wait(&g, m->ticket);
}

static void answered(struct relay_done d, enum relay_from from, unsigned code, const char *text)
{
	if (d.from != from || d.code != code || !slice_starts(slice_of(d.text, d.text_n), slice_str(text)))
		fail_msg("answer is %u %.*s", d.code, d.text_n, d.text);
}

/* ---- SMTPUTF8, DSN ---- */

static const struct {
	const char *from, *rcpt;
	bool said, header, needs;
} LETTERS[] = {
	{ "from@a.test", "u@example.test", false, false, false },
	{ "from@a.test", "u@example.test", true, false, false },
	{ "from@a.test", "u@example.test", true, true, true },
	{ "from@a.test", "u@example.test", false, true, false }, /* its client's own fault, as it ever was */
	{ "from@a.test", UTF8 "@example.test", true, false, true },
	{ UTF8 "@a.test", "u@example.test", true, false, true },
};

static struct relay_done deliver_letter(size_t i)
{
	struct relay_mail *m = mail(LETTERS[i].from, LETTERS[i].rcpt);
	m->utf8 = LETTERS[i].said;
	m->utf8_header = LETTERS[i].header;
	return deliver(m);
}

static void what_needs_utf8_goes_only_where_it_is_taken(void **state)
{
	(void)state;
	begin(NO_RULE, NULL);
	int taken = 0;
	for (size_t i = 0; i < sizeof LETTERS / sizeof LETTERS[0]; i++) {
		struct relay_done d = deliver_letter(i);
		if (LETTERS[i].needs)
			answered(d, RELAY_FROM_US, 550, "5.6.7 ");
		else
			answered(d, RELAY_FROM_BACKEND, 250, "");
		taken += !LETTERS[i].needs;
	}
	answered(rig_check(&g, "192.0.2.1", UTF8 "@example.test"), RELAY_FROM_US, 550, "5.6.7 ");
	assert_int_equal(fake_mails(g.fake), taken);
	assert_int_equal(fake_seen(g.fake, "SMTPUTF8"), 0);
	assert_int_equal(g.fake->conns, 1); /* nothing was wrong with it */
	rig_stop(&g);
}

static void where_it_is_taken_it_is_said(void **state)
{
	(void)state;
	begin(NO_RULE, "250-SMTPUTF8\r\n");
	int said = 0;
	for (size_t i = 0; i < sizeof LETTERS / sizeof LETTERS[0]; i++) {
		answered(deliver_letter(i), RELAY_FROM_BACKEND, 250, "");
		said += LETTERS[i].said;
		assert_int_equal(fake_seen(g.fake, " SMTPUTF8\n"), said);
	}
	answered(rig_check(&g, "192.0.2.1", UTF8 "@example.test"), RELAY_FROM_BACKEND, 250, "");
	assert_int_equal(fake_seen(g.fake, " SMTPUTF8\n"), said + 1);
	rig_stop(&g);
}

/* Each recipient keeps his own NOTIFY, in a retry that has only some of them too. */
static void notify_goes_with_its_recipient(void **state)
{
	(void)state;
	static const struct smtp_rcpt_dsn DSN[] = { { .notify = SMTP_NOTIFY_NEVER }, { .notify = SMTP_NOTIFY_FAILURE },
		{ .notify = SMTP_NOTIFY_SUCCESS } };
	struct fake *f = fake_start(FAKE_NO_XCLIENT, &RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, 0), 1);
	f->offers = "250-DSN\r\n";
	f->lmtp = true;
	rig_init(&g, f);
	rig_start(&g);
	struct relay_mail *m = mail("from@a.test", "a@example.test,b@example.test,c@example.test");
	m->rcpts_dsn = DSN;
	assert_int_equal(deliver(m).code, 451);
	m->ticket += 5000;
	assert_int_equal(deliver(m).code, 250);
	assert_int_equal(fake_seen(g.fake, "RCPT TO:<a@example.test> NOTIFY=NEVER\n"), 1);
	assert_int_equal(fake_seen(g.fake, "RCPT TO:<b@example.test> NOTIFY=FAILURE\n"), 2);
	assert_int_equal(fake_seen(g.fake, "RCPT TO:<c@example.test> NOTIFY=SUCCESS\n"), 1);
	rig_stop(&g);
}

/* ---- refusals ---- */

/* With PIPELINING its recipients were said already, and whatever their replies are, MAIL's stands for them. */
static void a_refused_mail_stands_for_all(void **state)
{
	(void)state;
	for (int waits = 0; waits < 2; waits++) {
		struct fake *f = fake_start(FAKE_NO_XCLIENT, &RULE("MAIL", FAKE_SAY, "550 5.7.1 no\r\n", 1, 0), 1);
		f->no_pipelining = waits;
		fake_set_rule(f, 1, RULE("RCPT TO:<a", FAKE_SAY, "250 2.1.5 Ok\r\n", 1, 0));
		fake_set_rule(f, 2, RULE("RCPT TO:<b", FAKE_SAY, "503 5.5.1 need MAIL\r\n", 1, 0));
		rig_init(&g, f);
		rig_start(&g);
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test");
		answered(d, RELAY_FROM_BACKEND, 550, "5.7.1 no");
		assert_int_equal(d.failed_rcpt, UINT16_MAX);
		assert_int_equal(fake_seen(g.fake, "RCPT"), waits ? 0 : 2);
		assert_int_equal(fake_seen(g.fake, "DATA"), 0);
		fake_set_rule(g.fake, 2, NO_RULE);
		assert_int_equal(rig_check(&g, "192.0.2.1", "b@example.test").code, 250); /* nothing is known of him */
		rig_stop(&g);
	}
}

/* "Too many mails in this session" is 4.5.3 on a connection that has carried one. */
static void a_full_session_is_told_from_other_refusals(void **state)
{
	(void)state;
	static const struct {
		const char *say;
		bool full;
	} REPLIES[] = { { "452 4.5.3 too many\r\n", true }, { "452 too many\r\n", true },
		{ "452 4.3.1 disk\r\n", false }, { "452 4.5.1 other\r\n", false }, { "450 no\r\n", false } };
	for (size_t i = 0; i < sizeof REPLIES / sizeof REPLIES[0]; i++) {
		begin(NO_RULE, NULL);
		assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
		fake_set_rule(g.fake, 0, RULE("MAIL", FAKE_SAY, REPLIES[i].say, 1, 0));
		unsigned code = rig_deliver(&g, "192.0.2.1", "u@example.test").code;
		assert_int_equal(code, REPLIES[i].full ? 250 : (unsigned)atoi(REPLIES[i].say));
		assert_int_equal(g.fake->conns, REPLIES[i].full ? 2 : 1);
		rig_stop(&g);
	}
}

/* The second try is the last, wherever it goes: also on a connection of another backend that has served before. */
static void a_full_session_at_the_second_try(void **state)
{
	(void)state;
	struct fake *other = fake_start(FAKE_NO_XCLIENT, NULL, 0);
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
	rig_add_backend(&g, other->port);
	rig_start(&g);
	rig_run(&g, 50);
	fake_down(g.fake, true);
	rig_run(&g, 50);
	assert_string_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").backend, g.names[1]);
	fake_down(g.fake, false);
	struct relay_backend_info info[2] = { 0 };
	for (int i = 0; i < 20 && info[0].state != RELAY_UP; i++) {
		rig_pass(&g, 1000);
		rig_run(&g, 20);
		assert_int_equal(relay_shared_info(g.shared, rig_now(&g), info, 2), 2);
	}
	fake_set_rule(g.fake, 0, RULE("RCPT", FAKE_CLOSE, NULL, 1, 0));
	fake_set_rule(other, 0, RULE("MAIL", FAKE_SAY, "452 4.5.3 too many\r\n", 1, 0));
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "u@example.test");
	answered(d, RELAY_FROM_BACKEND, 452, "4.5.3 too many");
	assert_string_equal(d.backend, g.names[1]);
	assert_int_equal(fake_seen(other, "MAIL"), 2);
	rig_stop(&g);
	fake_stop(other);
}

/* Behind one that is too many a plain 552 is another one; with its own words it speaks of a mailbox. */
static void one_too_many_in_other_words(void **state)
{
	(void)state;
	begin(RULE("RCPT TO:<b", FAKE_SAY, "452 4.5.3 too many\r\n", 1, 0), NULL);
	fake_set_rule(g.fake, 1, RULE("RCPT TO:<c", FAKE_SAY, "552 too many\r\n", 1, 0));
	answered(rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test,c@example.test"), RELAY_FROM_US, 451,
		"4.3.0");
	assert_int_equal(relay_rcpt_max(g.relay, rig_now(&g)), 1);
	fake_set_rule(g.fake, 0, RULE("RCPT TO:<b", FAKE_SAY, "552 5.2.2 mailbox full\r\n", 1, 0));
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "a@example.test,b@example.test");
	answered(d, RELAY_FROM_US, 451, "4.3.0");
	assert_int_equal(fake_mails(g.fake), 0);
	rig_stop(&g);
}

/* ---- what cannot be said ---- */

/* An address that is no one path goes into no command, and the connection with half a mail on it is closed. */
static void an_address_that_is_not_fit_for_a_command(void **state)
{
	(void)state;
	for (int waits = 0; waits < 2; waits++) {
		struct fake *f = fake_start(FAKE_NO_XCLIENT, NULL, 0);
		f->no_pipelining = waits;
		rig_init(&g, f);
		rig_start(&g);
		struct relay_done d = rig_deliver(&g, "192.0.2.1", "a b@example.test");
		answered(d, RELAY_FROM_US, 451, "4.3.0 This mail cannot be passed on");
		rig_run(&g, 30);
		assert_int_equal(fake_seen(g.fake, "RCPT"), 0);
		assert_int_equal(g.fake->open, 0);
		assert_int_equal(rig_deliver(&g, "192.0.2.1", "a@example.test").code, 250);
		rig_stop(&g);
	}
}

/* Long enough for the connection's buffer to be given back when it was sent: each command behind it needs memory. */
static void make_long(char *rcpts, size_t size)
{
	static char name[450];
	memset(name, 'n', sizeof name - 1);
	for (size_t i = 0, n = 0; i < 8; i++)
		n += (size_t)snprintf(rcpts + n, size - n, "%s%zu%s@example.test", i ? "," : "", i, name);
}

/* Whichever allocation fails from XFORWARD to the dot, the mail is there or it is told to be tried again. */
static void memory_that_runs_out(void **state)
{
	(void)state;
	static char rcpts[4200];
	make_long(rcpts, sizeof rcpts);
	int refused = 0, taken = 0;
	for (long n = 0; n < 12; n++) {
		rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
		g.config.identity = RELAY_XFORWARD;
		rig_start(&g);
		rig_run(&g, 30);
		struct relay_mail *m = mail("from@a.test", rcpts);
		m->client.helo = m->client.name = slice_of(rcpts, 250);
		mem_fail_after(n);
		bool begun = relay_deliver(g.relay, m, rig_now(&g));
		struct relay_done d = { 0 };
		if (begun)
			d = rig_wait(&g, m->ticket);
		mem_fail_after(-1);
		assert_true(!begun || d.code == 250 || d.code == 451);
		assert_int_equal(fake_mails(g.fake), d.code == 250);
		taken += d.code == 250;
		refused += d.code == 451 && slice_starts(slice_of(d.text, d.text_n), SLICE("4.3.0 This mail cannot"));
		rig_stop(&g);
	}
	assert_true(refused > 2 && taken > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_needs_utf8_goes_only_where_it_is_taken),
		cmocka_unit_test(where_it_is_taken_it_is_said),
		cmocka_unit_test(notify_goes_with_its_recipient),
		cmocka_unit_test(a_refused_mail_stands_for_all),
		cmocka_unit_test(a_full_session_is_told_from_other_refusals),
		cmocka_unit_test(a_full_session_at_the_second_try),
		cmocka_unit_test(one_too_many_in_other_words),
		cmocka_unit_test(an_address_that_is_not_fit_for_a_command),
		cmocka_unit_test(memory_that_runs_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
