/* score/ruleset.h - the inside of a compiled rule set (for this room's files only)
 *
 * Everything lies in one arena and is never changed after score_rules_compile(). What a session's test needs at
 * a moment (the facts, the time, values read once) is a struct score_look on the stack.
 */
#ifndef SCORE_RULESET_H
#define SCORE_RULESET_H

#include "score/ast.h"
#include "score/regex.h"
#include "score/rules.h"

/* Bounds on what one rule set may count: each costs an entry a key, and a look a key each. */
enum { SCORE_KEYSPECS_MAX = 32, SCORE_COUNTERS_MAX = 256 };

/* A key as written; equal ones are kept once, so that a test hashes each only once. */
struct score_keyspec {
	struct score_key_part part[SCORE_CALL_KEYS];
	unsigned n;
};

enum { SCORE_KEYSPEC_CLIENT }; /* always the first: the record that `score` reads */

struct score_counter {
	enum score_event event;
	uint16_t keyspec;
	struct score_window window;
};

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
	SCORE_OP_COUNT,
	SCORE_OP_RECORD,
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
	uint16_t index;	  /* counter or keyspec */
	union {
		double number;
		struct slice text;
		struct ip_prefix prefix;
		const struct score_regex *regex;
		const struct score_list *list;
	} u;
};

struct score_program {
	struct score_op *ops; /* the root is ops[0] */
	unsigned n;
	struct score_reads reads; /* of all it reads together */
	uint16_t events;	  /* that it counts: 1 << enum score_event */
	int first_key;		  /* keyspec of the first KEY of a count, distinct or spike; -1 */
};

struct score_rule {
	const char *name;
	struct slice name_text;
	struct score_program program;
	double points, charge;
	struct score_reply reply;
	uint64_t until_ms; /* UINT64_MAX: never */
	uint32_t wait_ms;
	uint16_t charge_key;	/* keyspec */
	uint16_t charge_events; /* those that give the charge; 0: once a session */
	uint8_t action, scope, stages, percent;
	bool observed, even_known_good;
};

struct score_stage_rules {
	uint16_t *rules; /* in list order */
	unsigned n;
	uint32_t facts; /* that they read */
};

/* Each word of bits stands for 64 rules. */
enum score_set {
	SCORE_SET_FIRED, /* [scope]: fired in the session, in this mail, for this recipient */
	SCORE_SET_HELD = SCORE_SET_FIRED + SCORE_SCOPES, /* [session, mail]: a refusal found at connect..mail */
	SCORE_SET_CHARGED = SCORE_SET_HELD + 2,		 /* gave its charge of this session */
	SCORE_SET_SEEN,					 /* fired for an earlier recipient of this mail */
	SCORE_SETS
};

struct score_regex_link {
	struct score_regex_link *next;
	struct score_regex *regex;
};

struct score_ruleset {
	struct arena arena;
	struct score_rule *rules;
	unsigned n, words;
	struct score_stage_rules stages[SCORE_STAGES];
	struct score_keyspec keyspecs[SCORE_KEYSPECS_MAX];
	unsigned keyspecs_n;
	struct score_counter counters[SCORE_COUNTERS_MAX];
	unsigned counters_n;
	uint16_t count_events, charge_events; /* that some counter counts, that some rule gives its charge for */
	struct score_regex_link *regexes;
	struct hash_key key;
	uint64_t half_life_ms;
	bool enforce;
};

/* --- program.c --- */

/* False: *fault_r says why. `root` is checked. */
bool score_program_build(struct score_ruleset *set, const struct score_rules_config *c, struct score_node *root,
	struct score_program *p_r, struct score_fault *fault_r) MUST_USE;
/* The number of this key in the set's table, or -1 when the table is full. */
int score_keyspec_add(struct score_ruleset *set, const struct score_key_part *part, unsigned n);
void score_reads_add(struct score_reads *all, const struct score_reads *one);

/* --- look.c --- */

enum score_tri { SCORE_FALSE, SCORE_TRUE, SCORE_UNKNOWN };

struct score_look {
	const struct score_ruleset *set;
	const struct score_facts *facts;
	struct score_store *store;
	uint64_t now_ms;
	double points;	      /* so far */
	double client_record; /* once read */
	bool client_record_read;
	uint32_t keys_known, keys_none;
	struct score_key keys[SCORE_KEYSPECS_MAX]; /* those whose bit is in keys_known */
};

void score_look_init(struct score_look *l, const struct score_ruleset *set, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms);
/* SCORE_TRUE: *key_r is the key; SCORE_FALSE: the thing is none (a null sender); SCORE_UNKNOWN: not known. */
enum score_tri score_look_key(struct score_look *l, unsigned keyspec, const struct score_key **key_r);
double score_look_score(struct score_look *l);
enum score_tri score_program_test(const struct score_program *p, struct score_look *l);

#endif
