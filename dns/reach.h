/* dns/reach.h - whether a domain takes mail, whether a name has an address
 *
 * An evaluator without I/O, driven like dns/rdns.h. A domain takes mail when it has an MX, or without any an address
 * (RFC 5321 5.1); a null MX (RFC 7505) says that it does not.
 */
#ifndef DNS_REACH_H
#define DNS_REACH_H

#include "dns/rdns.h"

enum { DNS_REACH_QUESTIONS = 2 };

struct dns_reach {
	struct dns_name name;
	uint8_t open;	  /* questions about addresses that are not answered yet */
	bool mx;	  /* its answer is awaited */
	bool yes, failed; /* one answer said yes; one failed */
};

/* Each returns the number of questions to ask; 0: no such name can be, and so it is a no. */
unsigned dns_reach_mail(struct dns_reach *r, struct slice domain, struct dns_question q_r[DNS_REACH_QUESTIONS]);
unsigned dns_reach_host(struct dns_reach *r, struct slice name, struct dns_question q_r[DNS_REACH_QUESTIONS]);
unsigned dns_reach_answer(struct dns_reach *r, const struct dns_question *q, const struct dns_answer *a,
	struct dns_question q_r[DNS_REACH_QUESTIONS]);

/* DNS_SOME: yes; DNS_NONE: no; DNS_UNKNOWN: not all has been answered, or not well. */
enum dns_known dns_reach_outcome(const struct dns_reach *r);

#endif
