#include "server/alerts.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

enum { EVERY = 3600 * 1000 };

static enum alert_turn ask(struct alerts *a, const char *rule, const char *key, uint64_t now)
{
	return alerts_ask(a, slice_str(rule), slice_str(key), EVERY, now);
}

static void once_for_each_rule_and_key(void **state)
{
	(void)state;
	struct alerts *a = alerts_new();
	assert_int_equal(ask(a, "spike", "sender x", 1000), ALERT_TELL);
	assert_int_equal(ask(a, "spike", "sender x", 1001), ALERT_TOLD);
	assert_int_equal(ask(a, "spike", "sender y", 1001), ALERT_TELL);
	assert_int_equal(ask(a, "tell", "sender x", 1001), ALERT_TELL);
	assert_int_equal(ask(a, "spike", "sender x", 999 + EVERY), ALERT_TOLD);
	assert_int_equal(ask(a, "spike", "sender x", 1000 + EVERY), ALERT_TELL);
	alerts_free(&a);
}

static void what_was_not_told_may_be_told(void **state)
{
	(void)state;
	struct alerts *a = alerts_new();
	assert_int_equal(ask(a, "spike", "x", 1), ALERT_TELL);
	alerts_forget(a, SLICE("spike"), SLICE("x"));
	assert_int_equal(ask(a, "spike", "x", 2), ALERT_TELL);
	alerts_free(&a);
}

/* A flood of keys does not become a flood of mail. */
static void so_many_in_all(void **state)
{
	(void)state;
	struct alerts *a = alerts_new();
	char key[32];
	unsigned told = 0, full_now = 0;
	for (int i = 0; i < 10000; i++) {
		snprintf(key, sizeof key, "sender %d", i);
		enum alert_turn t = ask(a, "spike", key, 1000);
		told += t == ALERT_TELL;
		full_now += t == ALERT_FULL_NOW;
	}
	assert_int_equal(told, ALERTS_MAX);
	assert_int_equal(full_now, 1);
	assert_int_equal(ask(a, "spike", "sender 0", 2000), ALERT_TOLD);
	assert_int_equal(ask(a, "spike", "sender 9999", 1000 + EVERY), ALERT_TELL);
	alerts_free(&a);
}

enum { TELLERS = 4, THINGS = 60, TURNS = 6000 };

struct teller {
	struct alerts *alerts;
	pthread_barrier_t *start;
	unsigned number, told;
};

/* A worker: all tell the same things, each in its own order; one of its own is never mailed. */
static void *tell(void *arg)
{
	struct teller *t = arg;
	char key[32], own[32];
	snprintf(own, sizeof own, "own %u", t->number);
	pthread_barrier_wait(t->start);
	for (unsigned i = 0; i < TURNS; i++) {
		snprintf(key, sizeof key, "sender %u", (i * 7 + t->number * 11) % THINGS);
		t->told += ask(t->alerts, "spike", key, 1000 + i) == ALERT_TELL;
		assert_int_equal(ask(t->alerts, "spike", own, 1000), ALERT_TELL);
		alerts_forget(t->alerts, SLICE("spike"), slice_str(own));
	}
	return NULL;
}

static void workers_tell_each_thing_once(void **state)
{
	(void)state;
	struct teller tellers[TELLERS];
	pthread_t threads[TELLERS];
	pthread_barrier_t start;
	struct alerts *a = alerts_new();
	unsigned told = 0;
	pthread_barrier_init(&start, NULL, TELLERS);
	for (unsigned i = 0; i < TELLERS; i++) {
		tellers[i] = (struct teller){ a, &start, i, 0 };
		assert_int_equal(pthread_create(&threads[i], NULL, tell, &tellers[i]), 0);
	}
	for (unsigned i = 0; i < TELLERS; i++) {
		pthread_join(threads[i], NULL);
		told += tellers[i].told;
	}
	assert_int_equal(told, THINGS); /* of all workers together */
	pthread_barrier_destroy(&start);
	alerts_free(&a);
}

static const char *TO[] = { "admin@example.test", "second@example.test" };
static const struct settings_alerts SETTINGS = { .to = { TO, 2 }, .from = "guard@example.test", .every_ms = EVERY };

static void the_mail_and_its_evidence(void **state)
{
	(void)state;
	struct buf out = { 0 };
	struct alert a = { .rule = SLICE("spike"),
		.key = SLICE("sender x@bad.test"),
		.client = SLICE("192.0.2.7"),
		.helo = SLICE("pc"),
		.sender = SLICE("x@bad.test"),
		.fired = SLICE("spike:30"),
		.id = SLICE("7F3K9QZ2"),
		.score = 30,
		.wall_ms = 1763779200000 };
	assert_true(alert_write(&a, &SETTINGS, SLICE("mx.example.test"), &out));
	assert_true(buf_put(&out, SLICE("\0")));
	static const char *const WANTED[] = { "From: SmtpGuard <guard@example.test>\r\n",
		"To: <admin@example.test>,\r\n\t<second@example.test>\r\n",
		"Subject: SmtpGuard: rule spike: sender x@bad.test\r\n", "Auto-Submitted: auto-generated\r\n",
		"\r\n\r\nRule \"spike\" is true.\r\n", "client:     192.0.2.7\r\n", "score:      30.0 ",
		"fired:      spike:30\r\n", "smtpguardctl explain 7F3K9QZ2\r\n" };
	for (size_t i = 0; i < sizeof WANTED / sizeof WANTED[0]; i++)
		assert_non_null(strstr(out.data, WANTED[i]));
	assert_null(strstr(out.data, "recipient:"));
	buf_release(&out);
}

/* What a client said cannot add a line, and no line is longer than RFC 5322 2.1.1 allows. */
static void hostile_values(void **state)
{
	(void)state;
	struct buf out = { 0 };
	char bad[2000];
	memset(bad, '\n', sizeof bad);
	struct slice all = slice_of(bad, sizeof bad);
	struct alert a = { .rule = all,
		.key = all,
		.action = SLICE("reject"),
		.client = all,
		.helo = all,
		.sender = all,
		.recipient = all,
		.fired = all,
		.id = SLICE("7F3K9QZ2") };
	assert_true(alert_write(&a, &SETTINGS, SLICE("mx.example.test"), &out));
	for (struct slice rest = buf_slice(&out); rest.n;) {
		struct slice line = slice_cut(&rest, '\n');
		assert_true(line.n > 0 && line.n < 999 && line.p[line.n - 1] == '\r');
		assert_true(slice_find(line, '\r') == line.n - 1);
	}
	buf_release(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(once_for_each_rule_and_key),
		cmocka_unit_test(what_was_not_told_may_be_told),
		cmocka_unit_test(so_many_in_all),
		cmocka_unit_test(workers_tell_each_thing_once),
		cmocka_unit_test(the_mail_and_its_evidence),
		cmocka_unit_test(hostile_values),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
