/* When a DNS list is believed: what takes it out of play, and what brings it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dns/list_health.h"

enum { PATIENCE = 1500, RETEST = 30000, START = 1000000 };

struct world {
	struct dns_list_health h;
	uint64_t now_ms;
	uint64_t who;
	unsigned changes;
};

static struct world begin(void)
{
	struct world w = { .now_ms = START };
	dns_list_health_init(&w.h, PATIENCE, RETEST);
	return w;
}

static void hears(struct world *w, enum dns_known outcome, bool error, bool known_good, uint32_t took_ms)
{
	const struct dns_list_word word = {
		.outcome = outcome, .error = error, .known_good = known_good, .who = ++w->who, .took_ms = took_ms
	};
	w->now_ms += 10;
	w->changes += dns_list_heard(&w->h, &word, w->now_ms);
}

static void hears_n(struct world *w, unsigned n, enum dns_known outcome)
{
	for (unsigned i = 0; i < n; i++)
		hears(w, outcome, false, false, 20);
}

static void is_tested(struct world *w, enum dns_known point, enum dns_known decoy)
{
	const struct dns_list_test t = { .point = point, .decoy = decoy, .took_ms = 20 };
	w->now_ms += RETEST;
	w->changes += dns_list_tested(&w->h, &t, w->now_ms);
}

static void is_well_tested(struct world *w)
{
	is_tested(w, DNS_SOME, DNS_NONE);
}

/* ---- going out ---- */

static void bad_luck_is_no_outage(void **state)
{
	(void)state;
	struct world w = begin();
	for (unsigned i = 0; i < 200; i++) /* three of ten, never four in a row */
		hears(&w, i % 10 < 3 ? DNS_UNKNOWN : DNS_NONE, i % 2, false, 20);
	assert_int_equal(w.h.fault, DNS_LIST_FINE);
	assert_int_equal(w.changes, 0);
}

static void goes_out_by_its_last_answers(void **state)
{
	(void)state;
	static const struct {
		enum dns_known outcome;
		bool error;
		uint32_t took_ms;
		enum dns_list_fault fault;
	} cases[] = {
		{ DNS_UNKNOWN, true, 20, DNS_LIST_ERRORS },
		{ DNS_UNKNOWN, false, 3000, DNS_LIST_SILENT },
		{ DNS_NONE, false, PATIENCE + 1, DNS_LIST_SILENT },
		{ DNS_NONE, false, PATIENCE, DNS_LIST_FINE },
	};
	for (unsigned i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct world run = begin(), half = begin();
		hears_n(&run, 50, DNS_NONE);
		for (unsigned k = 0; k < DNS_HEALTH_RUN; k++)
			hears(&run, cases[i].outcome, cases[i].error, false, cases[i].took_ms);
		assert_int_equal(run.h.fault, cases[i].fault);
		for (unsigned k = 0; k < DNS_HEALTH_WINDOW; k++)
			hears(&half, k % 2 ? DNS_NONE : cases[i].outcome, cases[i].error && !(k % 2), false,
				k % 2 ? 20 : cases[i].took_ms);
		assert_int_equal(half.h.fault, cases[i].fault);
	}
}

static void goes_out_by_its_tests(void **state)
{
	(void)state;
	struct world w = begin();
	is_tested(&w, DNS_NONE, DNS_NONE); /* one that never had a test point */
	assert_int_equal(w.h.fault, DNS_LIST_FINE);
	is_well_tested(&w);
	is_tested(&w, DNS_NONE, DNS_NONE);
	assert_int_equal(w.h.fault, DNS_LIST_LISTS_NOTHING);
	w = begin();
	is_tested(&w, DNS_SOME, DNS_SOME);
	assert_int_equal(w.h.fault, DNS_LIST_LISTS_ALL);
	w = begin();
	for (unsigned i = 0; i < DNS_HEALTH_RUN; i++)
		is_tested(&w, DNS_UNKNOWN, DNS_UNKNOWN);
	assert_int_equal(w.h.fault, DNS_LIST_SILENT);
}

static void a_decoy_that_is_listed_is_enough(void **state)
{
	(void)state;
	struct world w = begin();
	assert_true(dns_list_decoy_listed(&w.h, w.now_ms));
	assert_false(dns_list_decoy_listed(&w.h, w.now_ms));
	assert_int_equal(w.h.fault, DNS_LIST_LISTS_ALL);
	assert_int_equal(w.h.since_ms, START);
}

static void known_good_clients_are_witnesses(void **state)
{
	(void)state;
	struct world w = begin();
	for (unsigned i = 0; i < 50; i++) { /* one of them, again and again */
		w.who = 6;
		hears(&w, DNS_SOME, false, true, 20);
	}
	assert_int_equal(w.h.fault, DNS_LIST_FINE);
	w = begin();
	for (unsigned i = 0; i < 90; i++) /* a few of many */
		hears(&w, i % 45 == 0 ? DNS_SOME : DNS_NONE, false, true, 20);
	assert_int_equal(w.h.fault, DNS_LIST_FINE);
	for (unsigned i = 0; i < 3; i++)
		hears(&w, DNS_SOME, false, true, 20);
	assert_int_equal(w.h.fault, DNS_LIST_KNOWN_GOOD);
}

static void a_share_that_jumps(void **state)
{
	(void)state;
	struct world w = begin();
	for (unsigned i = 0; i < 1000; i++) /* 20 %, and slowly 40 % */
		hears(&w, i % 5 < (i < 500 ? 1 : 2) ? DNS_SOME : DNS_NONE, false, false, 20);
	assert_int_equal(w.h.fault, DNS_LIST_FINE);
	assert_true(w.h.usual > 0.2 && w.h.usual < 0.4);
	w = begin();
	hears_n(&w, 300, DNS_NONE);
	for (unsigned i = 0; i < 100; i++)
		hears(&w, i % 2 ? DNS_SOME : DNS_NONE, false, false, 20);
	assert_int_equal(w.h.fault, DNS_LIST_SHARE);
	assert_int_equal(w.changes, 1);
}

/* ---- coming back ---- */

static void comes_back_after_good_tests_in_a_row(void **state)
{
	(void)state;
	struct world w = begin();
	hears_n(&w, DNS_HEALTH_RUN, DNS_UNKNOWN);
	is_well_tested(&w);
	is_tested(&w, DNS_UNKNOWN, DNS_NONE);
	is_well_tested(&w);
	assert_int_equal(w.h.fault, DNS_LIST_SILENT);
	hears_n(&w, 100, DNS_NONE); /* clients do not bring it back */
	assert_int_equal(w.h.fault, DNS_LIST_SILENT);
	is_well_tested(&w);
	assert_int_equal(w.h.fault, DNS_LIST_FINE);
	assert_int_equal(w.h.since_ms, w.now_ms);
	const struct dns_list_test late = { .point = DNS_SOME, .decoy = DNS_NONE, .took_ms = PATIENCE + 1 };
	hears_n(&w, DNS_HEALTH_RUN, DNS_UNKNOWN);
	for (unsigned i = 0; i < 10; i++)
		assert_false(dns_list_tested(&w.h, &late, w.now_ms));
	assert_int_equal(w.h.fault, DNS_LIST_SILENT);
}

static void evidence_takes_its_time(void **state)
{
	(void)state;
	struct world w = begin();
	for (unsigned i = 0; i < 3; i++)
		hears(&w, DNS_SOME, false, true, 20);
	uint64_t out_ms = w.now_ms;
	while (w.h.fault != DNS_LIST_FINE)
		is_well_tested(&w);
	assert_true(w.now_ms - out_ms >= DNS_HEALTH_EVIDENCE_MS);
	assert_true(w.now_ms - out_ms <= DNS_HEALTH_EVIDENCE_MS + RETEST);
}

/* ---- when it is tested ---- */

static void is_tested_when_it_is_used(void **state)
{
	(void)state;
	struct world w = begin();
	assert_false(dns_list_test_due(&w.h, w.now_ms)); /* nobody asks it */
	hears(&w, DNS_NONE, false, false, 20);
	assert_true(dns_list_test_due(&w.h, w.now_ms));
	assert_false(dns_list_test_due(&w.h, w.now_ms));
	w.now_ms += RETEST;
	hears(&w, DNS_NONE, false, false, 20);
	assert_false(dns_list_test_due(&w.h, w.now_ms));
	hears(&w, DNS_UNKNOWN, false, false, 20); /* looked into */
	assert_true(dns_list_test_due(&w.h, w.now_ms));
	hears(&w, DNS_UNKNOWN, false, false, 20); /* once a retest time */
	assert_false(dns_list_test_due(&w.h, w.now_ms));
	hears_n(&w, 2, DNS_UNKNOWN);
	assert_true(dns_list_is_out(&w.h));
	for (unsigned i = 0; i < 5; i++) {
		assert_false(dns_list_test_due(&w.h, w.now_ms + RETEST - 1));
		w.now_ms += RETEST;
		assert_true(dns_list_test_due(&w.h, w.now_ms));
	}
}

static void names_of_tests(void **state)
{
	(void)state;
	struct dns_name name;
	struct slice text;
	assert_true(dns_list_test_point(SLICE("bl.test"), false, &name));
	assert_true(slice_eq(dns_name_slice(&name), SLICE("2.0.0.127.bl.test")));
	assert_true(dns_list_test_point(SLICE("dbl.test"), true, &name));
	assert_true(slice_eq(dns_name_slice(&name), SLICE("test.dbl.test")));
	for (uint64_t random = 1; random; random <<= 1) {
		assert_true(dns_list_decoy(SLICE("bl.test"), false, random, &name));
		text = dns_name_slice(&name);
		unsigned a, b, c, d;
		assert_int_equal(sscanf(text.p, "%u.%u.%u.%u.bl.test", &d, &c, &b, &a), 4);
		assert_int_equal(a, 127);
		assert_true(b >= 64 && b < 128);
		assert_true(dns_list_decoy(SLICE("dbl.test"), true, random, &name));
		assert_non_null(memmem(dns_name_slice(&name).p, dns_name_slice(&name).n, ".invalid.dbl.test", 17));
	}
}

/* ---- whatever happens ---- */

static uint32_t next_random(uint64_t *x)
{
	*x = *x * 6364136223846793005u + 1442695040888963407u;
	return (uint32_t)(*x >> 33);
}

static void any_event(struct world *w, uint64_t *x, unsigned bad)
{
	uint32_t r = next_random(x);
	enum dns_known outcome = next_random(x) % 100 < bad ? DNS_UNKNOWN : r % 3 ? DNS_NONE : DNS_SOME;
	if (r % 16)
		hears(w, outcome, r & 32, r & 64, next_random(x) % (2 * PATIENCE));
	else if (dns_list_test_due(&w->h, w->now_ms))
		is_tested(w, outcome, next_random(x) % 50 ? DNS_NONE : DNS_SOME);
	else
		w->now_ms += next_random(x) % RETEST;
}

/* For any history: a change is told when and only when the state changes, nothing leaves but by two good tests, tests
 * of a list that is out never stop, and two retest times of health (after what its listings cost) bring it back. */
static void any_history(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 300; seed++) {
		struct world w = begin();
		uint64_t x = seed;
		for (unsigned i = 0; i < 500; i++) {
			enum dns_list_fault before = w.h.fault;
			unsigned told = w.changes;
			any_event(&w, &x, (unsigned)(seed % 100));
			assert_int_equal(w.changes - told, w.h.fault != before);
			assert_true(w.h.since_ms <= w.now_ms && w.h.listed <= w.h.asked);
			assert_true(w.h.asked < DNS_HEALTH_SHARE_WINDOW && w.h.usual <= 1);
			assert_true(w.h.total_listed + w.h.total_failed <= w.h.total_asked);
			assert_true(!dns_list_is_out(&w.h) || w.h.next_test_ms <= w.now_ms + RETEST);
		}
		w.now_ms += DNS_HEALTH_EVIDENCE_MS;
		for (unsigned i = 0; i < DNS_HEALTH_TESTS; i++)
			is_well_tested(&w);
		assert_int_equal(w.h.fault, DNS_LIST_FINE);
	}
}

static void each_fault_has_its_words(void **state)
{
	(void)state;
	for (int f = 0; f < DNS_LIST_FAULTS; f++)
		assert_true(strlen(dns_list_fault_name((enum dns_list_fault)f)) > 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bad_luck_is_no_outage),
		cmocka_unit_test(goes_out_by_its_last_answers),
		cmocka_unit_test(goes_out_by_its_tests),
		cmocka_unit_test(a_decoy_that_is_listed_is_enough),
		cmocka_unit_test(known_good_clients_are_witnesses),
		cmocka_unit_test(a_share_that_jumps),
		cmocka_unit_test(comes_back_after_good_tests_in_a_row),
		cmocka_unit_test(evidence_takes_its_time),
		cmocka_unit_test(is_tested_when_it_is_used),
		cmocka_unit_test(names_of_tests),
		cmocka_unit_test(any_history),
		cmocka_unit_test(each_fault_has_its_words),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
