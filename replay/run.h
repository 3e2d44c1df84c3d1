/* replay/run.h - records run through a rule set: what would these rules have said?
 *
 * The runner calls the very functions of score/rules.h that the server called, in the order of the records, with the
 * facts and the time of then, a case for each session, and a store of its own that all events are counted in. With the
 * rules of then every verdict is the one of then, each one. With others
 *
 *     an expression that was read then has its value of then,
 *     a new one has what its counters hold of the events since the trace began,
 *     a record has its value of then plus what the new rules charged differently since (see score/tape.h).
 *
 * What it cannot know: a client that is treated otherwise would have behaved otherwise. And a session of which a line
 * is missing has another past than the server knew: from there on its verdicts are not compared, and it charges what it
 * charged then.
 *
 * Memory: the two stores (reserved, touched as they fill) and 112 bytes for each open session. One thread.
 */
#ifndef REPLAY_RUN_H
#define REPLAY_RUN_H

#include "replay/record.h"

struct replay_runner;

enum replay_outcome {
	REPLAY_RAN,	  /* not a test: there is nothing to compare */
	REPLAY_SAME,	  /* action, rule, wait and `ok`, now and as it would have been */
	REPLAY_CHANGED,	  /* one of them is another */
	REPLAY_UNCERTAIN, /* a test that is not compared: the session is not whole */
	REPLAY_NO_MEMORY
};

/* `set` is borrowed. `memory`: of the store, as score.memory. NULL: memory is out. */
struct replay_runner *replay_runner_new(const struct score_ruleset *set, uint64_t memory) MUST_USE;
void replay_runner_free(struct replay_runner **r);

/* *verdict_r: what these rules say (REPLAY_SAME, _CHANGED, _UNCERTAIN). */
enum replay_outcome replay_run(
	struct replay_runner *r, const struct replay_record *record, struct replay_verdict *verdict_r) MUST_USE;

struct replay_totals {
	uint64_t records, heads, tests, same, changed, uncertain;
	uint64_t by_same_rules;	   /* tests whose rule set was this one, by score_rules_hash() */
	uint64_t sessions, broken; /* broken: begun before the trace or with a line missing */
	uint64_t crowded;	   /* records of sessions that were one too many (REPLAY_SESSIONS_MAX) */
	uint64_t starts;	   /* runs of the server */
	uint64_t missing;	   /* sequence numbers that should have been there */
	uint64_t first_ms, last_ms;
};
void replay_runner_totals(const struct replay_runner *r, struct replay_totals *totals_r);

/* How often an expression was read that the records do not tell. */
struct replay_fresh {
	const char *probe;
	uint64_t reads;	    /* from what the trace's events count to */
	uint64_t too_early; /* of them: the window reached back before the trace began (a record's always) */
	uint64_t before_ms; /* how far at most; 0 for a record, which has no window */
};
/* Walks them; *at begins at 0, false at the end. */
bool replay_runner_fresh(const struct replay_runner *r, unsigned *at, struct replay_fresh *fresh_r);

#endif
