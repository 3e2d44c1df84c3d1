/* dns/name.h - domain names
 *
 * A name is bytes with a length, lower-cased (ASCII), its labels joined by '.', without the last dot; the root is the
 * empty name. What came from the DNS may hold any byte, control bytes too: it is never shown without escape.h, and
 * believed as a host's name only when dns_name_is_host() says so.
 * Sources: RFC 1035 2.3.4 and 3.1; RFC 3596 2.5 (ip6.arpa); RFC 5782 2 (DNS lists).
 */
#ifndef DNS_NAME_H
#define DNS_NAME_H

#include "base/ip.h"
#include "base/result.h"

enum { DNS_NAME_MAX = 253, DNS_LABEL_MAX = 63, DNS_WIRE_MAX = 255 };

struct dns_name {
	uint8_t n;
	char b[DNS_NAME_MAX];
};

static inline struct slice dns_name_slice(const struct dns_name *n)
{
	return slice_of(n->b, n->n);
}

/* From text; one trailing dot is dropped, "" and "." are the root. Any other byte is taken as it is. False: an empty
 * label, one of over 63 bytes, or over 253 bytes in all: no such name can be asked for. */
bool dns_name_parse(struct slice text, struct dns_name *name_r) MUST_USE;

/* Letters, digits, '.', '_' and '-', no empty label, 1..253 bytes. */
bool dns_name_is_host(struct slice name);

/* Where the names of an address are found: 1.2.0.192.in-addr.arpa, 1.0.(...).8.b.d.0.1.0.0.2.ip6.arpa. */
void dns_name_of_ip(const struct ip *ip, struct dns_name *name_r);

/* What a DNS list is asked: 1.2.0.192.ZONE for an address, DOMAIN.ZONE for a domain. False: too long, or no names. */
bool dns_name_listed_ip(const struct ip *ip, struct slice zone, struct dns_name *name_r) MUST_USE;
bool dns_name_listed_domain(struct slice domain, struct slice zone, struct dns_name *name_r) MUST_USE;

/* As in a message (RFC 1035 3.1): a length before each label, 0 behind the last. Returns the number of bytes. */
size_t dns_name_to_wire(const struct dns_name *name, uint8_t wire_r[DNS_WIRE_MAX]);
/* Back, from such bytes. A dot within a label becomes '\', so that the name is no host's and no other one's. */
void dns_name_from_wire(const uint8_t *wire, struct dns_name *name_r);

#endif
