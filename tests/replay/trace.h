/* tests/replay/trace.h - random rules, and a random life of a server under them as a trace of calls
 *
 * Sessions interleaved; what they do does not hang on the verdicts, so that two worlds under different rules see the
 * same calls.
 */
#ifndef TESTS_REPLAY_TRACE_H
#define TESTS_REPLAY_TRACE_H

#include "replay/record.h"

enum { TRACE_SESSIONS = 48, TRACE_RULES = 60, TRACE_TEXT = 400 };

/* Rules with the storage of their texts. */
struct trace_rules {
	struct score_rule_source rule[TRACE_RULES];
	char names[TRACE_RULES][16], whens[TRACE_RULES][TRACE_TEXT];
	unsigned n;
};

void trace_rules_random(struct trace_rules *rules, unsigned n, uint64_t *random);
/* NULL after printing the faults. */
struct score_ruleset *trace_compile(const struct trace_rules *rules);

/* A server: its rules, what it remembers, its sessions. */
struct trace_world {
	struct score_ruleset *set;
	struct score_store *store;
	struct score_case cases[TRACE_SESSIONS];
	struct score_tape tape;
};

void trace_world_open(struct trace_world *w, const struct trace_rules *rules);
void trace_world_close(struct trace_world *w);

struct trace_session {
	struct score_facts facts;
	struct score_header headers[3];
	char id[16], helo[24], sender[32], recipient[32];
	unsigned state, left; /* recipients still to come */
	uint32_t step;
};

/* The clients' side: which call comes next. */
struct trace {
	uint64_t random, now_ms, seq, sessions_n;
	struct trace_session sessions[TRACE_SESSIONS];
	unsigned at; /* the session of the call */
	enum replay_kind kind;
	enum score_event event;
	uint64_t amount;
	enum score_stage stage;
	bool accepted;
	struct score_facts facts; /* of the call */
};

void trace_open(struct trace *t, uint64_t seed);
void trace_next(struct trace *t);
/* The call in this world, noted; *record_r tells it. */
void trace_call(const struct trace *t, struct trace_world *w, struct replay_record *record_r);

#endif
