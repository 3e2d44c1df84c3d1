#include "dns/list_health.h"

#include <stdio.h>

/* Listed known-good clients: so many in a window, and this share of those asked about. */
enum { GOOD_LISTED_MIN = 3 };
static const double GOOD_SHARE = 0.05;
/* A share that is so much above the usual one, in factor and in difference. */
static const double SHARE_FACTOR = 3, SHARE_ABOVE = 0.25;
/* Weight of a new window in the usual share. */
static const double USUAL_WEIGHT = 0.1;

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
	*h = (struct dns_list_health){ .patience_ms = patience_ms, .retest_ms = retest_ms, .usual = -1 };
}

static void forget_window(struct dns_list_health *h)
{
	h->seen = h->wrong = 0;
	h->seen_n = 0;
	h->asked = h->listed = h->good_asked = h->good_listed = 0;
}

static bool go(struct dns_list_health *h, enum dns_list_fault fault, uint64_t now_ms)
{
	if (h->fault == fault)
		return false;
	h->fault = fault;
	h->since_ms = now_ms;
	h->tests_passed = 0;
	h->next_test_ms = now_ms + h->retest_ms;
	forget_window(h);
	return true;
}

/* ---- what it says of clients ---- */

enum { WINDOW_BITS = (1 << DNS_HEALTH_WINDOW) - 1 };

static enum dns_list_fault judge_answers(const struct dns_list_health *h)
{
	int fine = __builtin_popcount(h->seen & WINDOW_BITS), wrong = __builtin_popcount(h->wrong & WINDOW_BITS);
	if (h->seen_n < DNS_HEALTH_WINDOW / 2)
		return DNS_LIST_FINE;
	if (wrong * 2 >= h->seen_n)
		return DNS_LIST_ERRORS;
	return fine * 2 <= h->seen_n ? DNS_LIST_SILENT : DNS_LIST_FINE;
}

static enum dns_list_fault judge_share(struct dns_list_health *h)
{
	double share = (double)h->listed / h->asked, usual = h->usual;
	bool sudden = usual >= 0 && share > usual * SHARE_FACTOR && share > usual + SHARE_ABOVE;
	if (!sudden)
		h->usual = usual < 0 ? share : usual + (share - usual) * USUAL_WEIGHT;
	h->asked = h->listed = h->good_asked = h->good_listed = 0;
	return sudden ? DNS_LIST_SHARE : DNS_LIST_FINE;
}

static enum dns_list_fault judge_evidence(struct dns_list_health *h)
{
	if (h->good_listed >= GOOD_LISTED_MIN && h->good_listed > GOOD_SHARE * h->good_asked)
		return DNS_LIST_KNOWN_GOOD;
	return h->asked < DNS_HEALTH_SHARE_WINDOW ? DNS_LIST_FINE : judge_share(h);
}

static void count(struct dns_list_health *h, enum dns_known outcome, bool error, bool known_good, bool in_time)
{
	bool answered = outcome != DNS_UNKNOWN, listed = outcome == DNS_SOME;
	h->seen = h->seen << 1 | (answered && in_time);
	h->wrong = h->wrong << 1 | (!answered && error);
	h->seen_n = (uint8_t)(h->seen_n + (h->seen_n < DNS_HEALTH_WINDOW));
	h->asked += answered;
	h->listed += listed;
	h->good_asked += answered && known_good;
	h->good_listed += listed && known_good;
	h->total_asked++;
	h->total_listed += listed;
	h->total_failed += !answered;
}

bool dns_list_heard(struct dns_list_health *h, enum dns_known outcome, bool error, bool known_good, uint32_t took_ms,
	uint64_t now_ms)
{
	count(h, outcome, error, known_good, took_ms <= h->patience_ms);
	if (dns_list_is_out(h)) /* tests decide when it comes back */
		return false;
	enum dns_list_fault fault = judge_answers(h);
	if (fault == DNS_LIST_FINE)
		fault = judge_evidence(h);
	return fault != DNS_LIST_FINE && go(h, fault, now_ms);
}

/* ---- what it says of test points ---- */

bool dns_list_test_due(struct dns_list_health *h, uint64_t now_ms)
{
	if (now_ms < h->next_test_ms)
		return false;
	h->next_test_ms = now_ms + h->retest_ms;
	return true;
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

static enum dns_list_fault judge_test(const struct dns_list_health *h, enum dns_known point, enum dns_known decoy)
{
	if (decoy == DNS_SOME)
		return DNS_LIST_LISTS_ALL;
	if (point == DNS_NONE)
		return DNS_LIST_LISTS_NOTHING;
	if (point == DNS_UNKNOWN || decoy == DNS_UNKNOWN) /* clients' questions tell which of the two it is */
		return dns_list_is_out(h) ? h->fault : DNS_LIST_FINE;
	return DNS_LIST_FINE;
}

/* What its listings say against it is not shown by tests: only time heals it. */
static bool is_time(const struct dns_list_health *h, uint64_t now_ms)
{
	bool evidence = h->fault == DNS_LIST_KNOWN_GOOD || h->fault == DNS_LIST_SHARE;
	return !evidence || now_ms - h->since_ms >= DNS_HEALTH_EVIDENCE_MS;
}

bool dns_list_tested(struct dns_list_health *h, enum dns_known point, enum dns_known decoy, uint64_t now_ms)
{
	enum dns_list_fault fault = judge_test(h, point, decoy);
	if (fault != DNS_LIST_FINE) {
		h->tests_passed = 0;
		return go(h, fault, now_ms);
	}
	if (!dns_list_is_out(h))
		return false;
	h->tests_passed = (uint8_t)(h->tests_passed + (h->tests_passed < DNS_HEALTH_TESTS));
	if (h->tests_passed < DNS_HEALTH_TESTS || !is_time(h, now_ms))
		return false;
	return go(h, DNS_LIST_FINE, now_ms);
}

bool dns_list_decoy_listed(struct dns_list_health *h, uint64_t now_ms)
{
	return go(h, DNS_LIST_LISTS_ALL, now_ms);
}
