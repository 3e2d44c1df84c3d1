/* The tables of keys and of what is read from the store by them; each stands there once. */
#include "base/hash.h"
#include "score/ruleset.h"

static const char *keys_name(struct score_ruleset *set, const struct score_key_part *part, unsigned n)
{
	struct buf text = { 0 };
	const char *name = score_print_keys(part, n, &text) ? arena_str(&set->arena, buf_slice(&text)) : NULL;
	buf_release(&text);
	return name;
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
	k->name = keys_name(set, part, n);
	if (!k->name)
		return -1;
	set->record_probe[set->keyspecs_n] = SCORE_NO_PROBE;
	return (int)set->keyspecs_n++;
}

/* What the id is made of: it must be the same in every process and version. */
static bool id_text(const struct score_call *c, uint32_t part_ms, struct buf *out)
{
	switch (c->function) {
	case SCORE_FN_DISTINCT:
		TRY(buf_printf(out, "distinct %s by ", score_attrs[c->attr].name));
		break;
	case SCORE_FN_SPIKE:
		TRY(buf_printf(out, "spike %s by ", score_events[c->event].name));
		break;
	case SCORE_FN_RECORD:
		TRY(buf_printf(out, "record of "));
		break;
	default:
		TRY(buf_printf(out, "%s by ", score_events[c->event].name));
		break;
	}
	return score_print_keys(c->keys, c->keys_n, out) && buf_printf(out, ", %u", part_ms);
}

static bool make_window(const struct score_ruleset *set, const struct score_call *c, struct score_window *w)
{
	static const struct hash_key fixed = { 0x536d747047756172, 0x64436f756e746572 };
	struct buf text = { 0 };
	if (c->function == SCORE_FN_SPIKE)
		w->part_ms = (uint32_t)(set->spike_ms / STORE_WINDOW_PARTS);
	else if (c->function != SCORE_FN_RECORD)
		w->part_ms = (uint32_t)(c->window_s * 1000 / STORE_WINDOW_PARTS);
	bool made = id_text(c, w->part_ms, &text);
	if (made)
		w->id = hash_bytes(&fixed, buf_slice(&text));
	buf_release(&text);
	return made;
}

/* When attribute and keys are first known together. */
static uint8_t fed_at(const struct score_call *c)
{
	enum score_stage stage = score_attrs[c->attr].reads.born;
	for (unsigned i = 0; i < c->keys_n; i++)
		if (score_keys[c->keys[i].kind].reads.born > stage)
			stage = score_keys[c->keys[i].kind].reads.born;
	return (uint8_t)stage;
}

/* As written, for people and traces. */
static const char *probe_name(struct score_ruleset *set, const struct score_node *call)
{
	struct buf text = { 0 };
	const char *name = score_print(call, &text) ? arena_str(&set->arena, buf_slice(&text)) : NULL;
	buf_release(&text);
	return name;
}

static bool fill(struct score_ruleset *set, const struct score_call *c, struct score_probe *p)
{
	static const uint8_t kinds[SCORE_FUNCTIONS] = {
		[SCORE_FN_COUNT] = SCORE_PROBE_COUNT,
		[SCORE_FN_DISTINCT] = SCORE_PROBE_DISTINCT,
		[SCORE_FN_SPIKE] = SCORE_PROBE_SPIKE,
		[SCORE_FN_RECORD] = SCORE_PROBE_RECORD,
	};
	p->kind = kinds[c->function];
	p->event = (uint8_t)c->event;
	p->attr = (uint8_t)c->attr;
	p->fed = p->kind == SCORE_PROBE_DISTINCT ? fed_at(c) : 0;
	return make_window(set, c, &p->window);
}

static void enter(struct score_ruleset *set, const struct score_probe *p)
{
	unsigned i = set->probes_n++;
	set->probes[i] = *p;
	if (p->kind == SCORE_PROBE_RECORD)
		set->record_probe[p->keyspec] = (uint16_t)i;
	else if (p->kind == SCORE_PROBE_DISTINCT)
		set->fed_stages |= (uint8_t)(1u << p->fed);
	else
		set->count_events |= (uint16_t)(1u << p->event);
}

int score_probe_add(struct score_ruleset *set, const struct score_node *call, struct score_fault *fault_r)
{
	const struct score_call *c = call->call;
	struct score_probe p = { 0 };
	int key = score_keyspec_add(set, c->keys, c->keys_n);
	if (key < 0) {
		score_fault_at(fault_r, c->key_at, "more than %d different keys in all rules", SCORE_KEYSPECS_MAX - 1);
		return -1;
	}
	p.keyspec = (uint16_t)key;
	bool made = fill(set, c, &p);
	for (unsigned i = 0; made && i < set->probes_n; i++)
		if (set->probes[i].window.id == p.window.id)
			return (int)i;
	if (set->probes_n == SCORE_PROBES_MAX) {
		score_fault_at(fault_r, call->at, "more than %d different counters in all rules", SCORE_PROBES_MAX - 1);
		return -1;
	}
	p.name = made ? probe_name(set, call) : NULL;
	if (!p.name) {
		score_fault_at(fault_r, call->at, "out of memory");
		return -1;
	}
	enter(set, &p);
	return (int)set->probes_n - 1;
}

const char *score_probe_name(const struct score_ruleset *set, unsigned probe)
{
	return set->probes[probe].name;
}
