#include "tests/score/help.h"

#include <stdio.h>
#include <stdlib.h>

/* 1 true, 0 false, -1 unknown: at stage rcpt, sender a.User@Example.COM, recipient postmaster (it has no domain). */
static int value_of(const char *when)
{
	char unknown[300];
	struct world w;
	assert_true((size_t)snprintf(unknown, sizeof unknown, "(%s) is unknown", when) < sizeof unknown);
	const struct score_rule_source rules[] = { { .name = "true", .when = when, .stage = 1 + SCORE_RCPT },
		{ .name = "unknown", .when = unknown, .stage = 1 + SCORE_RCPT }, { 0 } };
	world_open(&w, rules);
	at_connect(&w);
	at_mail(&w, "a.User@Example.COM"); /* no HELO: helo is unknown */
	at_rcpt(&w, "postmaster");
	int value = strcmp(fired(&w), "true") == 0 ? 1 : strcmp(fired(&w), "unknown") == 0 ? -1 : 0;
	world_close(&w);
	return value;
}

static const char *const word[] = { "(1 == 2)", "(1 == 1)", "(helo == 'x')" }; /* false, true, unknown */
static const int meaning[] = { 0, 1, -1 };

static void truth_tables_are_kleenes(void **state)
{
	(void)state;
	static const int and[3][3] = { { 0, 0, 0 }, { 0, 1, -1 }, { 0, -1, -1 } };
	static const int or [3][3] = { { 0, 1, -1 }, { 1, 1, 1 }, { -1, 1, -1 } };
	static const int not [3] = { 1, 0, -1 };
	char text[100];
	for (unsigned a = 0; a < 3; a++) {
		assert_int_equal(value_of(word[a]), meaning[a]);
		(void)snprintf(text, sizeof text, "not %s", word[a]);
		assert_int_equal(value_of(text), not [a]);
		for (unsigned b = 0; b < 3; b++) {
			(void)snprintf(text, sizeof text, "%s and %s", word[a], word[b]);
			assert_int_equal(value_of(text), and[a][b]);
			(void)snprintf(text, sizeof text, "%s or %s", word[a], word[b]);
			assert_int_equal(value_of(text), or [a][b]);
		}
	}
}

static void a_comparison_with_unknown_is_unknown(void **state)
{
	(void)state;
	assert_int_equal(value_of("helo != 'x'"), -1);
	assert_int_equal(value_of("helo =~ /x/"), -1);
	assert_int_equal(value_of("helo !~ /x/"), -1);
	assert_int_equal(value_of("helo in ('x', 'y')"), -1);
	assert_int_equal(value_of("helo is none"), -1);
	assert_int_equal(value_of("helo is unknown"), 1);
	assert_int_equal(value_of("helo is known"), 0);
	assert_int_equal(value_of("count(messages by helo, 1m) > 5"), -1);
}

static void none_is_a_value(void **state)
{
	(void)state;
	assert_int_equal(value_of("recipient.domain == 'x'"), 0);
	assert_int_equal(value_of("recipient.domain != 'x'"), 1);
	assert_int_equal(value_of("recipient.domain =~ /./"), 0);
	assert_int_equal(value_of("recipient.domain !~ /./"), 1);
	assert_int_equal(value_of("recipient.domain in ('x')"), 0);
	assert_int_equal(value_of("recipient.domain is none"), 1);
	assert_int_equal(value_of("recipient.domain is unknown"), 0);
	assert_int_equal(value_of("recipient.domain is known"), 1);
	assert_int_equal(value_of("count(messages by recipient.domain, 1m) == 0"), 1);
}

static void attributes_have_their_values(void **state)
{
	(void)state;
	static const char *const all[] = { "client.ip == 192.0.2.7", "client.ip != ::1", "client.ip in 192.0.2.0/24",
		"client.ip in (10.0.0.1, 192.0.2.0/29)", "not client.ip in (10.0.0.1, ::1)", "listener == 'mx'",
		"offences == 0", "not tls", "sender == 'a.user@example.com'", "sender.domain in ('b', 'EXAMPLE.com')",
		"not sender.null", "sender =~ /^a\\.User@Ex/", "not sender =~ /user/", "sender =~ /user/i",
		"sender !~ /xyz/", "recipient == 'postmaster'", "recipients == 1", "bad_recipients == 0",
		"recipients in (3, 1)", "score == 0", "points <= 0", "record(client) == 0", "record(sender) < 1",
		"2 > 1.5 and 1k == 1024 and 2M >= 2048k", "1h == 60m and 1d == 24h and 90s < 2m",
		"count(connections by client, 1h) == 1", "count(messages by sender, client, 1h) == 1",
		"count(recipients by all, 1m) == 1", "count(messages by listener, 1m) == 1",
		"count(messages by net(24,48), 1m) == 1", "count(messages by sender.domain, 31d) == 1" };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (value_of(all[i]) != 1)
			fail_msg("not true: %s", all[i]);
}

/* A number against a constant has a way of its own: it must agree with the tree's. */
static void both_ways_of_testing_agree(void **state)
{
	(void)state;
	static const char *const left[] = { "recipients", "count(recipients by all, 1m)", "score", "points",
		"record(sender)", "count(messages by helo, 1m)", "stress", "spike(messages by sender)",
		"distinct(sender by client, 1m)" };
	static const char *const op[] = { "==", "!=", "<", "<=", ">", ">=" };
	static const char *const right[] = { "-1", "0", "0.5", "1", "2" };
	char quick[100], tree[120];
	for (size_t i = 0; i < 9 * 6 * 5; i++) {
		(void)snprintf(quick, sizeof quick, "%s %s %s", left[i / 30], op[i / 5 % 6], right[i % 5]);
		(void)snprintf(tree, sizeof tree, "not not (%s)", quick);
		if (value_of(quick) != value_of(tree))
			fail_msg("%s", quick);
	}
	static const int wanted[6] = { 1, 0, 0, 1, 0, 1 }; /* recipients is 1 */
	for (size_t i = 0; i < 6; i++) {
		(void)snprintf(quick, sizeof quick, "recipients %s 1", op[i]);
		assert_int_equal(value_of(quick), wanted[i]);
		(void)snprintf(quick, sizeof quick, "stress %s 1", op[i]);
		assert_int_equal(value_of(quick), -1);
	}
}

static void the_null_sender_is_nobody(void **state)
{
	(void)state;
	struct world w;
	const struct score_rule_source rules[] = { { .name = "charge",
							   .when = "sender.null",
							   .charge = 50,
							   .to = SCORE_TO_SENDER,
							   .stage = 1 + SCORE_MAIL },
		{ .name = "none",
			.when = "count(messages by sender, 1h) == 0 and record(sender) == 0",
			.stage = 1 + SCORE_MAIL },
		{ .name = "quiet", .when = "spike(messages by sender) == 0", .stage = 1 + SCORE_MAIL }, { 0 } };
	world_open(&w, rules);
	for (unsigned i = 0; i < 3; i++) {
		at_connect(&w);
		at_mail(&w, "");
		assert_string_equal(fired(&w), "charge none quiet");
		mail_done(&w);
	}
	at_mail(&w, "a@b.test");
	assert_string_equal(fired(&w), "");
	world_close(&w);
}

static void an_explosive_pattern_gives_up(void **state)
{
	(void)state;
	struct world w;
	static char many[300];
	const struct score_rule_source rules[] = { { .name = "match", .when = "sender =~ /^(a+)+$/" },
		{ .name = "gave-up", .when = "(sender =~ /^(a+)+$/) is unknown" }, { 0 } };
	memset(many, 'a', sizeof many - 2);
	many[sizeof many - 2] = '!';
	world_open(&w, rules);
	at_mail(&w, many);
	assert_string_equal(fired(&w), "gave-up");
	world_close(&w);
}

static void a_list_is_asked(void **state)
{
	(void)state;
	struct hash_key key = { 5, 6 };
	struct world w;
	struct buf faults = { 0 };
	struct score_list *list = score_list_new(&key);
	assert_true(score_list_feed(list, SLICE("192.0.2.0/24\n.example.com\n"), &faults) &&
		    score_list_finish(list, &faults));
	const struct score_named_list named = { "trusted", list };
	const struct score_rule_source rules[] = { { .name = "ip", .when = "client.ip in list('trusted')" },
		{ .name = "name", .when = "sender in list(\"trusted\")" },
		{ .name = "not", .when = "not sender.domain in list('trusted')" }, { 0 } };
	world_open_with(&w, rules, true, &named, 1);
	at_connect(&w);
	at_mail(&w, "x@mail.example.com");
	assert_string_equal(fired(&w), "ip name");
	world_close(&w);
	score_list_free(&list);
	buf_release(&faults);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(truth_tables_are_kleenes),
		cmocka_unit_test(a_comparison_with_unknown_is_unknown),
		cmocka_unit_test(none_is_a_value),
		cmocka_unit_test(attributes_have_their_values),
		cmocka_unit_test(both_ways_of_testing_agree),
		cmocka_unit_test(the_null_sender_is_nobody),
		cmocka_unit_test(an_explosive_pattern_gives_up),
		cmocka_unit_test(a_list_is_asked),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
