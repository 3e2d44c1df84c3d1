/* dns/rdns.h - the names of an address, and whether they lead back to it (forward-confirmed reverse DNS)
 *
 * An evaluator without I/O: whoever drives it asks the questions that it gives and feeds it the answers, in any order.
 *
 *     n = dns_rdns_begin(&r, &ip, questions);
 *     ask those n; for each answer: n = dns_rdns_answer(&r, &question, &answer, questions), ask those n as well;
 *     when none is open, or time is over: r.ptr and r.name
 *
 * A PTR may hold any bytes (RFC 1035 2.3.1 is a wish): what is no host name is as good as none. Of several names the
 * first ones are looked up, and the first that leads back is the client's.
 */
#ifndef DNS_RDNS_H
#define DNS_RDNS_H

#include "dns/answer.h"

/* Names of one address whose own addresses are asked for. More is what a shared host has, or an enemy. */
enum { DNS_RDNS_NAMES = 4 };

struct dns_rdns {
	struct ip ip;
	bool asked;	    /* the PTR was answered */
	bool failed;	    /* it failed: nothing is known of its names */
	uint8_t n;	    /* names, the first is client.ptr */
	uint8_t open;	    /* a bit for each whose addresses are not known yet */
	uint8_t lost;	    /* ... whose addresses could not be found out */
	uint8_t leads_back; /* ... that leads back */
	struct dns_name names[DNS_RDNS_NAMES];
};

/* Returns the number of questions to ask: 1. */
unsigned dns_rdns_begin(struct dns_rdns *r, const struct ip *ip, struct dns_question q_r[DNS_RDNS_NAMES]);
/* Instead: nobody is asked, this is the name, and leads back. False: it is no host's name. */
bool dns_rdns_given(struct dns_rdns *r, const struct ip *ip, struct slice name) MUST_USE;
/* Takes the answer to one of its questions. Returns the number of further questions. */
unsigned dns_rdns_answer(struct dns_rdns *r, const struct dns_question *q, const struct dns_answer *a,
	struct dns_question q_r[DNS_RDNS_NAMES]);

enum dns_known { DNS_UNKNOWN, DNS_NONE, DNS_SOME };
/* The first name as found. */
enum dns_known dns_rdns_ptr(const struct dns_rdns *r, struct slice *name_r);
/* The first that leads back: DNS_NONE when none of them does, DNS_UNKNOWN while one that could is still open. */
enum dns_known dns_rdns_name(const struct dns_rdns *r, struct slice *name_r);

#endif
