/* dns/spf_state.h - the state of an SPF evaluation: of the files spf*.c alone */
#ifndef DNS_SPF_STATE_H
#define DNS_SPF_STATE_H

#include "dns/spf_record.h"

enum {
	SPF_DEPTH = DNS_SPF_LOOKUPS + 1, /* an include costs a lookup */
	SPF_TERM_MAX = 120,		 /* bytes of a term that are told */
	/* HELO, own name, sender, and the sender put together: "postmaster@" may be added */
	SPF_TEXT = 3 * DNS_SPF_ARGUMENT_MAX + DNS_SPF_ARGUMENT_MAX + sizeof "postmaster@"
};

/* What the open questions are for, or what is done while none is open. */
enum spf_doing {
	SPF_RECORD,  /* of the innermost frame */
	SPF_TERMS,   /* nothing is open: the next term */
	SPF_ADDRESS, /* of an a */
	SPF_EXISTS,
	SPF_MX,
	SPF_MX_HOSTS,	  /* the addresses of its names */
	SPF_PTR,	  /* the client's names, for ptr or %{p}; then what needed them is begun again */
	SPF_PTR_HOSTS,	  /* whether they lead back */
	SPF_EXPLAIN_NAME, /* nothing is open, the result stands: where its explanation is */
	SPF_EXPLAIN,
	SPF_EXPLAIN_TEXT, /* nothing is open: its macros */
	SPF_DONE
};

/* A record that is being evaluated; an include opens another one above it. */
struct spf_frame {
	struct dns_name domain;
	bool redirected; /* a record must be there */
	char *record;	 /* allocated */
	struct spf_record parsed;
	struct slice rest;    /* terms not yet looked at */
	struct spf_term term; /* the one that is being looked at */
	bool in_term;
};

struct dns_spf {
	enum spf_doing doing;
	struct ip ip;
	bool is_v4, of_helo;
	uint64_t now_s;
	struct slice helo, our_name, sender, local, domain, address, dotted;

	uint8_t depth; /* frames in use */
	bool charged;  /* the term that is being looked at has been counted */
	uint8_t lookups, voids;
	struct spf_frame frames[SPF_DEPTH];

	/* the questions of now: those of the same kind are asked together */
	enum dns_type type;
	uint8_t names_n, asks; /* asks: not yet handed out */
	uint16_t open, lost;   /* bits: not answered yet; failed */
	uint16_t back;	       /* lead back to the client */
	struct dns_name names[DNS_SPF_NAMES];

	enum spf_doing after; /* what needed the client's names */
	bool ptr_known;
	uint8_t ptr_n; /* names that lead back */
	struct dns_name ptr[DNS_SPF_NAMES];

	bool stands; /* the result; what goes on is its explanation */
	enum dns_spf_word word;
	enum dns_spf_mechanism by;
	uint8_t prefix, term_n;
	char term_text[SPF_TERM_MAX];
	struct dns_name at;
	const char *problem;
	size_t explanation_n;
	char explanation[DNS_SPF_TEXT_MAX];
	char *exp_text; /* as it came; allocated */

	char address_text[IP_TEXT], dotted_text[64];
	size_t text_n;
	char text[SPF_TEXT];
};

/* Evaluation: spf_eval.c */

/* The innermost frame. */
static inline struct spf_frame *spf_top(struct dns_spf *s)
{
	return &s->frames[s->depth - 1];
}
/* Opens a frame and asks for the record of that domain; closes it. */
void spf_enter(struct dns_spf *s, const struct dns_name *domain);
void spf_leave(struct dns_spf *s);
/* The first n of s->names are asked about; that one name is. */
void spf_ask_all(struct dns_spf *s, enum spf_doing what, enum dns_type type, unsigned n);
void spf_ask(struct dns_spf *s, enum spf_doing what, enum dns_type type, const struct dns_name *name);
/* The term that is looked at decides; or not; or its lookup failed, or found nothing. */
void spf_matched(struct dns_spf *s, uint8_t prefix);
void spf_next_term(struct dns_spf *s);
void spf_lost(struct dns_spf *s);
void spf_found_nothing(struct dns_spf *s);
/* Whatever frame it happens in, this is the result of all (5.2). */
void spf_fault(struct dns_spf *s, enum dns_spf_word word, struct slice term, const char *problem);
/* The result stands, but for the explanation of a fail. */
void spf_end(struct dns_spf *s, enum dns_spf_word word, const char *problem);
/* Whether the address lies with the client's in a network of the term's size. */
bool spf_is_at(const struct dns_spf *s, const struct spf_term *t, const struct ip *ip);
uint8_t spf_bits(const struct dns_spf *s, const struct spf_term *t);
/* Whether the text has a %{p} that is not known yet: then it is looked up first, or that is too much. */
bool spf_waits_for_ptr(struct dns_spf *s, struct slice text);
/* Until a question is open or all is done. */
void spf_go_on(struct dns_spf *s);

/* Answers: spf_take.c. To the i-th of the questions, which is no longer open. */
void spf_take(struct dns_spf *s, unsigned i, const struct dns_answer *a);

/* Macros and explanation: spf_expand.c */
enum spf_name spf_expand_name(struct dns_spf *s, struct slice text, struct dns_name *name_r);
void spf_explain_name(struct dns_spf *s);
void spf_take_explanation(struct dns_spf *s, const struct dns_answer *a);
void spf_explain_text(struct dns_spf *s);

static inline bool spf_is_below(struct slice name, struct slice domain)
{
	return name.n > domain.n && name.p[name.n - domain.n - 1] == '.' &&
	       slice_eq(slice_skip(name, name.n - domain.n), domain);
}

#endif
