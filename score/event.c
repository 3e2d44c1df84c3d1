/* What happens is counted, and those rules that it makes true give their charge. */
#include "score/judge.h"
#include "score/usual.h"

/* Tested in the stage that follows; all others are settled at once. */
enum { EVENTS_BEFORE_TEST = 1 << SCORE_EV_CONNECTIONS | 1 << SCORE_EV_MESSAGES | 1 << SCORE_EV_RECIPIENTS };

static uint32_t units_of(enum score_event event, uint64_t amount)
{
	if (event == SCORE_EV_BYTES)
		amount = amount / SCORE_BYTES_UNIT + (amount % SCORE_BYTES_UNIT != 0);
	return amount > UINT32_MAX ? UINT32_MAX : (uint32_t)amount;
}

/* What the others do once a scope is done by the next test, which must find them new. */
static bool is_silent(unsigned action)
{
	return action != SCORE_LOG && action != SCORE_MAIL_ALERT && action != SCORE_DELETE;
}

/* Charges of the rules that count the event and are true now. */
static bool settle(struct judge *j, uint16_t event)
{
	const struct score_stage_rules *s = &j->set->stages[j->stage];
	j->c->fresh = event;
	for (unsigned i = 0; i < s->n && s->rules[i] < case_limit(j->set, j->c, j->ok); i++) {
		unsigned rule = s->rules[i];
		const struct score_rule *r = &j->set->rules[rule];
		if (!(r->charge_events & event) || !judge_takes_part(j, r))
			continue;
		if (!score_rule_holds(j->set, rule, &j->look))
			continue;
		TRY(case_reserve(j->set, j->c));
		bool anew = is_silent(r->action) && case_mark(j->set, j->c, SCORE_SET_FIRED + r->scope, rule);
		if (anew)
			score_look_points(&j->look, j->look.points + r->points);
		judge_tell_fire(j, rule, anew, judge_charge(j, r, rule));
	}
	return true;
}

static bool has_key(const struct score_keyspec *spec, int kind)
{
	for (unsigned i = 0; i < spec->n; i++)
		if (spec->part[i].kind == kind)
			return true;
	return false;
}

enum { ANY_KEY = -1 };

static void count(struct score_look *l, enum score_event event, uint32_t units, int only)
{
	uint64_t origin = score_origin(l->store, &l->facts->client);
	const struct score_key *key;
	for (unsigned i = 0; i < l->set->probes_n; i++) {
		const struct score_probe *p = &l->set->probes[i];
		if (p->event != event || (p->kind != SCORE_PROBE_COUNT && p->kind != SCORE_PROBE_SPIKE) ||
			(only != ANY_KEY && !has_key(&l->set->keyspecs[p->keyspec], only)) ||
			score_look_key(l, p->keyspec, &key) != SCORE_TRUE)
			continue;
		if (p->kind == SCORE_PROBE_COUNT)
			(void)score_count_add(l->store, key, &p->window, units, origin, l->now_ms);
		else
			score_usual_add(l->store, key, &p->window, units, origin, l->now_ms);
	}
}

bool score_event(const struct score_ruleset *set, const struct score_facts *f, struct score_case *c,
	struct score_store *store, enum score_event event, uint64_t amount, uint64_t now_ms)
{
	uint16_t bit = (uint16_t)(1u << event);
	struct score_verdict unused;
	struct judge j;
	if (!((set->count_events | set->charge_events) & bit) || amount == 0)
		return true;
	c->late = true;
	if (!c->dry && (set->count_events & bit)) {
		score_look_init(&j.look, set, f, store, now_ms);
		count(&j.look, event, units_of(event, amount), ANY_KEY);
	}
	if (EVENTS_BEFORE_TEST & bit)
		c->fresh |= bit & set->charge_events;
	else if (set->charge_events & bit) {
		uint16_t waiting = c->fresh;
		judge_begin(&j, set, f, c, store, now_ms, &unused);
		TRY(settle(&j, bit));
		c->fresh = waiting;
	}
	return true;
}

bool score_rules_count_by(const struct score_ruleset *set, enum score_key_kind kind)
{
	for (unsigned i = 0; i < set->keyspecs_n; i++)
		if (has_key(&set->keyspecs[i], (int)kind))
			return true;
	return false;
}

void score_event_learned(const struct score_ruleset *set, const struct score_facts *f, struct score_store *store,
	enum score_event event, uint64_t amount, enum score_key_kind learned, uint64_t now_ms)
{
	struct score_look l;
	if (!(set->count_events & 1u << event))
		return;
	score_look_init(&l, set, f, store, now_ms);
	count(&l, event, units_of(event, amount), (int)learned);
}

void score_event_undo(const struct score_ruleset *set, const struct score_facts *f, struct score_store *store,
	enum score_event event, uint64_t amount, uint64_t now_ms)
{
	struct score_look l;
	const struct score_key *key;
	if (!(set->count_events & 1u << event))
		return;
	score_look_init(&l, set, f, store, now_ms);
	for (unsigned i = 0; i < set->probes_n; i++) {
		const struct score_probe *p = &set->probes[i];
		if (p->event != event || (p->kind != SCORE_PROBE_COUNT && p->kind != SCORE_PROBE_SPIKE) ||
			score_look_key(&l, p->keyspec, &key) != SCORE_TRUE)
			continue;
		if (p->kind == SCORE_PROBE_COUNT)
			score_count_sub(store, key, &p->window, units_of(event, amount), now_ms);
		else
			score_usual_sub(store, key, &p->window, units_of(event, amount), now_ms);
	}
}
