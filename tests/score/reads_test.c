/* What rules read from the store: distinct values, spikes, each asked once and told for the decision's record. */
#include "tests/score/help.h"

#include <stdio.h>

#define RULES(...) static const struct score_rule_source rules[] = { __VA_ARGS__, { 0 } }

static void many_faces_of_one_client(void **state)
{
	(void)state;
	struct world w;
	char sender[40];
	RULES({ .name = "many-faces", .when = "distinct(sender by client, 1h) > 30", .charge = 20 });
	world_open(&w, rules);
	for (int i = 1; i <= 32; i++) {
		(void)snprintf(sender, sizeof sender, "Bot%d@x", i);
		at_mail(&w, sender);
		assert_int_equal((int)client_record(&w), i > 30 ? (i - 30) * 20 : 0); /* the one judged is counted */
		mail_done(&w);
	}
	at_stage(&w, SCORE_HELO); /* true, but no new mail */
	assert_int_equal((int)client_record(&w), 40);
	world_session(&w, "192.0.2.8");
	for (int i = 1; i <= 60; i++) {
		at_mail(&w, i % 2 ? "one@x" : "ONE@X");
		assert_string_equal(fired(&w), "");
		mail_done(&w);
	}
	w.now_ms += 3 * 3600000;
	world_session(&w, "192.0.2.7");
	at_mail(&w, "bot1@x");
	assert_string_equal(fired(&w), "");
	world_close(&w);
}

/* While it is true each mail that shows it a sender is charged, as each message above a limit of messages is. */
static void a_distinct_charges_for_what_shows_it_a_value(void **state)
{
	(void)state;
	struct world w;
	char sender[40];
	RULES({ .name = "faces", .when = "distinct(sender by client, 1h) > 2", .charge = 10 },
		{ .name = "names", .when = "distinct(helo by client, 1h) > 1", .charge = 1 });
	world_open(&w, rules);
	for (int i = 0; i < 12; i++) {
		(void)snprintf(sender, sizeof sender, "face%d@x", i % 3);
		at_mail(&w, sender);
		at_rcpt(&w, "someone@y"); /* no sender is shown here */
		mail_done(&w);
	}
	assert_int_equal((int)client_record(&w), 10 * 10);
	for (int i = 0; i < 5; i++)
		at_helo(&w, i % 2 ? "one.test" : "two.test");
	assert_int_equal((int)client_record(&w), 10 * 10 + 1); /* once a session */
	world_session(&w, "192.0.2.7");
	at_helo(&w, "one.test");
	assert_int_equal((int)client_record(&w), 10 * 10 + 2);
	world_close(&w);
}

/* A deferred attempt stays seen: its retry shows the same value and eats nothing more. */
static void what_a_deferred_attempt_showed_stays_seen(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "faces", .when = "distinct(sender by client, 1h) > 2", .action = SCORE_DEFER });
	world_open(&w, rules);
	for (int retry = 0; retry < 20; retry++) {
		at_mail(&w, "one@x");
		assert_string_equal(by(&w), "");
		score_event_undo(w.set, &w.facts, w.store, SCORE_EV_MESSAGES, 1, w.now_ms);
		mail_done(&w);
	}
	at_mail(&w, "two@x");
	assert_string_equal(by(&w), "");
	mail_done(&w);
	at_mail(&w, "three@x");
	assert_string_equal(by(&w), "faces");
	world_close(&w);
}

/* Snowshoe: one sender from many addresses; its record, not theirs, is charged. */
static void many_clients_of_one_sender(void **state)
{
	(void)state;
	struct world w;
	char client[32], person[32];
	RULES({ .name = "shoe", .when = "distinct(client.ip by sender, 1h) > 20", .charge = 30 },
		{ .name = "hot", .when = "record(sender) >= 60", .action = SCORE_DEFER });
	world_open(&w, rules);
	for (int i = 1; i <= 23; i++) {
		(void)snprintf(client, sizeof client, "198.51.100.%d", i);
		world_session(&w, client);
		at_connect(&w);
		at_mail(&w, "news@x");
		assert_string_equal(by(&w), i >= 22 ? "hot" : "");
		assert_int_equal((int)client_record(&w), 0);
		mail_done(&w);
		(void)snprintf(person, sizeof person, "person%d@y", i);
		at_mail(&w, person);
		assert_string_equal(by(&w), ""); /* other mail of those addresses passes */
	}
	world_close(&w);
}

static void recipients_are_told_apart_at_rcpt(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "wide", .when = "distinct(recipient.domain by sender, 1h) > 1", .action = SCORE_DEFER });
	world_open(&w, rules);
	at_mail(&w, "a@b");
	at_rcpt(&w, "c@one");
	rcpt_done(&w, true);
	at_rcpt(&w, "d@ONE");
	assert_string_equal(by(&w), "");
	rcpt_done(&w, true);
	at_rcpt(&w, "postmaster"); /* none is nothing to tell apart */
	assert_string_equal(by(&w), "");
	rcpt_done(&w, true);
	at_rcpt(&w, "e@two");
	assert_string_equal(by(&w), "wide");
	world_close(&w);
}

static void send(struct world *w, const char *client, const char *sender)
{
	world_session(w, client);
	at_mail(w, sender);
	mail_done(w);
}

/* Two days of two mails every five minutes, then sixty at once. */
static void a_spike_is_seen_against_what_is_usual(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "spike", .when = "spike(messages by sender) > 5", .charge = 30 });
	world_open(&w, rules);
	for (int i = 0; i < 2 * 288; i++, w.now_ms += 300000) {
		send(&w, "192.0.2.7", "news@x");
		send(&w, "192.0.2.8", "news@x");
	}
	struct score_key key = score_key_text(w.store, SCORE_KEY_SENDER, SLICE("news@x"));
	assert_int_equal((int)score_record_get(w.store, &key, 3600000, w.now_ms).points, 0);
	int first = 0;
	for (int i = 1; i <= 60; i++) {
		send(&w, "192.0.2.9", "new@y"); /* too young to have a usual rate: never a spike */
		send(&w, "192.0.2.9", "news@x");
		if (!first && score_record_get(w.store, &key, 3600000, w.now_ms).points > 1)
			first = i;
	}
	assert_in_range(first, 15, 40);
	key = score_key_text(w.store, SCORE_KEY_SENDER, SLICE("new@y"));
	assert_int_equal((int)score_record_get(w.store, &key, 3600000, w.now_ms).points, 0);
	world_close(&w);
}

static double read_value(const struct world *w, const struct score_readings *r, const char *name)
{
	for (unsigned i = 0; i < r->n; i++)
		if (strcmp(score_probe_name(w->set, r->item[i].probe), name) == 0)
			return r->item[i].value;
	return -1;
}

static void what_was_read_is_told(void **state)
{
	(void)state;
	struct world w;
	struct score_readings r = { 0 };
	RULES({ .name = "c", .when = "count( bad_recipients by client,10m) >= 0", .charge = 20 },
		{ .name = "n", .when = "record(sender) > 5 or distinct(sender by client, 1h) > 7" },
		{ .name = "s", .when = "score > 15" });
	world_open(&w, rules);
	w.c.readings = &r;
	at_mail(&w, "a@b");
	assert_int_equal((int)read_value(&w, &r, "count(bad_recipients by client, 10m)"), 0);
	assert_int_equal((int)read_value(&w, &r, "record(sender)"), 0);
	assert_int_equal((int)read_value(&w, &r, "distinct(sender by client, 1h)"), 1);
	assert_int_equal((int)read_value(&w, &r, "record(client)"), 0); /* the charge waits for an event */
	event(&w, SCORE_EV_BAD_RECIPIENTS);
	assert_int_equal((int)read_value(&w, &r, "record(client)"), 20);
	assert_int_equal((int)read_value(&w, &r, "count(bad_recipients by client, 10m)"), 1);
	assert_int_equal(r.n, 4);
	world_close(&w);
}

/* A rule sees what those above it charged in the same test, however it asks. */
static void charges_above_are_seen_below(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "0", .when = "record(client) > 9 or record(sender) > 9 or score > 9" },
		{ .name = "1", .when = "sender == 'a@b'", .charge = 10, .points = 1 },
		{ .name = "2", .when = "sender == 'a@b'", .charge = 10, .to = SCORE_TO_SENDER },
		{ .name = "3", .when = "record(client) >= 10" }, { .name = "4", .when = "score >= 11" },
		{ .name = "5", .when = "points == 1 and record(sender) == 10" },
		{ .name = "6", .when = "points == 1" });
	world_open(&w, rules);
	at_mail(&w, "a@b");
	assert_string_equal(fired(&w), "1 2 3 4 5 6");
	world_close(&w);
}

static void rules_of_one_text_share_their_program(void **state)
{
	(void)state;
	struct world w;
	static struct score_rule_source many[SCORE_RULES_MAX];
	static char text[SCORE_PROBES_MAX + 1][60];
	for (int i = 0; i < SCORE_RULES_MAX - 1; i++)
		many[i] = (struct score_rule_source){
			.name = "r", .when = "sender =~ /x/ or count(messages by sender, 1m) > 0", .points = 1
		};
	world_open(&w, many);
	at_mail(&w, "a@b");
	assert_int_equal((int)w.v.points, SCORE_RULES_MAX - 1);
	world_close(&w);
	struct buf faults = { 0 };
	struct score_rules_config c = { .rules = many, .n = SCORE_PROBES_MAX, .half_life_ms = 1, .enforce = true };
	for (int i = 0; i < SCORE_PROBES_MAX; i++) {
		(void)snprintf(text[i], sizeof text[i], "count(messages by client, %ds) > 1", i + 1);
		many[i] = (struct score_rule_source){ .name = "r", .when = text[i], .stage = SCORE_ANY_STAGE };
	}
	assert_null(score_rules_compile(&c, &faults)); /* one place is the client's record */
	assert_true(slice_starts(buf_slice(&faults), SLICE("?:0: rule \"r\": more than 255 different counters")));
	buf_release(&faults);
}

/* "anew" or "charged" of the rule in what fired, or "". */
static const char *fire_of(const struct world *w, const struct score_fires *f, const char *name)
{
	for (unsigned i = 0; i < f->n; i++)
		if (strcmp(score_rule_name(w->set, f->item[i].rule), name) == 0)
			return f->item[i].anew ? f->item[i].charged ? "anew charged" : "anew" : "charged";
	return "";
}

static void what_fires_is_told_once_a_scope(void **state)
{
	(void)state;
	struct world w;
	struct score_fires f = { 0 };
	RULES({ .name = "session", .when = "listener == \"mx\"", .charge = 1, .action = SCORE_WAIT, .delay_ms = 1 },
		{ .name = "guess", .when = "count(bad_recipients by client, 10m) > 0", .charge = 20 },
		{ .name = "rcpt", .when = "recipient != \"x@y\"", .points = 1, .state = SCORE_OBSERVE });
	world_open(&w, rules);
	w.c.fires = &f;
	at_connect(&w);
	assert_string_equal(fire_of(&w, &f, "session"), "anew charged");
	f.n = 0;
	at_mail(&w, "a@b");
	assert_string_equal(fire_of(&w, &f, "session"), "");
	at_rcpt(&w, "c@d");
	assert_string_equal(fire_of(&w, &f, "rcpt"), "anew");
	f.n = 0;
	event(&w, SCORE_EV_BAD_RECIPIENTS);
	assert_string_equal(fire_of(&w, &f, "guess"), "anew charged");
	f.n = 0;
	event(&w, SCORE_EV_BAD_RECIPIENTS);
	assert_string_equal(fire_of(&w, &f, "guess"), "charged");
	rcpt_done(&w, true);
	f.n = 0;
	at_rcpt(&w, "e@f"); /* another recipient is another scope */
	assert_string_equal(fire_of(&w, &f, "rcpt"), "anew");
	world_close(&w);
}

/* Two mails a minute for two days, then twenty within one: against a usual minute a spike, in five of them none. */
static bool a_minute_s_burst_is_a_spike(uint64_t spike_ms)
{
	struct world w;
	struct score_rule_source rule = {
		.name = "s", .when = "spike(messages by sender) > 3.4", .points = 1, .stage = SCORE_ANY_STAGE
	};
	struct score_rules_config c = {
		.rules = &rule, .n = 1, .half_life_ms = 1, .spike_ms = spike_ms, .enforce = true
	};
	static const struct score_rule_source none[] = { { 0 } };
	bool seen = false;
	world_open(&w, none);
	score_rules_free(&w.set);
	w.set = score_rules_compile(&c, &w.faults);
	assert_non_null(w.set);
	for (int minute = 0; minute <= 2 * 24 * 60; minute++, w.now_ms += 60000)
		for (int mail = 0; mail < (minute < 2 * 24 * 60 ? 2 : 20); mail++) {
			send(&w, "192.0.2.7", "a@b");
			seen = seen || w.v.points > 0;
		}
	world_close(&w);
	return seen;
}

static void the_window_of_a_spike_can_be_set(void **state)
{
	(void)state;
	assert_true(a_minute_s_burst_is_a_spike(60000));
	assert_false(a_minute_s_burst_is_a_spike(300000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(many_faces_of_one_client),
		cmocka_unit_test(a_distinct_charges_for_what_shows_it_a_value),
		cmocka_unit_test(what_a_deferred_attempt_showed_stays_seen),
		cmocka_unit_test(many_clients_of_one_sender),
		cmocka_unit_test(recipients_are_told_apart_at_rcpt),
		cmocka_unit_test(a_spike_is_seen_against_what_is_usual),
		cmocka_unit_test(what_fires_is_told_once_a_scope),
		cmocka_unit_test(what_was_read_is_told),
		cmocka_unit_test(charges_above_are_seen_below),
		cmocka_unit_test(rules_of_one_text_share_their_program),
		cmocka_unit_test(the_window_of_a_spike_can_be_set),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
