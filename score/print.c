#include "score/ast.h"

static const char *const compare_signs[] = { "==", "!=", "<", "<=", ">", ">=" };
static const char *const is_words[] = { "none", "unknown", "known" };

static bool put(struct buf *out, const char *text)
{
	return buf_put(out, slice_str(text));
}

static bool print_string(struct slice s, struct buf *out)
{
	TRY(put(out, "'"));
	for (size_t i = 0; i < s.n; i++) {
		if (s.p[i] == '\'' || s.p[i] == '\\')
			TRY(put(out, "\\"));
		TRY(buf_put(out, slice_of(s.p + i, 1)));
	}
	return put(out, "'");
}

bool score_print_keys(const struct score_key_part *keys, unsigned n, struct buf *out)
{
	for (unsigned i = 0; i < n; i++) {
		TRY(buf_printf(out, "%s%s", i ? ", " : "", score_keys[keys[i].kind].name));
		if (keys[i].kind == SCORE_KEY_NET)
			TRY(buf_printf(out, "(%u,%u)", keys[i].bits4, keys[i].bits6));
	}
	return true;
}

static bool print_call(const struct score_call *c, struct buf *out)
{
	TRY(buf_printf(out, "%s(", score_functions[c->function].name));
	switch (c->function) {
	case SCORE_FN_COUNT:
	case SCORE_FN_SPIKE:
		TRY(buf_printf(out, "%s by ", score_events[c->event].name));
		break;
	case SCORE_FN_DISTINCT:
		TRY(buf_printf(out, "%s by ", score_attrs[c->attr].name));
		break;
	case SCORE_FN_DNSBL:
	case SCORE_FN_HEADER:
		TRY(print_string(c->text, out));
		break;
	case SCORE_FN_DNSBL_DOMAIN:
		TRY(print_string(c->text, out));
		TRY(buf_printf(out, ", %s", score_attrs[c->attr].name));
		break;
	case SCORE_FN_RECORD:
	case SCORE_FUNCTIONS:
		break;
	}
	TRY(score_print_keys(c->keys, c->keys_n, out));
	if (c->window.n)
		TRY(buf_printf(out, ", %.*s", SLICE_ARG(c->window)));
	return put(out, ")");
}

/* Whether a child needs parentheses where only something that binds tighter than `parent` may stand. */
static bool print_inner(const struct score_node *n, enum score_node_kind parent, struct buf *out)
{
	bool tight = n->kind > parent || (n->kind == SCORE_N_NOT && parent == SCORE_N_NOT);
	if (parent == SCORE_N_COMPARE)
		tight = n->kind >= SCORE_N_ATTR;
	if (tight)
		return score_print(n, out);
	TRY(put(out, "("));
	TRY(score_print(n, out));
	return put(out, ")");
}

static bool print_joined(const struct score_node *n, const char *word, struct buf *out)
{
	for (const struct score_node *c = n->a; c; c = c->next) {
		if (c != n->a)
			TRY(put(out, word));
		TRY(print_inner(c, (enum score_node_kind)n->kind, out));
	}
	return true;
}

static bool print_set(const struct score_node *n, struct buf *out)
{
	TRY(put(out, " in ("));
	for (const struct score_node *c = n->a->next; c; c = c->next) {
		if (c != n->a->next)
			TRY(put(out, ", "));
		TRY(score_print(c, out));
	}
	return put(out, ")");
}

static bool print_relation(const struct score_node *n, struct buf *out)
{
	TRY(print_inner(n->a, SCORE_N_COMPARE, out));
	switch (n->kind) {
	case SCORE_N_COMPARE:
		TRY(buf_printf(out, " %s ", compare_signs[n->op]));
		return print_inner(n->a->next, SCORE_N_COMPARE, out);
	case SCORE_N_MATCH:
		TRY(put(out, n->negated ? " !~ /" : " =~ /"));
		TRY(buf_put(out, n->text));
		return put(out, n->fold ? "/i" : "/");
	case SCORE_N_IN_LIST:
		TRY(put(out, " in list("));
		TRY(print_string(n->text, out));
		return put(out, ")");
	case SCORE_N_IN_NET:
		TRY(put(out, " in "));
		return buf_put(out, n->text);
	case SCORE_N_IN_SET:
		return print_set(n, out);
	default:
		return buf_printf(out, " is %s", is_words[n->op]);
	}
}

bool score_print(const struct score_node *n, struct buf *out)
{
	switch ((enum score_node_kind)n->kind) {
	case SCORE_N_OR:
		return print_joined(n, " or ", out);
	case SCORE_N_AND:
		return print_joined(n, " and ", out);
	case SCORE_N_NOT:
		TRY(put(out, "not "));
		return print_inner(n->a, SCORE_N_NOT, out);
	case SCORE_N_COMPARE:
	case SCORE_N_MATCH:
	case SCORE_N_IN_LIST:
	case SCORE_N_IN_NET:
	case SCORE_N_IN_SET:
	case SCORE_N_IS:
		return print_relation(n, out);
	case SCORE_N_ATTR:
		return put(out, score_attrs[n->op].name);
	case SCORE_N_CALL:
		return print_call(n->call, out);
	case SCORE_N_NUMBER:
	case SCORE_N_ADDRESS:
		return buf_put(out, n->text);
	case SCORE_N_STRING:
		return print_string(n->text, out);
	}
	return false;
}
