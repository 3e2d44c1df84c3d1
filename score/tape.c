/* What a call reads and charges: noted, or given back from a note. */
#include "score/tape.h"

#include "score/judge.h"

void score_tape_clear(struct score_tape *t)
{
	memset(t->known, 0, sizeof t->known);
	memset(t->fresh, 0, sizeof t->fresh);
	t->charges_n = 0;
	t->cut = false;
}

bool score_tape_next(const struct score_tape *t, unsigned *at, unsigned *probe_r)
{
	while (*at < SCORE_PROBES_MAX) {
		uint64_t left = t->known[*at / 64] >> *at % 64;
		if (!left) {
			*at = (*at / 64 + 1) * 64;
			continue;
		}
		*probe_r = *at + (unsigned)__builtin_ctzll(left);
		*at = *probe_r + 1;
		return true;
	}
	return false;
}

/* --- two worlds: `store` is that of the note, `drift` how far the new rules are from it --- */

static double noted_points(const struct score_look *l, const struct score_key *key)
{
	return score_record_get(l->store, key, l->set->half_life_ms, l->now_ms).points;
}

static double drift_points(const struct score_look *l, const struct score_key *key)
{
	return score_record_get(l->tape->drift, key, l->set->half_life_ms, l->now_ms).points;
}

static void add(const struct score_look *l, struct score_store *store, const struct score_key *key, double points)
{
	if (points < 0 || points > 0)
		(void)score_record_charge(
			store, key, points, l->set->half_life_ms, score_origin(store, &l->facts->client), l->now_ms);
}

/* This is what the record was in the noted world. */
static void learn(const struct score_look *l, const struct score_key *key, double points)
{
	add(l, l->store, key, points - noted_points(l, key));
}

/* A noted charge that the new rules do not give: the worlds part. */
static void part(const struct score_look *l, struct score_tape_charge *c, const struct score_key *key)
{
	c->taken = true;
	if (l->tape->follows && c->forgets)
		(void)score_record_delete(l->tape->drift, key);
	else if (c->forgets)
		add(l, l->tape->drift, key, noted_points(l, key));
	else if (!l->tape->follows)
		add(l, l->tape->drift, key, -c->points);
	learn(l, key, c->now);
}

static bool is_same(const struct score_tape_charge *c, unsigned keyspec, bool forgets, double points)
{
	return !c->taken && c->key == keyspec && c->forgets == forgets && !(c->points < points) &&
	       !(c->points > points);
}

/* The noted charge that is the same as this one; those before it on the same key were not given. NULL: a new one. */
static struct score_tape_charge *take(
	struct score_look *l, unsigned keyspec, const struct score_key *key, bool forgets, double points)
{
	struct score_tape *t = l->tape;
	unsigned i = 0;
	while (i < t->charges_n && !is_same(&t->charges[i], keyspec, forgets, points))
		i++;
	if (i == t->charges_n)
		return NULL;
	for (unsigned k = 0; k < i; k++)
		if (t->charges[k].key == keyspec && !t->charges[k].taken)
			part(l, &t->charges[k], key);
	t->charges[i].taken = true;
	learn(l, key, t->charges[i].now);
	return &t->charges[i];
}

/* --- during the call --- */

double tape_read(struct score_look *l, unsigned probe, const struct score_key *key)
{
	struct score_tape *t = l->tape;
	bool noted = t->drift && score_tape_has(t, probe);
	double n = noted ? t->values[probe] : score_look_read(l, probe, key);
	if (!t->drift)
		score_tape_set(t, probe, n);
	else if (!noted)
		t->fresh[probe / 64] |= (uint64_t)1 << probe % 64;
	bool is_record = l->set->probes[probe].kind == SCORE_PROBE_RECORD;
	return t->drift && is_record ? n + drift_points(l, key) : n;
}

void tape_note(struct score_look *l, unsigned rule, bool forgets, double points, double now)
{
	struct score_tape *t = l->tape;
	t->cut |= t->charges_n == SCORE_RULES_MAX;
	if (!t->cut)
		t->charges[t->charges_n++] = (struct score_tape_charge){ .rule = (uint16_t)rule,
			.key = l->set->rules[rule].charge_key,
			.forgets = forgets,
			.points = points,
			.now = now };
}

double tape_charge(struct score_look *l, unsigned keyspec, const struct score_key *key, double points)
{
	if (l->tape->follows)
		return noted_points(l, key) + drift_points(l, key);
	const struct score_tape_charge *noted = take(l, keyspec, key, false, points);
	if (noted)
		return noted->now + drift_points(l, key);
	add(l, l->tape->drift, key, points);
	return noted_points(l, key) + drift_points(l, key);
}

void tape_forget(struct score_look *l, unsigned keyspec, const struct score_key *key)
{
	if (l->tape->follows)
		return;
	bool noted = take(l, keyspec, key, true, 0) != NULL;
	(void)score_record_delete(l->tape->drift, key);
	if (!noted)
		add(l, l->tape->drift, key, -noted_points(l, key));
}

/* --- before and behind it --- */

/* The record as it was when the call began: as read, else as the first charge of its key tells. */
static void learn_first(struct score_look *l, unsigned charge)
{
	const struct score_tape *t = l->tape;
	const struct score_tape_charge *c = &t->charges[charge];
	const struct score_key *key;
	unsigned probe = l->set->record_probe[c->key];
	if (c->forgets || (probe != SCORE_NO_PROBE && score_tape_has(t, probe)))
		return;
	for (unsigned i = 0; i < charge; i++)
		if (t->charges[i].key == c->key)
			return;
	if (score_look_key(l, c->key, &key) == SCORE_TRUE)
		learn(l, key, c->now - c->points);
}

static void look_at(struct score_look *l, const struct score_ruleset *set, struct score_tape *t,
	const struct score_facts *f, struct score_store *store, uint64_t now_ms)
{
	score_look_init(l, set, f, store, now_ms);
	l->tape = t;
}

void score_tape_begin(const struct score_ruleset *set, struct score_tape *t, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms)
{
	struct score_look l;
	const struct score_key *key;
	unsigned at = 0, probe;
	look_at(&l, set, t, f, store, now_ms);
	while (score_tape_next(t, &at, &probe)) {
		const struct score_probe *p = &set->probes[probe];
		if (p->kind == SCORE_PROBE_RECORD && score_look_key(&l, p->keyspec, &key) == SCORE_TRUE)
			learn(&l, key, t->values[probe]);
	}
	for (unsigned i = 0; i < t->charges_n; i++)
		if (t->charges[i].key < set->keyspecs_n)
			learn_first(&l, i);
}

void score_tape_end(const struct score_ruleset *set, struct score_tape *t, const struct score_facts *f,
	struct score_store *store, uint64_t now_ms)
{
	struct score_look l;
	const struct score_key *key;
	look_at(&l, set, t, f, store, now_ms);
	for (unsigned i = 0; i < t->charges_n; i++) {
		struct score_tape_charge *c = &t->charges[i];
		if (!c->taken && c->key < set->keyspecs_n && score_look_key(&l, c->key, &key) == SCORE_TRUE)
			part(&l, c, key);
	}
}
