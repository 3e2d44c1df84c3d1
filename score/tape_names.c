/* The names by which a note outlives the rule set that it was made with. */
#include "score/ruleset.h"
#include "score/tape.h"
#include "score/usual.h"

unsigned score_probe_find(const struct score_ruleset *set, struct slice name)
{
	unsigned i = 0;
	while (i < set->probes_n && !slice_eq(slice_str(set->probes[i].name), name))
		i++;
	return i < set->probes_n ? i : SCORE_PROBES_MAX;
}

unsigned score_probe_count(const struct score_ruleset *set)
{
	return set->probes_n;
}

uint64_t score_probe_window_ms(const struct score_ruleset *set, unsigned probe)
{
	const struct score_probe *p = &set->probes[probe];
	if (p->kind == SCORE_PROBE_SPIKE)
		return (uint64_t)USUAL_TIME_S * 1000;
	return p->kind == SCORE_PROBE_RECORD ? 0 : (uint64_t)p->window.part_ms * STORE_WINDOW_PARTS;
}

const char *score_charge_key_name(const struct score_ruleset *set, unsigned key)
{
	return set->keyspecs[key].name;
}

unsigned score_charge_key_find(const struct score_ruleset *set, struct slice name)
{
	unsigned i = 0;
	while (i < set->keyspecs_n && !slice_eq(slice_str(set->keyspecs[i].name), name))
		i++;
	return i < set->keyspecs_n ? i : SCORE_NO_KEY;
}

unsigned score_client_place(const struct score_ruleset *set, const struct ip *client)
{
	struct ip whole = ip_client(client);
	return (unsigned)(hash_bytes(&set->key, slice_of((const char *)whole.b, sizeof whole.b)) % 100);
}

uint64_t score_rules_hash(const struct score_ruleset *set)
{
	return set->hash;
}

void score_rules_times(const struct score_ruleset *set, uint64_t *half_life_ms_r, uint64_t *spike_ms_r)
{
	*half_life_ms_r = set->half_life_ms;
	*spike_ms_r = set->spike_ms;
}

static bool put_text(struct buf *out, const char *text)
{
	return buf_puts(out, slice_str(text ? text : ""), slice_of("", 1));
}

/* All that a rule is, but where it stands in which file. */
static bool put_rule(struct buf *out, const struct score_rule_source *s)
{
	TRY(put_text(out, s->name));
	TRY(put_text(out, s->when));
	TRY(put_text(out, s->reply));
	TRY(put_text(out, s->header));
	return buf_printf(out, "%.17g %.17g %d %d %d %d %u %d %llu %llu %llu %llu\n", s->points, s->charge, s->to,
		s->action, s->state, s->stage, s->percent, s->even_known_good, (unsigned long long)s->delay_ms,
		(unsigned long long)s->hold_ms, (unsigned long long)s->rate, (unsigned long long)s->until_ms);
}

bool score_rules_digest(const struct score_rules_config *c, const struct score_ruleset *set, uint64_t *hash_r)
{
	static const struct hash_key fixed = { 0x536d747047756172, 0x6452756c65536574 };
	struct buf text = { 0 };
	bool ok = buf_printf(&text, "%llu %llu %d\n", (unsigned long long)set->half_life_ms,
		(unsigned long long)set->spike_ms, set->enforce);
	for (size_t i = 0; ok && i < c->n; i++)
		ok = put_rule(&text, &c->rules[i]);
	if (ok)
		*hash_r = hash_bytes(&fixed, buf_slice(&text));
	buf_release(&text);
	return ok;
}
