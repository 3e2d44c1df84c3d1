/* Facts of the server, of TLS, of a greeting and of a message: each is unknown until it is told. */
#include "tests/score/help.h"

#include <stdio.h>

/* 1 true, 0 false, -1 unknown: of the facts as they stand, at a stage. */
static int value_of(const struct score_facts *f, enum score_stage stage, const char *when)
{
	char unknown[300];
	struct world w;
	assert_true((size_t)snprintf(unknown, sizeof unknown, "(%s) is unknown", when) < sizeof unknown);
	const struct score_rule_source rules[] = { { .name = "true", .when = when, .stage = 1 + (int)stage },
		{ .name = "unknown", .when = unknown, .stage = 1 + (int)stage }, { 0 } };
	world_open(&w, rules);
	w.facts = *f;
	at_stage(&w, stage);
	int value = strcmp(fired(&w), "true") == 0 ? 1 : strcmp(fired(&w), "unknown") == 0 ? -1 : 0;
	world_close(&w);
	return value;
}

static struct score_facts client(void)
{
	struct score_facts f = { 0 };
	struct ip ip;
	assert_true(ip_parse(SLICE("192.0.2.7"), &ip));
	score_facts_client(&f, &ip, SLICE("mx"));
	return f;
}

static void each_fact_is_unknown_until_it_is_told(void **state)
{
	(void)state;
	struct score_facts f = client();
	static const char *const all[] = { "client.port == 2525", "client.connections == 3", "client.known_good",
		"client.age >= 2h", "early_talker", "sessions == 40", "stress > 0.5", "load == 1.5", "tls",
		"tls.version == '1.3'", "helo.form == 'fqdn'", "message.size == 64k", "header('Subject') == 'Hi'" };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		assert_int_equal(value_of(&f, SCORE_MESSAGE, all[i]), -1);
	static const struct score_header headers[] = { { SLICE_INIT("subject"), SLICE_INIT("Hi") },
		{ SLICE_INIT("Subject"), SLICE_INIT("second") }, { SLICE_INIT("X-Empty"), { NULL, 0 } } };
	score_facts_port(&f, 2525);
	score_facts_connections(&f, 3);
	score_facts_known_good(&f, true);
	score_facts_age(&f, 7200000);
	score_facts_early_talker(&f, true);
	score_facts_pressure(&f, 40, 0.75, 1.5);
	score_facts_tls(&f, true);
	score_facts_tls_version(&f, SLICE("1.3"));
	score_facts_helo(&f, SLICE("mail.example.org"));
	score_facts_sender(&f, SLICE("a@b"));
	score_facts_headers(&f, headers, 3);
	score_facts_size(&f, 65536);
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (value_of(&f, SCORE_MESSAGE, all[i]) != 1)
			fail_msg("not true: %s", all[i]);
	assert_int_equal(value_of(&f, SCORE_DATA, "header('X-None') is none"), 1);
	assert_int_equal(value_of(&f, SCORE_DATA, "header('X-Empty') == ''"), 1);
	assert_int_equal(value_of(&f, SCORE_DATA, "header('SUBJECT') =~ /second/"), 0); /* the first counts */
	assert_int_equal(value_of(&f, SCORE_CONNECT, "client.age < 2h"), 0);
	assert_int_equal(value_of(&f, SCORE_CONNECT, "not client.known_good"), 0);
}

static void a_scope_takes_its_facts_along(void **state)
{
	(void)state;
	struct score_facts f = client();
	static const struct score_header subject = { SLICE_INIT("Subject"), SLICE_INIT("Hi") };
	score_facts_pressure(&f, 1, 0, 0);
	score_facts_helo(&f, SLICE("x"));
	score_facts_sender(&f, SLICE("a@b"));
	score_facts_headers(&f, &subject, 1);
	score_facts_size(&f, 5);
	score_facts_drop(&f, SCORE_OF_MAIL);
	assert_int_equal(value_of(&f, SCORE_MESSAGE, "message.size > 1"), -1);
	assert_int_equal(value_of(&f, SCORE_DATA, "header('Subject') == 'Hi'"), -1);
	assert_int_equal(value_of(&f, SCORE_HELO, "helo.form == 'bare'"), 1);
	score_facts_drop(&f, SCORE_OF_HELLO);
	assert_int_equal(value_of(&f, SCORE_HELO, "helo.form == 'bare'"), -1);
	assert_int_equal(value_of(&f, SCORE_CONNECT, "sessions == 1"), 1);
}

static void without_tls_there_is_no_version(void **state)
{
	(void)state;
	struct score_facts f = client();
	score_facts_tls(&f, false);
	assert_int_equal(value_of(&f, SCORE_MAIL, "tls.version is none"), 1);
	assert_int_equal(value_of(&f, SCORE_MAIL, "tls.version == '1.2'"), 0);
	assert_int_equal(value_of(&f, SCORE_MAIL, "not tls"), 1);
}

static void what_was_not_learned_is_unknown_whatever_is_asked(void **state)
{
	(void)state;
	struct score_facts f = client();
	static const char *const all[] = { "client.rdns is none", "client.name =~ /x/", "client.ptr == 'x'",
		"client.dynamic", "not client.dynamic", "spf == 'pass'", "spf != 'pass'", "sender.mx",
		"auth.user is none", "identity == 'x'", "dnsbl('zen.example') is none",
		"dnsbl_domain('dbl.example', sender.domain) == '127.0.0.2'", "record(identity) > 1",
		"count(messages by auth.user, 1h) > 1", "distinct(client.ip by auth.user, 1h) > 1",
		"spike(messages by client.name) > 1", "distinct(auth.user by client, 1h) == 0" };
	score_facts_tls(&f, true);
	score_facts_sender(&f, SLICE("a@b"));
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (value_of(&f, SCORE_MAIL, all[i]) != -1)
			fail_msg("not unknown: %s", all[i]);
	assert_int_equal(value_of(&f, SCORE_MAIL, "spf is unknown"), 1);
	assert_int_equal(value_of(&f, SCORE_MAIL, "tls or client.dynamic"), 1);
	assert_int_equal(value_of(&f, SCORE_MAIL, "not tls and client.dynamic"), 0);
	assert_int_equal(value_of(&f, SCORE_MAIL, "count(auth_failures by client, 1h) == 0"), 1);
}

static void a_rule_says_what_it_reads_in_vain(void **state)
{
	(void)state;
	struct world w;
	static const struct score_rule_source rules[] = { { .name = "a", .when = "tls and auth.user is none" },
		{ .name = "b", .when = "tls and offences > 2" },
		{ .name = "c", .when = "tls", .charge = 5, .to = SCORE_TO_USER },
		{ .name = "d", .when = "count(auth_failures by client, 1m) > 1" },
		{ .name = "e", .when = "distinct(auth.user by client, 1m) > 1" }, { 0 } };
	world_open(&w, rules);
	assert_string_equal(score_rule_unknown(w.set, 0), "auth.user");
	assert_null(score_rule_unknown(w.set, 1));
	assert_string_equal(score_rule_unknown(w.set, 2), "auth.user");
	assert_string_equal(score_rule_unknown(w.set, 3), "auth_failures");
	assert_string_equal(score_rule_unknown(w.set, 4), "auth.user");
	assert_int_equal(score_rules_wants(w.set, SCORE_MAIL, &w.facts, &w.c), 0); /* no lookup that nobody does */
	world_close(&w);
}

static void forms_of_a_greeting(void **state)
{
	(void)state;
	static const struct {
		const char *helo, *form;
	} all[] = {
		{ "mail.example.org", "fqdn" },
		{ "mail.example.org.", "fqdn" },
		{ "a.b", "fqdn" },
		{ "x_y.example", "fqdn" },
		{ "192.0.2.7", "fqdn" }, /* labels of digits: an address without brackets is told by a pattern */
		{ "localhost", "bare" },
		{ "PC-7", "bare" },
		{ "[192.0.2.7]", "literal" },
		{ "[IPv6:2001:db8::1]", "literal" },
		{ "[ipv6:::1]", "literal" },
		{ "[2001:db8::1]", "invalid" },
		{ "[IPv6:192.0.2.7]", "invalid" },
		{ "[192.0.2.7", "invalid" },
		{ "[]", "invalid" },
		{ "", "invalid" },
		{ ".", "invalid" },
		{ "a..b", "invalid" },
		{ ".a", "invalid" },
		{ "a.b..", "invalid" },
		{ "-a.b", "invalid" },
		{ "a-.b", "invalid" },
		{ "a b", "invalid" },
		{ "a!b.c", "invalid" },
		{ "\xc3\xa4.example", "invalid" },
	};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (!slice_eq(score_helo_form(slice_str(all[i].helo)), slice_str(all[i].form)))
			fail_msg("%s is not %s", all[i].helo, all[i].form);
	char label[70];
	memset(label, 'a', sizeof label);
	assert_true(slice_eq(score_helo_form(slice_of(label, 63)), SLICE("bare")));
	assert_true(slice_eq(score_helo_form(slice_of(label, 64)), SLICE("invalid")));
}

/* The stages at which a rule that reads this is tested, a bit for each. */
static unsigned stages_of(const char *when)
{
	struct world w;
	const struct score_rule_source rules[] = { { .name = "r", .when = when }, { 0 } };
	world_open(&w, rules);
	unsigned stages = score_rule_stages(w.set, 0);
	world_close(&w);
	return stages;
}

static void what_can_still_change_is_tested_at_every_later_stage(void **state)
{
	(void)state;
	static const struct {
		const char *when;
		enum score_stage born;
	} all[] = { { "score > 1", SCORE_CONNECT }, { "points > 1", SCORE_CONNECT },
		{ "record(client) > 1", SCORE_CONNECT }, { "record(sender) > 1", SCORE_MAIL },
		{ "count(offences by client, 1h) > 1", SCORE_CONNECT },
		{ "count(messages by helo, 1h) > 1", SCORE_HELO },
		{ "distinct(client.ip by net(24,48), 1h) > 1", SCORE_CONNECT },
		{ "spike(connections by listener) > 1", SCORE_CONNECT }, { "offences > 1", SCORE_CONNECT },
		{ "early_talker", SCORE_GREET }, { "recipients > 1", SCORE_RCPT }, { "bad_recipients > 1", SCORE_RCPT },
		{ "client.connections > 1", SCORE_CONNECT }, { "sessions > 1", SCORE_CONNECT },
		{ "stress > 0.5", SCORE_CONNECT }, { "load > 1", SCORE_CONNECT },
		{ "helo == 'x' and load > 1", SCORE_HELO } };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (stages_of(all[i].when) != ((1u << SCORE_STAGES) - (1u << all[i].born)))
			fail_msg("%s: %x", all[i].when, stages_of(all[i].when));
}

static void what_stands_is_tested_once_where_it_exists(void **state)
{
	(void)state;
	static const struct {
		const char *when;
		enum score_stage born;
	} all[] = { { "client.ip is known", SCORE_CONNECT }, { "client.port > 1", SCORE_CONNECT },
		{ "client.known_good", SCORE_CONNECT }, { "client.age > 1h", SCORE_CONNECT },
		{ "client.rdns is none", SCORE_CONNECT }, { "client.dynamic", SCORE_CONNECT },
		{ "dnsbl('zen.example') is none", SCORE_CONNECT }, { "listener == 'mx'", SCORE_CONNECT },
		{ "helo == 'x'", SCORE_HELO }, { "helo.form == 'bare'", SCORE_HELO }, { "tls", SCORE_MAIL },
		{ "tls.version is none", SCORE_MAIL }, { "sender.null", SCORE_MAIL }, { "spf == 'fail'", SCORE_MAIL },
		{ "recipient == 'x'", SCORE_RCPT }, { "recipient.domain == 'x'", SCORE_RCPT },
		{ "header('Subject') is none", SCORE_DATA }, { "message.size > 1", SCORE_MESSAGE },
		{ "client.port > 1 and sender.null and header('Subject') is none", SCORE_DATA } };
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (stages_of(all[i].when) != 1u << all[i].born)
			fail_msg("%s: %x", all[i].when, stages_of(all[i].when));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_fact_is_unknown_until_it_is_told),
		cmocka_unit_test(a_scope_takes_its_facts_along),
		cmocka_unit_test(without_tls_there_is_no_version),
		cmocka_unit_test(what_was_not_learned_is_unknown_whatever_is_asked),
		cmocka_unit_test(a_rule_says_what_it_reads_in_vain),
		cmocka_unit_test(forms_of_a_greeting),
		cmocka_unit_test(what_can_still_change_is_tested_at_every_later_stage),
		cmocka_unit_test(what_stands_is_tested_once_where_it_exists),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
