/* score/facts.h - what is known about a session, a mail and a recipient
 *
 * The rules see the world only through this struct. The session fills it in as it learns; within
 * a scope facts are only added, and a scope is dropped whole (score_facts_drop). A fact that is not
 * (yet) known makes what reads it unknown, never false: see "Lookups" in CONFIG.md.
 *
 * Slices are borrowed: their bytes belong to the session and live as long as the scope. They may
 * hold any octet; names and addresses are compared without regard to ASCII case.
 * Building it costs a few stores a stage. No thread rule: it belongs to its session.
 */
#ifndef SCORE_FACTS_H
#define SCORE_FACTS_H

#include "base/ip.h"
#include "base/slice.h"

/* In the order of a session. Every stage is judged in turn; rcpt once for each recipient. */
enum score_stage {
	SCORE_CONNECT, /* the client's address is known, before any delay */
	SCORE_GREET,   /* after the delay, before 220 */
	SCORE_HELO,
	SCORE_MAIL,
	SCORE_RCPT,
	SCORE_DATA,    /* header seen */
	SCORE_MESSAGE, /* body complete */
	SCORE_STAGES
};

/* How long a fact, a point or an action holds. SCORE_OF_HELLO is for facts only. */
enum score_scope { SCORE_OF_SESSION, SCORE_OF_MAIL, SCORE_OF_RECIPIENT, SCORE_SCOPES, SCORE_OF_HELLO = SCORE_SCOPES };

/* Bits of `known`. */
enum score_fact {
	SCORE_HAS_CLIENT = 1 << 0,
	SCORE_HAS_LISTENER = 1 << 1,
	SCORE_HAS_TLS = 1 << 2,
	SCORE_HAS_HELO = 1 << 3,
	SCORE_HAS_SENDER = 1 << 4,
	SCORE_HAS_RECIPIENT = 1 << 5,
	SCORE_HAS_PORT = 1 << 6,
	SCORE_HAS_CONNECTIONS = 1 << 7,
	SCORE_HAS_KNOWN_GOOD = 1 << 8,
	SCORE_HAS_AGE = 1 << 9,
	SCORE_HAS_EARLY_TALKER = 1 << 10,
	SCORE_HAS_HEADERS = 1 << 11,
	SCORE_HAS_SIZE = 1 << 12,
	SCORE_HAS_PRESSURE = 1 << 13, /* sessions, stress, load */
	SCORE_HAS_PTR = 1 << 14,      /* client.ptr, client.dynamic */
	SCORE_HAS_NAME = 1 << 15,     /* client.name, client.rdns: the name's own addresses were looked up, too */
	SCORE_HAS_HELO_RESOLVES = 1 << 16,
	SCORE_HAS_HELO_OURS = 1 << 17,
	SCORE_HAS_SENDER_MX = 1 << 18,
	SCORE_HAS_SENDER_LOCAL = 1 << 19,
	SCORE_HAS_SPF = 1 << 20,
	SCORE_HAS_IDENTITY = 1 << 21,
	SCORE_HAS_ANSWERS = 1 << 22, /* of a rule: it reads what DNS lists say. Never set: see `answered` */
	SCORE_HAS_LATER = 1 << 23,   /* what this version never learns: never set */
	/* what others must be asked for; a session that has asked in vain lacks it for good */
	SCORE_LOOKED_UP = SCORE_HAS_PTR | SCORE_HAS_NAME | SCORE_HAS_HELO_RESOLVES | SCORE_HAS_SENDER_MX |
			  SCORE_HAS_SPF | SCORE_HAS_IDENTITY
};

/* One field of the message's header; of several with one name the first counts. */
struct score_header {
	struct slice name;  /* without the colon; compared without regard to case */
	struct slice value; /* unfolded, trimmed */
};

struct score_facts {
	uint32_t known; /* SCORE_HAS_... */
	/* session */
	struct ip client;
	uint16_t client_port;
	bool tls, known_good, early_talker;
	uint32_t connections; /* open ones of this client, this one included */
	uint32_t offences;    /* protocol faults so far */
	uint64_t age_ms;      /* since the client was first seen */
	struct slice listener;
	struct slice tls_version; /* "1.3"; p NULL: none */
	struct slice ptr;	  /* first name of the client's address, a host's name; p NULL: none */
	struct slice name;	  /* the forward-confirmed one; p NULL: none */
	bool dynamic;		  /* `ptr` looks like an end-user line */
	uint32_t sessions;	  /* open ones of the server */
	double stress, load;	  /* 0..1 and above; per core */
	/* hello: a new EHLO replaces it */
	struct slice helo;
	bool helo_resolves; /* it has an address */
	bool helo_ours;	    /* it is our own name, address or one of our domains */
	/* mail */
	struct slice sender;	    /* without <>; empty: the null sender */
	struct slice sender_domain; /* p NULL: none */
	bool sender_mx;		    /* its domain takes mail */
	bool sender_local;	    /* its domain is one of ours */
	struct slice spf;	    /* "pass" ... "permerror" */
	struct slice identity;	    /* who is proven to send, see score_facts_identity(); p NULL: nobody */
	uint32_t recipients;	    /* RCPT commands of this mail, the one being judged included */
	uint32_t bad_recipients;    /* those of this mail that do not exist */
	const struct score_header *headers;
	uint32_t headers_n;
	uint64_t message_size; /* bytes */
	/* recipient */
	struct slice recipient;
	struct slice recipient_domain; /* p NULL: none ("postmaster") */
	/* what DNS lists said, by the numbers of score/lookup.h, each within the scope of what was asked about */
	const struct slice *answers; /* borrowed; p NULL: not listed */
	uint64_t answered;	     /* which of them are known: 1 << number */
};

/* Start with a zeroed struct. Each setter replaces and marks as known. */
void score_facts_client(struct score_facts *f, const struct ip *client, struct slice listener);
void score_facts_port(struct score_facts *f, uint16_t port);
void score_facts_connections(struct score_facts *f, uint32_t connections);
void score_facts_known_good(struct score_facts *f, bool known_good);
void score_facts_age(struct score_facts *f, uint64_t age_ms);
void score_facts_early_talker(struct score_facts *f, bool early_talker);
/* All three at once: `sessions` open in the server, `stress` (the largest used share, 0..1), `load` per core. */
void score_facts_pressure(struct score_facts *f, uint32_t sessions, double stress, double load);
/* `version` "1.2" or "1.3"; p NULL: tls.version is none. score_facts_tls() leaves it none. */
void score_facts_tls(struct score_facts *f, bool tls);
void score_facts_tls_version(struct score_facts *f, struct slice version);
void score_facts_helo(struct score_facts *f, struct slice helo);
/* What reverse DNS says. `ptr` p NULL: the address has no name. */
void score_facts_ptr(struct score_facts *f, struct slice ptr, bool dynamic);
/* p NULL: the name of the address does not lead back to it, or there is none. */
void score_facts_name(struct score_facts *f, struct slice name);
void score_facts_helo_resolves(struct score_facts *f, bool resolves);
void score_facts_helo_ours(struct score_facts *f, bool ours);
void score_facts_sender_mx(struct score_facts *f, bool mx);
void score_facts_sender_local(struct score_facts *f, bool local);
void score_facts_spf(struct score_facts *f, struct slice result);
/* The best proven: the sender domain that SPF passed, else the organisation's domain of the forward-confirmed name (not
 * of an end-user line's). p NULL: nobody is proven. */
void score_facts_identity(struct score_facts *f, struct slice identity);
/* Also finds the domain: what is behind the last '@'. The counts of recipients begin at 0. */
void score_facts_sender(struct score_facts *f, struct slice sender);
/* Counts as one of `recipients`. `bad_recipients` and `offences` are simply incremented by the session. */
void score_facts_recipient(struct score_facts *f, struct slice recipient);
/* Known from stage data on; borrowed. */
void score_facts_headers(struct score_facts *f, const struct score_header *headers, uint32_t n);
/* Known at stage message. */
void score_facts_size(struct score_facts *f, uint64_t bytes);
/* "fqdn" (two labels or more), "literal" ([192.0.2.1], [IPv6:...]; RFC 5321 4.1.3), "bare" (one label), "invalid". */
struct slice score_helo_form(struct slice helo);
/* Forgets a scope and the narrower ones in it: SCORE_OF_HELLO helo, mail and recipient (EHLO, STARTTLS);
 * SCORE_OF_MAIL mail and recipient (RSET, end of mail); SCORE_OF_RECIPIENT one recipient. */
void score_facts_drop(struct score_facts *f, enum score_scope scope);

#endif
