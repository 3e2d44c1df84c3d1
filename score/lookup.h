/* score/lookup.h - what rules must ask others for: names, SPF, DNS lists
 *
 * The rules never look up anything. Before a stage is judged the session asks score_lookup_wants() what can still
 * change the verdict, finds that out, puts it into the facts, and then judges. What it could not find out stays
 * unknown.
 *
 * Questions to DNS lists are numbered: each dnsbl() and dnsbl_domain() of the rule set once. A set is immutable; any
 * thread.
 */
#ifndef SCORE_LOOKUP_H
#define SCORE_LOOKUP_H

#include "score/names.h"

/* More lists than anybody asks; a bit each. */
enum { SCORE_LOOKUPS_MAX = 64 };

struct score_lookup {
	const char *name;	/* "dnsbl('zen.example')", for people: with `shown` instead of the zone */
	struct slice shown;	/* the zone, or what dns_lists says to show instead */
	struct slice zone;	/* lower case, without a dot at the end */
	bool domain;		/* dnsbl_domain(): about a name; else about the client's address */
	enum score_attr attr;	/* of dnsbl_domain() */
	enum score_scope scope; /* how long its answer holds: that of what is asked about */
	bool wants_txt;		/* a rule in force that reads it has {txt} in its reply or header */
};

unsigned score_lookups_count(const struct score_ruleset *set);
/* Lives as long as the set. */
const struct score_lookup *score_lookup_about(const struct score_ruleset *set, unsigned lookup);
/* The number of the lookup of this name, or SCORE_LOOKUPS_MAX. */
unsigned score_lookup_find(const struct score_ruleset *set, struct slice name);
/* Of dnsbl_domain(): the name to ask about. p NULL: there is none, and so no list has it (a null sender); false: it is
 * not known. */
bool score_lookup_subject(const struct score_lookup *l, const struct score_facts *f, struct slice *subject_r) MUST_USE;

/* Those that rules read which are not off; those that this rule reads: 1 << number. */
uint64_t score_lookups_used(const struct score_ruleset *set);
uint64_t score_rule_lookups(const struct score_ruleset *set, unsigned rule);
/* May this stage want anything at all? Cheap. */
bool score_lookup_any(const struct score_ruleset *set, enum score_stage stage);

struct score_wants {
	uint32_t facts;	  /* of SCORE_LOOKED_UP */
	uint64_t lookups; /* 1 << number */
};

/* What is not known yet, and not in `tried`, but can still change what this stage's rules do: their actions, points and
 * charges. Nothing while a refusal of an earlier stage is held or this stage's is certain, nothing for rules below an
 * `ok`. A list is asked about a name when that is known: who was told to find the name asks again when it has come.
 * Changes nothing. `even_known_good`: only what is read by rules that refuse even who is known good. */
void score_lookup_wants(const struct score_ruleset *set, enum score_stage stage, const struct score_facts *f,
	const struct score_case *c, struct score_store *store, const struct score_wants *tried, bool even_known_good,
	uint64_t now_ms, struct score_wants *wants_r);

#endif
