/* score/judge.h - one test of a stage's rules (for this room's files only) */
#ifndef SCORE_JUDGE_H
#define SCORE_JUDGE_H

#include "score/case.h"

struct judge {
	const struct score_ruleset *set;
	struct score_case *c;
	struct score_look look;
	enum score_stage stage;
	unsigned ok;		     /* 1 + position of the highest in force */
	struct score_decision found; /* the strongest of this test */
	struct score_decision observed;
	int alarm_rule; /* the first whose refusal the promise made milder */
	uint32_t wait_ms[SCORE_SCOPES];
	int wait_rule;
	unsigned in_percent; /* the client's place among 100; 100: not yet hashed */
	struct score_verdict *verdict;
};

extern const uint8_t judge_stage_scope[SCORE_STAGES];

void judge_begin(struct judge *j, const struct score_ruleset *set, const struct score_facts *f, struct score_case *c,
	struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r);
/* Whether it is neither over nor outside of its percent. */
bool judge_takes_part(struct judge *j, const struct score_rule *r);
/* Gives the rule's charge, if one is due: true. */
bool judge_charge(struct judge *j, const struct score_rule *r, unsigned rule);
/* Into the caller's score_fires. */
void judge_tell_fire(struct judge *j, unsigned rule, bool anew, bool charged);

/* --- verdict.c --- */

/* The stronger wins, of equals the one further up; true when it did. */
bool judge_prefer(struct score_decision *best, enum score_action action, unsigned rule);
void judge_refusal(struct judge *j, const struct score_rule *r, unsigned rule);
/* A rule that greylists: told now, or held until its stage. */
void judge_greylist(struct judge *j, const struct score_rule *r, unsigned rule);
/* The verdict out of what was found and what earlier stages hold. */
void judge_decide(struct judge *j);

#endif
