/* score/tape.h - what tests and events read and charged: noted, or given back from a note
 *
 * One struct for both ways, hung into score_case.tape around a call of score_rules_eval() or score_event():
 *
 *   noting   (the server, for log.replay)   score_tape_clear(), the call, then read `values` and `charges`.
 *   replaying (`smtpguardctl replay`)       fill `values`, `charges`, `place` with what was noted; set `drift`;
 *                                           score_tape_begin(), the call, score_tape_end().
 *
 * When replaying, a value that was noted is given back, whatever the store holds: with the same rules every verdict is
 * the one of then. What was not noted is read from the store of the one who replays, who feeds it by calling the
 * functions of score/rules.h as it was done then.
 *
 * Records are the noted value plus what the new rules charged differently. That difference lies in a store of its own
 * (`drift`) and fades by half-life like any record. A charge of the new rules takes the noted one of the same key and
 * points, and then changes no difference: with the same rules the difference is not small but absent.
 *
 * Nothing is allocated. Belongs to one thread, and to one call at a time. Costs a comparison where there is no tape.
 */
#ifndef SCORE_TAPE_H
#define SCORE_TAPE_H

#include "score/rules.h"

enum { SCORE_TAPE_WORDS = SCORE_PROBES_MAX / 64, SCORE_NO_KEY = 0xffff };

struct score_tape_charge {
	uint16_t rule; /* its position in the list */
	uint16_t key;  /* score_charge_key_name(); SCORE_NO_KEY: one that this rule set does not know */
	bool forgets;  /* `do = "delete"`: the record is gone */
	bool taken;    /* replaying: found again, or settled */
	double points; /* what was charged; 0 for a delete */
	double now;    /* what the record became */
};

struct score_tape {
	uint64_t known[SCORE_TAPE_WORDS]; /* which probes were read: 1 << probe % 64 */
	uint64_t fresh[SCORE_TAPE_WORDS]; /* replaying: which were read but not noted */
	double values[SCORE_PROBES_MAX];  /* as read, before the charges of this call */
	unsigned charges_n;
	bool follows;		   /* replaying: records go as noted, whatever the rules charge now */
	bool cut;		   /* more charges than SCORE_RULES_MAX */
	uint8_t place;		   /* replaying: the client's place, see score_client_place() */
	struct score_store *drift; /* NULL: noting */
	struct score_tape_charge charges[SCORE_RULES_MAX];
};

/* Empty again; `drift`, `place` and `follows` stay. */
void score_tape_clear(struct score_tape *t);
static inline bool score_tape_has(const struct score_tape *t, unsigned probe)
{
	return t->known[probe / 64] >> probe % 64 & 1;
}
static inline void score_tape_set(struct score_tape *t, unsigned probe, double value)
{
	t->known[probe / 64] |= (uint64_t)1 << probe % 64;
	t->values[probe] = value;
}
/* The next probe from *at on that was read. *at begins at 0; false at the end. */
bool score_tape_next(const struct score_tape *t, unsigned *at, unsigned *probe_r);

/* Before and behind the call that is replayed: the store learns which records were seen; noted charges that the call
 * did not give become part of the difference. `f` and `now_ms` are those of the call. */
void score_tape_begin(const struct score_ruleset *set, struct score_tape *t, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms);
void score_tape_end(const struct score_ruleset *set, struct score_tape *t, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms);

/* --- names, so that a note outlives its rule set --- */

/* score_probe_name() the other way: SCORE_PROBES_MAX when the set has no such probe. */
unsigned score_probe_find(const struct score_ruleset *set, struct slice name);
unsigned score_probe_count(const struct score_ruleset *set);
/* How far back the probe looks: its window; a week for a spike; 0 for a record. */
uint64_t score_probe_window_ms(const struct score_ruleset *set, unsigned probe);
/* "sender", "net(24,48)": whose record a charge goes to; lives as long as the set. */
const char *score_charge_key_name(const struct score_ruleset *set, unsigned key);
/* SCORE_NO_KEY: the set has no such key. */
unsigned score_charge_key_find(const struct score_ruleset *set, struct slice name);
/* Where the client stands among 100, by keyed hash: in a rule's `percent` when below it. */
unsigned score_client_place(const struct score_ruleset *set, const struct ip *client);
/* Of all that decides a verdict: each rule's keys, half-life, spike window, enforce. Contents of lists are left
 * out. The same in every process. */
uint64_t score_rules_hash(const struct score_ruleset *set);
/* What records and spikes were made with: values of another half-life or window are other values. */
void score_rules_times(const struct score_ruleset *set, uint64_t *half_life_ms_r, uint64_t *spike_ms_r);

#endif
