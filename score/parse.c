#include "score/ast.h"

#include <stdarg.h>
#include <stdio.h>

#include "score/lexer.h"

struct parser {
	struct score_lexer lexer;
	struct score_token tok;
	struct arena *arena;
	struct score_fault *fault;
	unsigned depth, nodes;
};

bool score_fault_at(struct score_fault *f, size_t at, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	f->at = at;
	vsnprintf(f->text, sizeof f->text, fmt, ap);
	va_end(ap);
	return false;
}

static bool advance(struct parser *p)
{
	p->tok = score_lex(&p->lexer);
	if (p->tok.kind == SCORE_TOK_BAD)
		return score_fault_at(p->fault, p->tok.at, "%s", p->tok.problem);
	return true;
}

static bool wanted(struct parser *p, const char *what)
{
	if (p->tok.kind == SCORE_TOK_END)
		return score_fault_at(p->fault, p->tok.at, "the expression ends where %s is wanted", what);
	return score_fault_at(p->fault, p->tok.at, "%s is wanted here", what);
}

static bool expect(struct parser *p, enum score_token_kind kind, const char *what)
{
	if (p->tok.kind != kind)
		return wanted(p, what);
	return advance(p);
}

static struct score_node *node(struct parser *p, enum score_node_kind kind, size_t at)
{
	struct score_node *n = NULL;
	if (p->nodes >= SCORE_EXPR_NODES) {
		score_fault_at(p->fault, at, "the expression has more than %d parts; use a list", SCORE_EXPR_NODES);
		return NULL;
	}
	n = arena_alloc(p->arena, sizeof *n);
	if (!n) {
		score_fault_at(p->fault, at, "out of memory");
		return NULL;
	}
	p->nodes++;
	n->kind = (uint8_t)kind;
	n->at = (uint32_t)at;
	return n;
}

static bool copy(struct parser *p, struct slice s, struct slice *copy_r)
{
	*copy_r = arena_copy(p->arena, s);
	return copy_r->p || score_fault_at(p->fault, p->tok.at, "out of memory");
}

/* The current token's text, its backslashes resolved. */
static bool string_value(struct parser *p, struct slice *value_r)
{
	struct slice raw = p->tok.text;
	char value[SCORE_STRING_LENGTH];
	size_t n = 0;
	for (size_t i = 0; i < raw.n; i++) {
		if (n == sizeof value)
			return score_fault_at(
				p->fault, p->tok.at, "a string has at most %d bytes", SCORE_STRING_LENGTH);
		if (raw.p[i] == '\\' && ++i < raw.n && !memchr("\\'\"", raw.p[i], 3))
			return score_fault_at(
				p->fault, p->tok.at + i, "only \\\\ \\' and \\\" are known after a backslash");
		value[n++] = raw.p[i];
	}
	return copy(p, slice_of(value, n), value_r);
}

static bool parse_string(struct parser *p, struct slice *value_r, const char *what)
{
	if (p->tok.kind != SCORE_TOK_STRING)
		return wanted(p, what);
	TRY(string_value(p, value_r));
	return advance(p);
}

/* Of a short table all names help, of the attributes what else may have been meant. */
static bool unknown_name(struct parser *p, const struct score_name *table, int n, const char *what)
{
	struct slice word = p->tok.text;
	char hint[120] = "if it is a text, it stands in quotes";
	const char *near = score_name_suggest(table, n, word);
	int shown = word.n > 40 ? 40 : (int)word.n;
	size_t used = 0;
	if (near)
		return score_fault_at(
			p->fault, p->tok.at, "unknown %s '%.*s', did you mean '%s'?", what, shown, word.p, near);
	for (int i = 0; table != score_attrs && i < n && used < sizeof hint; i++)
		used += (size_t)snprintf(hint + used, sizeof hint - used, i ? ", %s" : "%s", table[i].name);
	return score_fault_at(p->fault, p->tok.at, "unknown %s '%.*s'; %s%s", what, shown, word.p,
		table == score_attrs ? "" : "known: ", hint);
}

/* A word out of a table. */
static bool parse_name(struct parser *p, const struct score_name *table, int n, const char *what, int *found_r)
{
	struct score_token t = p->tok;
	char text[80];
	(void)snprintf(text, sizeof text, "the %s, such as %s,", what, table[0].name);
	if (t.kind != SCORE_TOK_WORD)
		return wanted(p, text);
	*found_r = score_name_find(table, n, t.text);
	return *found_r >= 0 ? advance(p) : unknown_name(p, table, n, what);
}

static bool parse_bits(struct parser *p, unsigned max, uint8_t *bits_r)
{
	struct score_token t = p->tok;
	if (t.kind != SCORE_TOK_NUMBER || t.unit || t.number < 1 || t.number > max || t.number != (uint8_t)t.number)
		return score_fault_at(p->fault, t.at, "a number of bits from 1 to %u is wanted here", max);
	*bits_r = (uint8_t)t.number;
	return advance(p);
}

static bool parse_key(struct parser *p, struct score_key_part *key)
{
	int kind = 0;
	TRY(parse_name(p, score_keys, SCORE_KEY_KINDS, "key", &kind));
	key->kind = (uint8_t)kind;
	if (kind != SCORE_KEY_NET)
		return true;
	TRY(expect(p, SCORE_TOK_OPEN, "net(V4BITS, V6BITS), as in net(24,48),"));
	TRY(parse_bits(p, 32, &key->bits4));
	TRY(expect(p, SCORE_TOK_COMMA, "a comma"));
	TRY(parse_bits(p, 128, &key->bits6));
	return expect(p, SCORE_TOK_CLOSE, "a closing parenthesis");
}

/* KEY [, KEY]; a comma that is followed by a number belongs to the window and is left consumed. */
static bool parse_keys(struct parser *p, struct score_call *c, bool *comma_r)
{
	*comma_r = false;
	c->key_at = p->tok.at;
	TRY(parse_key(p, &c->keys[c->keys_n++]));
	while (p->tok.kind == SCORE_TOK_COMMA) {
		TRY(advance(p));
		if (p->tok.kind == SCORE_TOK_NUMBER) {
			*comma_r = true;
			return true;
		}
		if (c->keys_n == SCORE_CALL_KEYS)
			return score_fault_at(p->fault, p->tok.at, "at most %d keys can be combined", SCORE_CALL_KEYS);
		TRY(parse_key(p, &c->keys[c->keys_n++]));
	}
	return true;
}

static bool parse_window(struct parser *p, struct score_call *c, bool comma)
{
	struct score_token t = p->tok;
	if (!comma)
		return wanted(p, "a comma and a time such as 10m");
	if (!t.unit || !memchr("smhd", t.unit, 4))
		return score_fault_at(p->fault, t.at, "a time with its unit is wanted here: 30s 10m 1h 7d");
	c->window_s = t.number;
	TRY(copy(p, t.text, &c->window));
	return advance(p);
}

static bool parse_counting(struct parser *p, struct score_call *c)
{
	int name = 0;
	bool comma = false;
	c->event_at = p->tok.at;
	if (c->function == SCORE_FN_DISTINCT) {
		TRY(parse_name(p, score_attrs, SCORE_ATTRS, "attribute", &name));
		c->attr = (enum score_attr)name;
	} else {
		TRY(parse_name(p, score_events, SCORE_EVENTS, "event", &name));
		c->event = (enum score_event)name;
	}
	TRY(expect(p, SCORE_TOK_BY, "'by KEY', as in messages by client,"));
	TRY(parse_keys(p, c, &comma));
	if (c->function != SCORE_FN_SPIKE)
		return parse_window(p, c, comma);
	return !comma || score_fault_at(p->fault, p->tok.at, "spike takes no window: score.spike_window is used");
}

static bool parse_zone(struct parser *p, struct score_call *c)
{
	int name = 0;
	TRY(parse_string(p, &c->text, c->function == SCORE_FN_HEADER ? "a header name in quotes" : "a zone in quotes"));
	if (c->function != SCORE_FN_DNSBL_DOMAIN)
		return true;
	TRY(expect(p, SCORE_TOK_COMMA, "a comma"));
	TRY(parse_name(p, score_attrs, SCORE_ATTRS, "attribute", &name));
	c->attr = (enum score_attr)name;
	return true;
}

static bool parse_arguments(struct parser *p, struct score_call *c)
{
	switch (c->function) {
	case SCORE_FN_COUNT:
	case SCORE_FN_DISTINCT:
	case SCORE_FN_SPIKE:
		return parse_counting(p, c);
	case SCORE_FN_RECORD:
		c->key_at = p->tok.at;
		c->keys_n = 1;
		TRY(parse_key(p, &c->keys[0]));
		return p->tok.kind != SCORE_TOK_COMMA || score_fault_at(p->fault, p->tok.at, "record takes one key");
	case SCORE_FN_DNSBL:
	case SCORE_FN_DNSBL_DOMAIN:
	case SCORE_FN_HEADER:
		return parse_zone(p, c);
	case SCORE_FUNCTIONS:
		break;
	}
	return false;
}

static bool parse_call(struct parser *p, enum score_function f, size_t at, struct score_node **n_r)
{
	struct score_node *n = *n_r = node(p, SCORE_N_CALL, at);
	TRY(n);
	n->call = arena_alloc(p->arena, sizeof *n->call);
	if (!n->call)
		return score_fault_at(p->fault, at, "out of memory");
	n->call->function = f;
	TRY(advance(p)); /* the parenthesis */
	TRY(parse_arguments(p, n->call));
	return expect(p, SCORE_TOK_CLOSE, "a closing parenthesis");
}

/* Words that others write where this language has none. */
static bool parse_foreign(struct parser *p)
{
	static const struct {
		struct slice word;
		const char *instead;
	} foreign[] = {
		{ SLICE_INIT("true"), "not a value here: write tls, or not tls" },
		{ SLICE_INIT("false"), "not a value here: write tls, or not tls" },
		{ SLICE_INIT("none"), "asked for with: is none" },
		{ SLICE_INIT("null"), "written sender.null, or: is none" },
		{ SLICE_INIT("unknown"), "asked for with: is unknown" },
		{ SLICE_INIT("known"), "asked for with: is known" },
	};
	for (size_t i = 0; i < sizeof foreign / sizeof *foreign; i++)
		if (slice_eq(p->tok.text, foreign[i].word))
			return score_fault_at(p->fault, p->tok.at, "'%s' is %s", foreign[i].word.p, foreign[i].instead);
	return true;
}

static bool parse_word(struct parser *p, struct score_node **n_r)
{
	struct score_token t = p->tok;
	struct score_lexer ahead = p->lexer;
	int found = 0;
	if (score_lex(&ahead).kind == SCORE_TOK_OPEN) {
		TRY(parse_name(p, score_functions, SCORE_FUNCTIONS, "function", &found));
		return parse_call(p, (enum score_function)found, t.at, n_r);
	}
	TRY(parse_foreign(p));
	TRY(parse_name(p, score_attrs, SCORE_ATTRS, "attribute", &found));
	*n_r = node(p, SCORE_N_ATTR, t.at);
	TRY(*n_r);
	(*n_r)->op = (uint8_t)found;
	return true;
}

static bool parse_literal(struct parser *p, struct score_node **n_r)
{
	struct score_token t = p->tok;
	enum score_node_kind kind = t.kind == SCORE_TOK_NUMBER	 ? SCORE_N_NUMBER
				    : t.kind == SCORE_TOK_STRING ? SCORE_N_STRING
								 : SCORE_N_ADDRESS;
	if (t.kind != SCORE_TOK_NUMBER && t.kind != SCORE_TOK_STRING && t.kind != SCORE_TOK_ADDRESS)
		return wanted(p, "a value (attribute, function, number, 'string', address)");
	struct score_node *n = *n_r = node(p, kind, t.at);
	TRY(n);
	n->number = t.number;
	n->unit = t.unit;
	n->prefix = t.prefix;
	TRY(kind == SCORE_N_STRING ? string_value(p, &n->text) : copy(p, t.text, &n->text));
	return advance(p);
}

static bool parse_or(struct parser *p, struct score_node **n_r);

static bool deeper(struct parser *p)
{
	if (p->depth == SCORE_EXPR_DEPTH)
		return score_fault_at(p->fault, p->tok.at, "nested more than %d deep", SCORE_EXPR_DEPTH);
	p->depth++;
	return true;
}

static bool parse_operand(struct parser *p, struct score_node **n_r)
{
	if (p->tok.kind == SCORE_TOK_WORD)
		return parse_word(p, n_r);
	if (p->tok.kind != SCORE_TOK_OPEN)
		return parse_literal(p, n_r);
	TRY(deeper(p));
	TRY(advance(p));
	TRY(parse_or(p, n_r));
	p->depth--;
	return expect(p, SCORE_TOK_CLOSE, "a closing parenthesis");
}

static bool parse_pattern(struct parser *p, struct score_node *n)
{
	n->negated = p->tok.kind == SCORE_TOK_NO_MATCH;
	struct score_token t = score_lex_pattern(&p->lexer);
	if (t.kind == SCORE_TOK_BAD)
		return score_fault_at(p->fault, t.at, "%s", t.problem);
	n->fold = t.fold;
	n->at = (uint32_t)t.at; /* so that a fault of the pattern points into it */
	TRY(copy(p, t.text, &n->text));
	return advance(p);
}

static bool parse_set(struct parser *p, struct score_node *n)
{
	struct score_node **last = &n->a->next;
	n->kind = SCORE_N_IN_SET;
	do {
		TRY(advance(p)); /* the parenthesis or comma */
		TRY(parse_literal(p, last));
		last = &(*last)->next;
	} while (p->tok.kind == SCORE_TOK_COMMA);
	return expect(p, SCORE_TOK_CLOSE, "a comma or a closing parenthesis");
}

static bool parse_in(struct parser *p, struct score_node *n)
{
	TRY(advance(p));
	if (p->tok.kind == SCORE_TOK_OPEN)
		return parse_set(p, n);
	if (p->tok.kind == SCORE_TOK_ADDRESS) {
		n->kind = SCORE_N_IN_NET;
		n->prefix = p->tok.prefix;
		TRY(copy(p, p->tok.text, &n->text));
		return advance(p);
	}
	if (p->tok.kind != SCORE_TOK_WORD || !slice_eq(p->tok.text, SLICE("list")))
		return wanted(p, "list('NAME'), a prefix or a set in parentheses");
	n->kind = SCORE_N_IN_LIST;
	TRY(advance(p));
	TRY(expect(p, SCORE_TOK_OPEN, "list('NAME')"));
	TRY(parse_string(p, &n->text, "the list's name in quotes"));
	return expect(p, SCORE_TOK_CLOSE, "a closing parenthesis");
}

static bool parse_is(struct parser *p, struct score_node *n)
{
	static const struct slice states[] = { SLICE_INIT("none"), SLICE_INIT("unknown"), SLICE_INIT("known") };
	TRY(advance(p));
	for (unsigned i = 0; i < 3; i++) {
		if (p->tok.kind != SCORE_TOK_WORD || !slice_eq(p->tok.text, states[i]))
			continue;
		n->op = (uint8_t)i;
		return advance(p);
	}
	return wanted(p, "none, unknown or known");
}

static bool parse_relation(struct parser *p, struct score_node *n)
{
	switch (n->kind) {
	case SCORE_N_MATCH:
		return parse_pattern(p, n);
	case SCORE_N_IN_LIST:
		return parse_in(p, n);
	case SCORE_N_IS:
		return parse_is(p, n);
	default:
		n->op = (uint8_t)(p->tok.kind - SCORE_TOK_EQ);
		TRY(advance(p));
		return parse_operand(p, &n->a->next);
	}
}

/* The kind of node that a relation's token begins, or -1. */
static int relation_of(enum score_token_kind k)
{
	if (k >= SCORE_TOK_EQ && k <= SCORE_TOK_GE)
		return SCORE_N_COMPARE;
	if (k == SCORE_TOK_MATCH || k == SCORE_TOK_NO_MATCH)
		return SCORE_N_MATCH;
	if (k == SCORE_TOK_IN)
		return SCORE_N_IN_LIST;
	return k == SCORE_TOK_IS ? SCORE_N_IS : -1;
}

static bool parse_compare(struct parser *p, struct score_node **n_r)
{
	struct score_node *a = NULL;
	TRY(parse_operand(p, &a));
	*n_r = a;
	int kind = relation_of(p->tok.kind);
	if (kind < 0)
		return true;
	struct score_node *n = *n_r = node(p, (enum score_node_kind)kind, p->tok.at);
	TRY(n);
	n->a = a;
	TRY(parse_relation(p, n));
	if (relation_of(p->tok.kind) >= 0)
		return score_fault_at(p->fault, p->tok.at, "comparisons cannot be chained; join them with and");
	return true;
}

static bool parse_not(struct parser *p, struct score_node **n_r)
{
	if (p->tok.kind != SCORE_TOK_NOT)
		return parse_compare(p, n_r);
	TRY(deeper(p));
	struct score_node *n = *n_r = node(p, SCORE_N_NOT, p->tok.at);
	TRY(n && advance(p) && parse_not(p, &n->a));
	p->depth--;
	return true;
}

/* One level of `and` or `or`: a single member stands for itself. */
static bool parse_joined(struct parser *p, struct score_node **n_r, enum score_node_kind kind,
	enum score_token_kind sign, bool (*member)(struct parser *, struct score_node **))
{
	size_t at = p->tok.at;
	struct score_node *first = NULL;
	TRY(member(p, &first));
	*n_r = first;
	if (p->tok.kind != sign)
		return true;
	struct score_node *n = *n_r = node(p, kind, at);
	TRY(n);
	n->a = first;
	for (struct score_node *last = first; p->tok.kind == sign; last = last->next) {
		TRY(advance(p));
		TRY(member(p, &last->next));
	}
	return true;
}

static bool parse_and(struct parser *p, struct score_node **n_r)
{
	return parse_joined(p, n_r, SCORE_N_AND, SCORE_TOK_AND, parse_not);
}

static bool parse_or(struct parser *p, struct score_node **n_r)
{
	return parse_joined(p, n_r, SCORE_N_OR, SCORE_TOK_OR, parse_and);
}

struct score_node *score_parse(struct slice source, struct arena *a, struct score_fault *fault_r)
{
	struct parser p = { .lexer = { source, 0 }, .arena = a, .fault = fault_r };
	struct score_node *root = NULL;
	if (source.n > SCORE_EXPR_LENGTH) {
		score_fault_at(fault_r, SCORE_EXPR_LENGTH, "the expression is longer than %d bytes; use a list",
			SCORE_EXPR_LENGTH);
		return NULL;
	}
	if (!advance(&p) || !parse_or(&p, &root))
		return NULL;
	if (p.tok.kind == SCORE_TOK_END)
		return root;
	score_fault_at(fault_r, p.tok.at,
		p.tok.kind == SCORE_TOK_CLOSE ? "this parenthesis closes nothing"
					      : "'and', 'or' (in small letters) or the end is wanted here");
	return NULL;
}
