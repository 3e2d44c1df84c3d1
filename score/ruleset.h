/* score/ruleset.h - the inside of a compiled rule set (for this room's files only)
 *
 * Everything lies in one arena and is never changed after score_rules_compile(). What a session's test needs at
 * a moment (the facts, the time, values read once) is a struct score_look on the stack.
 */
#ifndef SCORE_RULESET_H
#define SCORE_RULESET_H

#include "score/ast.h"
#include "score/lookup.h"
#include "score/regex.h"
#include "score/rules.h"

/* Bounds on what one rule set may count by: each costs a look a key. */
enum { SCORE_KEYSPECS_MAX = 32 };

/* A key as written; equal ones are kept once, so that a test hashes each only once. */
struct score_keyspec {
	struct score_key_part part[SCORE_CALL_KEYS];
	unsigned n;
	const char *name; /* "client, net(24,48)" */
};

/* What rules read from the store; equal ones are kept once, so that a test asks the store only once. */
enum score_probe_kind { SCORE_PROBE_COUNT, SCORE_PROBE_DISTINCT, SCORE_PROBE_SPIKE, SCORE_PROBE_RECORD };

struct score_probe {
	uint8_t kind;  /* enum score_probe_kind */
	uint8_t event; /* COUNT, SPIKE: enum score_event */
	uint8_t attr;  /* DISTINCT: enum score_attr */
	uint8_t fed;   /* DISTINCT: the stage at which attribute and key are first known together */
	uint16_t keyspec;
	struct score_window window; /* RECORD: its id only, to tell it from the others */
	const char *name;
};

enum { SCORE_KEYSPEC_CLIENT, SCORE_PROBE_CLIENT = 0 }; /* always the first: the record that `score` reads */
enum { SCORE_NO_PROBE = 0xffff };

/* bytes are counted in units of 64, so that a part holds a terabyte and a quarter of it */
enum { SCORE_BYTES_UNIT = 64 };

enum score_op_code {
	SCORE_OP_OR, /* kids: a, ops[a].next, ... */
	SCORE_OP_AND,
	SCORE_OP_NOT,
	SCORE_OP_COMPARE,
	SCORE_OP_MATCH,
	SCORE_OP_IN_LIST,
	SCORE_OP_IN_NET,
	SCORE_OP_IN_SET,
	SCORE_OP_IS,
	SCORE_OP_ATTR,
	SCORE_OP_PROBE,
	SCORE_OP_HEADER,
	SCORE_OP_ANSWER, /* of a lookup */
	SCORE_OP_LATER,	 /* never known in this version */
	SCORE_OP_NUMBER,
	SCORE_OP_STRING,
	SCORE_OP_ADDRESS,
};

enum { SCORE_NO_OP = 0xffff };

struct score_op {
	uint8_t code; /* enum score_op_code */
	uint8_t sub;  /* enum score_compare, score_is, score_attr */
	bool negated;
	uint16_t a, next; /* first child, next sibling; SCORE_NO_OP */
	uint16_t index;	  /* probe, lookup */
	union {
		double number;
		struct slice text;
		struct ip_prefix prefix;
		const struct score_regex *regex;
		const struct score_list *list;
	} u;
};

/* Rules with the same text share one. */
struct score_program {
	struct score_program *next; /* in the set */
	struct slice source;
	struct score_op *ops; /* the root is ops[0] */
	unsigned n;
	uint16_t index;		  /* where a test keeps its outcome */
	bool shifting;		  /* it reads points or a record: a rule above may change its outcome */
	bool asks_knowing;	  /* it has an `is`: what is not known yet decides it wrongly */
	uint64_t lookups;	  /* whose answers it reads: 1 << number */
	const char *later;	  /* the first thing it reads that this version never learns; NULL */
	struct score_reads reads; /* of all it reads together */
	uint16_t events;	  /* whose happening can make it true anew: 1 << enum score_event */
	int first_key;		  /* keyspec of the first KEY of a count, distinct or spike; -1 */
};

struct score_rule {
	const char *name;
	struct slice name_text;
	const struct score_program *program;
	struct score_reads reads; /* of its program and of what it charges */
	double points, charge;
	struct score_reply reply; /* of tag: its header */
	struct score_reply soft;  /* of reject and block, for a client known good */
	uint64_t until_ms;	  /* UINT64_MAX: never */
	uint64_t hold_ms, rate;
	uint32_t wait_ms;
	uint16_t charge_key;	/* keyspec; also of delete */
	uint16_t charge_events; /* those that give the charge; 0: once a session */
	uint8_t action, scope, stages, percent;
	bool observed, even_known_good;
};

/* All that is a number has a slot, where a test keeps it: the probes, then the attributes. */
enum { SCORE_SLOTS = SCORE_PROBES_MAX + SCORE_ATTRS, SCORE_SLOT_WORDS = (SCORE_SLOTS + 63) / 64 };
enum { SCORE_SLOT_SCORE = SCORE_PROBES_MAX + SCORE_AT_SCORE, SCORE_SLOT_POINTS = SCORE_PROBES_MAX + SCORE_AT_POINTS };

/* What a test needs of each rule, closely packed: most are "a number, a comparison, a constant" and never touch their
 * program. `holds` says for which of less (1), equal (2) and more (4) it is true; 0: the program must be walked. */
struct score_head {
	double constant;
	uint16_t slot;
	uint8_t holds;
};

struct score_stage_rules {
	uint16_t *rules; /* in list order */
	unsigned n;
	uint32_t facts;	  /* that they read */
	uint64_t lookups; /* whose answers they read */
};

/* Each word of bits stands for 64 rules. */
enum score_set {
	SCORE_SET_FIRED, /* [scope]: fired in the session, in this mail, for this recipient */
	SCORE_SET_HELD = SCORE_SET_FIRED + SCORE_SCOPES, /* [session, mail]: a refusal found at connect..mail */
	SCORE_SET_CHARGED = SCORE_SET_HELD + 2,		 /* gave its charge of this session */
	SCORE_SET_SEEN,					 /* fired for an earlier recipient of this mail */
	SCORE_SET_TAKEN,				 /* ... and that recipient was accepted */
	SCORE_SETS
};

struct score_regex_link {
	struct score_regex_link *next;
	struct score_regex *regex;
};

struct score_ruleset {
	struct arena arena;
	struct score_rule *rules;
	struct score_head *heads; /* of each rule */
	unsigned n, words;
	struct score_stage_rules stages[SCORE_STAGES];
	struct score_keyspec keyspecs[SCORE_KEYSPECS_MAX];
	unsigned keyspecs_n;
	struct score_probe probes[SCORE_PROBES_MAX];
	unsigned probes_n;
	uint16_t record_probe[SCORE_KEYSPECS_MAX]; /* of each keyspec, or SCORE_NO_PROBE */
	struct score_lookup lookups[SCORE_LOOKUPS_MAX];
	unsigned lookups_n;
	const struct score_zone_text *zones; /* while it is compiled */
	size_t zones_n;
	struct score_program *programs;
	unsigned programs_n;
	uint32_t actions;		      /* that some rule has: 1 << enum score_action */
	uint16_t count_events, charge_events; /* that some probe counts, that some rule gives its charge for */
	uint8_t fed_stages;		      /* at which some distinct is fed */
	struct score_regex_link *regexes;
	struct hash_key key;
	uint64_t half_life_ms, spike_ms;
	uint64_t hash; /* score_rules_hash() */
	bool enforce;
};

/* --- program.c --- */

/* The program of this text, new or known. NULL: *fault_r says why. */
struct score_program *score_program_get(struct score_ruleset *set, const struct score_rules_config *c,
	struct slice source, struct arena *scratch, struct score_fault *fault_r) MUST_USE;
void score_reads_add(struct score_reads *all, const struct score_reads *one);

/* --- probe.c --- */

/* The number of this key in the set's table, or -1 when the table is full. */
int score_keyspec_add(struct score_ruleset *set, const struct score_key_part *part, unsigned n);
/* The same for what a call of the language reads. -1: *fault_r says why. */
int score_probe_add(struct score_ruleset *set, const struct score_node *call, struct score_fault *fault_r) MUST_USE;

/* --- lookup.c --- */

/* The number of this question in the set's table. -1: *fault_r says why. */
int score_lookup_add(struct score_ruleset *set, const struct score_node *call, struct score_fault *fault_r) MUST_USE;
/* Once all rules are compiled: which of them want their list's text. */
void score_lookup_note_texts(struct score_ruleset *set);

/* --- look.c --- */

enum score_tri { SCORE_FALSE, SCORE_TRUE, SCORE_UNKNOWN };

/* What one test has read so far; the arrays hold only what the bits, and `outcome`, say. */
struct score_look {
	const struct score_ruleset *set;
	const struct score_facts *facts;
	struct score_store *store;
	struct score_readings *readings;
	struct score_tape *tape;
	uint64_t now_ms;
	double points;		    /* so far; set by score_look_points() */
	struct score_effort effort; /* of all its patterns */
	uint32_t keys_known, keys_none;
	struct score_key keys[SCORE_KEYSPECS_MAX];
	uint64_t slots_known[SCORE_SLOT_WORDS];
	double slots[SCORE_SLOTS];	  /* NaN: unknown */
	uint8_t outcome[SCORE_RULES_MAX]; /* of each program: 1 + enum score_tri; 0: not tested */
};

void score_look_init(struct score_look *l, const struct score_ruleset *set, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms);
/* SCORE_TRUE: *key_r is the key; SCORE_FALSE: the thing is none (a null sender); SCORE_UNKNOWN: not known. */
enum score_tri score_look_key(struct score_look *l, unsigned keyspec, const struct score_key **key_r);
/* What a slot holds, asked for and kept. NaN: unknown. A key that is none gives 0, as nothing was counted by it. */
double score_look_ask(struct score_look *l, unsigned slot);
static inline double score_look_slot(struct score_look *l, unsigned slot)
{
	return l->slots_known[slot / 64] >> slot % 64 & 1 ? l->slots[slot] : score_look_ask(l, slot);
}
static inline void score_look_forget(struct score_look *l, unsigned slot)
{
	l->slots_known[slot / 64] &= ~((uint64_t)1 << slot % 64);
}
static inline void score_look_points(struct score_look *l, double points)
{
	l->points = points;
	score_look_forget(l, SCORE_SLOT_SCORE);
	score_look_forget(l, SCORE_SLOT_POINTS);
}
/* What the store says of a probe by this key, not kept. */
double score_look_read(struct score_look *l, unsigned probe, const struct score_key *key);
/* A charge made this of the record. */
void score_look_charged(struct score_look *l, unsigned keyspec, double points);
double score_look_score(struct score_look *l);

/* --- tape.c, for a look with a tape --- */

/* A probe of this key: read and noted, or as noted. */
double tape_read(struct score_look *l, unsigned probe, const struct score_key *key);
/* Noting: what a rule did to its record. */
void tape_note(struct score_look *l, unsigned rule, bool forgets, double points, double now);
/* Replaying: a charge, giving what the record is now; a delete. */
double tape_charge(struct score_look *l, unsigned keyspec, const struct score_key *key, double points);
void tape_forget(struct score_look *l, unsigned keyspec, const struct score_key *key);

/* --- tape_names.c --- */

/* Of the sources that `set` was made of. False: memory is out. */
bool score_rules_digest(const struct score_rules_config *c, const struct score_ruleset *set, uint64_t *hash_r) MUST_USE;

/* --- value.c --- */

enum score_value_kind { SCORE_V_UNKNOWN, SCORE_V_NONE, SCORE_V_BOOL, SCORE_V_NUMBER, SCORE_V_TEXT, SCORE_V_IP };

struct score_value {
	enum score_value_kind kind;
	double number; /* also of a truth */
	struct slice text;
	const struct ip *ip;
};

struct score_value score_value_attr(enum score_attr attr, struct score_look *l);
/* Of any attribute but score and points. */
struct score_value score_value_fact(enum score_attr attr, const struct score_facts *f);
/* Of a lookup. */
struct score_value score_value_answer(unsigned lookup, const struct score_facts *f);
struct score_value score_value_header(struct slice name, const struct score_facts *f);

/* --- test.c --- */

enum score_tri score_program_test(const struct score_program *p, struct score_look *l);
/* How a rule of this program is tested. */
struct score_head score_program_head(const struct score_program *p);

/* Whether the rule is true. */
static inline bool score_rule_holds(const struct score_ruleset *set, unsigned rule, struct score_look *l)
{
	const struct score_head *h = &set->heads[rule];
	if (!h->holds)
		return score_program_test(set->rules[rule].program, l) == SCORE_TRUE;
	double n = score_look_slot(l, h->slot);
	unsigned is = (unsigned)(n < h->constant) | (unsigned)(n <= h->constant && n >= h->constant) << 1 |
		      (unsigned)(n > h->constant) << 2;
	return (is & h->holds) != 0; /* NaN is none of them */
}

#endif
