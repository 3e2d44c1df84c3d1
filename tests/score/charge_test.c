/* Charges, records and events: CONFIG.md "Points" and "Events". */
#include "tests/score/help.h"

#include "base/mem.h"

#define RULES(...) static const struct score_rule_source rules[] = { __VA_ARGS__, { 0 } }

static void a_charge_without_counting_is_given_once_a_session(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "c", .when = "sender.domain == 'b'", .charge = 10 });
	world_open(&w, rules);
	for (int mail = 0; mail < 3; mail++) {
		at_mail(&w, "a@b");
		at_rcpt(&w, "c@d");
		mail_done(&w);
	}
	assert_int_equal((int)client_record(&w), 10);
	world_session(&w, "192.0.2.7");
	at_mail(&w, "a@b");
	assert_int_equal((int)client_record(&w), 20);
	world_close(&w);
}

/* The shipped rule: more than five unknown recipients in ten minutes, each further one 20. */
static void each_new_event_that_makes_it_true_charges_again(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "harvest", .when = "count(bad_recipients by client, 10m) > 5", .charge = 20 },
		{ .name = "slow-down", .when = "score >= 40", .action = SCORE_WAIT, .delay_ms = 5000 },
		{ .name = "hold-off", .when = "score >= 80", .action = SCORE_DEFER });
	world_open(&w, rules);
	at_connect(&w);
	at_mail(&w, "a@b");
	for (int i = 1; i <= 10; i++) {
		at_rcpt(&w, "nobody@d");
		if (i <= 7)
			assert_int_equal(w.v.now.action, SCORE_NONE);
		assert_true(i != 8 || w.v.wait_ms == 5000);
		assert_true(i != 9 || w.v.now.action == SCORE_NONE); /* waited already */
		assert_true(i != 10 || w.v.now.action == SCORE_DEFER);
		event(&w, SCORE_EV_BAD_RECIPIENTS);
		assert_int_equal((int)(client_record(&w) + 0.5), i > 5 ? (i - 5) * 20 : 0);
		rcpt_done(&w, false);
		if (i == 6) {
			at_stage(&w, SCORE_DATA); /* true, but no new event */
			assert_int_equal((int)(client_record(&w) + 0.5), 20);
		}
	}
	world_close(&w);
}

static void many_short_sessions_are_seen_as_one_client(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "harvest", .when = "count(bad_recipients by client, 10m) > 5", .charge = 20 },
		{ .name = "hold-off", .when = "score >= 80", .action = SCORE_DEFER });
	world_open(&w, rules);
	for (int i = 1; i <= 9; i++) {
		world_session(&w, "192.0.2.7");
		at_connect(&w);
		assert_int_equal(w.v.now.action, SCORE_NONE);
		at_mail(&w, "a@b");
		at_rcpt(&w, "nobody@d");
		event(&w, SCORE_EV_BAD_RECIPIENTS);
	}
	world_session(&w, "192.0.2.8");
	at_connect(&w);
	assert_string_equal(by(&w), ""); /* the one beside it is not touched */
	world_session(&w, "192.0.2.7");
	at_connect(&w);
	assert_string_equal(by(&w), "hold-off");
	w.now_ms += 3600000; /* one half-life: 80 points became 40 */
	world_session(&w, "192.0.2.7");
	at_connect(&w);
	assert_string_equal(by(&w), "");
	assert_int_equal((int)(w.v.score + 0.5), 40);
	world_close(&w);
}

static void the_event_being_judged_is_already_counted(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "burst", .when = "count(messages by client, 1m) > 2", .charge = 5, .action = SCORE_LOG });
	world_open(&w, rules);
	for (int mail = 1; mail <= 4; mail++) {
		at_mail(&w, "a@b");
		assert_int_equal((int)(w.v.score + 0.5), mail > 2 ? (mail - 2) * 5 : 0); /* included at once */
		at_rcpt(&w, "c@d");
		assert_int_equal((int)(w.v.score + 0.5), mail > 2 ? (mail - 2) * 5 : 0);
		mail_done(&w);
	}
	world_close(&w);
}

static void what_we_deferred_is_taken_back(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "rate", .when = "count(messages by sender, 1m) > 2", .action = SCORE_DEFER });
	world_open(&w, rules);
	for (int mail = 0; mail < 2; mail++) {
		at_mail(&w, "a@b");
		assert_string_equal(by(&w), "");
		mail_done(&w);
	}
	for (int attempt = 0; attempt < 5; attempt++) {
		at_mail(&w, "a@b");
		assert_string_equal(by(&w), "rate");
		score_event_undo(w.set, &w.facts, w.store, SCORE_EV_MESSAGES, 1, w.now_ms);
		mail_done(&w);
	}
	w.now_ms += 76000; /* the attempts ate nothing of the budget */
	at_mail(&w, "a@b");
	assert_string_equal(by(&w), "");
	world_close(&w);
}

static double record_of(struct world *w, struct score_key key)
{
	return score_record_get(w->store, &key, 3600000, w->now_ms).points;
}

static void a_charge_goes_to_the_first_key_or_where_it_is_told(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "1", .when = "count(messages by sender, client, 1m) > 0", .charge = 1 },
		{ .name = "2", .when = "sender.domain == 'b'", .charge = 2, .to = SCORE_TO_NET },
		{ .name = "3", .when = "sender.domain == 'b'", .charge = 3, .to = SCORE_TO_DOMAIN },
		{ .name = "4", .when = "sender.domain == 'b'", .charge = 4, .to = SCORE_TO_RECIPIENT },
		{ .name = "5", .when = "record(sender) == 1", .charge = 8 });
	world_open(&w, rules);
	at_connect(&w);
	at_mail(&w, "A@b");
	at_rcpt(&w, "c@d");
	assert_int_equal((int)record_of(&w, score_key_text(w.store, SCORE_KEY_SENDER, SLICE("a@B"))), 1);
	assert_int_equal((int)record_of(&w, score_key_ip(w.store, SCORE_KEY_NET, &w.facts.client, 96 + 24)), 2);
	assert_int_equal((int)record_of(&w, score_key_text(w.store, SCORE_KEY_SENDER_DOMAIN, SLICE("b"))), 3);
	assert_int_equal((int)record_of(&w, score_key_text(w.store, SCORE_KEY_RECIPIENT, SLICE("c@d"))), 4);
	assert_int_equal((int)client_record(&w), 8);
	world_close(&w);
}

static void the_null_sender_has_no_record_and_no_count(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "c", .when = "count(messages by sender, 1m) >= 0", .charge = 50 },
		{ .name = "r", .when = "record(sender) > 0", .action = SCORE_DEFER },
		{ .name = "n", .when = "count(messages by sender, 1m) > 0", .action = SCORE_DEFER });
	world_open(&w, rules);
	at_mail(&w, "");
	at_rcpt(&w, "c@d");
	assert_string_equal(by(&w), "");
	assert_string_equal(fired(&w), "c");
	world_close(&w);
}

static void an_ok_keeps_later_charges_away(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "ok", .when = "sender == 'news@x'", .action = SCORE_OK },
		{ .name = "m", .when = "count(messages by client, 1m) > 0", .charge = 5 },
		{ .name = "bad", .when = "count(bad_recipients by client, 1m) > 0", .charge = 5 });
	world_open(&w, rules);
	at_mail(&w, "news@x");
	at_rcpt(&w, "c@d");
	event(&w, SCORE_EV_BAD_RECIPIENTS);
	assert_int_equal((int)client_record(&w), 0);
	mail_done(&w);
	at_mail(&w, "other@x");
	assert_int_equal((int)client_record(&w), 10 - 5); /* the new message; the old bad recipient is no new event */
	world_close(&w);
}

static void bytes_are_counted_as_a_size(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "big", .when = "count(bytes by client, 1h) > 1M", .action = SCORE_DEFER });
	world_open(&w, rules);
	assert_true(score_event(w.set, &w.facts, &w.c, w.store, SCORE_EV_BYTES, 1024 * 1024, w.now_ms));
	at_mail(&w, "a@b");
	assert_string_equal(by(&w), "");
	assert_true(score_event(w.set, &w.facts, &w.c, w.store, SCORE_EV_BYTES, 1, w.now_ms));
	at_mail(&w, "a@b");
	assert_string_equal(by(&w), "big");
	world_close(&w);
}

static void other_rules_after_a_reload_find_the_same_counters(void **state)
{
	(void)state;
	struct world w, next;
	RULES({ .name = "x", .when = "count(messages by client, 10m) > 100" });
	static const struct score_rule_source changed[] = { { .name = "new",
								    .when = "count(recipients by all, 10m) > 100" },
		{ .name = "same", .when = "tls or count( messages by client, 600s) == 3" }, { 0 } };
	world_open(&w, rules);
	for (int i = 0; i < 2; i++)
		at_mail(&w, "a@b");
	world_open(&next, changed);
	score_store_free(&next.store);
	next.store = w.store;
	at_mail(&next, "a@b");
	assert_string_equal(fired(&next), "same");
	next.store = NULL;
	world_close(&next);
	world_close(&w);
}

/* The nth allocation fails: compile and eval say so and leak nothing. */
static void memory_may_run_out_anywhere(void **state)
{
	(void)state;
	static const struct score_rule_source rules[] = {
		{ .name = "a",
			.when = "count(messages by client, sender, 1m) > 0 and sender =~ /x/",
			.charge = 1,
			.stage = SCORE_ANY_STAGE },
		{ .name = "b",
			.when = "client.ip is known",
			.action = SCORE_DEFER,
			.reply = "450 4.7.1 x {id}",
			.stage = SCORE_ANY_STAGE },
	};
	struct score_rules_config c = { .rules = rules, .n = 2, .half_life_ms = 1, .enforce = true };
	struct score_ruleset *set = NULL;
	long fail = 0;
	for (; !set && fail < 200; fail++) {
		struct buf faults = { 0 };
		(void)mem_fail_after(fail);
		set = score_rules_compile(&c, &faults);
		(void)mem_fail_after(-1);
		buf_release(&faults);
	}
	assert_non_null(set);
	assert_true(fail > 5);
	struct hash_key key = { 1, 2 };
	struct score_store *store = score_store_new(1 << 20, &key);
	struct score_facts f = { .known = SCORE_HAS_CLIENT };
	struct score_case k = { 0 };
	struct score_verdict v;
	(void)mem_fail_after(0);
	assert_false(score_rules_eval(set, SCORE_CONNECT, &f, &k, store, T0, &v));
	(void)mem_fail_after(-1);
	assert_true(score_rules_eval(set, SCORE_CONNECT, &f, &k, store, T0, &v));
	score_case_free(&k);
	score_rules_free(&set);
	score_store_free(&store);
}

static void a_charge_may_be_told_to_go_to_the_client(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "c", .when = "count(messages by sender, 1m) > 0", .charge = 10, .to = SCORE_TO_CLIENT });
	world_open(&w, rules);
	at_mail(&w, "a@b");
	assert_int_equal((int)client_record(&w), 10);
	assert_int_equal((int)record_of(&w, score_key_text(w.store, SCORE_KEY_SENDER, SLICE("a@b"))), 0);
	world_close(&w);
}

/* None of them has ended when the next one is judged. */
static void open_sessions_see_each_other(void **state)
{
	(void)state;
	struct world w;
	struct score_case open[4];
	RULES({ .name = "crowd", .when = "count(messages by sender, 1m) >= 4", .action = SCORE_DEFER });
	world_open(&w, rules);
	for (int i = 0; i < 4; i++) {
		at_mail(&w, "a@b");
		assert_string_equal(by(&w), i == 3 ? "crowd" : "");
		open[i] = w.c;
		w.c = (struct score_case){ 0 };
	}
	for (int i = 0; i < 4; i++)
		score_case_free(&open[i]);
	world_close(&w);
}

static void seen_again(struct world *w, const char *client, const char *wanted)
{
	world_session(w, client);
	at_connect(w);
	assert_string_equal(fired(w), wanted);
}

static void keys_of_an_address_have_their_width(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "client", .when = "count(connections by client, 1h) > 1" },
		{ .name = "net", .when = "count(connections by net(24,48), 1h) > 1" },
		{ .name = "all", .when = "count(connections by all, 1h) > 1" });
	world_open(&w, rules);
	seen_again(&w, "192.0.2.7", "");
	seen_again(&w, "192.0.2.7", "client net all");
	seen_again(&w, "192.0.2.8", "net all");
	seen_again(&w, "192.0.3.7", "all");
	seen_again(&w, "2001:db8:1:1::1", "all");
	seen_again(&w, "2001:db8:1:1:ffff::2", "client net all");
	seen_again(&w, "2001:db8:1:2::1", "net all");
	seen_again(&w, "2001:db8:2:1::1", "all");
	world_close(&w);
}

static void keys_of_a_mail_count_apart(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "helo", .when = "count(recipients by helo, 1h) > 1" },
		{ .name = "sender", .when = "count(recipients by sender, 1h) > 1" },
		{ .name = "sender.domain", .when = "count(recipients by sender.domain, 1h) > 1" },
		{ .name = "recipient", .when = "count(recipients by recipient, 1h) > 1" },
		{ .name = "recipient.domain", .when = "count(recipients by recipient.domain, 1h) > 1" },
		{ .name = "both", .when = "count(recipients by sender, recipient, 1h) > 1" });
	static const char *const mails[][4] = { { "one", "a@b", "c@d", "" }, { "one", "x@y", "x@z", "helo" },
		{ "two", "a@b", "q@q", "sender sender.domain" }, { "three", "e@b", "c@w", "sender.domain" },
		{ "four", "f@f", "c@d", "recipient recipient.domain" }, { "five", "g@g", "h@d", "recipient.domain" },
		{ "six", "a@b", "c@d", "sender sender.domain recipient recipient.domain both" } };
	world_open(&w, rules);
	for (size_t i = 0; i < sizeof mails / sizeof *mails; i++) {
		world_session(&w, "192.0.2.7");
		at_helo(&w, mails[i][0]);
		at_mail(&w, mails[i][1]);
		at_rcpt(&w, mails[i][2]);
		assert_string_equal(fired(&w), mails[i][3]);
	}
	world_close(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_charge_without_counting_is_given_once_a_session),
		cmocka_unit_test(each_new_event_that_makes_it_true_charges_again),
		cmocka_unit_test(many_short_sessions_are_seen_as_one_client),
		cmocka_unit_test(the_event_being_judged_is_already_counted),
		cmocka_unit_test(what_we_deferred_is_taken_back),
		cmocka_unit_test(a_charge_goes_to_the_first_key_or_where_it_is_told),
		cmocka_unit_test(the_null_sender_has_no_record_and_no_count),
		cmocka_unit_test(an_ok_keeps_later_charges_away),
		cmocka_unit_test(bytes_are_counted_as_a_size),
		cmocka_unit_test(other_rules_after_a_reload_find_the_same_counters),
		cmocka_unit_test(memory_may_run_out_anywhere),
		cmocka_unit_test(a_charge_may_be_told_to_go_to_the_client),
		cmocka_unit_test(open_sessions_see_each_other),
		cmocka_unit_test(keys_of_an_address_have_their_width),
		cmocka_unit_test(keys_of_a_mail_count_apart),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
