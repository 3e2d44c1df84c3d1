/* dns/list_health.h - whether a DNS list may still be believed (a circuit breaker for each list)
 *
 * Lists die: their domain is sold and answers yes to everybody, they answer an error to busy resolvers, they stop
 * answering and each client waits for them. What they say of clients, what they say of test points, and whom they list
 * tells. A list that is *out* is asked on but neither waited for nor believed; it is tested every `retest_ms` and comes
 * back by itself after DNS_HEALTH_TESTS good tests in a row. It goes out when
 *
 *     it lists what cannot be listed, or its test point no more (a test; a list that never listed it may have none)
 *     errors       of its last questions half ended in an error of the list (dns/list.h), or the last few all did
 *     silence      ... in no answer, or in one later than `patience_ms`
 *     known good   it lists several clients that are known good, and more than a few of those asked for
 *     share        it suddenly lists far more of the clients than it usually does
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
/* "lists what cannot be listed" ...: for alerts, log and people. */
const char *dns_list_fault_name(enum dns_list_fault f);

/* Questions that a judgement looks back on: few, so that a dead list is found within seconds, and enough that bad luck
 * with two of them does not matter. */
enum { DNS_HEALTH_WINDOW = 20, DNS_HEALTH_RUN = 4, DNS_HEALTH_SHARE_WINDOW = 100, DNS_HEALTH_GOOD_LISTED = 3 };
/* Good tests in a row until a list is believed again. What its listings say against it takes longer to be believed in
 * again: tests do not show it. */
enum { DNS_HEALTH_TESTS = 2, DNS_HEALTH_EVIDENCE_MS = 10 * 60 * 1000 };
/* A list that is fine is tested once in so many retest times: its clients' questions tell of it too. */
enum { DNS_HEALTH_FINE_TESTS = 10 };

struct dns_list_health {
	uint64_t patience_ms, retest_ms;
	enum dns_list_fault fault;
	uint64_t since_ms;     /* in this state */
	uint64_t next_test_ms; /* 0: at once */
	uint8_t tests_passed;  /* in a row, while out */
	uint8_t seen_n;
	bool has_point; /* its test point was listed once */
	bool in_use;	/* it was asked about a client since the last test */
	uint32_t seen;	/* bits of the last questions, the newest lowest: answered well */
	uint32_t wrong; /* ... with an error of the list */
	/* of the window of shares: clients asked about, listed; of those the known good */
	uint32_t asked, listed, good_asked, good_listed;
	uint64_t good[DNS_HEALTH_GOOD_LISTED]; /* who these were: one client is one witness */
	double usual;			       /* share that is listed, in windows before; negative: not known */
	double latency_ms;		       /* of answers, lately; negative: there was none */
	uint64_t total_asked, total_listed, total_failed; /* for people */
};

void dns_list_health_init(struct dns_list_health *h, uint64_t patience_ms, uint64_t retest_ms);
/* The settings have changed. */
void dns_list_health_configure(struct dns_list_health *h, uint64_t patience_ms, uint64_t retest_ms);
static inline bool dns_list_is_out(const struct dns_list_health *h)
{
	return h->fault != DNS_LIST_FINE;
}

/* What became of a question about a client that the list itself had to answer (no cache of ours). */
struct dns_list_word {
	enum dns_known outcome;
	bool error; /* of UNKNOWN: an error of the list, else no answer */
	bool known_good;
	uint64_t who; /* a hash of what was asked about; of known-good clients */
	uint32_t took_ms;
};
/* True: the list's state has changed. */
bool dns_list_heard(struct dns_list_health *h, const struct dns_list_word *word, uint64_t now_ms);

/* A test is due: its two questions are asked now, past our cache. A list that is not out and that nobody asks is left
 * alone; the first question about a client is followed by a test. */
bool dns_list_test_due(struct dns_list_health *h, uint64_t now_ms);
/* The names of the two: its test point, which must be listed (127.0.0.2, "test"), and the decoy, which cannot be: a
 * random address of 127.64.0.0/10, or a name below "invalid". `random`: fresh, so that no cache knows it. False: the
 * zone is too long. */
bool dns_list_test_point(struct slice zone, bool domain, struct dns_name *name_r) MUST_USE;
bool dns_list_decoy(struct slice zone, bool domain, uint64_t random, struct dns_name *name_r) MUST_USE;
/* How they were answered. */
struct dns_list_test {
	enum dns_known point, decoy;
	bool error;	  /* one is unknown by an error of the list */
	uint32_t took_ms; /* both */
};
/* True: the list's state has changed. */
bool dns_list_tested(struct dns_list_health *h, const struct dns_list_test *t, uint64_t now_ms);
/* A decoy that was asked to confirm a listing was listed. True: the list's state has changed. */
bool dns_list_decoy_listed(struct dns_list_health *h, uint64_t now_ms);

#endif
