/* do = "greylist", and identities as keys: CONFIG.md "Rules" and "Who wins". */
#include "score/known.h"
#include "tests/score/help.h"

#define RULES(...) static const struct score_rule_source rules[] = { __VA_ARGS__, { 0 } }

static void is_told(const struct world *w, bool told)
{
	assert_int_equal(w->v.now.action, told ? SCORE_GREYLIST : SCORE_NONE);
	assert_int_equal(w->v.reply != NULL, told);
}

static void a_rule_of_an_early_stage_is_held_until_the_recipient(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "g", .when = "client.ip in 192.0.2.0/24", .action = SCORE_GREYLIST });
	world_open(&w, rules);
	assert_true(score_rules_do(w.set, SCORE_GREYLIST));
	assert_false(score_rules_do(w.set, SCORE_DEFER));
	at_connect(&w), is_told(&w, false);
	at_helo(&w, "x"), is_told(&w, false);
	at_mail(&w, "a@b.example"), is_told(&w, false);
	at_rcpt(&w, "c@d.example"), is_told(&w, true);
	assert_true(w.v.held);
	assert_int_equal(w.v.reply->code, 450);
	rcpt_done(&w, true);
	at_rcpt(&w, "e@d.example"), is_told(&w, true);
	rcpt_done(&w, true);
	at_stage(&w, SCORE_DATA), is_told(&w, false); /* each recipient was asked about */
	world_close(&w);
}

static void the_null_sender_is_asked_about_with_the_mail_only(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "g", .when = "helo == 'x'", .action = SCORE_GREYLIST },
		{ .name = "h", .when = "recipient == 'e@d.example'", .action = SCORE_GREYLIST });
	world_open(&w, rules);
	at_helo(&w, "x"), at_mail(&w, ""), at_rcpt(&w, "c@d.example"), is_told(&w, false);
	rcpt_done(&w, true);
	at_stage(&w, SCORE_DATA), is_told(&w, true);
	at_stage(&w, SCORE_MESSAGE), is_told(&w, false);
	mail_done(&w);
	world_session(&w, "192.0.2.8");
	at_helo(&w, "y"), at_mail(&w, ""), at_rcpt(&w, "c@d.example");
	rcpt_done(&w, true);
	at_stage(&w, SCORE_DATA), is_told(&w, false);
	mail_done(&w);
	at_mail(&w, ""), at_rcpt(&w, "e@d.example"), is_told(&w, false);
	rcpt_done(&w, true);
	at_stage(&w, SCORE_DATA), is_told(&w, true);
	mail_done(&w);
	at_mail(&w, "a@b.example"), at_rcpt(&w, "c@d.example"), is_told(&w, false); /* what was held is over */
	world_close(&w);
}

static void a_rule_about_the_mail_is_told_with_it(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "g", .when = "message.size > 10", .action = SCORE_GREYLIST });
	world_open(&w, rules);
	at_mail(&w, "a@b.example"), at_rcpt(&w, "c@d.example"), is_told(&w, false);
	rcpt_done(&w, true);
	score_facts_size(&w.facts, 11);
	at_stage(&w, SCORE_MESSAGE), is_told(&w, true);
	assert_false(w.v.held);
	world_close(&w);
}

static void who_is_known_good_is_never_greylisted(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "g", .when = "helo == 'x'", .action = SCORE_GREYLIST, .even_known_good = true },
		{ .name = "h", .when = "recipient == 'c@d.example'", .action = SCORE_GREYLIST });
	world_open(&w, rules);
	score_facts_known_good(&w.facts, true);
	at_helo(&w, "x"), at_mail(&w, "a@b.example"), at_rcpt(&w, "c@d.example"), is_told(&w, false);
	assert_int_equal(w.v.alarm_rule, SCORE_NO_RULE);
	world_close(&w);
}

static void an_ok_above_cancels_it_and_a_refusal_is_stronger(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "ok", .when = "recipient == 'ok@d.example'", .action = SCORE_OK },
		{ .name = "g", .when = "helo == 'x'", .action = SCORE_GREYLIST },
		{ .name = "w", .when = "helo == 'x'", .action = SCORE_WAIT, .delay_ms = 5000 },
		{ .name = "d", .when = "recipient == 'no@d.example'", .action = SCORE_DEFER });
	world_open(&w, rules);
	at_helo(&w, "x");
	assert_int_equal(w.v.now.action, SCORE_WAIT); /* what is held hides no wait */
	at_mail(&w, "a@b.example"), at_rcpt(&w, "ok@d.example"), is_told(&w, false);
	rcpt_done(&w, true);
	at_rcpt(&w, "no@d.example");
	assert_string_equal(by(&w), "d");
	rcpt_done(&w, false);
	at_rcpt(&w, "c@d.example");
	assert_string_equal(by(&w), "g");
	world_close(&w);
}

static void an_observed_one_is_only_told_as_would(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "g", .when = "helo == 'x'", .action = SCORE_GREYLIST, .state = SCORE_OBSERVE });
	world_open(&w, rules);
	at_helo(&w, "x");
	assert_int_equal(w.v.would.action, SCORE_NONE);
	at_mail(&w, "a@b.example"), at_rcpt(&w, "c@d.example"), is_told(&w, false);
	assert_int_equal(w.v.would.action, SCORE_GREYLIST);
	world_close(&w);
}

static void its_reply_says_how_long(void **state)
{
	(void)state;
	struct world w;
	struct buf out = { 0 };
	RULES({ .name = "g", .when = "helo == 'x'", .action = SCORE_GREYLIST, .reply = "451 4.7.9 Wait {wait} s" });
	world_open(&w, rules);
	at_helo(&w, "x"), at_mail(&w, "a@b.example"), at_rcpt(&w, "c@d.example"), is_told(&w, true);
	assert_int_equal(w.v.reply->code, 451);
	const struct score_reply_values values = {
		.id = SLICE("ID"), .client = SLICE("192.0.2.7"), .rule = SLICE("g"), .wait_s = 58
	};
	assert_true(score_reply_expand(w.v.reply, &values, &out));
	assert_true(slice_eq(buf_slice(&out), SLICE("Wait 58 s (id ID)")));
	buf_release(&out);
	world_close(&w);
}

static void a_reply_that_rejects_is_a_fault(void **state)
{
	(void)state;
	RULES({ .name = "g", .when = "helo == 'x'", .action = SCORE_GREYLIST, .reply = "550 5.7.1 No" },
		{ .name = "d", .when = "helo == 'x'", .action = SCORE_DEFER, .reply = "450 4.7.1 Wait {wait}" });
	struct score_rules_config c = { .rules = rules, .n = 2 };
	struct buf faults = { 0 };
	assert_null(score_rules_compile(&c, &faults));
	assert_non_null(memmem(buf_slice(&faults).p, buf_slice(&faults).n, "4xx", 3));
	assert_non_null(memmem(buf_slice(&faults).p, buf_slice(&faults).n, "{txt}\n", 6));
	buf_release(&faults);
}

/* --- identities --- */

static void what_an_identity_did_is_counted_and_charged_to_it(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "c", .when = "count(messages by identity, 1h) > 1", .charge = 10, .to = SCORE_TO_IDENTITY },
		{ .name = "r", .when = "record(identity) >= 10", .action = SCORE_DEFER },
		{ .name = "i", .when = "identity == 'Example.ORG'", .action = SCORE_LOG });
	world_open(&w, rules);
	for (unsigned i = 0; i < 2; i++) {
		world_session(&w, i ? "198.51.100.7" : "192.0.2.7");
		score_facts_sender(&w.facts, SLICE("a@example.org"));
		score_facts_identity(&w.facts, SLICE("example.org"));
		event(&w, SCORE_EV_MESSAGES);
		at_stage(&w, SCORE_MAIL);
		assert_int_equal(w.v.now.action, i ? SCORE_DEFER : SCORE_NONE);
		assert_int_equal(w.v.logs_n, 1);
	}
	world_session(&w, "192.0.2.7");
	score_facts_sender(&w.facts, SLICE("a@example.com"));
	score_facts_identity(&w.facts, slice_of(NULL, 0)); /* nobody has no record */
	at_stage(&w, SCORE_MAIL);
	assert_int_equal(w.v.now.action, SCORE_NONE);
	const char *kind;
	struct buf text = { 0 };
	score_facts_identity(&w.facts, SLICE("example.org"));
	assert_true(score_rule_subject(w.set, 0, &w.facts, &kind, &text));
	assert_string_equal(kind, "identity");
	assert_true(slice_eq(buf_slice(&text), SLICE("example.org")));
	buf_release(&text);
	world_close(&w);
}

static void an_identity_becomes_known_good(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "i", .when = "identity == 'x'", .action = SCORE_LOG });
	struct score_known_limits limits = { 2, 0, 0.5 };
	world_open(&w, rules);
	struct score_key key = score_key_text(w.store, SCORE_KEY_IDENTITY, SLICE("example.org"));
	assert_false(score_known_accepted(w.store, &key, &limits, 1, T0));
	assert_true(score_known_accepted(w.store, &key, &limits, 1, T0 + 1000));
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_rule_of_an_early_stage_is_held_until_the_recipient),
		cmocka_unit_test(the_null_sender_is_asked_about_with_the_mail_only),
		cmocka_unit_test(a_rule_about_the_mail_is_told_with_it),
		cmocka_unit_test(who_is_known_good_is_never_greylisted),
		cmocka_unit_test(an_ok_above_cancels_it_and_a_refusal_is_stronger),
		cmocka_unit_test(an_observed_one_is_only_told_as_would),
		cmocka_unit_test(its_reply_says_how_long),
		cmocka_unit_test(a_reply_that_rejects_is_a_fault),
		cmocka_unit_test(what_an_identity_did_is_counted_and_charged_to_it),
		cmocka_unit_test(an_identity_becomes_known_good),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
