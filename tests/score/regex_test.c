/* Patterns and texts that would take hours: a match, a list and a stage have a bound, told in steps, not in time. */
#include "tests/score/help.h"

#include <stdio.h>
#include <time.h>

#include "score/regex.h"

static const char *const EXPLOSIVE[] = { "^(a+)+[bc]", "([a-z]+)*[0-9]$", "(a|a)*c$", "^(\\w+\\s?)*$", "a*a*a*[bc]",
	"(.*)(.*)(.*)(.*)[XY]", "(?=(a+))a*b\\1", "(a?){40}a{40}[bc]", "(?:a*?){5}[!?][!?]" };
enum { EXPLOSIVES = sizeof EXPLOSIVE / sizeof *EXPLOSIVE, LONG = 1000, ADDRESS = 254 };

/* Many a's and a '!'. */
static struct slice worst(char text[LONG], size_t n)
{
	memset(text, 'a', n);
	text[n - 1] = '!';
	return slice_of(text, n);
}

static enum score_match match(const char *pattern, struct slice text, struct score_effort *e)
{
	char why[120];
	size_t at;
	struct score_regex *r = score_regex_new(slice_str(pattern), true, &at, why, sizeof why);
	assert_non_null(r);
	enum score_match m = score_regex_match(r, text, e);
	score_regex_free(&r);
	return m;
}

static void a_match_has_a_bound(void **state)
{
	(void)state;
	char text[LONG];
	for (unsigned i = 0; i < EXPLOSIVES; i++) {
		struct score_effort e = { 0 };
		enum score_match m = match(EXPLOSIVE[i], worst(text, LONG), &e);
		assert_true(m == SCORE_MATCH_GAVE_UP || e.spent < SCORE_REGEX_STEPS);
		assert_true(e.spent <= SCORE_REGEX_STEPS);
		assert_int_equal(e.gave_up, m == SCORE_MATCH_GAVE_UP);
	}
	struct score_effort e = { 0 };
	assert_int_equal(match("^(a+)+[b!]{2}", worst(text, LONG), &e), SCORE_MATCH_GAVE_UP);
}

/* Each place where it may begin costs little; all of them together do not. */
static void places_to_begin_at_count_together(void **state)
{
	(void)state;
	char text[LONG];
	struct score_effort e = { 0 };
	assert_int_equal(match("a*a*[bc]", worst(text, LONG), &e), SCORE_MATCH_GAVE_UP);
	assert_in_range(e.spent, SCORE_REGEX_STEPS - 100, SCORE_REGEX_STEPS);
}

static void a_usual_pattern_is_cheap(void **state)
{
	(void)state;
	struct slice text = SLICE("bounce-4711.user@newsletter.mail.example.com");
	struct score_effort e = { 0 };
	assert_int_equal(match("^bounce-.*@", text, &e), SCORE_MATCH_YES);
	assert_int_equal(match("^return-.*@", text, &e), SCORE_MATCH_NO);
	assert_int_equal(match("(shop|promo)\\d+\\.example\\.", text, &e), SCORE_MATCH_NO);
	assert_int_equal(match("\\.example\\.(com|net)$", text, &e), SCORE_MATCH_YES);
	assert_in_range(e.spent, 4, SCORE_REGEX_EFFORT / 1000);
	assert_int_equal(e.gave_up, 0);
}

static struct score_list *list_of(const char *const *patterns, size_t n)
{
	struct hash_key key = { 1, 2 };
	struct buf text = { 0 }, faults = { 0 };
	struct score_list *l = score_list_new(&key);
	for (unsigned i = 0; i < SCORE_LIST_PATTERNS; i++)
		assert_true(buf_printf(&text, "/%s/i\n", patterns[i % n]));
	assert_true(score_list_feed(l, buf_slice(&text), &faults) && score_list_finish(l, &faults));
	assert_int_equal(buf_len(&faults), 0);
	buf_release(&text);
	return l;
}

static void a_thousand_explosive_patterns_have_one_bound(void **state)
{
	(void)state;
	char text[LONG];
	struct score_list *l = list_of(EXPLOSIVE, EXPLOSIVES);
	static const size_t lengths[] = { 30, ADDRESS, LONG };
	for (unsigned i = 0; i < 3; i++) {
		struct score_effort e = { 0 };
		clock_t begun = clock();
		assert_int_equal(score_list_has_name(l, worst(text, lengths[i]), &e), SCORE_MATCH_GAVE_UP);
		double ms = (double)(clock() - begun) * 1000 / CLOCKS_PER_SEC;
		print_message("%zu bytes: %u steps, %.1f ms\n", lengths[i], e.spent, ms);
		assert_true(e.spent <= SCORE_REGEX_EFFORT && e.gave_up > 0);
		assert_true(ms < 1000); /* of CPU: sanitizers are slow */
	}
	score_list_free(&l);
}

static void a_thousand_usual_patterns_come_to_an_end(void **state)
{
	(void)state;
	static const char *const usual[] = { "^bounce-.*@", "(news|promo)\\d+\\.example$", "^[a-z]{20}@",
		"\\.(top|xyz)$", "^no-?reply.*@mail\\d*\\.", "dyn|dsl|pool", "^[^@]+\\+.*@example\\.net$",
		"[0-9]{6,}@" };
	char text[ADDRESS + 1] = "first.last-12-345.";
	while (strlen(text) + 20 < ADDRESS)
		strcat(text, "news.mail12.example.");
	text[64] = '@';
	struct score_list *l = list_of(usual, sizeof usual / sizeof *usual);
	struct score_effort e = { 0 };
	assert_int_equal(score_list_has_name(l, slice_str(text), &e), SCORE_MATCH_NO);
	assert_int_equal(e.gave_up, 0);
	assert_true(e.spent < SCORE_REGEX_EFFORT / 2);
	score_list_free(&l);
}

/* What was found stays found; what comes behind is not known, and the rule is named. */
static void a_list_that_gave_up_is_unknown_unless_an_entry_is_found(void **state)
{
	(void)state;
	char text[LONG];
	static const struct hash_key key = { 1, 2 };
	struct buf faults = { 0 };
	struct score_list *l = score_list_new(&key);
	assert_true(score_list_feed(l, SLICE("found@example.net\n/^(a+)+[bc]/\n/!$/\n"), &faults));
	assert_true(score_list_finish(l, &faults));
	struct score_effort e = { 0 };
	assert_int_equal(score_list_has_name(l, SLICE("found@example.net"), &e), SCORE_MATCH_YES);
	assert_int_equal(score_list_has_name(l, worst(text, 100), &e), SCORE_MATCH_YES); /* by its last pattern */
	assert_int_equal(e.gave_up, 1);
	score_list_free(&l);
}

static void a_stage_has_one_bound_and_names_the_rule(void **state)
{
	(void)state;
	enum { RULES = 40 };
	struct score_rule_source rules[RULES + 3] = { 0 };
	char names[RULES][8], when[RULES][80], text[LONG];
	rules[0] = (struct score_rule_source){ .name = "before", .when = "sender =~ /^aaa/" };
	for (unsigned i = 0; i < RULES; i++) {
		(void)snprintf(names[i], sizeof names[i], "e%u", i);
		(void)snprintf(when[i], sizeof when[i], "sender =~ /^(a+)+[bc%u]/", i);
		rules[i + 1] = (struct score_rule_source){ .name = names[i], .when = when[i] };
	}
	rules[RULES + 1] = (struct score_rule_source){ .name = "behind", .when = "(sender =~ /^aab/) is unknown" };
	struct world w;
	world_open(&w, rules);
	text[worst(text, 200).n] = 0;
	at_connect(&w);
	assert_int_equal(w.v.gave_up_rule, SCORE_NO_RULE);
	at_mail(&w, text);
	assert_string_equal(fired(&w), "before behind");
	assert_int_equal(w.v.gave_up_rule, 1);
	mail_done(&w);
	at_mail(&w, "aaa@example.net"); /* the next test begins anew */
	assert_string_equal(fired(&w), "before");
	assert_int_equal(w.v.gave_up_rule, SCORE_NO_RULE);
	world_close(&w);
}

static void a_list_that_gave_up_is_unknown_to_the_rule(void **state)
{
	(void)state;
	char text[LONG];
	struct score_list *l = list_of(EXPLOSIVE, 1);
	const struct score_named_list named = { "bad", l };
	const struct score_rule_source rules[] = { { .name = "in", .when = "sender in list('bad')" },
		{ .name = "not", .when = "not sender in list('bad')" },
		{ .name = "unknown", .when = "(sender in list('bad')) is unknown" }, { 0 } };
	struct world w;
	world_open_with(&w, rules, true, &named, 1);
	text[worst(text, 200).n] = 0;
	at_connect(&w);
	at_mail(&w, text);
	assert_string_equal(fired(&w), "unknown");
	assert_int_equal(w.v.gave_up_rule, 0);
	world_close(&w);
	score_list_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_match_has_a_bound),
		cmocka_unit_test(places_to_begin_at_count_together),
		cmocka_unit_test(a_usual_pattern_is_cheap),
		cmocka_unit_test(a_thousand_explosive_patterns_have_one_bound),
		cmocka_unit_test(a_thousand_usual_patterns_come_to_an_end),
		cmocka_unit_test(a_list_that_gave_up_is_unknown_unless_an_entry_is_found),
		cmocka_unit_test(a_stage_has_one_bound_and_names_the_rule),
		cmocka_unit_test(a_list_that_gave_up_is_unknown_to_the_rule),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
