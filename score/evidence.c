#include "score/evidence.h"

#include "score/case.h"

bool score_case_standing(
	const struct score_ruleset *set, const struct score_case *c, unsigned *at, struct score_standing *standing_r)
{
	unsigned bits = c->sets ? SCORE_SCOPES * set->words * 64 : 0;
	while (*at < bits) {
		unsigned scope = *at / 64 / set->words, word = *at / 64 % set->words;
		uint64_t left = case_words(set, c, SCORE_SET_FIRED + scope)[word] >> *at % 64;
		if (!left) {
			*at = (*at / 64 + 1) * 64;
			continue;
		}
		unsigned skip = (unsigned)__builtin_ctzll(left), rule = word * 64 + *at % 64 + skip;
		*at += skip + 1;
		*standing_r = (struct score_standing){ rule, (enum score_scope)scope };
		return true;
	}
	return false;
}

struct score_fired score_rule_about(const struct score_ruleset *set, unsigned rule)
{
	const struct score_rule *r = &set->rules[rule];
	return (struct score_fired){ rule, r->points, r->observed, (enum score_action)r->action };
}

bool score_rule_find(const struct score_ruleset *set, struct slice name, unsigned *rule_r)
{
	for (unsigned i = 0; i < set->n; i++)
		if (slice_eq(slice_str(set->rules[i].name), name)) {
			*rule_r = i;
			return true;
		}
	return false;
}

const struct score_reply *score_rule_reply(const struct score_ruleset *set, unsigned rule)
{
	return &set->rules[rule].reply;
}

bool score_rule_reads(const struct score_ruleset *set, unsigned rule, unsigned probe)
{
	const struct score_program *p = set->rules[rule].program;
	for (unsigned i = 0; i < p->n; i++)
		if (p->ops[i].code == SCORE_OP_PROBE && p->ops[i].index == probe)
			return true;
	return false;
}
