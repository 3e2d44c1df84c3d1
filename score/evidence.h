/* score/evidence.h - what a decision record tells about the rules of a case
 *
 * score_case_next() tells what counts; here is all that was true, also what an `ok` cancelled.
 * Pure reading of a session's case, on its worker.
 */
#ifndef SCORE_EVIDENCE_H
#define SCORE_EVIDENCE_H

#include "score/rules.h"

struct score_standing {
	unsigned rule;
	enum score_scope scope;
};

/* Walks the rules that fired in the session, the mail, and for the recipient in question, a scope after the other.
 * *at begins at 0; false at the end. Costs a word a 64 rules; nothing while no rule fired. */
bool score_case_standing(
	const struct score_ruleset *set, const struct score_case *c, unsigned *at, struct score_standing *standing_r);
/* What is known of a rule without a case: its points, action and state. */
struct score_fired score_rule_about(const struct score_ruleset *set, unsigned rule);
/* The first rule of that name. False: there is none. */
bool score_rule_find(const struct score_ruleset *set, struct slice name, unsigned *rule_r);
/* What a defer, reject or block says; lives as long as the set. */
const struct score_reply *score_rule_reply(const struct score_ruleset *set, unsigned rule);
/* Does the rule read this probe (score_readings)? */
bool score_rule_reads(const struct score_ruleset *set, unsigned rule, unsigned probe);

#endif
