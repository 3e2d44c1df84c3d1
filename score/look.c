/* What one test reads: each key is hashed once and each value asked of the store once. */
#include <math.h>

#include "score/distinct.h"
#include "score/ruleset.h"
#include "score/usual.h"

void score_look_init(struct score_look *l, const struct score_ruleset *set, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms)
{
	/* not the arrays: their bits say what is set */
	l->set = set;
	l->facts = f;
	l->store = store;
	l->readings = NULL;
	l->tape = NULL;
	l->now_ms = now_ms;
	l->points = 0;
	l->effort = (struct score_effort){ 0 };
	l->keys_known = l->keys_none = 0;
	memset(l->slots_known, 0, sizeof l->slots_known);
	memset(l->outcome, 0, set->programs_n * sizeof *l->outcome);
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
	case SCORE_KEY_CLIENT_NAME:
		return key_text(l, part, f->name, k);
	case SCORE_KEY_IDENTITY:
		return key_text(l, part, f->identity, k);
	case SCORE_KEY_AUTH_USER: /* never known in this version */
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

/* --- probes --- */

double score_look_read(struct score_look *l, unsigned probe, const struct score_key *key)
{
	const struct score_probe *p = &l->set->probes[probe];
	double n = 0;
	switch ((enum score_probe_kind)p->kind) {
	case SCORE_PROBE_COUNT:
		n = (double)score_count_get(l->store, key, &p->window, l->now_ms);
		return p->event == SCORE_EV_BYTES ? n * SCORE_BYTES_UNIT : n;
	case SCORE_PROBE_DISTINCT:
		return score_distinct_get(l->store, key, &p->window, l->now_ms);
	case SCORE_PROBE_SPIKE:
		return score_spike(l->store, key, &p->window, l->now_ms);
	case SCORE_PROBE_RECORD:
		return score_record_get(l->store, key, l->set->half_life_ms, l->now_ms).points;
	}
	return n;
}

static void read_for(struct score_readings *r, unsigned probe, double value)
{
	unsigned i = 0;
	while (i < r->n && r->item[i].probe != probe)
		i++;
	if (i == SCORE_READINGS)
		return;
	r->n = i == r->n ? i + 1 : r->n;
	r->item[i].probe = (uint16_t)probe;
	r->item[i].value = value;
}

static double keep(struct score_look *l, unsigned slot, double value)
{
	l->slots_known[slot / 64] |= (uint64_t)1 << slot % 64;
	l->slots[slot] = value;
	if (l->readings && slot < SCORE_PROBES_MAX && !isnan(value))
		read_for(l->readings, slot, value);
	return value;
}

static double ask_attr(struct score_look *l, enum score_attr attr)
{
	struct score_value v = score_value_attr(attr, l);
	return v.kind == SCORE_V_NUMBER ? v.number : NAN;
}

double score_look_ask(struct score_look *l, unsigned slot)
{
	const struct score_key *key;
	if (slot >= SCORE_PROBES_MAX)
		return keep(l, slot, ask_attr(l, (enum score_attr)(slot - SCORE_PROBES_MAX)));
	const struct score_probe *p = &l->set->probes[slot];
	enum score_tri state = score_look_key(l, p->keyspec, &key);
	if (state != SCORE_TRUE)
		return keep(l, slot, state == SCORE_FALSE ? 0 : NAN);
	return keep(l, slot, l->tape ? tape_read(l, slot, key) : score_look_read(l, slot, key));
}

void score_look_charged(struct score_look *l, unsigned keyspec, double points)
{
	unsigned probe = l->set->record_probe[keyspec];
	if (probe != SCORE_NO_PROBE)
		(void)keep(l, probe, points);
	score_look_forget(l, SCORE_SLOT_SCORE);
}

double score_look_score(struct score_look *l)
{
	double record = score_look_slot(l, SCORE_PROBE_CLIENT);
	return l->points + (isnan(record) ? 0 : record);
}
