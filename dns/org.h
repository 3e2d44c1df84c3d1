/* dns/org.h - whose a host name is: the part of it that somebody registered
 *
 * By the Mozilla public suffix list, as Debian's package publicsuffix has it, else the one that libpsl was built with.
 * Two views, since the list has two parts. The names below a provider's own suffix (compute-1.amazonaws.com,
 * dyndns.org) belong to its customers: each is an organisation when we ask who answers for a mail, and all are one when
 * we ask what a label within a name may mean.
 *
 * Loaded once, at the start (it reads a file, before the sandbox shuts); immutable, any thread may ask. A question
 * allocates nothing that stays. The host name is not trusted: what is no host's name (dns_name_is_host) has no
 * organisation.
 */
#ifndef DNS_ORG_H
#define DNS_ORG_H

#include "base/result.h"
#include "base/slice.h"

struct dns_org;

/* NULL: memory is out, or there is no list at all. */
struct dns_org *dns_org_load(void) MUST_USE;
void dns_org_free(struct dns_org **o);

enum dns_org_view {
	DNS_ORG_OWNER,	   /* who answers for it. The name that a cloud gives to a machine is itself a suffix:
			    * nobody answers, empty */
	DNS_ORG_REGISTERED /* what was registered at a registry, providers' suffixes not counted */
};

/* The organisation's domain, as a slice of `host` (its case, without a last dot): "mx1.mail.example.co.uk" gives
 * "example.co.uk". Empty: the name is a public suffix itself, is no host's name, or is an address. A top-level
 * domain that the list does not know is taken for a suffix. */
struct slice dns_org_domain(const struct dns_org *o, struct slice host, enum dns_org_view view);

#endif
