#include "dns/list_health.h"

#include <stdio.h>

/* Known-good clients that are listed, of those asked about. */
static const double GOOD_SHARE = 0.05;
/* A share that is so much above the usual one, in factor and in difference. */
static const double SHARE_FACTOR = 3, SHARE_ABOVE = 0.25;
/* Weight of a new window in the usual share, of a new answer in the latency. */
static const double USUAL_WEIGHT = 0.1, LATENCY_WEIGHT = 0.1;

const char *dns_list_fault_name(enum dns_list_fault f)
{
	static const char *const names[DNS_LIST_FAULTS] = {
		[DNS_LIST_FINE] = "fine",
		[DNS_LIST_LISTS_ALL] = "lists what cannot be listed",
		[DNS_LIST_LISTS_NOTHING] = "does not list its own test point",
		[DNS_LIST_ERRORS] = "answers with errors",
		[DNS_LIST_SILENT] = "does not answer, or too late",
		[DNS_LIST_KNOWN_GOOD] = "lists clients that are known good",
		[DNS_LIST_SHARE] = "lists far more clients than it used to",
	};
	return names[f];
}

void dns_list_health_init(struct dns_list_health *h, uint64_t patience_ms, uint64_t retest_ms)
{
	*h = (struct dns_list_health){
		.patience_ms = patience_ms, .retest_ms = retest_ms, .usual = -1, .latency_ms = -1
	};
}

/* Until the next test: one that is fine is asked less often. */
static uint64_t test_after_ms(const struct dns_list_health *h)
{
	return dns_list_is_out(h) ? h->retest_ms : h->retest_ms * DNS_HEALTH_FINE_TESTS;
}

void dns_list_health_configure(struct dns_list_health *h, uint64_t patience_ms, uint64_t retest_ms)
{
	if (h->retest_ms != retest_ms)
		h->next_test_ms = 0;
	h->patience_ms = patience_ms;
	h->retest_ms = retest_ms;
}

static void forget_share(struct dns_list_health *h)
{
	h->asked = h->listed = h->good_asked = h->good_listed = 0;
}

static bool go(struct dns_list_health *h, enum dns_list_fault fault, uint64_t now_ms)
{
	if (h->fault == fault)
		return false;
	h->fault = fault;
	h->since_ms = now_ms;
	h->tests_passed = 0;
	h->next_test_ms = now_ms + test_after_ms(h);
	h->seen = h->wrong = 0;
	h->seen_n = 0;
	forget_share(h);
	return true;
}

/* ---- how it answers ---- */

static void see(struct dns_list_health *h, bool fine, bool wrong)
{
	h->seen = h->seen << 1 | fine;
	h->wrong = h->wrong << 1 | wrong;
	h->seen_n = (uint8_t)(h->seen_n + (h->seen_n < DNS_HEALTH_WINDOW));
}

/* Of the last n: half of them, or all. */
static unsigned bits_of(uint32_t bits, unsigned n)
{
	return (unsigned)__builtin_popcount(bits & ((1u << n) - 1));
}

static enum dns_list_fault judge_last(const struct dns_list_health *h, unsigned n, unsigned bad)
{
	if (h->seen_n < n || n - bits_of(h->seen, n) < bad)
		return DNS_LIST_FINE;
	return bits_of(h->wrong, n) * 2 >= bad ? DNS_LIST_ERRORS : DNS_LIST_SILENT;
}

static enum dns_list_fault judge_answers(const struct dns_list_health *h)
{
	enum dns_list_fault run = judge_last(h, DNS_HEALTH_RUN, DNS_HEALTH_RUN);
	return run != DNS_LIST_FINE ? run : judge_last(h, DNS_HEALTH_WINDOW, DNS_HEALTH_WINDOW / 2);
}

/* ---- what it says of clients ---- */

/* A share that stays as it is becomes the usual one, also while the list is out for it. */
static enum dns_list_fault judge_share(struct dns_list_health *h)
{
	double share = (double)h->listed / h->asked, usual = h->usual;
	bool sudden = usual >= 0 && share > usual * SHARE_FACTOR && share > usual + SHARE_ABOVE;
	if (!sudden || dns_list_is_out(h))
		h->usual = usual < 0 ? share : usual + (share - usual) * USUAL_WEIGHT;
	forget_share(h);
	return sudden ? DNS_LIST_SHARE : DNS_LIST_FINE;
}

static enum dns_list_fault judge_evidence(struct dns_list_health *h)
{
	bool good = h->good_listed >= DNS_HEALTH_GOOD_LISTED && h->good_listed > GOOD_SHARE * h->good_asked;
	enum dns_list_fault share = h->asked < DNS_HEALTH_SHARE_WINDOW ? DNS_LIST_FINE : judge_share(h);
	return good ? DNS_LIST_KNOWN_GOOD : share;
}

static bool is_new_witness(struct dns_list_health *h, uint64_t who)
{
	uint32_t n = h->good_listed < DNS_HEALTH_GOOD_LISTED ? h->good_listed : DNS_HEALTH_GOOD_LISTED;
	for (uint32_t i = 0; i < n; i++)
		if (h->good[i] == who)
			return false;
	if (n < DNS_HEALTH_GOOD_LISTED)
		h->good[n] = who;
	return true;
}

static void count(struct dns_list_health *h, const struct dns_list_word *w)
{
	bool answered = w->outcome != DNS_UNKNOWN, listed = w->outcome == DNS_SOME;
	see(h, answered && w->took_ms <= h->patience_ms, w->error);
	if (answered)
		h->latency_ms =
			h->latency_ms < 0 ? w->took_ms : h->latency_ms + (w->took_ms - h->latency_ms) * LATENCY_WEIGHT;
	h->asked += answered;
	h->listed += listed;
	h->good_asked += answered && w->known_good;
	h->good_listed += listed && w->known_good && is_new_witness(h, w->who);
	h->in_use = true;
	h->total_asked++;
	h->total_listed += listed;
	h->total_failed += !answered;
}

/* A failure is looked into at once, but not more often than an outage is. */
static void look_into(struct dns_list_health *h, uint64_t now_ms)
{
	uint64_t last_ms = h->next_test_ms < test_after_ms(h) ? 0 : h->next_test_ms - test_after_ms(h);
	if (!dns_list_is_out(h) && h->next_test_ms > now_ms && now_ms - last_ms >= h->retest_ms)
		h->next_test_ms = now_ms;
}

bool dns_list_heard(struct dns_list_health *h, const struct dns_list_word *word, uint64_t now_ms)
{
	if (h->total_asked == 0)
		h->next_test_ms = now_ms;
	count(h, word);
	if (word->outcome == DNS_UNKNOWN)
		look_into(h, now_ms);
	enum dns_list_fault answers = judge_answers(h), evidence = judge_evidence(h);
	enum dns_list_fault fault = answers != DNS_LIST_FINE ? answers : evidence;
	if (dns_list_is_out(h)) /* tests decide when it comes back */
		return false;
	return fault != DNS_LIST_FINE && go(h, fault, now_ms);
}

/* ---- what it says of test points ---- */

bool dns_list_test_due(struct dns_list_health *h, uint64_t now_ms)
{
	if (now_ms < h->next_test_ms)
		return false;
	bool due = h->in_use || dns_list_is_out(h);
	h->next_test_ms = now_ms + test_after_ms(h);
	h->in_use = false;
	return due;
}

bool dns_list_test_point(struct slice zone, bool domain, struct dns_name *name_r)
{
	static const struct ip point = { { [10] = 0xff, [11] = 0xff, 127, 0, 0, 2 } };
	return domain ? dns_name_listed_domain(SLICE("test"), zone, name_r) : dns_name_listed_ip(&point, zone, name_r);
}

bool dns_list_decoy(struct slice zone, bool domain, uint64_t random, struct dns_name *name_r)
{
	/* 127.64.0.0/10: far from all test points that lists are known to have */
	struct ip ip = { { [10] = 0xff,
		[11] = 0xff,
		127,
		(uint8_t)(64 | (random & 63)),
		(uint8_t)(random >> 8),
		(uint8_t)(random >> 16) } };
	char text[40];
	int n = snprintf(text, sizeof text, "x%016llx.invalid", (unsigned long long)random);
	return domain ? dns_name_listed_domain(slice_of(text, (size_t)n), zone, name_r)
		      : dns_name_listed_ip(&ip, zone, name_r);
}

static enum dns_list_fault judge_test(struct dns_list_health *h, const struct dns_list_test *t)
{
	bool late = t->took_ms > h->patience_ms, failed = t->point == DNS_UNKNOWN || t->decoy == DNS_UNKNOWN;
	if (t->decoy == DNS_SOME)
		return DNS_LIST_LISTS_ALL;
	h->has_point |= t->point == DNS_SOME;
	if (t->point == DNS_NONE && h->has_point)
		return DNS_LIST_LISTS_NOTHING;
	if (dns_list_is_out(h)) /* it must answer well before it is believed again; by what it fails may have changed */
		return !failed && !late ? DNS_LIST_FINE : t->error ? DNS_LIST_ERRORS : DNS_LIST_SILENT;
	see(h, !failed && !late, t->error);
	return judge_answers(h);
}

/* What its listings say against it is not shown by tests: only time heals it. */
static bool is_evidence(enum dns_list_fault f)
{
	return f == DNS_LIST_KNOWN_GOOD || f == DNS_LIST_SHARE;
}

bool dns_list_tested(struct dns_list_health *h, const struct dns_list_test *t, uint64_t now_ms)
{
	enum dns_list_fault fault = judge_test(h, t);
	if (fault != DNS_LIST_FINE) {
		h->tests_passed = 0;
		return !is_evidence(h->fault) && go(h, fault, now_ms);
	}
	if (!dns_list_is_out(h))
		return false;
	h->tests_passed = (uint8_t)(h->tests_passed + (h->tests_passed < DNS_HEALTH_TESTS));
	if (h->tests_passed < DNS_HEALTH_TESTS)
		return false;
	if (is_evidence(h->fault) && now_ms - h->since_ms < DNS_HEALTH_EVIDENCE_MS)
		return false;
	return go(h, DNS_LIST_FINE, now_ms);
}

bool dns_list_decoy_listed(struct dns_list_health *h, uint64_t now_ms)
{
	return go(h, DNS_LIST_LISTS_ALL, now_ms);
}
