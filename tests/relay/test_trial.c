/* relay/trial.h: what a fake backend is found to be, and the advice that follows. */
#include "relay/trial.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;
static struct relay_trial trial;
static struct relay_advice advice[RELAY_ADVICE_MAX];

/* Returns how much advice there is. */
static size_t tried(enum fake_xclient x, enum relay_identity identity, struct fake_rule rule)
{
	static const atomic_bool go_on;
	rig_init(&g, fake_start(x, &rule, rule.on ? 1 : 0));
	g.fake->proxy = identity == RELAY_PROXY;
	g.config.identity = identity;
	struct relay_shared *s = relay_shared_new(&g.config);
	assert_non_null(s);
	assert_int_equal(relay_trials_prepare(s, &trial, 1), 1);
	relay_trial_run(&trial, &go_on);
	size_t n = relay_trial_advice(&trial, advice);
	relay_trial_release(&trial);
	relay_shared_free(&s);
	fake_stop(g.fake);
	return n;
}

static const struct fake_rule UNKNOWN = { "RCPT TO:<smtpguard-test", FAKE_SAY, "550 5.1.1 nobody\r\n", .times = 0 };

static void nothing_to_change(void **state)
{
	(void)state;
	static const enum relay_identity how[] = { RELAY_XCLIENT, RELAY_XFORWARD, RELAY_PROXY, RELAY_NONE };
	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(tried(FAKE_XCLIENT_ANY, how[i], UNKNOWN), 0);
		assert_string_equal(trial.fault, "");
		assert_string_equal(trial.ours, "127.0.0.1");
		assert_int_equal(trial.caps.size, 1000000);
		assert_true(trial.unknown_counts && trial.unknown.code == 550);
		assert_int_equal(trial.refusals, how[i] == RELAY_PROXY ? 1 : 21);
		assert_int_equal(trial.rsets, how[i] == RELAY_PROXY ? 0 : 105);
	}
}

static void xclient_once_or_never(void **state)
{
	(void)state;
	assert_int_equal(tried(FAKE_XCLIENT_ONCE, RELAY_XCLIENT, UNKNOWN), 1);
	assert_false(advice[0].must);
	assert_string_equal(advice[0].lines, "-o smtpd_authorized_xclient_hosts=static:all");
	assert_int_equal(tried(FAKE_XCLIENT_LIES, RELAY_XCLIENT, UNKNOWN), 1);
	assert_false(advice[0].must);
	assert_true(trial.again && trial.second.code == 550);
	assert_int_equal(tried(FAKE_NO_XCLIENT, RELAY_XCLIENT, UNKNOWN), 1);
	assert_true(advice[0].must);
	assert_int_equal(tried(FAKE_XCLIENT_NO_ADDR, RELAY_XCLIENT, UNKNOWN), 1);
	assert_true(advice[0].must);
}

static void refusals_that_it_bears_ill(void **state)
{
	(void)state;
	struct fake_rule slow = UNKNOWN, closing = UNKNOWN;
	slow.delay_ms = RELAY_TRIAL_SLOW_MS + 20;
	assert_int_equal(tried(FAKE_XCLIENT_ANY, RELAY_NONE, slow), 1);
	assert_true(trial.slowed && trial.refusals == 1);
	closing.act = FAKE_SAY_AND_CLOSE;
	assert_int_equal(tried(FAKE_XCLIENT_ANY, RELAY_NONE, closing), 1);
	assert_true(trial.hung_up);
	struct fake_rule junk = { "RSET", FAKE_SAY_AND_CLOSE, "421 4.7.0 too many\r\n", .times = 0 };
	tried(FAKE_XCLIENT_ANY, RELAY_NONE, junk);
	assert_false(trial.rsets); /* nobody is unknown there, so it was not tried */
}

static void where_it_ends_early(void **state)
{
	(void)state;
	static const struct {
		struct fake_rule rule;
		bool must;
		const char *fault;
	} cases[] = {
		{ { "GREETING", FAKE_SAY_AND_CLOSE, "554 5.7.1 no\r\n", .times = 0 }, true,
			"greeting refused: 5.7.1 no" },
		{ { "GREETING", FAKE_CLOSE, .times = 0 }, true, "greeting: it hung up" },
		{ { "EHLO", FAKE_SAY, "500 what\r\n", .times = 0 }, true, "EHLO refused: what" },
		{ { "EHLO", FAKE_SAY, "nonsense\r\n", .times = 0 }, true, "EHLO: its answer is not understood" },
		{ { "MAIL", FAKE_SAY, "550 5.7.1 no\r\n", .times = 0 }, true, "" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		assert_int_equal(tried(FAKE_XCLIENT_ANY, RELAY_NONE, cases[i].rule), 1);
		assert_int_equal(advice[0].must, cases[i].must);
		assert_string_equal(trial.fault, cases[i].fault);
	}
}

static void a_stop_is_obeyed(void **state)
{
	(void)state;
	static const atomic_bool stop = true;
	rig_init(&g, fake_start(FAKE_XCLIENT_ANY, NULL, 0));
	struct relay_shared *s = relay_shared_new(&g.config);
	assert_int_equal(relay_trials_prepare(s, &trial, 1), 1);
	relay_trial_run(&trial, &stop);
	assert_true(trial.took_ms < 1000 && trial.fault[0]);
	relay_trial_release(&trial);
	relay_shared_free(&s);
	fake_stop(g.fake);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_to_change),
		cmocka_unit_test(xclient_once_or_never),
		cmocka_unit_test(refusals_that_it_bears_ill),
		cmocka_unit_test(where_it_ends_early),
		cmocka_unit_test(a_stop_is_obeyed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
