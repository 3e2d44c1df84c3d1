/* Blocks, the promise, throttles, tags, alerts, deletes: CONFIG.md "Who wins", "Actions" and "Known good". */
#include "tests/score/help.h"

#define RULES(...) static const struct score_rule_source rules[] = { __VA_ARGS__, { 0 } }

static void a_block_is_stronger_than_all(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "r", .when = "helo == 'bad'", .action = SCORE_REJECT },
		{ .name = "b", .when = "helo == 'bad'", .action = SCORE_BLOCK, .hold_ms = 3600000 },
		{ .name = "b2",
			.when = "helo == 'worse'",
			.action = SCORE_BLOCK,
			.hold_ms = 1000,
			.reply = "554 5.7.1 Go away" });
	world_open(&w, rules);
	at_helo(&w, "bad");
	assert_string_equal(by(&w), "b");
	assert_int_equal(w.v.now.action, SCORE_BLOCK);
	assert_int_equal(w.v.hold_ms, 3600000);
	assert_int_equal(w.v.reply->code, 421);
	assert_int_equal(w.v.reply->detail, 0);
	world_session(&w, "192.0.2.8");
	at_helo(&w, "worse");
	assert_string_equal(by(&w), "b2");
	assert_int_equal(w.v.reply->code, 554);
	world_close(&w);
}

static void a_client_known_good_is_deferred_and_told(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "r",
		      .when = "helo == 'r'",
		      .action = SCORE_REJECT,
		      .reply = "554 5.7.9 Your {rule} (id {id})" },
		{ .name = "b", .when = "helo == 'b'", .action = SCORE_BLOCK, .hold_ms = 5000 },
		{ .name = "d", .when = "helo == 'd'", .action = SCORE_DEFER },
		{ .name = "even", .when = "helo == 'e'", .action = SCORE_REJECT, .even_known_good = true },
		{ .name = "soft", .when = "helo == 'e'", .action = SCORE_BLOCK, .hold_ms = 5000 });
	world_open(&w, rules);
	score_facts_known_good(&w.facts, true);
	at_helo(&w, "r");
	assert_string_equal(by(&w), "r");
	assert_int_equal(w.v.now.action, SCORE_DEFER);
	assert_int_equal(w.v.alarm_rule, 0);
	assert_int_equal(w.v.reply->code, 450);
	assert_int_equal(w.v.reply->klass, 4);
	assert_int_equal(w.v.reply->subject * 10 + w.v.reply->detail, 79);
	assert_true(slice_eq(w.v.reply->text, SLICE("Your {rule} (id {id})")));
	at_mail(&w, "a@b"); /* held, and still only a defer */
	assert_true(w.v.held);
	assert_int_equal(w.v.now.action, SCORE_DEFER);
	assert_int_equal(w.v.alarm_rule, 0);
	world_session(&w, "192.0.2.7");
	score_facts_known_good(&w.facts, true);
	at_helo(&w, "b");
	assert_int_equal(w.v.now.action, SCORE_DEFER);
	assert_int_equal(w.v.hold_ms, 0);
	assert_int_equal(w.v.alarm_rule, 1);
	world_session(&w, "192.0.2.7");
	score_facts_known_good(&w.facts, true);
	at_helo(&w, "d");
	assert_int_equal(w.v.now.action, SCORE_DEFER);
	assert_int_equal(w.v.alarm_rule, SCORE_NO_RULE);
	world_session(&w, "192.0.2.7");
	score_facts_known_good(&w.facts, true);
	at_helo(&w, "e"); /* the block became a defer, the weaker of the two */
	assert_string_equal(by(&w), "even");
	assert_int_equal(w.v.now.action, SCORE_REJECT);
	assert_int_equal(w.v.reply->code, 550);
	assert_int_equal(w.v.alarm_rule, 4);
	world_close(&w);
}

static void the_promise_in_one_place(void **state)
{
	(void)state;
	bool alarm = true;
	assert_int_equal(score_promise(SCORE_BLOCK, false, false, &alarm), SCORE_BLOCK);
	assert_false(alarm);
	assert_int_equal(score_promise(SCORE_BLOCK, true, false, &alarm), SCORE_DEFER);
	assert_true(alarm);
	assert_int_equal(score_promise(SCORE_REJECT, true, false, &alarm), SCORE_DEFER);
	assert_true(alarm);
	assert_int_equal(score_promise(SCORE_REJECT, true, true, &alarm), SCORE_REJECT);
	assert_false(alarm);
	assert_int_equal(score_promise(SCORE_DEFER, true, false, &alarm), SCORE_DEFER);
	assert_int_equal(score_promise(SCORE_WAIT, true, false, &alarm), SCORE_WAIT);
	assert_false(alarm);
}

static void the_lowest_throttle_in_force_counts(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "s", .when = "helo == 'x'", .action = SCORE_THROTTLE, .rate = 20000 },
		{ .name = "m", .when = "sender == 'a@b'", .action = SCORE_THROTTLE, .rate = 5000 },
		{ .name = "r", .when = "recipient == 'c@d'", .action = SCORE_THROTTLE, .rate = 100 },
		{ .name = "o", .when = "helo == 'x'", .action = SCORE_THROTTLE, .rate = 1, .state = SCORE_OBSERVE });
	world_open(&w, rules);
	at_connect(&w);
	assert_int_equal(w.v.rate, 0);
	at_helo(&w, "x");
	assert_int_equal(w.v.rate, 20000);
	at_mail(&w, "a@b");
	assert_int_equal(w.v.rate, 5000);
	at_rcpt(&w, "c@d");
	assert_int_equal(w.v.rate, 100);
	rcpt_done(&w, false); /* refused: it is none of the mail's */
	at_stage(&w, SCORE_DATA);
	assert_int_equal(w.v.rate, 5000);
	at_rcpt(&w, "c@d");
	rcpt_done(&w, true);
	at_stage(&w, SCORE_DATA);
	assert_int_equal(w.v.rate, 100);
	mail_done(&w);
	at_mail(&w, "other@b");
	assert_int_equal(w.v.rate, 20000);
	world_close(&w);
}

static const char *tags(const struct world *w)
{
	static char all[200];
	unsigned at = 0;
	const struct score_reply *r;
	all[0] = '\0';
	while (r = score_case_tag(w->set, &w->c, &at), r) {
		strncat(all, r->text.p, r->text.n);
		strcat(all, "|");
	}
	return all;
}

static void tags_are_those_of_the_mail_and_its_accepted_recipients(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "s", .when = "helo == 'x'", .action = SCORE_TAG, .header = "X-A: one {id}" },
		{ .name = "m", .when = "sender == 'a@b'", .action = SCORE_TAG, .header = "X-B: two" },
		{ .name = "r", .when = "recipient == 'c@d'", .action = SCORE_TAG, .header = "X-C: three" },
		{ .name = "o",
			.when = "helo == 'x'",
			.action = SCORE_TAG,
			.header = "X-D: no",
			.state = SCORE_OBSERVE });
	world_open(&w, rules);
	at_helo(&w, "x");
	at_mail(&w, "a@b");
	at_rcpt(&w, "c@d");
	rcpt_done(&w, false);
	at_stage(&w, SCORE_DATA);
	assert_string_equal(tags(&w), "X-A: one {id}|X-B: two|");
	at_rcpt(&w, "c@d");
	rcpt_done(&w, true);
	at_stage(&w, SCORE_MESSAGE);
	assert_string_equal(tags(&w), "X-A: one {id}|X-B: two|X-C: three|");
	mail_done(&w);
	at_mail(&w, "z@z");
	assert_string_equal(tags(&w), "X-A: one {id}|");
	world_close(&w);
}

static void an_ok_above_takes_tag_and_throttle_away(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "ok", .when = "sender == 'good@b'", .action = SCORE_OK },
		{ .name = "t", .when = "helo == 'x'", .action = SCORE_TAG, .header = "X-A: one" },
		{ .name = "s", .when = "helo == 'x'", .action = SCORE_THROTTLE, .rate = 100 });
	world_open(&w, rules);
	at_helo(&w, "x");
	assert_int_equal(w.v.rate, 100);
	at_mail(&w, "good@b");
	assert_int_equal(w.v.rate, 0);
	assert_string_equal(tags(&w), "");
	mail_done(&w);
	at_mail(&w, "bad@b");
	assert_int_equal(w.v.rate, 100);
	assert_string_equal(tags(&w), "X-A: one|");
	world_close(&w);
}

static void an_alert_is_told_once_a_scope_with_its_subject(void **state)
{
	(void)state;
	struct world w;
	const char *kind = NULL;
	struct buf text = { 0 };
	RULES({ .name = "many", .when = "count(messages by sender, 1h) > 1", .action = SCORE_MAIL_ALERT },
		{ .name = "net", .when = "count(messages by net(24,48), 1h) > 100", .action = SCORE_MAIL_ALERT },
		{ .name = "plain", .when = "helo == 'y'", .action = SCORE_MAIL_ALERT });
	world_open(&w, rules);
	at_mail(&w, "a@b");
	assert_int_equal(w.v.mails_n, 0);
	mail_done(&w);
	at_mail(&w, "A@b");
	assert_int_equal(w.v.mails_n, 1);
	assert_int_equal(w.v.mails[0], 0);
	assert_true(score_rule_subject(w.set, 0, &w.facts, &kind, &text));
	assert_string_equal(kind, "sender");
	assert_true(slice_eq(buf_slice(&text), SLICE("A@b")));
	at_rcpt(&w, "c@d");
	assert_int_equal(w.v.mails_n, 0); /* told already in this mail */
	buf_clear(&text);
	assert_true(score_rule_subject(w.set, 1, &w.facts, &kind, &text));
	assert_true(slice_eq(buf_slice(&text), SLICE("192.0.2.0/24")));
	buf_clear(&text);
	assert_true(score_rule_subject(w.set, 2, &w.facts, &kind, &text));
	assert_string_equal(kind, "client");
	assert_true(slice_eq(buf_slice(&text), SLICE("192.0.2.7")));
	score_facts_drop(&w.facts, SCORE_OF_MAIL);
	assert_false(score_rule_subject(w.set, 0, &w.facts, &kind, &text));
	buf_release(&text);
	world_close(&w);
}

/* An event at the end of something must not eat the alert that the next test tells. */
static void an_alert_by_a_late_event_is_told_by_the_next_test(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "harvest",
		.when = "count(bad_recipients by client, 1h) > 0",
		.charge = 5,
		.action = SCORE_MAIL_ALERT });
	world_open(&w, rules);
	at_mail(&w, "a@b");
	at_rcpt(&w, "no@d");
	event(&w, SCORE_EV_BAD_RECIPIENTS);
	assert_int_equal((int)client_record(&w), 5);
	rcpt_done(&w, false);
	at_rcpt(&w, "c@d");
	assert_int_equal(w.v.mails_n, 1);
	assert_int_equal((int)client_record(&w), 5);
	world_close(&w);
}

static void late(struct world *w, enum score_scope scope)
{
	assert_true(score_rules_tell(w->set, scope, &w->facts, &w->c, w->store, w->now_ms, &w->v));
}

static void what_no_further_test_would_tell_is_told_at_the_scope_s_end(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "harvest", .when = "count(bad_recipients by client, 1h) > 0", .charge = 50 },
		{ .name = "tell", .when = "score >= 50", .action = SCORE_MAIL_ALERT },
		{ .name = "many", .when = "count(accepted by sender, 1h) > 0", .charge = 3, .action = SCORE_LOG },
		{ .name = "watched", .when = "score >= 50", .action = SCORE_LOG, .state = SCORE_OBSERVE },
		{ .name = "stop", .when = "score >= 50", .action = SCORE_DEFER });
	world_open(&w, rules);
	at_mail(&w, "a@b");
	late(&w, SCORE_OF_MAIL);
	assert_true(w.v.mails_n == 0 && w.v.logs_n == 0);
	event(&w, SCORE_EV_ACCEPTED);
	late(&w, SCORE_OF_MAIL);
	assert_true(w.v.logs_n == 1 && w.v.mails_n == 0);
	assert_string_equal(score_rule_name(w.set, w.v.logs[0]), "many");
	late(&w, SCORE_OF_MAIL);
	assert_int_equal(w.v.logs_n, 0); /* once */
	mail_done(&w);
	at_mail(&w, "a@b");
	at_rcpt(&w, "no@d");
	event(&w, SCORE_EV_BAD_RECIPIENTS);
	rcpt_done(&w, false);
	mail_done(&w);
	late(&w, SCORE_OF_SESSION); /* the client leaves now */
	assert_true(w.v.mails_n == 1 && w.v.logs_n == 0);
	assert_string_equal(score_rule_name(w.set, w.v.mails[0]), "tell");
	assert_int_equal((int)w.v.score, 50);
	assert_int_equal(w.v.now.action, SCORE_NONE);
	assert_int_equal((int)client_record(&w), 50);
	world_close(&w);
}

static void a_delete_forgets_the_record(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "bad", .when = "helo == 'x'", .charge = 50 },
		{ .name = "pardon", .when = "sender == 'pardon@b'", .action = SCORE_DELETE },
		{ .name = "deferred", .when = "score >= 40 and sender is known", .action = SCORE_DEFER });
	world_open(&w, rules);
	at_helo(&w, "x");
	assert_int_equal((int)client_record(&w), 50);
	at_mail(&w, "pardon@b");
	assert_int_equal((int)client_record(&w), 0);
	assert_string_equal(by(&w), ""); /* rules below see it gone */
	assert_true(w.v.score < 1);
	world_close(&w);
}

static void without_enforce_nothing_is_done(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "b", .when = "helo == 'x'", .action = SCORE_BLOCK, .hold_ms = 1000 },
		{ .name = "t", .when = "helo == 'x'", .action = SCORE_TAG, .header = "X-A: one" },
		{ .name = "s", .when = "helo == 'x'", .action = SCORE_THROTTLE, .rate = 100 },
		{ .name = "m", .when = "helo == 'x'", .action = SCORE_MAIL_ALERT });
	world_open_with(&w, rules, false, NULL, 0);
	score_facts_known_good(&w.facts, true);
	at_helo(&w, "x");
	assert_int_equal(w.v.now.action, SCORE_NONE);
	assert_int_equal(w.v.would.action, SCORE_DEFER); /* known good */
	assert_int_equal(w.v.alarm_rule, SCORE_NO_RULE);
	assert_int_equal(w.v.rate + w.v.mails_n + w.v.hold_ms, 0);
	assert_null(w.v.reply);
	assert_string_equal(tags(&w), "");
	world_close(&w);
}

static void an_allowance_stands_above_all_rules(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "b", .when = "helo == 'x'", .action = SCORE_BLOCK, .hold_ms = 1000 },
		{ .name = "c", .when = "count(messages by client, 1h) > 0", .charge = 7, .points = 3 });
	world_open(&w, rules);
	w.c.allowed = true;
	at_helo(&w, "x");
	at_mail(&w, "a@b");
	assert_int_equal(w.v.now.action, SCORE_NONE);
	assert_string_equal(fired(&w), "");
	assert_int_equal((int)client_record(&w), 0);
	world_close(&w);
}

static void a_dry_case_changes_nothing(void **state)
{
	(void)state;
	struct world w;
	struct score_store_stats before, after;
	RULES({ .name = "c", .when = "helo == 'x'", .charge = 60 },
		{ .name = "n", .when = "count(messages by sender, 1h) > 0", .action = SCORE_LOG },
		{ .name = "f", .when = "distinct(sender by client, 1h) > 0", .action = SCORE_LOG },
		{ .name = "u", .when = "spike(messages by client) > 1", .action = SCORE_LOG },
		{ .name = "d", .when = "score >= 50", .action = SCORE_DEFER });
	world_open(&w, rules);
	w.c.dry = true;
	score_store_stats(w.store, &before);
	at_connect(&w);
	at_helo(&w, "x");
	assert_string_equal(by(&w), "d"); /* as it would have been */
	at_mail(&w, "a@b");
	assert_string_equal(fired(&w), "c d");
	score_store_stats(w.store, &after);
	assert_int_equal(before.used, after.used);
	assert_int_equal((int)client_record(&w), 0);
	world_close(&w);
}

static void log_mail_tag_throttle_and_delete_add_up_beside_a_refusal(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "bad", .when = "helo == 'x'", .charge = 50 },
		{ .name = "no", .when = "helo == 'x'", .action = SCORE_REJECT },
		{ .name = "l1", .when = "helo == 'x'", .action = SCORE_LOG },
		{ .name = "m1", .when = "helo == 'x'", .action = SCORE_MAIL_ALERT },
		{ .name = "t1", .when = "helo == 'x'", .action = SCORE_TAG, .header = "X-A: one" },
		{ .name = "s1", .when = "helo == 'x'", .action = SCORE_THROTTLE, .rate = 900 },
		{ .name = "l2", .when = "helo == 'x'", .action = SCORE_LOG },
		{ .name = "m2", .when = "helo == 'x'", .action = SCORE_MAIL_ALERT },
		{ .name = "t2", .when = "helo == 'x'", .action = SCORE_TAG, .header = "X-B: two" },
		{ .name = "d", .when = "helo == 'x'", .action = SCORE_DELETE });
	world_open(&w, rules);
	at_helo(&w, "x");
	assert_string_equal(by(&w), "no");
	assert_int_equal(w.v.logs_n * 10 + w.v.mails_n, 22);
	assert_int_equal(w.v.rate, 900);
	assert_string_equal(tags(&w), "X-A: one|X-B: two|");
	assert_int_equal((int)client_record(&w), 0);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_block_is_stronger_than_all),
		cmocka_unit_test(a_client_known_good_is_deferred_and_told),
		cmocka_unit_test(the_promise_in_one_place),
		cmocka_unit_test(the_lowest_throttle_in_force_counts),
		cmocka_unit_test(tags_are_those_of_the_mail_and_its_accepted_recipients),
		cmocka_unit_test(an_ok_above_takes_tag_and_throttle_away),
		cmocka_unit_test(an_alert_is_told_once_a_scope_with_its_subject),
		cmocka_unit_test(an_alert_by_a_late_event_is_told_by_the_next_test),
		cmocka_unit_test(what_no_further_test_would_tell_is_told_at_the_scope_s_end),
		cmocka_unit_test(a_delete_forgets_the_record),
		cmocka_unit_test(without_enforce_nothing_is_done),
		cmocka_unit_test(an_allowance_stands_above_all_rules),
		cmocka_unit_test(a_dry_case_changes_nothing),
		cmocka_unit_test(log_mail_tag_throttle_and_delete_add_up_beside_a_refusal),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
