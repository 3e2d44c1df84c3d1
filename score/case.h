/* score/case.h - the inside of a session's state (for this room's files only)
 *
 * A case has a few bitsets with one bit a rule (enum score_set), allocated together when the first
 * rule fires.
 */
#ifndef SCORE_CASE_H
#define SCORE_CASE_H

#include "score/ruleset.h"

/* False: memory is out. */
bool case_reserve(const struct score_ruleset *set, struct score_case *c) MUST_USE;

static inline uint64_t *case_words(const struct score_ruleset *set, const struct score_case *c, unsigned which)
{
	return c->sets + (size_t)which * set->words;
}

/* True when the bit was not set before. */
static inline bool case_mark(const struct score_ruleset *set, struct score_case *c, unsigned which, unsigned rule)
{
	uint64_t *word = &case_words(set, c, which)[rule / 64], bit = (uint64_t)1 << rule % 64;
	bool fresh = !(*word & bit);
	*word |= bit;
	return fresh;
}

/* The highest `ok` in force at the case's stage, as 1 + its position; 0: none. */
unsigned case_ok(const struct score_case *c);
/* Rules from this position on are cancelled; the administrator's `allow` stands above them all. */
static inline unsigned case_limit(const struct score_ruleset *set, const struct score_case *c, unsigned ok)
{
	return c->allowed ? 0 : ok ? ok : set->n;
}

/* Sum of what fired below `limit` and still counts. */
double case_points(const struct score_ruleset *set, const struct score_case *c, unsigned limit);

/* The lowest rate of the `throttle` rules in force, or 0. */
uint64_t case_rate(const struct score_ruleset *set, const struct score_case *c, unsigned limit);

#endif
