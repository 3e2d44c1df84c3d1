/* dns/spf.h - SPF: may this client send mail for that domain? (RFC 7208)
 *
 * A resumable evaluator without I/O: whoever drives it asks the questions that it gives and feeds it the answers, in
 * any order.
 *
 *     n = dns_spf_begin(&client, &spf, questions);
 *     ask those n; for each answer: n = dns_spf_answer(spf, &question, &answer, questions), ask those n as well;
 *     when dns_spf_is_done(spf): dns_spf_result(spf, &result); dns_spf_free(&spf)
 *
 * One that is out of time is given up with dns_spf_give_up(): temperror, or what was found when only the explanation
 * was still missing.
 *
 * A record is data from an enemy. Whatever it says, an evaluation ends: 10 terms that ask (4.6.4), 10 names for each
 * mx and for ptr, 2 void lookups, so at most DNS_SPF_ASKED_MAX questions; its memory is below 110 KB, some 10 KB with
 * usual records. A record is checked as a whole before any of it is believed.
 *
 * Where the RFC leaves a choice:
 *  - a void lookup is counted for an a, mx or exists that finds nothing, not for each address of an mx or ptr, nor for
 *    the PTR, which is the client's doing;
 *  - a term whose name cannot be asked for (too long a label) does not match;
 *  - %{p} costs one of the 10 lookups when its PTR was not asked before;
 *  - a leading 0 in a prefix length is a syntax error.
 * Threads: one evaluation belongs to one thread.
 */
#ifndef DNS_SPF_H
#define DNS_SPF_H

#include "dns/answer.h"

enum {
	DNS_SPF_LOOKUPS = 10,	       /* terms that ask (RFC 7208 4.6.4) */
	DNS_SPF_VOID = 2,	       /* of these may find nothing */
	DNS_SPF_NAMES = 10,	       /* of one mx, of the client's PTR: looked up at once */
	DNS_SPF_RECORD_MAX = 8 * 1024, /* bytes of a record; 3.4 advises 450. A longer one is a permerror */
	DNS_SPF_TEXT_MAX = 500,	       /* bytes of an explanation: fits into a reply; a longer one is ignored */
	DNS_SPF_ARGUMENT_MAX = 512,    /* bytes of HELO, sender, own name that are looked at */
	/* the first record; each term and the names of its mx; PTR and its names; the explanation */
	DNS_SPF_ASKED_MAX = 1 + DNS_SPF_LOOKUPS * (1 + DNS_SPF_NAMES) + 1 + DNS_SPF_NAMES + 1
};

struct dns_spf_client {
	struct ip ip;
	struct slice helo;	/* as it came */
	struct slice mail_from; /* without brackets; empty: the null sender, or only HELO is to be checked (2.3, 2.4) */
	struct slice our_name;	/* for %{r} and the headers */
	uint64_t now_s;		/* since 1970, for %{t} */
};

enum dns_spf_word {
	DNS_SPF_NONE,
	DNS_SPF_NEUTRAL,
	DNS_SPF_PASS,
	DNS_SPF_FAIL,
	DNS_SPF_SOFTFAIL,
	DNS_SPF_TEMPERROR,
	DNS_SPF_PERMERROR
};

enum dns_spf_mechanism {
	DNS_SPF_DEFAULT, /* none matched: end of the record (4.7), no record, an error */
	DNS_SPF_ALL,
	DNS_SPF_INCLUDE,
	DNS_SPF_A,
	DNS_SPF_MX,
	DNS_SPF_PTR,
	DNS_SPF_IP4,
	DNS_SPF_IP6,
	DNS_SPF_EXISTS
};

/* Slices belong to the evaluation. */
struct dns_spf_result {
	enum dns_spf_word word;
	bool of_helo;	     /* HELO was checked, for the sender is null */
	struct slice domain; /* that was checked: of the sender, or HELO */
	/* Which mechanism decided, looked for through includes: never INCLUDE when `word` is pass. */
	enum dns_spf_mechanism by;
	uint8_t prefix;		  /* of ip4, ip6, a, mx: bits of the network that matched, 0..32 or 0..128 */
	struct slice term;	  /* that mechanism as it is written, its beginning if it is long */
	struct slice at;	  /* the domain whose record has it, or has the problem */
	struct slice explanation; /* of fail, printable ASCII; empty: the domain gives none */
	const char *problem;	  /* of temperror and permerror, for people */
	uint8_t lookups;	  /* terms that asked */
};

struct dns_spf;

/* The client is copied. *spf_r NULL: no memory. Returns the number of questions: 0 or 1. */
unsigned dns_spf_begin(
	const struct dns_spf_client *client, struct dns_spf **spf_r, struct dns_question q_r[DNS_SPF_NAMES]) MUST_USE;
/* Takes the answer to one of its questions; one that is no longer waited for is dropped. Returns the number of
 * further questions. */
unsigned dns_spf_answer(struct dns_spf *s, const struct dns_question *q, const struct dns_answer *a,
	struct dns_question q_r[DNS_SPF_NAMES]) MUST_USE;
bool dns_spf_is_done(const struct dns_spf *s);
/* The time for it is over (4.6.4). */
void dns_spf_give_up(struct dns_spf *s);
/* Once it is done. */
void dns_spf_result(const struct dns_spf *s, struct dns_spf_result *result_r);
void dns_spf_free(struct dns_spf **s);

/* The words of RFC 7208 2.6. */
const char *dns_spf_word(enum dns_spf_word word);
/* "all", "include", ...; "default" */
const char *dns_spf_mechanism(enum dns_spf_mechanism m);

/* Whether a pass proves an identity: not when it came by all, exists, ptr, or a network wider than /16 (IPv6: /32),
 * which a domain says about hosts that are not its own. */
bool dns_spf_is_identity(const struct dns_spf_result *r, const struct ip *client);

#endif
