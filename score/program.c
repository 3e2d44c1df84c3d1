/* From a checked tree to what a test walks. */
#include "score/ruleset.h"

struct builder {
	struct score_ruleset *set;
	const struct score_rules_config *config;
	struct score_program *p;
	struct score_fault *fault;
};

void score_reads_add(struct score_reads *all, const struct score_reads *one)
{
	if (one->born > all->born)
		all->born = one->born;
	if (one->scope > all->scope)
		all->scope = one->scope;
	all->changing |= one->changing;
	all->facts |= one->facts;
}

/* Adds what this name reads to what the program reads. */
static void read_name(struct builder *b, const struct score_name *name)
{
	score_reads_add(&b->p->reads, &name->reads);
	if ((name->reads.facts & SCORE_HAS_LATER) && !b->p->later)
		b->p->later = name->name;
}

/* The events whose happening can make the rule true anew, and so let it charge again. */
static void hear_events(struct builder *b, const struct score_call *c, const struct score_probe *probe)
{
	static const uint16_t tested_after[SCORE_STAGES] = {
		[SCORE_CONNECT] = 1 << SCORE_EV_CONNECTIONS,
		[SCORE_MAIL] = 1 << SCORE_EV_MESSAGES,
		[SCORE_RCPT] = 1 << SCORE_EV_RECIPIENTS,
	};
	if (c->function == SCORE_FN_DISTINCT)
		b->p->events |= tested_after[probe->fed];
	else if (c->function != SCORE_FN_RECORD)
		b->p->events |= (uint16_t)(1u << c->event);
	if (c->function != SCORE_FN_RECORD && b->p->first_key < 0)
		b->p->first_key = probe->keyspec;
}

static bool build_probe(struct builder *b, const struct score_node *n, struct score_op *op)
{
	const struct score_call *c = n->call;
	int probe = score_probe_add(b->set, n, b->fault);
	TRY(probe >= 0);
	for (unsigned i = 0; i < c->keys_n; i++)
		read_name(b, &score_keys[c->keys[i].kind]);
	if (c->function == SCORE_FN_COUNT || c->function == SCORE_FN_SPIKE)
		read_name(b, &score_events[c->event]);
	hear_events(b, c, &b->set->probes[probe]);
	b->p->shifting |= c->function == SCORE_FN_RECORD;
	op->code = SCORE_OP_PROBE;
	op->index = (uint16_t)probe;
	return true;
}

static bool build_lookup(struct builder *b, const struct score_node *n, struct score_op *op)
{
	int lookup = score_lookup_add(b->set, n, b->fault);
	TRY(lookup >= 0);
	op->code = SCORE_OP_ANSWER;
	op->index = (uint16_t)lookup;
	b->p->lookups |= (uint64_t)1 << lookup;
	return true;
}

static bool build_call(struct builder *b, const struct score_node *n, struct score_op *op)
{
	const struct score_call *c = n->call;
	read_name(b, &score_functions[c->function]);
	switch (c->function) {
	case SCORE_FN_DISTINCT:
		if (score_attrs[c->attr].reads.facts & SCORE_HAS_LATER) {
			read_name(b, &score_attrs[c->attr]);
			op->code = SCORE_OP_LATER; /* nothing would ever feed it */
			return true;
		}
		return build_probe(b, n, op);
	case SCORE_FN_COUNT:
	case SCORE_FN_SPIKE:
	case SCORE_FN_RECORD:
		return build_probe(b, n, op);
	case SCORE_FN_HEADER:
		op->code = SCORE_OP_HEADER;
		op->u.text = arena_copy(&b->set->arena, c->text);
		return op->u.text.p || score_fault_at(b->fault, n->at, "out of memory");
	case SCORE_FN_DNSBL_DOMAIN:
		read_name(b, &score_attrs[c->attr]);
		return build_lookup(b, n, op);
	case SCORE_FN_DNSBL:
		return build_lookup(b, n, op);
	case SCORE_FUNCTIONS:
		break;
	}
	return false;
}

static bool build_regex(struct builder *b, const struct score_node *n, struct score_op *op)
{
	char why[120];
	size_t at = 0;
	struct score_regex_link *link = arena_alloc(&b->set->arena, sizeof *link);
	struct score_regex *r = link ? score_regex_new(n->text, n->fold, &at, why, sizeof why) : NULL;
	if (!link)
		return score_fault_at(b->fault, n->at, "out of memory");
	if (!r)
		return score_fault_at(b->fault, n->at + 1 + at, "in this pattern: %s", why);
	*link = (struct score_regex_link){ b->set->regexes, r };
	b->set->regexes = link;
	op->code = SCORE_OP_MATCH;
	op->negated = n->negated;
	op->u.regex = r;
	return true;
}

static bool build_list(struct builder *b, const struct score_node *n, struct score_op *op)
{
	const struct score_rules_config *c = b->config;
	op->code = SCORE_OP_IN_LIST;
	for (size_t i = 0; i < c->lists_n; i++)
		if (slice_eq(slice_str(c->lists[i].name), n->text))
			op->u.list = c->lists[i].list;
	int shown = n->text.n > 60 ? 60 : (int)n->text.n;
	return op->u.list || score_fault_at(b->fault, n->at, "there is no list '%.*s' in `lists`", shown, n->text.p);
}

static bool build_attr(struct builder *b, const struct score_node *n, struct score_op *op)
{
	op->code = SCORE_OP_ATTR;
	op->sub = n->op;
	read_name(b, &score_attrs[n->op]);
	b->p->shifting |= n->op == SCORE_AT_SCORE || n->op == SCORE_AT_POINTS;
	return true;
}

static bool build_self(struct builder *b, const struct score_node *n, struct score_op *op)
{
	op->sub = n->op;
	switch ((enum score_node_kind)n->kind) {
	case SCORE_N_OR:
	case SCORE_N_AND:
	case SCORE_N_NOT:
	case SCORE_N_COMPARE:
	case SCORE_N_IN_SET:
	case SCORE_N_IS:
	case SCORE_N_IN_NET: {
		static const uint8_t codes[] = {
			[SCORE_N_OR] = SCORE_OP_OR,
			[SCORE_N_AND] = SCORE_OP_AND,
			[SCORE_N_NOT] = SCORE_OP_NOT,
			[SCORE_N_COMPARE] = SCORE_OP_COMPARE,
			[SCORE_N_IN_SET] = SCORE_OP_IN_SET,
			[SCORE_N_IS] = SCORE_OP_IS,
			[SCORE_N_IN_NET] = SCORE_OP_IN_NET,
		};
		op->code = codes[n->kind];
		b->p->asks_knowing |= n->kind == SCORE_N_IS;
		if (n->kind == SCORE_N_IN_NET)
			op->u.prefix = n->prefix;
		return true;
	}
	case SCORE_N_MATCH:
		return build_regex(b, n, op);
	case SCORE_N_IN_LIST:
		return build_list(b, n, op);
	case SCORE_N_ATTR:
		return build_attr(b, n, op);
	case SCORE_N_CALL:
		return build_call(b, n, op);
	case SCORE_N_NUMBER:
		op->code = SCORE_OP_NUMBER;
		op->u.number = n->number;
		return true;
	case SCORE_N_STRING:
		op->code = SCORE_OP_STRING;
		op->u.text = arena_copy(&b->set->arena, n->text);
		return op->u.text.p || score_fault_at(b->fault, n->at, "out of memory");
	case SCORE_N_ADDRESS:
		op->code = SCORE_OP_ADDRESS;
		op->u.prefix = n->prefix;
		return true;
	}
	return false;
}

/* The node first, then its children one behind the other, each with all that is below it. */
static bool build(struct builder *b, const struct score_node *n, uint16_t *index_r)
{
	unsigned i = b->p->n++;
	struct score_op *op = &b->p->ops[i];
	uint16_t *link = &op->a;
	*index_r = (uint16_t)i;
	op->a = op->next = SCORE_NO_OP;
	TRY(build_self(b, n, op));
	for (const struct score_node *c = n->a; c; c = c->next) {
		TRY(build(b, c, link));
		link = &b->p->ops[*link].next;
	}
	return true;
}

static unsigned count_nodes(const struct score_node *n)
{
	unsigned total = 1;
	for (const struct score_node *c = n->a; c; c = c->next)
		total += count_nodes(c);
	return total;
}

static struct score_program *build_program(struct score_ruleset *set, const struct score_rules_config *c,
	struct slice source, const struct score_node *root, struct score_fault *fault_r)
{
	struct score_program *p = arena_alloc(&set->arena, sizeof *p);
	struct builder b = { .set = set, .config = c, .p = p, .fault = fault_r };
	uint16_t first;
	if (p) {
		p->first_key = -1;
		p->source = arena_copy(&set->arena, source);
		p->ops = arena_alloc(&set->arena, count_nodes(root) * sizeof *p->ops);
	}
	if (!p || !p->source.p || !p->ops) {
		score_fault_at(fault_r, 0, "out of memory");
		return NULL;
	}
	return build(&b, root, &first) ? p : NULL;
}

struct score_program *score_program_get(struct score_ruleset *set, const struct score_rules_config *c,
	struct slice source, struct arena *scratch, struct score_fault *fault_r)
{
	for (struct score_program *p = set->programs; p; p = p->next)
		if (slice_eq(p->source, source))
			return p;
	struct score_node *root = score_parse(source, scratch, fault_r);
	if (!root || !score_check(root, fault_r))
		return NULL;
	struct score_program *p = build_program(set, c, source, root, fault_r);
	if (!p)
		return NULL;
	p->index = (uint16_t)set->programs_n++;
	p->next = set->programs;
	set->programs = p;
	return p;
}
