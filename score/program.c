#include "base/hash.h"
#include "score/ruleset.h"

struct builder {
	struct score_ruleset *set;
	const struct score_rules_config *config;
	struct score_program *p;
	unsigned cap;
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

int score_keyspec_add(struct score_ruleset *set, const struct score_key_part *part, unsigned n)
{
	for (unsigned i = 0; i < set->keyspecs_n; i++)
		if (set->keyspecs[i].n == n && memcmp(set->keyspecs[i].part, part, n * sizeof *part) == 0)
			return (int)i;
	if (set->keyspecs_n == SCORE_KEYSPECS_MAX)
		return -1;
	struct score_keyspec *k = &set->keyspecs[set->keyspecs_n];
	memcpy(k->part, part, n * sizeof *part);
	k->n = n;
	return (int)set->keyspecs_n++;
}

static int add_counter(struct score_ruleset *set, const struct score_counter *c)
{
	for (unsigned i = 0; i < set->counters_n; i++)
		if (set->counters[i].window.id == c->window.id)
			return (int)i;
	if (set->counters_n == SCORE_COUNTERS_MAX)
		return -1;
	set->counters[set->counters_n] = *c;
	set->count_events |= (uint16_t)(1u << c->event);
	return (int)set->counters_n++;
}

/* The id must be the same in every process and version: a fixed key over the canonical text. */
static bool window_id(const struct score_call *c, struct score_window *w)
{
	static const struct hash_key fixed = { 0x536d747047756172, 0x64436f756e746572 };
	struct buf text = { 0 };
	w->part_ms = (uint32_t)(c->window_s * 1000 / STORE_WINDOW_PARTS);
	bool made = buf_printf(&text, "%s by ", score_events[c->event].name) &&
		    score_print_keys(c->keys, c->keys_n, &text) && buf_printf(&text, ", %u", w->part_ms);
	if (made)
		w->id = hash_bytes(&fixed, buf_slice(&text));
	buf_release(&text);
	return made;
}

static void read_keys(struct builder *b, const struct score_call *c)
{
	for (unsigned i = 0; i < c->keys_n; i++)
		score_reads_add(&b->p->reads, &score_keys[c->keys[i].kind].reads);
}

static bool build_count(struct builder *b, const struct score_node *n, struct score_op *op)
{
	const struct score_call *c = n->call;
	struct score_counter counter = { .event = c->event };
	int key = score_keyspec_add(b->set, c->keys, c->keys_n);
	if (key < 0)
		return score_fault_at(
			b->fault, c->key_at, "more than %d different keys in all rules", SCORE_KEYSPECS_MAX - 1);
	if (!window_id(c, &counter.window))
		return score_fault_at(b->fault, n->at, "out of memory");
	counter.keyspec = (uint16_t)key;
	int index = add_counter(b->set, &counter);
	if (index < 0)
		return score_fault_at(
			b->fault, n->at, "more than %d different counters in all rules", SCORE_COUNTERS_MAX);
	op->code = SCORE_OP_COUNT;
	op->index = (uint16_t)index;
	b->p->events |= (uint16_t)(1u << c->event);
	if (b->p->first_key < 0)
		b->p->first_key = key;
	return true;
}

static bool build_call(struct builder *b, const struct score_node *n, struct score_op *op)
{
	score_reads_add(&b->p->reads, &score_functions[n->call->function].reads);
	read_keys(b, n->call);
	if (n->call->function == SCORE_FN_COUNT)
		return build_count(b, n, op);
	/* the checker lets no other function through than count and record */
	int key = score_keyspec_add(b->set, n->call->keys, n->call->keys_n);
	if (key < 0)
		return score_fault_at(
			b->fault, n->at, "more than %d different keys in all rules", SCORE_KEYSPECS_MAX - 1);
	op->code = SCORE_OP_RECORD;
	op->index = (uint16_t)key;
	return true;
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
		return score_fault_at(b->fault, n->at, "pattern, at its byte %zu: %s", at + 1, why);
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
	score_reads_add(&b->p->reads, &score_attrs[n->op].reads);
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

bool score_program_build(struct score_ruleset *set, const struct score_rules_config *c, struct score_node *root,
	struct score_program *p_r, struct score_fault *fault_r)
{
	struct builder b = { .set = set, .config = c, .p = p_r, .fault = fault_r };
	uint16_t first;
	*p_r = (struct score_program){ .first_key = -1 };
	p_r->ops = arena_alloc(&set->arena, count_nodes(root) * sizeof *p_r->ops);
	if (!p_r->ops)
		return score_fault_at(fault_r, 0, "out of memory");
	return build(&b, root, &first);
}
