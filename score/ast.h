/* score/ast.h - an expression as a tree: parsed, checked, printed
 *
 *     or      = and { ("||" | "or") and }
 *     and     = not { ("&&" | "and") not }
 *     not     = ("!" | "not") not | compare
 *     compare = operand [ ("==" | "!=" | "<" | "<=" | ">" | ">=") operand
 *                       | ("=~" | "!~") /PATTERN/[i]
 *                       | "in" ( list("NAME") | PREFIX | "(" literal { "," literal } ")" )
 *                       | "is" ("none" | "unknown" | "known") ]
 *     operand = "(" or ")" | literal | attribute | call
 *     call    = count(EVENT by KEY [, KEY], WINDOW) | distinct(ATTRIBUTE by KEY [, KEY], WINDOW)
 *             | spike(EVENT by KEY [, KEY]) | record(KEY) | dnsbl('ZONE') | dnsbl_domain('ZONE', ATTRIBUTE)
 *             | header('NAME')
 *     KEY     = client | net(V4BITS, V6BITS) | sender | sender.domain | ...
 *     literal = number[smhdkMG] | 'string' | "string" | address | prefix
 *
 * In a string \' \" and \\ stand for the second character; another backslash is a fault. The tree and its texts live
 * in the caller's arena; nothing refers to the source text afterwards.
 */
#ifndef SCORE_AST_H
#define SCORE_AST_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"
#include "score/names.h"

/* Bounds on one expression: what a hand-written rule never reaches, and what keeps the depth of every
 * walk and the cost of every test small. */
enum { SCORE_EXPR_LENGTH = 4096, SCORE_EXPR_DEPTH = 40, SCORE_EXPR_NODES = 500, SCORE_STRING_LENGTH = 320 };

enum score_node_kind {
	SCORE_N_OR, /* children: a, a->next, ... */
	SCORE_N_AND,
	SCORE_N_NOT,
	SCORE_N_COMPARE, /* a, op, a->next */
	SCORE_N_MATCH,	 /* a, text, fold, negated */
	SCORE_N_IN_LIST, /* a, text */
	SCORE_N_IN_NET,	 /* a, prefix */
	SCORE_N_IN_SET,	 /* a, then its literals */
	SCORE_N_IS,	 /* a, is */
	SCORE_N_ATTR,
	SCORE_N_CALL,
	SCORE_N_NUMBER,
	SCORE_N_STRING,
	SCORE_N_ADDRESS,
};

enum score_compare { SCORE_EQ, SCORE_NE, SCORE_LT, SCORE_LE, SCORE_GT, SCORE_GE };
enum score_is { SCORE_IS_NONE, SCORE_IS_UNKNOWN, SCORE_IS_KNOWN };

struct score_key_part {
	uint8_t kind;	      /* enum score_key_kind */
	uint8_t bits4, bits6; /* of net */
};

enum { SCORE_CALL_KEYS = 2 };

struct score_call {
	enum score_function function;
	enum score_event event; /* count, spike */
	enum score_attr attr;	/* distinct, dnsbl_domain */
	struct score_key_part keys[SCORE_CALL_KEYS];
	unsigned keys_n;
	double window_s;	 /* count, distinct */
	struct slice window;	 /* as written */
	struct slice text;	 /* zone or header name */
	size_t event_at, key_at; /* columns, for messages */
};

struct score_node {
	uint8_t kind; /* enum score_node_kind */
	uint8_t op;   /* COMPARE: enum score_compare; IS: enum score_is; ATTR: enum score_attr */
	uint8_t type; /* enum score_type of its value; set by the checker */
	bool fold, negated;
	uint32_t at; /* column in the source */
	struct score_node *a, *next;
	struct slice text; /* STRING its value; NUMBER, ADDRESS as written; MATCH the pattern; IN_LIST the name */
	double number;
	char unit;
	struct ip_prefix prefix;
	struct score_call *call;
};

/* What is wrong with an expression, and where. */
struct score_fault {
	size_t at; /* column, from 0 */
	char text[200];
};

/* NULL: *fault_r says why. */
struct score_node *score_parse(struct slice source, struct arena *a, struct score_fault *fault_r) MUST_USE;
/* Types, names that are not built, ranges. */
bool score_check(struct score_node *root, struct score_fault *fault_r) MUST_USE;
/* The canonical text; parsing it gives the same tree. */
bool score_print(const struct score_node *n, struct buf *out) MUST_USE;
/* "client, net(24,48)": the keys of a call. */
bool score_print_keys(const struct score_key_part *keys, unsigned n, struct buf *out) MUST_USE;
/* Always false, so that a parser can say `return score_fault_at(...)`. */
bool score_fault_at(struct score_fault *f, size_t at, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

#endif
