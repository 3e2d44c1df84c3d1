/* The promise of a replay: the same rules give the same verdict for every record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "replay/read.h"
#include "replay/run.h"
#include "tests/replay/trace.h"

#include <stdio.h>
#include <string.h>

/* Under a sanitizer a tenth will do. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
enum { LONG_TRACE = 20000 };
#else
enum { LONG_TRACE = 220000 };
#endif

static struct trace_rules rules, other_rules;
static struct trace_world world, other_world;
static struct trace trace;
static struct replay_record written, read_back, other;

/* What goes through the file. */
static const struct replay_record *through_text(struct replay_reader *reader, const struct replay_record *r)
{
	static struct buf line;
	const char *why = NULL;
	buf_clear(&line);
	assert_true(replay_record_write(r, &line));
	struct slice text = buf_slice(&line);
	if (!replay_read(reader, slice_of(text.p, text.n - 1), &read_back, &why))
		fail_msg("%s: %.*s", why, SLICE_ARG(text));
	return &read_back;
}

static void begin(uint64_t seed, unsigned rules_n)
{
	uint64_t random = seed;
	trace_rules_random(&rules, rules_n, &random);
	trace_world_open(&world, &rules);
	trace_open(&trace, seed + 1);
}

static void end(struct replay_reader *reader, struct score_ruleset **set, struct replay_runner **runner)
{
	replay_runner_free(runner);
	score_rules_free(set);
	replay_reader_release(reader);
	trace_world_close(&world);
}

static void must_be_same(const struct replay_verdict *then, const struct replay_verdict *now)
{
	assert_memory_equal(&then->score, &now->score, sizeof now->score);
	assert_memory_equal(&then->points, &now->points, sizeof now->points);
}

static void run_same(uint64_t seed, unsigned rules_n, unsigned records, struct replay_totals *totals_r)
{
	struct replay_reader reader = { 0 };
	struct replay_verdict now;
	begin(seed, rules_n);
	struct score_ruleset *set = trace_compile(&rules); /* another key: other clients would be in a percent */
	struct replay_runner *runner = replay_runner_new(set, 64u << 20);
	assert_non_null(runner);
	for (unsigned i = 0; i < records; i++) {
		trace_next(&trace);
		trace_call(&trace, &world, &written);
		const struct replay_record *r = through_text(&reader, &written);
		enum replay_outcome outcome = replay_run(runner, r, &now);
		assert_int_equal(outcome, r->kind == REPLAY_TEST ? REPLAY_SAME : REPLAY_RAN);
		if (outcome == REPLAY_SAME)
			must_be_same(&r->verdict, &now);
	}
	replay_runner_totals(runner, totals_r);
	struct replay_fresh fresh;
	unsigned at = 0;
	assert_false(replay_runner_fresh(runner, &at, &fresh));
	end(&reader, &set, &runner);
}

static void the_same_rules_give_the_same_verdicts(void **state)
{
	struct replay_totals t;
	(void)state;
	for (uint64_t seed = 1; seed <= 11; seed++) {
		run_same(seed * 7919, seed == 11 ? TRACE_RULES : 12 + 4 * (unsigned)seed, LONG_TRACE / 11, &t);
		assert_int_equal(t.records, LONG_TRACE / 11);
		assert_int_equal(t.same, t.tests);
		assert_int_equal(t.by_same_rules, t.tests);
		assert_int_equal(t.missing, 0);
		assert_int_equal(t.broken, 0);
		assert_true(t.tests > t.records / 3);
	}
}

/* A file that begins in the middle of a server's life, with lines lost: what is compared is still the same, as values
 * are those of then and not what the events left over add up to. */
static void a_file_with_holes_tells_no_false_change(void **state)
{
	struct replay_reader reader = { 0 };
	struct replay_verdict now;
	struct replay_totals t;
	unsigned lost = 0;
	(void)state;
	begin(4711, 50);
	struct replay_runner *runner = replay_runner_new(world.set, 64u << 20);
	for (unsigned i = 0; i < LONG_TRACE / 4; i++) {
		trace_next(&trace);
		trace_call(&trace, &world, &written);
		bool drop = i % 997 == 0 && i < LONG_TRACE / 4 - 1000;
		lost += drop && i > LONG_TRACE / 8;
		if (i > LONG_TRACE / 8 && !drop)
			assert_int_not_equal(replay_run(runner, through_text(&reader, &written), &now), REPLAY_CHANGED);
	}
	replay_runner_totals(runner, &t);
	assert_int_equal(t.missing, lost);
	assert_in_range(t.broken, TRACE_SESSIONS / 2, TRACE_SESSIONS + lost);
	assert_true(t.uncertain > 0 && t.same > t.uncertain && t.same + t.uncertain == t.tests);
	struct score_ruleset *none = NULL;
	end(&reader, &none, &runner);
}

/* Rules changed here and there; a server that had run under them from the beginning is what the replay must tell. */
static void change_rules(uint64_t *random)
{
	struct trace_rules fresh;
	trace_rules_random(&fresh, rules.n, random);
	other_rules = rules;
	for (unsigned i = 0; i < rules.n; i++) {
		struct score_rule_source *r = &other_rules.rule[i];
		memcpy(other_rules.whens[i], i % 5 == 0 ? fresh.whens[i] : rules.whens[i], TRACE_TEXT);
		if (i % 5 == 0)
			*r = fresh.rule[i];
		else if (i % 5 == 1)
			r->charge = r->charge > 0 ? r->charge / 2 : r->charge;
		r->name = other_rules.names[i];
		r->when = other_rules.whens[i];
		r->percent = 100;
		rules.rule[i].percent = 100;
	}
}

static void other_rules_give_what_they_would_have_given(void **state)
{
	(void)state;
	unsigned tests = 0, changed = 0, wrong = 0;
	for (uint64_t seed = 1; seed <= 5; seed++) {
		struct replay_reader reader = { 0 };
		struct replay_verdict now;
		uint64_t random = seed * 104729;
		trace_rules_random(&rules, 40, &random);
		change_rules(&random);
		trace_world_open(&world, &rules);
		trace_world_open(&other_world, &other_rules);
		trace_open(&trace, seed);
		struct score_ruleset *set = trace_compile(&other_rules);
		struct replay_runner *runner = replay_runner_new(set, 64u << 20);
		for (unsigned i = 0; i < LONG_TRACE / 10; i++) {
			trace_next(&trace);
			trace_call(&trace, &world, &written);
			trace_call(&trace, &other_world, &other);
			const struct replay_record *r = through_text(&reader, &written);
			enum replay_outcome outcome = replay_run(runner, r, &now);
			assert_int_not_equal(outcome, REPLAY_UNCERTAIN);
			if (r->kind != REPLAY_TEST)
				continue;
			tests++;
			changed += outcome == REPLAY_CHANGED;
			wrong += other.verdict.now != now.now || other.verdict.would != now.would ||
				 !slice_eq(other.verdict.now_rule, now.now_rule) ||
				 other.verdict.score - now.score > 1e-6 || now.score - other.verdict.score > 1e-6;
		}
		trace_world_close(&other_world);
		end(&reader, &set, &runner);
	}
	print_message("%u tests, %u changed, %u told wrongly\n", tests, changed, wrong);
	assert_true(changed > tests / 50 && changed < tests);
	assert_int_equal(wrong, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_rules_give_the_same_verdicts),
		cmocka_unit_test(a_file_with_holes_tells_no_false_change),
		cmocka_unit_test(other_rules_give_what_they_would_have_given),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
