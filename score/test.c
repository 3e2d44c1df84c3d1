/* Testing a program against the facts of a moment: three-valued (Kleene), bounded, without allocation. */
#include <math.h>

#include "score/ruleset.h"

static enum score_tri test(const struct score_op *ops, unsigned i, struct score_look *l);

static struct score_value probe_value(unsigned probe, struct score_look *l)
{
	double n = score_look_slot(l, probe);
	return (struct score_value){ .kind = isnan(n) ? SCORE_V_UNKNOWN : SCORE_V_NUMBER, .number = n };
}

static struct score_value value_of(const struct score_op *ops, unsigned i, struct score_look *l)
{
	const struct score_op *op = &ops[i];
	switch ((enum score_op_code)op->code) {
	case SCORE_OP_ATTR:
		return score_value_attr((enum score_attr)op->sub, l);
	case SCORE_OP_PROBE:
		return probe_value(op->index, l);
	case SCORE_OP_HEADER:
		return score_value_header(op->u.text, l->facts);
	case SCORE_OP_ANSWER:
		return score_value_answer(op->index, l->facts);
	case SCORE_OP_LATER:
		return (struct score_value){ .kind = SCORE_V_UNKNOWN };
	case SCORE_OP_NUMBER:
		return (struct score_value){ .kind = SCORE_V_NUMBER, .number = op->u.number };
	case SCORE_OP_STRING:
		return (struct score_value){ .kind = SCORE_V_TEXT, .text = op->u.text };
	case SCORE_OP_ADDRESS:
		return (struct score_value){ .kind = SCORE_V_IP, .ip = &op->u.prefix.addr };
	default: {
		enum score_tri t = test(ops, i, l);
		return (struct score_value){ t == SCORE_UNKNOWN ? SCORE_V_UNKNOWN : SCORE_V_BOOL, .number = t };
	}
	}
}

/* --- tests --- */

static enum score_tri tri(bool b)
{
	return b ? SCORE_TRUE : SCORE_FALSE;
}

static bool equal(const struct score_value *a, const struct score_value *b)
{
	if (a->kind == SCORE_V_TEXT)
		return slice_ieq(a->text, b->text);
	if (a->kind == SCORE_V_IP)
		return memcmp(a->ip, b->ip, sizeof *a->ip) == 0;
	return !(a->number < b->number) && !(a->number > b->number);
}

static bool holds(enum score_compare op, double a, double b)
{
	switch (op) {
	case SCORE_EQ:
		return !(a < b) && !(a > b);
	case SCORE_NE:
		return a < b || a > b;
	case SCORE_LT:
		return a < b;
	case SCORE_LE:
		return a <= b;
	case SCORE_GT:
		return a > b;
	case SCORE_GE:
		return a >= b;
	}
	return false;
}

static enum score_tri compare(const struct score_op *ops, const struct score_op *op, struct score_look *l)
{
	struct score_value a = value_of(ops, op->a, l);
	struct score_value b = value_of(ops, ops[op->a].next, l);
	if (a.kind == SCORE_V_UNKNOWN || b.kind == SCORE_V_UNKNOWN)
		return SCORE_UNKNOWN;
	if (a.kind == SCORE_V_NONE || b.kind == SCORE_V_NONE)
		return tri(op->sub == SCORE_NE);
	if (op->sub == SCORE_EQ || op->sub == SCORE_NE)
		return tri(equal(&a, &b) == (op->sub == SCORE_EQ));
	return tri(holds((enum score_compare)op->sub, a.number, b.number));
}

static enum score_tri matched(enum score_match m, bool negated)
{
	return m == SCORE_MATCH_GAVE_UP ? SCORE_UNKNOWN : tri((m == SCORE_MATCH_YES) != negated);
}

static enum score_tri match(const struct score_op *op, const struct score_value *v, struct score_effort *e)
{
	return v->kind == SCORE_V_NONE ? tri(op->negated)
				       : matched(score_regex_match(op->u.regex, v->text, e), op->negated);
}

static enum score_tri in_list(const struct score_list *list, const struct score_value *v, struct score_effort *e)
{
	return matched(
		v->kind == SCORE_V_IP ? score_list_has_ip(list, v->ip, e) : score_list_has_name(list, v->text, e),
		false);
}

static enum score_tri in_set(const struct score_op *ops, const struct score_op *op, const struct score_value *v)
{
	for (unsigned i = ops[op->a].next; i != SCORE_NO_OP; i = ops[i].next) {
		struct score_value item = { .kind = v->kind, .number = ops[i].u.number };
		if (v->kind == SCORE_V_IP && ip_prefix_has(&ops[i].u.prefix, v->ip))
			return SCORE_TRUE;
		if (v->kind == SCORE_V_TEXT)
			item.text = ops[i].u.text;
		if (v->kind != SCORE_V_IP && equal(v, &item))
			return SCORE_TRUE;
	}
	return SCORE_FALSE;
}

static enum score_tri is_state(enum score_is wanted, enum score_value_kind kind)
{
	switch (wanted) {
	case SCORE_IS_UNKNOWN:
		return tri(kind == SCORE_V_UNKNOWN);
	case SCORE_IS_KNOWN:
		return tri(kind != SCORE_V_UNKNOWN);
	case SCORE_IS_NONE:
		break;
	}
	return kind == SCORE_V_UNKNOWN ? SCORE_UNKNOWN : tri(kind == SCORE_V_NONE);
}

/* What asks one value something. */
static enum score_tri ask(const struct score_op *ops, const struct score_op *op, struct score_look *l)
{
	struct score_value v = value_of(ops, op->a, l);
	if (op->code == SCORE_OP_IS)
		return is_state((enum score_is)op->sub, v.kind);
	if (v.kind == SCORE_V_UNKNOWN)
		return SCORE_UNKNOWN;
	if (op->code == SCORE_OP_MATCH)
		return match(op, &v, &l->effort);
	if (v.kind == SCORE_V_NONE)
		return SCORE_FALSE;
	if (op->code == SCORE_OP_IN_NET)
		return tri(ip_prefix_has(&op->u.prefix, v.ip));
	if (op->code == SCORE_OP_IN_LIST)
		return in_list(op->u.list, &v, &l->effort);
	return in_set(ops, op, &v);
}

/* Stops at the member that decides: false for `and`, true for `or`. */
static enum score_tri join(
	const struct score_op *ops, const struct score_op *op, enum score_tri decides, struct score_look *l)
{
	enum score_tri all = decides == SCORE_TRUE ? SCORE_FALSE : SCORE_TRUE;
	for (unsigned i = op->a; i != SCORE_NO_OP; i = ops[i].next) {
		enum score_tri t = test(ops, i, l);
		if (t == decides)
			return t;
		if (t == SCORE_UNKNOWN)
			all = SCORE_UNKNOWN;
	}
	return all;
}

static enum score_tri test(const struct score_op *ops, unsigned i, struct score_look *l)
{
	const struct score_op *op = &ops[i];
	enum score_tri t;
	switch ((enum score_op_code)op->code) {
	case SCORE_OP_OR:
		return join(ops, op, SCORE_TRUE, l);
	case SCORE_OP_AND:
		return join(ops, op, SCORE_FALSE, l);
	case SCORE_OP_NOT:
		t = test(ops, op->a, l);
		return t == SCORE_UNKNOWN ? t : tri(t == SCORE_FALSE);
	case SCORE_OP_COMPARE:
		return compare(ops, op, l);
	case SCORE_OP_MATCH:
	case SCORE_OP_IN_LIST:
	case SCORE_OP_IN_NET:
	case SCORE_OP_IN_SET:
	case SCORE_OP_IS:
		return ask(ops, op, l);
	case SCORE_OP_ATTR:
	case SCORE_OP_PROBE:
	case SCORE_OP_HEADER:
	case SCORE_OP_ANSWER:
	case SCORE_OP_LATER:
	case SCORE_OP_NUMBER:
	case SCORE_OP_STRING:
	case SCORE_OP_ADDRESS:
		break;
	}
	struct score_value v = value_of(ops, i, l); /* an attribute that is true or false by itself */
	return v.kind == SCORE_V_UNKNOWN ? SCORE_UNKNOWN : tri(v.kind == SCORE_V_BOOL && v.number > 0);
}

/* --- whole programs --- */

struct score_head score_program_head(const struct score_program *p)
{
	static const uint8_t holds_for[] = { [SCORE_EQ] = 2,
		[SCORE_NE] = 1 | 4,
		[SCORE_LT] = 1,
		[SCORE_LE] = 1 | 2,
		[SCORE_GT] = 4,
		[SCORE_GE] = 2 | 4 };
	const struct score_op *ops = p->ops, *a = &ops[1];
	if (ops[0].code != SCORE_OP_COMPARE || ops[a->next].code != SCORE_OP_NUMBER)
		return (struct score_head){ 0 };
	if (a->code != SCORE_OP_PROBE && a->code != SCORE_OP_ATTR)
		return (struct score_head){ 0 };
	return (struct score_head){ .constant = ops[a->next].u.number,
		.slot = (uint16_t)(a->code == SCORE_OP_PROBE ? a->index : SCORE_PROBES_MAX + a->sub),
		.holds = holds_for[ops[0].sub] };
}

enum score_tri score_program_test(const struct score_program *p, struct score_look *l)
{
	if (p->shifting)
		return test(p->ops, 0, l);
	if (l->outcome[p->index] == 0)
		l->outcome[p->index] = (uint8_t)(1 + test(p->ops, 0, l));
	return (enum score_tri)(l->outcome[p->index] - 1);
}
