/* The sentences of CONFIG.md "When", "Points" and "Who wins", one test each; of `ok` in ok_test.c. */
#include "tests/score/help.h"

#include <stdio.h>

#define RULES(...) static const struct score_rule_source rules[] = { __VA_ARGS__, { 0 } }
#define WHEN_ALWAYS "client.ip is known"

static void the_strongest_action_wins(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "w", .when = WHEN_ALWAYS, .action = SCORE_WAIT, .delay_ms = 500 },
		{ .name = "d", .when = WHEN_ALWAYS, .action = SCORE_DEFER },
		{ .name = "r", .when = WHEN_ALWAYS, .action = SCORE_REJECT },
		{ .name = "r2", .when = WHEN_ALWAYS, .action = SCORE_REJECT });
	world_open(&w, rules);
	at_connect(&w);
	assert_int_equal(w.v.now.action, SCORE_REJECT);
	assert_string_equal(by(&w), "r");
	assert_int_equal(w.v.wait_ms, 0); /* not beside a refusal */
	assert_int_equal(w.v.reply->code, 550);
	assert_false(w.v.held);
	world_close(&w);
}

static void among_equals_the_first_gives_the_reply(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "late", .when = "helo == 'x'", .action = SCORE_DEFER, .reply = "451 4.7.0 late {id}" },
		{ .name = "early", .when = WHEN_ALWAYS, .action = SCORE_DEFER });
	world_open(&w, rules);
	at_connect(&w);
	assert_string_equal(by(&w), "early");
	at_helo(&w, "x"); /* found later, but higher in the list */
	assert_string_equal(by(&w), "late");
	assert_int_equal(w.v.reply->code, 451);
	world_close(&w);
}

static void a_refusal_found_before_rcpt_is_held(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "d", .when = WHEN_ALWAYS, .action = SCORE_DEFER });
	world_open(&w, rules);
	at_connect(&w);
	assert_false(w.v.held);
	at_helo(&w, "x");
	assert_true(w.v.held);
	at_mail(&w, "a@b");
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), "d");
	assert_true(w.v.held);
	rcpt_done(&w, false);
	mail_done(&w);
	score_case_verdict(w.set, &w.facts, &w.c, w.store, w.now_ms, &w.v); /* a client that leaves first */
	assert_string_equal(by(&w), "d");
	at_mail(&w, "other@b");
	assert_string_equal(by(&w), "d");
	world_close(&w);
}

static void a_refusal_by_the_sender_ends_with_the_mail(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "s", .when = "sender == 'bad@x'", .action = SCORE_REJECT, .points = 3 });
	world_open(&w, rules);
	at_connect(&w);
	at_mail(&w, "bad@x");
	assert_string_equal(by(&w), "s");
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), "s");
	rcpt_done(&w, false);
	mail_done(&w);
	at_mail(&w, "good@x");
	assert_string_equal(by(&w), "");
	assert_true(w.v.points < 1);
	world_close(&w);
}

static void a_refusal_of_one_recipient_is_not_held(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "r", .when = "recipient == 'no@x'", .action = SCORE_REJECT });
	world_open(&w, rules);
	at_mail(&w, "a@b");
	at_rcpt(&w, "no@x");
	assert_string_equal(by(&w), "r");
	rcpt_done(&w, false);
	at_rcpt(&w, "yes@x");
	assert_string_equal(by(&w), "");
	rcpt_done(&w, true);
	assert_string_equal(fired(&w), "r"); /* the mail's journal line still knows */
	mail_done(&w);
	assert_string_equal(fired(&w), "");
	world_close(&w);
}

static void of_several_waits_the_longest_counts_once_a_scope(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "short", .when = WHEN_ALWAYS, .action = SCORE_WAIT, .delay_ms = 4000 },
		{ .name = "long", .when = WHEN_ALWAYS, .action = SCORE_WAIT, .delay_ms = 8000 },
		{ .name = "longer", .when = "helo == 'x'", .action = SCORE_WAIT, .delay_ms = 9000 },
		{ .name = "mail", .when = "sender.domain == 'b'", .action = SCORE_WAIT, .delay_ms = 5000 },
		{ .name = "again", .when = "score >= 0", .action = SCORE_WAIT, .delay_ms = 3000 });
	world_open(&w, rules);
	at_connect(&w);
	assert_string_equal(by(&w), "long");
	assert_int_equal(w.v.wait_ms, 8000);
	at_stage(&w, SCORE_GREET);
	assert_int_equal(w.v.now.action, SCORE_NONE);
	at_helo(&w, "x"); /* what was waited already is not waited again */
	assert_string_equal(by(&w), "longer");
	assert_int_equal(w.v.wait_ms, 1000);
	for (int mail = 0; mail < 2; mail++) {
		at_mail(&w, "a@b");
		assert_int_equal(w.v.wait_ms, 5000);
		at_rcpt(&w, "c@d");
		assert_int_equal(w.v.now.action, SCORE_NONE);
		mail_done(&w);
	}
	world_close(&w);
}

static void points_count_once_in_their_scope_and_end_with_it(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "session", .when = "offences >= 0", .points = 1 },
		{ .name = "mail", .when = "sender.domain == 'b'", .points = 10 },
		{ .name = "rcpt", .when = "recipient.domain == 'd'", .points = 100 });
	world_open(&w, rules);
	at_connect(&w);
	at_helo(&w, "x");
	assert_int_equal((int)w.v.points, 1);
	at_mail(&w, "a@b");
	assert_int_equal((int)w.v.points, 11);
	at_rcpt(&w, "c@d");
	assert_int_equal((int)w.v.points, 111);
	rcpt_done(&w, true);
	at_rcpt(&w, "c@d");
	assert_int_equal((int)w.v.points, 111);
	rcpt_done(&w, true);
	at_rcpt(&w, "c@e");
	assert_int_equal((int)w.v.points, 11);
	mail_done(&w);
	at_mail(&w, "a@c");
	assert_int_equal((int)w.v.points, 1);
	world_close(&w);
}

static void rules_see_the_points_of_those_above(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "before", .when = "score >= 15", .stage = 1, .action = SCORE_LOG },
		{ .name = "p", .when = WHEN_ALWAYS, .points = 15, .charge = 5 },
		{ .name = "after", .when = "score == 20 and points == 15", .stage = 1, .action = SCORE_LOG });
	world_open(&w, rules);
	at_connect(&w);
	assert_string_equal(fired(&w), "p after");
	assert_int_equal(w.v.logs_n, 1);
	assert_int_equal(w.v.logs[0], 2);
	assert_int_equal((int)w.v.score, 20);
	world_close(&w);
}

static void a_rule_is_born_where_all_it_reads_exists(void **state)
{
	(void)state;
	static const unsigned all = (1u << SCORE_STAGES) - 1;
	struct world w;
	RULES({ .name = "0", .when = WHEN_ALWAYS }, { .name = "1", .when = "helo == 'x'" },
		{ .name = "2", .when = "sender == 'x' or tls" },
		{ .name = "3", .when = "recipient == 'x' and score > 5" }, { .name = "4", .when = "score > 5" },
		{ .name = "5", .when = "count(messages by sender, 1m) > 5" },
		{ .name = "6", .when = "score > 5", .stage = 1 + SCORE_HELO },
		{ .name = "7", .when = "recipients > 5" },
		{ .name = "8", .when = WHEN_ALWAYS, .charge = 1, .to = SCORE_TO_SENDER },
		{ .name = "9", .when = WHEN_ALWAYS, .state = SCORE_OFF });
	static const unsigned stages[] = { 1u << SCORE_CONNECT, 1u << SCORE_HELO, 1u << SCORE_MAIL, 1u << SCORE_RCPT,
		all, all & all << SCORE_MAIL, 1u << SCORE_HELO, all & all << SCORE_RCPT, 1u << SCORE_MAIL, 0 };
	static const enum score_scope scopes[] = { 0, 0, SCORE_OF_MAIL, SCORE_OF_RECIPIENT, 0, SCORE_OF_MAIL, 0,
		SCORE_OF_MAIL, SCORE_OF_MAIL, 0 };
	world_open(&w, rules);
	for (unsigned i = 0; i < 10; i++) {
		assert_int_equal(score_rule_stages(w.set, i), stages[i]);
		assert_int_equal(score_rule_scope(w.set, i), scopes[i]);
	}
	world_close(&w);
}

static void what_can_change_is_tested_again(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "many", .when = "offences >= 3", .action = SCORE_DEFER });
	world_open(&w, rules);
	at_connect(&w);
	at_mail(&w, "a@b");
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), "");
	rcpt_done(&w, true);
	w.facts.offences = 3;
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), "many");
	assert_false(w.v.held);
	rcpt_done(&w, false);
	w.facts.offences = 0;
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), ""); /* found at rcpt, for that test only */
	world_close(&w);
}

static void observed_rules_only_tell(void **state)
{
	(void)state;
	struct world w;
	struct score_fired f;
	unsigned at = 0;
	RULES({ .name = "o",
		      .when = WHEN_ALWAYS,
		      .state = SCORE_OBSERVE,
		      .points = 50,
		      .charge = 50,
		      .action = SCORE_REJECT },
		{ .name = "d", .when = WHEN_ALWAYS, .action = SCORE_DEFER },
		{ .name = "ok", .when = WHEN_ALWAYS, .state = SCORE_OBSERVE, .action = SCORE_OK },
		{ .name = "last", .when = WHEN_ALWAYS, .points = 2 });
	world_open(&w, rules);
	at_connect(&w);
	assert_string_equal(by(&w), "d");
	assert_int_equal(w.v.would.rule, 0);
	assert_int_equal(w.v.would.action, SCORE_REJECT);
	assert_int_equal((int)w.v.score, 2);
	assert_true(score_case_next(w.set, &w.c, &at, &f) && f.observed && f.rule == 0);
	at_helo(&w, "x");
	assert_int_equal(w.v.would.rule, 0);
	world_close(&w);
}

static void without_enforce_nobody_is_refused_or_delayed(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "w", .when = WHEN_ALWAYS, .action = SCORE_WAIT, .delay_ms = 5 },
		{ .name = "d", .when = "helo == 'x'", .action = SCORE_DEFER, .points = 3, .charge = 4 });
	world_open_with(&w, rules, false, NULL, 0);
	at_connect(&w);
	assert_int_equal(w.v.now.action, SCORE_NONE);
	assert_int_equal(w.v.wait_ms, 0);
	assert_int_equal(w.v.would.action, SCORE_WAIT);
	at_helo(&w, "x");
	assert_int_equal(w.v.now.action, SCORE_NONE);
	assert_int_equal(w.v.would.rule, 1);
	assert_int_equal((int)w.v.score, 7); /* judged all the same */
	world_close(&w);
}

static void rules_off_expired_or_outside_their_percent_do_nothing(void **state)
{
	(void)state;
	struct world w;
	char ip[32];
	unsigned in = 0;
	RULES({ .name = "off", .when = WHEN_ALWAYS, .state = SCORE_OFF, .points = 1 },
		{ .name = "over", .when = WHEN_ALWAYS, .until_ms = T0, .points = 10 },
		{ .name = "not-yet-over", .when = WHEN_ALWAYS, .until_ms = T0 + 10 * NOW, .points = 100 },
		{ .name = "some", .when = WHEN_ALWAYS, .percent = 25, .points = 1000 });
	world_open(&w, rules);
	for (unsigned i = 0; i < 1000; i++) {
		(void)snprintf(ip, sizeof ip, "10.0.%u.%u", i / 250, i % 250);
		world_session(&w, ip);
		at_connect(&w);
		double first = w.v.points;
		in += first > 999;
		assert_int_equal((int)first % 1000, 100);
		world_session(&w, ip);
		at_connect(&w);
		assert_true(first <= w.v.points && first >= w.v.points); /* the same client is always in or out */
	}
	assert_in_range(in, 190, 310);
	world_close(&w);
}

static void no_rules_cost_no_memory(void **state)
{
	(void)state;
	struct world w;
	static const struct score_rule_source none[] = { { 0 } };
	world_open(&w, none);
	at_connect(&w);
	at_mail(&w, "a@b");
	at_rcpt(&w, "c@d");
	mail_done(&w);
	assert_null(w.c.sets);
	assert_int_equal(w.v.now.rule, SCORE_NO_RULE);
	assert_true(sizeof w.c <= 64);
	world_close(&w);
}

static void faults_of(const struct score_rule_source *rule, const char *wanted)
{
	struct buf faults = { 0 };
	struct score_rules_config c = { .rules = rule, .n = 1, .half_life_ms = 1, .enforce = true };
	assert_null(score_rules_compile(&c, &faults));
	assert_true(buf_put(&faults, slice_of("", 1)));
	assert_string_equal(faults.data, wanted);
	buf_release(&faults);
}

static void a_fault_has_file_line_and_caret(void **state)
{
	(void)state;
	struct score_rule_source r = { .name = "x", .file = "a.cfg", .line = 7, .stage = SCORE_ANY_STAGE };
	r.when = "tls and sendr == 'a'";
	faults_of(&r, "a.cfg:7: rule \"x\": unknown attribute 'sendr', did you mean 'sender'?\n    tls and sendr == "
		      "'a'\n            ^\n");
	r.when = "sender =~ /a(/";
	faults_of(&r, "a.cfg:7: rule \"x\": in this pattern: missing closing parenthesis\n    sender =~ /a(/\n"
		      "                 ^\n");
	r.when = "sender in list('no')";
	faults_of(
		&r, "a.cfg:7: rule \"x\": there is no list 'no' in `lists`\n    sender in list('no')\n           ^\n");
	r.when = "tls";
	r.action = SCORE_SCAN;
	faults_of(&r, "a.cfg:7: rule \"x\": the action 'scan' is not built in this version\n");
	r.action = SCORE_BLOCK;
	faults_of(&r, "a.cfg:7: rule \"x\": 'block' needs a hold\n");
	r.action = SCORE_THROTTLE;
	faults_of(&r, "a.cfg:7: rule \"x\": 'throttle' needs a rate\n");
	r.action = SCORE_TAG;
	r.header = "X-Spam";
	faults_of(&r, "a.cfg:7: rule \"x\": a header is written Name: value\n");
	r.action = SCORE_WAIT;
	faults_of(&r, "a.cfg:7: rule \"x\": 'wait' needs a delay\n");
	r.action = SCORE_DEFER;
	r.reply = "550 5.7.1 no";
	faults_of(&r, "a.cfg:7: rule \"x\": a reply that defers has a 4xx code; 5xx belongs to do = \"reject\"\n");
	r.action = SCORE_NONE;
	r.when = "recipient == 'x'";
	r.stage = SCORE_MAIL;
	faults_of(&r, "a.cfg:7: rule \"x\": what it reads is not known at stage mail, only at rcpt\n");
	r.stage = SCORE_ANY_STAGE;
	r.when = "recipient == 'x' and message.size > 5M";
	faults_of(&r, "a.cfg:7: rule \"x\": a recipient is known at stage rcpt only, what else it reads at message: "
		      "make two rules of it\n");
}

static void of_two_actions_the_stronger_wins_in_either_order(void **state)
{
	(void)state;
	static const enum score_action rising[] = { SCORE_WAIT, SCORE_DEFER, SCORE_REJECT, SCORE_BLOCK };
	assert_true(SCORE_WAIT < SCORE_GREYLIST && SCORE_GREYLIST < SCORE_DEFER);
	for (int weak = 0; weak < 4; weak++)
		for (int strong = weak + 1; strong < 4; strong++)
			for (int first = 0; first < 2; first++) {
				struct world w;
				struct score_rule_source rules[] = { { .name = "a" }, { .name = "b" }, { 0 } };
				for (int i = 0; i < 2; i++) {
					rules[i].when = WHEN_ALWAYS;
					rules[i].action = rising[i == first ? strong : weak];
					rules[i].delay_ms = rules[i].hold_ms = 1000;
				}
				world_open(&w, rules);
				at_connect(&w);
				assert_int_equal(w.v.now.rule, first);
				assert_int_equal(w.v.now.action, rising[strong]);
				world_close(&w);
			}
}

/* Those in force do, beside them: else nobody would know that they could. */
static void rules_not_in_force_give_neither_points_nor_charge(void **state)
{
	(void)state;
	struct world w;
	unsigned in = 0;
	RULES({ .name = "off", .when = WHEN_ALWAYS, .state = SCORE_OFF, .points = 1, .charge = 1 },
		{ .name = "watched", .when = WHEN_ALWAYS, .state = SCORE_OBSERVE, .points = 2, .charge = 2 },
		{ .name = "over", .when = WHEN_ALWAYS, .until_ms = T0 + NOW, .points = 4, .charge = 4 },
		{ .name = "last", .when = WHEN_ALWAYS, .until_ms = T0 + NOW + 1, .points = 10, .charge = 10 },
		{ .name = "some", .when = WHEN_ALWAYS, .percent = 50, .points = 20, .charge = 20 });
	world_open(&w, rules);
	for (unsigned i = 0; i < 40; i++) {
		char ip[32];
		(void)snprintf(ip, sizeof ip, "10.0.0.%u", i);
		world_session(&w, ip);
		at_connect(&w);
		bool some = w.v.points > 10;
		in += some;
		assert_int_equal((int)w.v.points, some ? 30 : 10);
		assert_int_equal((int)client_record(&w), some ? 30 : 10);
	}
	assert_in_range(in, 8, 32);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_strongest_action_wins),
		cmocka_unit_test(among_equals_the_first_gives_the_reply),
		cmocka_unit_test(a_refusal_found_before_rcpt_is_held),
		cmocka_unit_test(a_refusal_by_the_sender_ends_with_the_mail),
		cmocka_unit_test(a_refusal_of_one_recipient_is_not_held),
		cmocka_unit_test(of_several_waits_the_longest_counts_once_a_scope),
		cmocka_unit_test(points_count_once_in_their_scope_and_end_with_it),
		cmocka_unit_test(rules_see_the_points_of_those_above),
		cmocka_unit_test(a_rule_is_born_where_all_it_reads_exists),
		cmocka_unit_test(what_can_change_is_tested_again),
		cmocka_unit_test(observed_rules_only_tell),
		cmocka_unit_test(without_enforce_nobody_is_refused_or_delayed),
		cmocka_unit_test(rules_off_expired_or_outside_their_percent_do_nothing),
		cmocka_unit_test(no_rules_cost_no_memory),
		cmocka_unit_test(a_fault_has_file_line_and_caret),
		cmocka_unit_test(of_two_actions_the_stronger_wins_in_either_order),
		cmocka_unit_test(rules_not_in_force_give_neither_points_nor_charge),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
