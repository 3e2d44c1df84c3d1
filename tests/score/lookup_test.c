/* What a stage still wants of others, and what it does with the answers. */
#include "score/lookup.h"
#include "tests/score/help.h"

#define RULES(...) static const struct score_rule_source rules[] = { __VA_ARGS__, { 0 } }

static const struct score_wants nothing;

static struct score_wants wants_of(struct world *w, enum score_stage stage, struct score_wants tried, bool even)
{
	struct score_wants wants;
	score_lookup_wants(w->set, stage, &w->facts, &w->c, w->store, &tried, even, w->now_ms, &wants);
	return wants;
}

static void wants(struct world *w, enum score_stage stage, uint32_t facts, uint64_t lookups)
{
	struct score_wants got = wants_of(w, stage, nothing, false);
	assert_int_equal(got.facts, facts);
	assert_int_equal(got.lookups, lookups);
}

static void what_rules_of_the_stage_read_is_wanted(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "a", .when = "client.rdns is none", .points = 1 },
		{ .name = "b", .when = "dnsbl('one.example') is known", .points = 1 },
		{ .name = "c", .when = "dnsbl('TWO.example.') == '127.0.0.2'", .points = 1 },
		{ .name = "d", .when = "dnsbl('one.example') == '127.0.0.3'", .points = 1 },
		{ .name = "e", .when = "spf == 'fail'", .points = 1 },
		{ .name = "f", .when = "helo == 'x' and helo.resolves", .points = 1 });
	world_open(&w, rules);
	assert_int_equal(score_lookups_count(w.set), 2);
	assert_string_equal(score_lookup_about(w.set, 0)->name, "dnsbl('one.example')");
	assert_true(slice_eq(score_lookup_about(w.set, 1)->zone, SLICE("two.example")));
	assert_int_equal(score_lookup_find(w.set, SLICE("dnsbl('one.example')")), 0);
	assert_int_equal(score_lookup_find(w.set, SLICE("dnsbl('three.example')")), SCORE_LOOKUPS_MAX);
	wants(&w, SCORE_CONNECT, SCORE_HAS_NAME, 3);
	wants(&w, SCORE_MAIL, SCORE_HAS_SPF, 0);
	at_connect(&w);
	score_facts_helo(&w.facts, SLICE("y")); /* its rule is false whatever its name resolves to */
	wants(&w, SCORE_HELO, 0, 0);
	score_facts_helo(&w.facts, SLICE("x"));
	wants(&w, SCORE_HELO, SCORE_HAS_HELO_RESOLVES, 0);
	world_close(&w);
}

static void what_was_tried_or_is_known_is_not_asked_again(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "a", .when = "client.rdns is none and dnsbl('one.example') is known", .points = 1 });
	world_open(&w, rules);
	struct score_wants left = wants_of(&w, SCORE_CONNECT, (struct score_wants){ .facts = SCORE_HAS_NAME }, false);
	assert_int_equal(left.facts, 0);
	assert_int_equal(left.lookups, 1);
	left = wants_of(&w, SCORE_CONNECT, (struct score_wants){ SCORE_HAS_NAME, 1 }, false);
	assert_int_equal(left.lookups, 0);
	score_facts_ptr(&w.facts, slice_of(NULL, 0), false);
	score_facts_name(&w.facts, slice_of(NULL, 0));
	wants(&w, SCORE_CONNECT, 0, 1);
	world_close(&w);
}

static void nothing_is_wanted_below_an_ok_or_a_certain_refusal(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "mine", .when = "client.ip in 198.51.100.0/24", .action = SCORE_OK },
		{ .name = "bad", .when = "client.ip in 203.0.113.0/24", .action = SCORE_REJECT },
		{ .name = "listed", .when = "dnsbl('one.example') is known", .points = 1 });
	world_open(&w, rules);
	wants(&w, SCORE_CONNECT, 0, 1);
	world_session(&w, "198.51.100.1");
	wants(&w, SCORE_CONNECT, 0, 0);
	world_session(&w, "203.0.113.1");
	wants(&w, SCORE_CONNECT, 0, 0);
	world_close(&w);
}

static void a_refusal_is_not_certain_while_an_ok_above_it_is_open(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "white",
		      .when = "dnsbl('white.example') is known and dnsbl('white.example') !~ /^$/",
		      .action = SCORE_OK },
		{ .name = "bad", .when = "client.ip in 192.0.2.0/24", .action = SCORE_REJECT },
		{ .name = "listed", .when = "dnsbl('one.example') == '127.0.0.2'", .points = 1 });
	world_open(&w, rules);
	wants(&w, SCORE_CONNECT, 0, 3);
	world_close(&w);
}

static void nothing_is_wanted_while_a_refusal_is_held(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "bad", .when = "client.ip in 192.0.2.0/24", .action = SCORE_DEFER },
		{ .name = "spf", .when = "spf == 'fail'", .points = 1 });
	world_open(&w, rules);
	at_connect(&w);
	at_helo(&w, "x");
	score_facts_sender(&w.facts, SLICE("a@b"));
	wants(&w, SCORE_MAIL, 0, 0);
	world_session(&w, "198.51.100.1");
	at_connect(&w);
	at_helo(&w, "x");
	score_facts_sender(&w.facts, SLICE("a@b"));
	wants(&w, SCORE_MAIL, SCORE_HAS_SPF, 0);
	world_close(&w);
}

static void for_known_good_only_what_refuses_even_them(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "a", .when = "dnsbl('one.example') == '127.0.0.2'", .action = SCORE_REJECT },
		{ .name = "b",
			.when = "dnsbl('two.example') == '127.0.0.2'",
			.action = SCORE_REJECT,
			.even_known_good = true });
	world_open(&w, rules);
	assert_int_equal(wants_of(&w, SCORE_CONNECT, nothing, true).lookups, 2);
	assert_int_equal(wants_of(&w, SCORE_CONNECT, nothing, false).lookups, 3);
	world_close(&w);
}

static void a_list_is_asked_about_a_name_that_is_known(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "host", .when = "dnsbl_domain('one.example', client.name) == '127.0.0.2'", .points = 1 });
	world_open(&w, rules);
	wants(&w, SCORE_CONNECT, SCORE_HAS_NAME, 0);
	score_facts_ptr(&w.facts, SLICE("mx.example"), false);
	score_facts_name(&w.facts, SLICE("mx.example"));
	wants(&w, SCORE_CONNECT, 0, 1);
	world_close(&w);
}

static void answer(struct world *w, struct slice *answers, unsigned lookup, struct slice text)
{
	answers[lookup] = text;
	w->facts.answers = answers;
	w->facts.answered |= (uint64_t)1 << lookup;
}

static void answers_decide_and_unknown_never_does(void **state)
{
	(void)state;
	struct world w;
	struct slice answers[2];
	RULES({ .name = "listed", .when = "dnsbl('one.example') == '127.0.0.2'", .points = 5 },
		{ .name = "not", .when = "dnsbl('one.example') is none", .points = 7 },
		{ .name = "vain", .when = "not (spf == 'pass')", .action = SCORE_REJECT },
		{ .name = "domain", .when = "dnsbl_domain('two.example', sender.domain) =~ /^127/", .points = 11 });
	world_open(&w, rules);
	assert_int_equal(score_lookup_about(w.set, 0)->scope, SCORE_OF_SESSION);
	assert_int_equal(score_lookup_about(w.set, 1)->scope, SCORE_OF_MAIL);
	at_connect(&w);
	assert_int_equal((int)w.v.points, 0);
	world_session(&w, "192.0.2.8");
	answer(&w, answers, 0, slice_of(NULL, 0));
	at_connect(&w);
	assert_int_equal((int)w.v.points, 7);
	world_session(&w, "192.0.2.9");
	answer(&w, answers, 0, SLICE("127.0.0.2"));
	at_connect(&w);
	assert_int_equal((int)w.v.points, 5);
	at_helo(&w, "x");
	answer(&w, answers, 1, SLICE("127.0.1.2"));
	at_mail(&w, "a@b.example");
	assert_int_equal((int)w.v.points, 16);
	assert_string_equal(by(&w), ""); /* spf is unknown */
	world_close(&w);
}

static void a_lookup_knows_its_subject(void **state)
{
	(void)state;
	struct world w;
	struct slice subject;
	RULES({ .name = "a", .when = "dnsbl_domain('two.example', sender.domain) is known", .points = 1 });
	world_open(&w, rules);
	const struct score_lookup *l = score_lookup_about(w.set, 0);
	assert_false(score_lookup_subject(l, &w.facts, &subject));
	score_facts_sender(&w.facts, SLICE("a@Some.example"));
	assert_true(score_lookup_subject(l, &w.facts, &subject));
	assert_true(slice_eq(subject, SLICE("Some.example")));
	score_facts_sender(&w.facts, SLICE(""));
	assert_true(score_lookup_subject(l, &w.facts, &subject));
	assert_null(subject.p);
	world_close(&w);
}

static void reverse_dns_has_three_outcomes(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "none", .when = "client.rdns is none", .points = 1 },
		{ .name = "mismatch", .when = "client.rdns == 'mismatch'", .points = 2 },
		{ .name = "ok", .when = "client.rdns == 'ok' and client.name == 'MX.example'", .points = 4 },
		{ .name = "dynamic", .when = "client.dynamic", .points = 8 });
	world_open(&w, rules);
	score_facts_ptr(&w.facts, slice_of(NULL, 0), false);
	score_facts_name(&w.facts, slice_of(NULL, 0));
	at_connect(&w);
	assert_int_equal((int)w.v.points, 1);
	world_session(&w, "192.0.2.8");
	score_facts_ptr(&w.facts, SLICE("dsl.example"), true);
	score_facts_name(&w.facts, slice_of(NULL, 0));
	at_connect(&w);
	assert_int_equal((int)w.v.points, 10);
	world_session(&w, "192.0.2.9");
	score_facts_ptr(&w.facts, SLICE("mx.example"), false);
	score_facts_name(&w.facts, SLICE("mx.example"));
	at_connect(&w);
	assert_int_equal((int)w.v.points, 4);
	world_close(&w);
}

static void a_key_learned_late_is_counted_late(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "a", .when = "count(connections by client.name, 1h) > 1", .points = 1 },
		{ .name = "b", .when = "count(connections by client, 1h) > 1", .points = 2 });
	world_open(&w, rules);
	for (unsigned i = 0; i < 2; i++) {
		world_session(&w, i ? "192.0.2.9" : "192.0.2.8");
		event(&w, SCORE_EV_CONNECTIONS);
		score_facts_ptr(&w.facts, SLICE("mx.example"), false);
		score_facts_name(&w.facts, SLICE("mx.example"));
		score_event_learned(w.set, &w.facts, w.store, SCORE_EV_CONNECTIONS, 1, SCORE_KEY_CLIENT_NAME, w.now_ms);
		at_stage(&w, SCORE_CONNECT);
		assert_int_equal((int)w.v.points, i ? 1 : 0);
	}
	world_close(&w);
}

static void a_zone_is_a_domain(void **state)
{
	(void)state;
	struct buf faults = { 0 };
	static const struct score_rule_source rule[] = { { .name = "a", .when = "dnsbl('no zone') is none" } };
	struct score_rules_config c = { .rules = rule, .n = 1, .half_life_ms = 1000 };
	assert_null(score_rules_compile(&c, &faults));
	assert_non_null(strstr(faults.data, "a DNS list's zone is a domain"));
	buf_release(&faults);
}

static void who_greylists_wants_an_identity(void **state)
{
	(void)state;
	struct world w;
	RULES({ .name = "held", .when = "client.ip in 192.0.2.0/24", .action = SCORE_GREYLIST },
		{ .name = "late", .when = "score >= 0 and client.ip in 198.51.100.0/24", .action = SCORE_GREYLIST });
	for (unsigned i = 0; i < 3; i++) {
		static const char *const clients[] = { "192.0.2.1", "198.51.100.1", "203.0.113.1" };
		world_open(&w, rules);
		world_session(&w, clients[i]);
		at_connect(&w);
		at_helo(&w, "x");
		at_mail(&w, "a@b");
		score_facts_recipient(&w.facts, SLICE("c@d"));
		wants(&w, SCORE_RCPT, i < 2 ? SCORE_HAS_IDENTITY : 0, 0);
		world_close(&w);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_rules_of_the_stage_read_is_wanted),
		cmocka_unit_test(what_was_tried_or_is_known_is_not_asked_again),
		cmocka_unit_test(nothing_is_wanted_below_an_ok_or_a_certain_refusal),
		cmocka_unit_test(a_refusal_is_not_certain_while_an_ok_above_it_is_open),
		cmocka_unit_test(nothing_is_wanted_while_a_refusal_is_held),
		cmocka_unit_test(for_known_good_only_what_refuses_even_them),
		cmocka_unit_test(a_list_is_asked_about_a_name_that_is_known),
		cmocka_unit_test(answers_decide_and_unknown_never_does),
		cmocka_unit_test(a_lookup_knows_its_subject),
		cmocka_unit_test(reverse_dns_has_three_outcomes),
		cmocka_unit_test(a_key_learned_late_is_counted_late),
		cmocka_unit_test(who_greylists_wants_an_identity),
		cmocka_unit_test(a_zone_is_a_domain),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
