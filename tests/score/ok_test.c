/* What `ok` cancels and for how long: CONFIG.md "Who wins". */
#include "tests/score/help.h"

#define RULES(...) static const struct score_rule_source rules[] = { __VA_ARGS__, { 0 } }
#define WHEN_ALWAYS "client.ip is known"

static void ok_cancels_what_is_below_it(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "above", .when = WHEN_ALWAYS, .points = 1 },
		{ .name = "ok", .when = WHEN_ALWAYS, .action = SCORE_OK },
		{ .name = "below", .when = WHEN_ALWAYS, .points = 10, .charge = 10, .action = SCORE_REJECT });
	world_open(&w, rules);
	at_connect(&w);
	assert_string_equal(by(&w), "");
	assert_int_equal(w.v.ok_rule, 1);
	assert_int_equal((int)w.v.points, 1);
	assert_int_equal((int)client_record(&w), 0);
	assert_string_equal(fired(&w), "above ok");
	world_close(&w);
}

static void ok_does_not_cancel_what_is_above_it(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "above", .when = WHEN_ALWAYS, .action = SCORE_REJECT },
		{ .name = "ok", .when = WHEN_ALWAYS, .action = SCORE_OK });
	world_open(&w, rules);
	at_connect(&w);
	assert_string_equal(by(&w), "above");
	world_close(&w);
}

static void ok_cancels_one_held_from_an_earlier_stage_for_its_scope(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "soft", .when = "helo == 'soft'", .action = SCORE_DEFER },
		{ .name = "role", .when = "recipient =~ /^postmaster@/i", .action = SCORE_OK },
		{ .name = "hard", .when = WHEN_ALWAYS, .action = SCORE_REJECT, .points = 7 });
	world_open(&w, rules);
	at_connect(&w);
	at_helo(&w, "x");
	at_mail(&w, "a@b");
	at_rcpt(&w, "postmaster@x");
	assert_string_equal(by(&w), "");
	assert_int_equal((int)w.v.points, 0);
	rcpt_done(&w, true);
	at_rcpt(&w, "user@x"); /* its scope was the recipient */
	assert_string_equal(by(&w), "hard");
	assert_int_equal((int)w.v.points, 7);
	rcpt_done(&w, false);
	at_stage(&w, SCORE_DATA); /* the mail has only recipients with an ok */
	assert_string_equal(by(&w), "");
	mail_done(&w);

	world_session(&w, "192.0.2.7");
	at_connect(&w);
	at_helo(&w, "soft"); /* the weaker one, above the ok, stands again when the stronger is cancelled */
	at_mail(&w, "a@b");
	at_rcpt(&w, "postmaster@x");
	assert_string_equal(by(&w), "soft");
	world_close(&w);
}

static void a_mail_with_mixed_recipients_has_no_ok(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "role", .when = "recipient == 'postmaster@x'", .action = SCORE_OK },
		{ .name = "late", .when = WHEN_ALWAYS, .stage = 1 + SCORE_MESSAGE, .action = SCORE_REJECT });
	world_open(&w, rules);
	for (int both = 0; both < 2; both++) {
		at_mail(&w, "a@b");
		at_rcpt(&w, "postmaster@x");
		rcpt_done(&w, true);
		if (both) {
			at_rcpt(&w, "user@x");
			rcpt_done(&w, true);
		}
		at_stage(&w, SCORE_MESSAGE);
		assert_string_equal(by(&w), both ? "late" : "");
		mail_done(&w);
	}
	world_close(&w);
}

static void ok_by_the_sender_holds_for_the_mail(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "news", .when = "sender == 'news@x'", .action = SCORE_OK },
		{ .name = "r", .when = WHEN_ALWAYS, .action = SCORE_REJECT });
	world_open(&w, rules);
	at_connect(&w);
	assert_string_equal(by(&w), "r");
	at_mail(&w, "news@x");
	assert_string_equal(by(&w), "");
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), "");
	mail_done(&w);
	at_mail(&w, "else@x");
	assert_string_equal(by(&w), "r");
	world_close(&w);
}

static void an_ok_by_what_can_change_is_asked_again(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "few",
		      .when = "count(recipients by client, 1h) < 2",
		      .stage = 1 + SCORE_RCPT,
		      .action = SCORE_OK },
		{ .name = "r", .when = WHEN_ALWAYS, .action = SCORE_REJECT });
	world_open(&w, rules);
	at_connect(&w);
	at_mail(&w, "a@b");
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), "");
	rcpt_done(&w, true);
	at_rcpt(&w, "e@d");
	assert_string_equal(by(&w), "r");
	world_close(&w);
}

static void an_ok_starts_no_lookup_below_it(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "a", .when = "helo == 'x'", .stage = 1 + SCORE_MAIL, .points = 1 },
		{ .name = "ok", .when = WHEN_ALWAYS, .action = SCORE_OK },
		{ .name = "b", .when = "sender == 'x'", .points = 1 });
	world_open(&w, rules);
	assert_int_equal(score_rules_wants(w.set, SCORE_MAIL, &w.facts, &w.c), SCORE_HAS_HELO | SCORE_HAS_SENDER);
	at_connect(&w);
	assert_int_equal(score_rules_wants(w.set, SCORE_MAIL, &w.facts, &w.c), SCORE_HAS_HELO);
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ok_cancels_what_is_below_it),
		cmocka_unit_test(ok_does_not_cancel_what_is_above_it),
		cmocka_unit_test(ok_cancels_one_held_from_an_earlier_stage_for_its_scope),
		cmocka_unit_test(a_mail_with_mixed_recipients_has_no_ok),
		cmocka_unit_test(ok_by_the_sender_holds_for_the_mail),
		cmocka_unit_test(an_ok_by_what_can_change_is_asked_again),
		cmocka_unit_test(an_ok_starts_no_lookup_below_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
