/* score/grey.h - greylisting by the identity ladder (action `greylist`)
 *
 * Who tries is known by up to three rungs, best first: the sender domain that SPF passed, the organisation's domain of
 * the forward-confirmed client name, the client's net (IPv4 /24, IPv6 /64), which is always there. A try is kept
 * as (rung, sender folded by score/sender_key.h, recipient), under each rung proven then. A retry looks at all rungs
 * that are proven now, and the oldest start counts: so a sender with many addresses waits once, whichever it uses, as
 * soon as one rung is the same. A pass is kept under the best rung for `keep` and renewed by use. An identity with two
 * passes within GREY_ALLOW_MS is allowed whole: all its senders and recipients pass, for `keep` after its last use.
 * Passes closer together than `delay` count as one, as those of a mail to several recipients.
 *
 * The caller's duties: who is authenticated, known good or under an `ok` is not asked about; the null sender is tried
 * at data only; a pass of SPF that came by all, exists, ptr or a wide network is no identity; the name of an end-user
 * line (client.dynamic) proves no organisation. At a retry SPF is waited for up to dns.timeout.
 *
 * Two tables: tries and passes ("greylist"), identities ("identities"), so that no flood of tries touches an identity.
 * A passed entry goes for a new one only where all its neighbours are passed ones, too; an allowed identity never.
 * Threads and time: as score/store.h. Each call takes a few leaf locks, one after the other.
 */
#ifndef SCORE_GREY_H
#define SCORE_GREY_H

#include "score/store.h"

enum { GREY_ALLOW_MS = 24 * 3600 * 1000 };

/* The settings greylist. */
struct score_grey_limits {
	uint64_t delay_ms;  /* so long after its first try a mail is taken */
	uint64_t window_ms; /* a first try without a retry is forgotten then */
	uint64_t keep_ms;   /* a pass not used is forgotten then */
};

/* Best first. */
enum score_grey_rung { SCORE_GREY_SPF, SCORE_GREY_NAME, SCORE_GREY_NET, SCORE_GREY_RUNGS };
/* "spf", "name", "net" */
const char *score_grey_rung_name(enum score_grey_rung rung);

/* Who tries. Of two rungs of the same domain one is kept. */
struct score_grey_who {
	struct score_key key[SCORE_GREY_RUNGS];
	uint8_t proven; /* 1 << enum score_grey_rung */
	uint64_t origin;
};

/* `spf_domain`: the sender's domain, if SPF passed as an identity; `organisation`: dns_org_domain(client.name,
 * DNS_ORG_OWNER); empty: not proven. */
struct score_grey_who score_grey_who(
	const struct score_store *s, const struct ip *client, struct slice spf_domain, struct slice organisation);

enum score_grey_verdict {
	SCORE_GREY_FIRST,  /* never seen, or forgotten: to be told 4xx */
	SCORE_GREY_EARLY,  /* a retry before its time: 4xx; the clock goes on */
	SCORE_GREY_PASSED, /* a retry in time: it may come in, and is known from now on */
	SCORE_GREY_KNOWN   /* passed before, or its identity is allowed */
};
/* "first", "early", "passed", "known" */
const char *score_grey_verdict_name(enum score_grey_verdict verdict);

struct score_grey_answer {
	enum score_grey_verdict verdict;
	uint64_t left_ms;	   /* with FIRST and EARLY: how long to wait still */
	enum score_grey_rung rung; /* with PASSED and KNOWN: the rung it is known by */
	bool allowed;		   /* with KNOWN: the identity as a whole */
};

/* A sender tries a recipient. */
struct score_grey_answer score_grey_try(struct score_store *s, const struct score_grey_limits *limits,
	const struct score_grey_who *who, struct slice sender, struct slice recipient, uint64_t now_ms) MUST_USE;
/* The same question without a trace, for `smtpguardctl test`. */
struct score_grey_answer score_grey_peek(struct score_store *s, const struct score_grey_limits *limits,
	const struct score_grey_who *who, struct slice sender, struct slice recipient, uint64_t now_ms) MUST_USE;
/* More rungs are proven than when it was tried (SPF ended later): `who` has all of them. They are added with the first
 * try's time. Does nothing for a try that was never made or is forgotten. */
void score_grey_learned(struct score_store *s, const struct score_grey_limits *limits, const struct score_grey_who *who,
	struct slice sender, struct slice recipient, uint64_t now_ms);

/* --- for the administrator --- */

/* What is asked for. */
struct score_grey_about {
	uint64_t who;		    /* an identity; 0: any */
	uint32_t sender, recipient; /* digests; 0: any. Both set: either of them */
};

/* As typed: an address (its net), a prefix, a domain (an identity), a mail address (as sender or as recipient). False:
 * none of these. */
bool score_grey_about(const struct score_store *s, struct slice text, struct score_grey_about *about_r) MUST_USE;

struct score_grey_entry {
	struct score_key key;		    /* the identity, to be shown (score_key_format); its hash is 0 */
	bool whole;			    /* the identity itself, else one sender and recipient of it */
	bool passed, allowed;		    /* `allowed`: with `whole` */
	uint32_t first_s, last_s, passed_s; /* passed_s 0: not yet */
	uint32_t until_s;		    /* forgotten then, if it is not used */
};

/* Identities first, then tries, the youngest first of each; `about` NULL: all. Returns how many of `max` were filled
 * in. */
size_t score_grey_list(struct score_store *s, const struct score_grey_limits *limits,
	const struct score_grey_about *about, uint64_t now_ms, struct score_grey_entry *entries_r, size_t max);
/* Forgets them; returns how many there were. */
size_t score_grey_forget(struct score_store *s, const struct score_grey_about *about);

#endif
