#include "score/ast.h"

/* A part of a counter's window is at least a quarter of a second; a month is what memory of
 * floods is good for, longer history is the records' affair. */
enum { WINDOW_MIN_S = 1, WINDOW_MAX_S = 31 * 86400 };

static const char *const type_words[] = {
	[SCORE_BOOL] = "true or false",
	[SCORE_NUMBER] = "a number",
	[SCORE_DURATION] = "a time",
	[SCORE_SIZE] = "a size",
	[SCORE_STRING] = "a text",
	[SCORE_IP] = "an address",
};

static bool check(struct score_node *n, struct score_fault *f);

/* What a distinct can tell apart: texts and addresses that stand still. */
static bool check_distinct(const struct score_call *c, struct score_fault *f)
{
	enum score_type t = score_attrs[c->attr].type;
	return t == SCORE_STRING || t == SCORE_IP ||
	       score_fault_at(f, c->event_at, "distinct is for texts and addresses; '%s' is %s",
		       score_attrs[c->attr].name, type_words[t]);
}

static bool check_header(const struct score_node *n, struct score_fault *f)
{
	struct slice name = n->call->text;
	bool fine = name.n > 0;
	for (size_t i = 0; i < name.n; i++) /* RFC 5322 2.2 */
		fine &= name.p[i] > ' ' && name.p[i] < 0x7f && name.p[i] != ':';
	return fine || score_fault_at(f, n->at, "a header's name is printable, without blank and colon");
}

/* A whole mail address is nothing to tell to whoever runs a list. */
static bool is_domain(enum score_attr attr)
{
	return attr == SCORE_AT_SENDER_DOMAIN || attr == SCORE_AT_RECIPIENT_DOMAIN || attr == SCORE_AT_HELO ||
	       attr == SCORE_AT_CLIENT_NAME || attr == SCORE_AT_CLIENT_PTR || attr == SCORE_AT_IDENTITY;
}

static bool check_call(struct score_node *n, struct score_fault *f)
{
	const struct score_call *c = n->call;
	n->type = (uint8_t)score_functions[c->function].type;
	if (c->function == SCORE_FN_DISTINCT)
		TRY(check_distinct(c, f));
	if (c->function == SCORE_FN_HEADER)
		TRY(check_header(n, f));
	if (c->function == SCORE_FN_DNSBL_DOMAIN && !is_domain(c->attr))
		return score_fault_at(f, n->at,
			"dnsbl_domain asks about a domain: sender.domain, recipient.domain, helo, client.name, "
			"client.ptr, identity");
	if (c->keys_n == 2 && c->keys[0].kind == c->keys[1].kind && c->keys[0].kind != SCORE_KEY_NET)
		return score_fault_at(f, c->key_at, "the same key twice");
	if (c->function == SCORE_FN_COUNT && c->event == SCORE_EV_BYTES)
		n->type = SCORE_SIZE;
	if (c->window.n && (c->window_s < WINDOW_MIN_S || c->window_s > WINDOW_MAX_S))
		return score_fault_at(f, n->at, "the window must be from 1s to 31d");
	return true;
}

static enum score_type literal_type(const struct score_node *n)
{
	if (n->kind == SCORE_N_STRING)
		return SCORE_STRING;
	if (n->kind == SCORE_N_ADDRESS)
		return SCORE_IP;
	if (!n->unit)
		return SCORE_NUMBER;
	return memchr("smhd", n->unit, 4) ? SCORE_DURATION : SCORE_SIZE;
}

static bool is_numeric(enum score_type t)
{
	return t == SCORE_NUMBER || t == SCORE_DURATION || t == SCORE_SIZE;
}

/* A bare number fits whatever is counted; a time and a size only their like. */
static bool fits(const struct score_node *a, const struct score_node *b)
{
	enum score_type s = (enum score_type)a->type, t = (enum score_type)b->type;
	bool bare = (a->kind == SCORE_N_NUMBER && !a->unit) || (b->kind == SCORE_N_NUMBER && !b->unit);
	return s == t || (bare && is_numeric(s) && is_numeric(t));
}

static bool misfit(const struct score_node *a, const struct score_node *b, struct score_fault *f)
{
	if (a->type == SCORE_IP && b->kind == SCORE_N_STRING)
		return score_fault_at(f, b->at, "an address is written without quotes");
	if (a->type == SCORE_SIZE && b->kind == SCORE_N_NUMBER && b->unit == 'm')
		return score_fault_at(f, b->at, "'m' means minutes; a size in megabytes is written with M");
	return score_fault_at(f, b->at, "%s cannot be compared with %s", type_words[a->type], type_words[b->type]);
}

/* Attributes that are one of a few words: another word is a slip, and its rule would never fire, or always. */
static const struct {
	enum score_attr attr;
	const char *words; /* a blank behind each */
	const char *also;
} FEW_WORDS[] = {
	{ SCORE_AT_CLIENT_RDNS, "ok mismatch ", "; without a name: client.rdns is none" },
	{ SCORE_AT_HELO_FORM, "fqdn literal bare invalid ", "" },
	{ SCORE_AT_SPF, "pass fail softfail neutral none permerror ", "; of a lookup that failed: spf is unknown" },
	{ SCORE_AT_TLS_VERSION, "1.2 1.3 ", "; without TLS: tls.version is none" },
};

static bool has_word(struct slice words, struct slice word)
{
	while (words.n)
		if (slice_ieq(slice_cut(&words, ' '), word))
			return true;
	return false;
}

static bool check_word(const struct score_node *a, const struct score_node *b, struct score_fault *f)
{
	if (a->kind != SCORE_N_ATTR || b->kind != SCORE_N_STRING)
		return true;
	for (size_t i = 0; i < sizeof FEW_WORDS / sizeof *FEW_WORDS; i++) {
		struct slice words = slice_str(FEW_WORDS[i].words);
		if (a->op != FEW_WORDS[i].attr || has_word(words, b->text))
			continue;
		return score_fault_at(f, b->at, "%s is one of: %.*s%s", score_attrs[a->op].name, (int)words.n - 1,
			words.p, FEW_WORDS[i].also);
	}
	return true;
}

static bool check_compare(struct score_node *n, struct score_fault *f)
{
	struct score_node *a = n->a, *b = a->next;
	TRY(check(a, f) && check(b, f));
	if (a->type == SCORE_BOOL)
		return score_fault_at(f, n->at, "true or false is not compared: write it alone, or with not");
	if (!fits(a, b))
		return misfit(a, b, f);
	if (n->op >= SCORE_LT && !is_numeric((enum score_type)a->type))
		return score_fault_at(f, n->at, "%s is only compared with == and !=", type_words[a->type]);
	TRY(check_word(a, b, f) && check_word(b, a, f));
	for (struct score_node *c = a; c; c = c->next)
		if (c->kind == SCORE_N_ADDRESS && c->prefix.bits < 128)
			return score_fault_at(f, c->at, "a prefix is asked for with 'in'");
	return true;
}

static bool check_set(struct score_node *n, struct score_fault *f)
{
	if (n->a->type == SCORE_BOOL)
		return score_fault_at(f, n->at, "true or false is never in a set");
	for (struct score_node *c = n->a->next; c; c = c->next) {
		TRY(check(c, f));
		if (!fits(n->a, c))
			return misfit(n->a, c, f);
		TRY(check_word(n->a, c, f));
	}
	return true;
}

static bool check_logic(struct score_node *n, struct score_fault *f)
{
	for (struct score_node *c = n->a; c; c = c->next) {
		TRY(check(c, f));
		if (c->type != SCORE_BOOL)
			return score_fault_at(f, c->at, "this is %s, not true or false: compare it with something",
				type_words[c->type]);
	}
	return true;
}

static bool check_operand_is(struct score_node *n, enum score_type wanted, const char *what, struct score_fault *f)
{
	if (n->a->type == wanted)
		return true;
	return score_fault_at(
		f, n->a->at, "%s is for %s; this is %s", what, type_words[wanted], type_words[n->a->type]);
}

static bool check_relation(struct score_node *n, struct score_fault *f)
{
	if (n->kind == SCORE_N_COMPARE)
		return check_compare(n, f);
	TRY(check(n->a, f));
	switch (n->kind) {
	case SCORE_N_MATCH:
		return check_operand_is(n, SCORE_STRING, n->negated ? "!~" : "=~", f);
	case SCORE_N_IN_NET:
		return check_operand_is(n, SCORE_IP, "in PREFIX", f);
	case SCORE_N_IN_LIST:
		return n->a->type == SCORE_IP || check_operand_is(n, SCORE_STRING, "in list()", f);
	case SCORE_N_IN_SET:
		return check_set(n, f);
	default:
		return true; /* `is` takes anything */
	}
}

static bool check(struct score_node *n, struct score_fault *f)
{
	n->type = SCORE_BOOL;
	switch ((enum score_node_kind)n->kind) {
	case SCORE_N_OR:
	case SCORE_N_AND:
	case SCORE_N_NOT:
		return check_logic(n, f);
	case SCORE_N_COMPARE:
	case SCORE_N_MATCH:
	case SCORE_N_IN_LIST:
	case SCORE_N_IN_NET:
	case SCORE_N_IN_SET:
	case SCORE_N_IS:
		return check_relation(n, f);
	case SCORE_N_ATTR:
		n->type = (uint8_t)score_attrs[n->op].type;
		return true;
	case SCORE_N_CALL:
		return check_call(n, f);
	case SCORE_N_NUMBER:
	case SCORE_N_STRING:
	case SCORE_N_ADDRESS:
		n->type = (uint8_t)literal_type(n);
		return true;
	}
	return false;
}

bool score_check(struct score_node *root, struct score_fault *fault_r)
{
	TRY(check(root, fault_r));
	if (root->type != SCORE_BOOL)
		return score_fault_at(
			fault_r, root->at, "a rule needs something true or false; this is %s", type_words[root->type]);
	return true;
}
