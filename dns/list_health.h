/* dns/list_health.h - whether a DNS list may still be believed (a circuit breaker for each list)
 *
 * Lists die: their domain is sold and answers yes to everybody, they answer an error to busy resolvers, they stop
 * answering and each client waits for them. What they say of clients, what they say of test points, and who they list
 * tells. A list that is *out* is asked on but neither waited for nor believed; it is tested every `retest_ms` and comes
 * back by itself.
 *
 *     out at once     it lists what cannot be listed (a random address of 127.0.0.0/8 outside of the test points, a
 * name below "invalid"), or not its own test point errors          of the last DNS_HEALTH_WINDOW answers half are
 * errors of the list (dns/list.h) silence         of the last window half failed or took longer than `patience_ms`
 *     known good      it lists clients that are known good: several in a window, and more than a few of those asked for
 *     share           it suddenly lists far more of the clients than it usually does
 *
 * Independent of all this a listing is believed only when a name that cannot be listed, asked after it, is not: see
 * dns_list_decoy(). So a list that turns bad between two tests costs nobody a refusal.
 *
 * Sources: RFC 5782 5 (test points), RFC 6471 3.3 (lists that are shut down).
 * Pure: time is an argument, milliseconds of one monotonic clock. Callers lock.
 */
#ifndef DNS_LIST_HEALTH_H
#define DNS_LIST_HEALTH_H

#include "dns/list.h"

enum dns_list_fault {
	DNS_LIST_FINE,
	DNS_LIST_LISTS_ALL,	/* it lists what cannot be listed */
	DNS_LIST_LISTS_NOTHING, /* not even its test point */
	DNS_LIST_ERRORS,
	DNS_LIST_SILENT,
	DNS_LIST_KNOWN_GOOD,
	DNS_LIST_SHARE,
	DNS_LIST_FAULTS
};
/* "lists everything", "is silent", ...: for alerts, journal and people. */
const char *dns_list_fault_name(enum dns_list_fault f);

/* Answers that a judgement looks back on: few, so that a dead list is found within seconds, and enough that bad luck
 * with two of them does not matter. */
enum { DNS_HEALTH_WINDOW = 20, DNS_HEALTH_SHARE_WINDOW = 100 };
/* Good tests in a row until a list is believed again. What its listings say against it takes longer to be believed in
 * again: tests do not show it. */
enum { DNS_HEALTH_TESTS = 2, DNS_HEALTH_EVIDENCE_MS = 10 * 60 * 1000 };

struct dns_list_health {
	uint64_t patience_ms, retest_ms;
	enum dns_list_fault fault;
	uint64_t since_ms;     /* in this state */
	uint64_t next_test_ms; /* 0: at once */
	uint8_t tests_passed;  /* in a row, while out */
	uint32_t seen;	       /* bits of the last answers, the newest lowest: it answered well */
	uint32_t wrong;	       /* ... it was an error of the list */
	uint8_t seen_n;
	/* of the window of shares: clients asked about, listed; of those the known good */
	uint32_t asked, listed, good_asked, good_listed;
	double usual; /* share that is listed, over the windows before; negative: not known yet */
	uint64_t total_asked, total_listed, total_failed; /* for people */
};

void dns_list_health_init(struct dns_list_health *h, uint64_t patience_ms, uint64_t retest_ms);
static inline bool dns_list_is_out(const struct dns_list_health *h)
{
	return h->fault != DNS_LIST_FINE;
}

/* What became of a question about a client (DNS_UNKNOWN: `error` an error of the list, else no answer). True: the
 * list's state has changed. */
bool dns_list_heard(struct dns_list_health *h, enum dns_known outcome, bool error, bool known_good, uint32_t took_ms,
	uint64_t now_ms);

/* A test is due: its two questions are asked now. */
bool dns_list_test_due(struct dns_list_health *h, uint64_t now_ms);
/* The names of the two: its test point, which must be listed (127.0.0.2, "test"), and the decoy. `random`: fresh, so
 * that no cache knows it. False: the zone is too long. */
bool dns_list_test_point(struct slice zone, bool domain, struct dns_name *name_r) MUST_USE;
bool dns_list_decoy(struct slice zone, bool domain, uint64_t random, struct dns_name *name_r) MUST_USE;
/* How they were answered. True: the list's state has changed. */
bool dns_list_tested(struct dns_list_health *h, enum dns_known point, enum dns_known decoy, uint64_t now_ms);
/* A decoy that was asked to confirm a listing was listed. True: the list's state has changed. */
bool dns_list_decoy_listed(struct dns_list_health *h, uint64_t now_ms);

#endif
