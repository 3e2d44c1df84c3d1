/* dns/spf_record.h - SPF records: which one counts, and what stands in it (RFC 7208 4.5, 4.6, 5, 6, 12)
 *
 * Slices point into the record. Pure; any thread.
 */
#ifndef DNS_SPF_RECORD_H
#define DNS_SPF_RECORD_H

#include "dns/spf_macro.h"

enum spf_select { SPF_SELECT_NONE, SPF_SELECT_ONE, SPF_SELECT_MANY };
/* The record among the TXT records of a domain. */
enum spf_select spf_record_select(const struct dns_answer *txt, struct slice *record_r) MUST_USE;

struct spf_term {
	enum dns_spf_mechanism kind;
	enum dns_spf_word word; /* what a match means: pass, fail, softfail, neutral */
	struct slice text;	/* as it is written */
	struct slice domain;	/* domain-spec; empty: none was given */
	struct ip ip;		/* of ip4, ip6 */
	uint8_t bits4, bits6;	/* prefix lengths: of an ip4, ip6, a, mx; the rest 32 and 128 */
};

struct spf_record {
	struct slice terms;    /* for spf_record_next() */
	struct slice redirect; /* domain-specs; empty: none */
	struct slice exp;
};

/* Checks all of it. False: a syntax error, *where_r is the term. */
bool spf_record_parse(struct slice record, struct spf_record *record_r, struct slice *where_r) MUST_USE;
/* The next mechanism of a record that was found well-formed; modifiers are passed over. False: none is left. */
bool spf_record_next(struct slice *terms, struct spf_term *term_r) MUST_USE;

#endif
