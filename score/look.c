/* Testing a program against the facts of a moment: three-valued (Kleene), bounded, without allocation. */
#include "score/ruleset.h"

enum value_kind { V_UNKNOWN, V_NONE, V_BOOL, V_NUMBER, V_TEXT, V_IP };

struct value {
	enum value_kind kind;
	double number; /* also of V_BOOL */
	struct slice text;
	const struct ip *ip;
};

void score_look_init(struct score_look *l, const struct score_ruleset *set, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms)
{
	/* not the keys: their bits say which are set */
	l->set = set;
	l->facts = f;
	l->store = store;
	l->now_ms = now_ms;
	l->points = l->client_record = 0;
	l->client_record_read = false;
	l->keys_known = l->keys_none = 0;
}

/* --- keys --- */

static enum score_tri key_text(
	struct score_look *l, const struct score_key_part *part, struct slice s, struct score_key *k)
{
	if (s.n == 0)
		return SCORE_FALSE;
	*k = score_key_text(l->store, (enum score_key_kind)part->kind, s);
	return SCORE_TRUE;
}

static enum score_tri key_part(struct score_look *l, const struct score_key_part *part, struct score_key *k)
{
	const struct score_facts *f = l->facts;
	bool v4 = ip_is_v4(&f->client);
	if ((score_keys[part->kind].reads.facts & ~f->known) != 0)
		return SCORE_UNKNOWN;
	switch ((enum score_key_kind)part->kind) {
	case SCORE_KEY_CLIENT:
		*k = score_key_ip(l->store, SCORE_KEY_CLIENT, &f->client, v4 ? 128 : 64);
		return SCORE_TRUE;
	case SCORE_KEY_NET:
		*k = score_key_ip(l->store, SCORE_KEY_NET, &f->client, v4 ? 96u + part->bits4 : part->bits6);
		return SCORE_TRUE;
	case SCORE_KEY_SENDER:
		return key_text(l, part, f->sender, k);
	case SCORE_KEY_SENDER_DOMAIN:
		return key_text(l, part, f->sender_domain, k);
	case SCORE_KEY_RECIPIENT:
		return key_text(l, part, f->recipient, k);
	case SCORE_KEY_RECIPIENT_DOMAIN:
		return key_text(l, part, f->recipient_domain, k);
	case SCORE_KEY_HELO:
		return key_text(l, part, f->helo, k);
	case SCORE_KEY_LISTENER:
		return key_text(l, part, f->listener, k);
	case SCORE_KEY_ALL:
		return key_text(l, part, SLICE("all"), k);
	case SCORE_KEY_CLIENT_NAME: /* not built: the checker lets none through */
	case SCORE_KEY_AUTH_USER:
	case SCORE_KEY_IDENTITY:
	case SCORE_KEY_KINDS:
		break;
	}
	return SCORE_UNKNOWN;
}

static enum score_tri key_make(struct score_look *l, const struct score_keyspec *spec, struct score_key *k)
{
	enum score_tri first = key_part(l, &spec->part[0], k);
	if (spec->n == 1 || first != SCORE_TRUE)
		return first;
	struct score_key second;
	enum score_tri other = key_part(l, &spec->part[1], &second);
	if (other == SCORE_TRUE)
		*k = score_key_pair(*k, second);
	return other;
}

enum score_tri score_look_key(struct score_look *l, unsigned keyspec, const struct score_key **key_r)
{
	uint32_t bit = 1u << keyspec;
	*key_r = &l->keys[keyspec];
	if (l->keys_known & bit)
		return SCORE_TRUE;
	if (l->keys_none & bit)
		return SCORE_FALSE;
	enum score_tri state = key_make(l, &l->set->keyspecs[keyspec], &l->keys[keyspec]);
	if (state == SCORE_TRUE)
		l->keys_known |= bit;
	else if (state == SCORE_FALSE)
		l->keys_none |= bit;
	return state;
}

double score_look_score(struct score_look *l)
{
	const struct score_key *key;
	if (!l->client_record_read && score_look_key(l, SCORE_KEYSPEC_CLIENT, &key) == SCORE_TRUE)
		l->client_record = score_record_get(l->store, key, l->set->half_life_ms, l->now_ms).points;
	l->client_record_read = true;
	return l->points + l->client_record;
}

/* --- values --- */

static struct value number(double n)
{
	return (struct value){ .kind = V_NUMBER, .number = n };
}

static struct value text(struct slice s)
{
	return (struct value){ .kind = s.p ? V_TEXT : V_NONE, .text = s };
}

static struct value truth(bool b)
{
	return (struct value){ .kind = V_BOOL, .number = b };
}

static struct value attr_value(enum score_attr attr, struct score_look *l)
{
	const struct score_facts *f = l->facts;
	if ((score_attrs[attr].reads.facts & ~f->known) != 0)
		return (struct value){ .kind = V_UNKNOWN };
	switch (attr) {
	case SCORE_AT_CLIENT_IP:
		return (struct value){ .kind = V_IP, .ip = &f->client };
	case SCORE_AT_LISTENER:
		return text(f->listener);
	case SCORE_AT_OFFENCES:
		return number(f->offences);
	case SCORE_AT_TLS:
		return truth(f->tls);
	case SCORE_AT_HELO:
		return text(f->helo);
	case SCORE_AT_SENDER:
		return text(f->sender.n ? f->sender : SLICE(""));
	case SCORE_AT_SENDER_DOMAIN:
		return text(f->sender_domain);
	case SCORE_AT_SENDER_NULL:
		return truth(f->sender.n == 0);
	case SCORE_AT_RECIPIENT:
		return text(f->recipient);
	case SCORE_AT_RECIPIENT_DOMAIN:
		return text(f->recipient_domain);
	case SCORE_AT_RECIPIENTS:
		return number(f->recipients);
	case SCORE_AT_BAD_RECIPIENTS:
		return number(f->bad_recipients);
	case SCORE_AT_SCORE:
		return number(score_look_score(l));
	case SCORE_AT_POINTS:
		return number(l->points);
	default: /* not built: the checker lets none through */
		return (struct value){ .kind = V_UNKNOWN };
	}
}

static struct value count_value(const struct score_counter *c, struct score_look *l)
{
	const struct score_key *key;
	enum score_tri state = score_look_key(l, c->keyspec, &key);
	if (state != SCORE_TRUE)
		return state == SCORE_FALSE ? number(0) : (struct value){ .kind = V_UNKNOWN };
	double n = (double)score_count_get(l->store, key, &c->window, l->now_ms);
	return number(c->event == SCORE_EV_BYTES ? n * SCORE_BYTES_UNIT : n);
}

static struct value record_value(unsigned keyspec, struct score_look *l)
{
	const struct score_key *key;
	enum score_tri state = score_look_key(l, keyspec, &key);
	if (state != SCORE_TRUE)
		return state == SCORE_FALSE ? number(0) : (struct value){ .kind = V_UNKNOWN };
	return number(score_record_get(l->store, key, l->set->half_life_ms, l->now_ms).points);
}

static enum score_tri test(const struct score_op *ops, unsigned i, struct score_look *l);

static struct value value_of(const struct score_op *ops, unsigned i, struct score_look *l)
{
	const struct score_op *op = &ops[i];
	switch ((enum score_op_code)op->code) {
	case SCORE_OP_ATTR:
		return attr_value((enum score_attr)op->sub, l);
	case SCORE_OP_COUNT:
		return count_value(&l->set->counters[op->index], l);
	case SCORE_OP_RECORD:
		return record_value(op->index, l);
	case SCORE_OP_NUMBER:
		return number(op->u.number);
	case SCORE_OP_STRING:
		return text(op->u.text);
	case SCORE_OP_ADDRESS:
		return (struct value){ .kind = V_IP, .ip = &op->u.prefix.addr };
	default: {
		enum score_tri t = test(ops, i, l);
		return t == SCORE_UNKNOWN ? (struct value){ .kind = V_UNKNOWN } : truth(t == SCORE_TRUE);
	}
	}
}

/* --- tests --- */

static enum score_tri tri(bool b)
{
	return b ? SCORE_TRUE : SCORE_FALSE;
}

static bool equal(const struct value *a, const struct value *b)
{
	if (a->kind == V_TEXT)
		return slice_ieq(a->text, b->text);
	if (a->kind == V_IP)
		return memcmp(a->ip, b->ip, sizeof *a->ip) == 0;
	return !(a->number < b->number) && !(a->number > b->number);
}

static enum score_tri compare(const struct score_op *ops, const struct score_op *op, struct score_look *l)
{
	struct value a = value_of(ops, op->a, l);
	struct value b = value_of(ops, ops[op->a].next, l);
	if (a.kind == V_UNKNOWN || b.kind == V_UNKNOWN)
		return SCORE_UNKNOWN;
	if (a.kind == V_NONE || b.kind == V_NONE)
		return tri(op->sub == SCORE_NE);
	switch ((enum score_compare)op->sub) {
	case SCORE_EQ:
		return tri(equal(&a, &b));
	case SCORE_NE:
		return tri(!equal(&a, &b));
	case SCORE_LT:
		return tri(a.number < b.number);
	case SCORE_LE:
		return tri(a.number <= b.number);
	case SCORE_GT:
		return tri(a.number > b.number);
	case SCORE_GE:
		return tri(a.number >= b.number);
	}
	return SCORE_UNKNOWN;
}

static enum score_tri match(const struct score_op *op, const struct value *v)
{
	if (v->kind == V_NONE)
		return tri(op->negated);
	enum score_match m = score_regex_match(op->u.regex, v->text);
	return m == SCORE_MATCH_GAVE_UP ? SCORE_UNKNOWN : tri((m == SCORE_MATCH_YES) != op->negated);
}

static enum score_tri in_set(const struct score_op *ops, const struct score_op *op, const struct value *v)
{
	for (unsigned i = ops[op->a].next; i != SCORE_NO_OP; i = ops[i].next) {
		struct value item = { .kind = v->kind, .number = ops[i].u.number };
		if (v->kind == V_IP && ip_prefix_has(&ops[i].u.prefix, v->ip))
			return SCORE_TRUE;
		if (v->kind == V_TEXT)
			item.text = ops[i].u.text;
		if (v->kind != V_IP && equal(v, &item))
			return SCORE_TRUE;
	}
	return SCORE_FALSE;
}

static enum score_tri is_state(enum score_is wanted, enum value_kind kind)
{
	switch (wanted) {
	case SCORE_IS_UNKNOWN:
		return tri(kind == V_UNKNOWN);
	case SCORE_IS_KNOWN:
		return tri(kind != V_UNKNOWN);
	case SCORE_IS_NONE:
		break;
	}
	return kind == V_UNKNOWN ? SCORE_UNKNOWN : tri(kind == V_NONE);
}

/* What asks one value something. */
static enum score_tri ask(const struct score_op *ops, const struct score_op *op, struct score_look *l)
{
	struct value v = value_of(ops, op->a, l);
	if (op->code == SCORE_OP_IS)
		return is_state((enum score_is)op->sub, v.kind);
	if (v.kind == V_UNKNOWN)
		return SCORE_UNKNOWN;
	if (op->code == SCORE_OP_MATCH)
		return match(op, &v);
	if (v.kind == V_NONE)
		return SCORE_FALSE;
	if (op->code == SCORE_OP_IN_NET)
		return tri(ip_prefix_has(&op->u.prefix, v.ip));
	if (op->code == SCORE_OP_IN_LIST)
		return tri(
			v.kind == V_IP ? score_list_has_ip(op->u.list, v.ip) : score_list_has_name(op->u.list, v.text));
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
	case SCORE_OP_COUNT:
	case SCORE_OP_RECORD:
	case SCORE_OP_NUMBER:
	case SCORE_OP_STRING:
	case SCORE_OP_ADDRESS:
		break;
	}
	struct value v = value_of(ops, i, l); /* an attribute that is true or false by itself */
	return v.kind == V_UNKNOWN ? SCORE_UNKNOWN : tri(v.kind == V_BOOL && v.number > 0);
}

enum score_tri score_program_test(const struct score_program *p, struct score_look *l)
{
	return test(p->ops, 0, l);
}
