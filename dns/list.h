/* dns/list.h - what the answer of a DNS list means (RFC 5782)
 *
 * A list answers with addresses of 127.0.0.0/8: which ones count as a listing is the list's own convention,
 * 127.0.0.0/24 where the settings say nothing. 127.255.255.0/24 is the list's way to say that it will not answer (a
 * query over a public resolver, an unpaid key), and an address outside of 127.0.0.0/8 comes from a parked domain or a
 * resolver that lies: neither is a listing, and neither is "not listed". Pure; any thread.
 */
#ifndef DNS_LIST_H
#define DNS_LIST_H

#include "dns/rdns.h"

struct dns_list_range {
	struct ip first, last; /* both included; IPv4 */
};

/* DNS_SOME: listed, *ip_r is the first answer that counts; DNS_NONE: not listed; DNS_UNKNOWN: failed, or an error of
 * the list. Answers of 127.0.0.0/8 that do not count are no listing. `n` 0: 127.0.0.0/24 counts. */
enum dns_known dns_list_read(
	const struct dns_answer *a, const struct dns_list_range *ranges, size_t n, struct ip *ip_r) MUST_USE;
/* What is said of a name that nobody can list (dns/list_health.h). DNS_SOME: it is listed, whatever the address. */
enum dns_known dns_list_read_decoy(const struct dns_answer *a) MUST_USE;

#endif
