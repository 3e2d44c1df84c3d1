/* What rules ask DNS lists, and what of all that others must be asked a stage still needs. */
#include "score/lookup.h"
#include "score/judge.h"

/* --- the table of questions --- */

static bool is_zone(struct slice zone)
{
	return slice_eq(score_helo_form(zone), SLICE("fqdn"));
}

static bool same(const struct score_lookup *l, const struct score_call *c, struct slice zone)
{
	bool domain = c->function == SCORE_FN_DNSBL_DOMAIN;
	return l->domain == domain && (!domain || l->attr == c->attr) && slice_ieq(l->zone, zone);
}

static struct slice shown_zone(const struct score_ruleset *set, struct slice zone)
{
	for (size_t i = 0; i < set->zones_n; i++)
		if (slice_ieq(set->zones[i].zone, zone) && set->zones[i].text.n)
			return set->zones[i].text;
	return zone;
}

static const char *lookup_name(struct score_ruleset *set, const struct score_node *call, struct slice shown)
{
	struct score_call c = *call->call;
	struct score_node shown_call = *call;
	struct buf text = { 0 };
	c.text = shown;
	shown_call.call = &c;
	const char *name = score_print(&shown_call, &text) ? arena_str(&set->arena, buf_slice(&text)) : NULL;
	buf_release(&text);
	return name;
}

static struct slice lower_copy(struct score_ruleset *set, struct slice zone)
{
	char *text = arena_alloc(&set->arena, zone.n);
	for (size_t i = 0; text && i < zone.n; i++)
		text[i] = zone.p[i] >= 'A' && zone.p[i] <= 'Z' ? (char)(zone.p[i] | 0x20) : zone.p[i];
	return slice_of(text, text ? zone.n : 0);
}

static bool fill(struct score_ruleset *set, const struct score_node *call, struct slice zone, struct score_lookup *l)
{
	const struct score_call *c = call->call;
	l->domain = c->function == SCORE_FN_DNSBL_DOMAIN;
	l->attr = c->attr;
	l->scope = l->domain ? score_attrs[c->attr].reads.scope : SCORE_OF_SESSION;
	l->zone = lower_copy(set, zone);
	l->shown = arena_copy(&set->arena, shown_zone(set, l->zone));
	l->name = lookup_name(set, call, l->shown);
	return l->name && l->zone.p && l->shown.p;
}

int score_lookup_add(struct score_ruleset *set, const struct score_node *call, struct score_fault *fault_r)
{
	struct slice zone = call->call->text;
	if (zone.n && zone.p[zone.n - 1] == '.')
		zone.n--;
	if (!is_zone(zone)) {
		score_fault_at(fault_r, call->at, "a DNS list's zone is a domain, as in dnsbl('list.example')");
		return -1;
	}
	for (unsigned i = 0; i < set->lookups_n; i++)
		if (same(&set->lookups[i], call->call, zone))
			return (int)i;
	if (set->lookups_n == SCORE_LOOKUPS_MAX) {
		score_fault_at(fault_r, call->at, "more than %d different DNS lists in all rules", SCORE_LOOKUPS_MAX);
		return -1;
	}
	if (!fill(set, call, zone, &set->lookups[set->lookups_n])) {
		score_fault_at(fault_r, call->at, "out of memory");
		return -1;
	}
	return (int)set->lookups_n++;
}

void score_lookup_note_texts(struct score_ruleset *set)
{
	for (unsigned i = 0; i < set->n; i++) {
		const struct score_rule *r = &set->rules[i];
		bool wants = score_reply_wants_txt(&r->reply) || score_reply_wants_txt(&r->soft);
		if (r->observed || r->stages == 0 || !wants)
			continue;
		for (uint64_t bits = r->program->lookups; bits; bits &= bits - 1)
			set->lookups[__builtin_ctzll(bits)].wants_txt = true;
	}
}

uint64_t score_lookups_used(const struct score_ruleset *set)
{
	uint64_t used = 0;
	for (unsigned i = 0; i < SCORE_STAGES; i++)
		used |= set->stages[i].lookups;
	return used;
}

uint64_t score_rule_lookups(const struct score_ruleset *set, unsigned rule)
{
	return set->rules[rule].program->lookups;
}

unsigned score_lookups_count(const struct score_ruleset *set)
{
	return set->lookups_n;
}

const struct score_lookup *score_lookup_about(const struct score_ruleset *set, unsigned lookup)
{
	return &set->lookups[lookup];
}

unsigned score_lookup_find(const struct score_ruleset *set, struct slice name)
{
	unsigned i = 0;
	while (i < set->lookups_n && !slice_eq(slice_str(set->lookups[i].name), name))
		i++;
	return i < set->lookups_n ? i : SCORE_LOOKUPS_MAX;
}

bool score_lookup_subject(const struct score_lookup *l, const struct score_facts *f, struct slice *subject_r)
{
	struct score_value v = score_value_fact(l->attr, f);
	*subject_r = v.text;
	return v.kind != SCORE_V_UNKNOWN;
}

/* --- what a stage still wants --- */

struct want {
	struct judge j;
	const struct score_facts *facts;
	const struct score_wants *tried;
	struct score_wants *wants;
	bool even_known_good;
	uint64_t askable; /* lookups that are not known, not tried and can be asked */
};

/* Those whose subject is known: a name that must be looked up itself is asked about when it has been. */
static uint64_t askable(const struct score_ruleset *set, const struct score_facts *f)
{
	uint64_t mask = 0;
	for (unsigned i = 0; i < set->lookups_n; i++) {
		const struct score_lookup *l = &set->lookups[i];
		bool known = !l->domain || !(score_attrs[l->attr].reads.facts & ~f->known);
		mask |= (uint64_t)known << i;
	}
	return mask;
}

static struct score_wants missing(const struct want *w, const struct score_rule *r)
{
	bool greylists = r->action == SCORE_GREYLIST && !r->observed && w->j.stage >= SCORE_RCPT; /* by who it is */
	uint32_t reads = r->reads.facts | (greylists ? SCORE_HAS_IDENTITY : 0);
	return (struct score_wants){
		.facts = reads & SCORE_LOOKED_UP & ~w->facts->known & ~w->tried->facts,
		.lookups = r->program->lookups & w->askable,
	};
}

static enum score_tri outcome(struct want *w, unsigned rule)
{
	const struct score_program *p = w->j.set->rules[rule].program;
	return p->asks_knowing ? SCORE_UNKNOWN : score_program_test(p, &w->j.look);
}

static bool ends_all(const struct want *w, const struct score_rule *r)
{
	bool known_good = (w->facts->known & SCORE_HAS_KNOWN_GOOD) && w->facts->known_good, alarm;
	enum score_action action = score_promise((enum score_action)r->action, known_good, r->even_known_good, &alarm);
	bool certain = w->wants->facts == 0 && w->wants->lookups == 0; /* nothing above can cancel it */
	return !r->observed && (r->action == SCORE_OK || (certain && w->j.set->enforce && action >= SCORE_REJECT &&
								 action <= SCORE_BLOCK));
}

/* False: the rules below do not matter any more. */
static bool want_rule(struct want *w, unsigned rule)
{
	const struct score_rule *r = &w->j.set->rules[rule];
	struct score_wants m = missing(w, r);
	if (!judge_takes_part(&w->j, r))
		return true;
	if (m.facts == 0 && m.lookups == 0)
		return !(score_rule_holds(w->j.set, rule, &w->j.look) && ends_all(w, r));
	if (outcome(w, rule) == SCORE_FALSE)
		return true;
	if (!w->even_known_good || r->even_known_good) {
		w->wants->facts |= m.facts;
		w->wants->lookups |= m.lookups;
	}
	return true;
}

static bool is_decided(const struct judge *j)
{
	return j->found.action >= SCORE_DEFER && j->found.action <= SCORE_BLOCK;
}

bool score_lookup_any(const struct score_ruleset *set, enum score_stage stage)
{
	const struct score_stage_rules *s = &set->stages[stage];
	return (s->facts & SCORE_LOOKED_UP) || s->lookups ||
	       (stage >= SCORE_RCPT && score_rules_do(set, SCORE_GREYLIST));
}

void score_lookup_wants(const struct score_ruleset *set, enum score_stage stage, const struct score_facts *f,
	const struct score_case *c, struct score_store *store, const struct score_wants *tried, bool even_known_good,
	uint64_t now_ms, struct score_wants *wants_r)
{
	const struct score_stage_rules *s = &set->stages[stage];
	struct score_verdict unused;
	uint32_t identity = stage >= SCORE_RCPT && score_rules_do(set, SCORE_GREYLIST) ? SCORE_HAS_IDENTITY : 0;
	*wants_r = (struct score_wants){ 0 };
	identity &= ~f->known & ~tried->facts;
	if (!identity && !(s->facts & SCORE_LOOKED_UP & ~f->known & ~tried->facts) &&
		!(s->lookups & ~f->answered & ~tried->lookups))
		return;
	struct score_case copy = *c;
	struct want w = { .facts = f, .tried = tried, .wants = wants_r, .even_known_good = even_known_good };
	copy.stage = (uint8_t)stage;
	w.askable = askable(set, f) & ~f->answered & ~tried->lookups;
	copy.readings = NULL;
	copy.tape = NULL;
	judge_begin(&w.j, set, f, &copy, store, now_ms, &unused);
	judge_decide(&w.j);
	if (is_decided(&w.j))
		return;
	if (w.j.found.action == SCORE_GREYLIST) /* held since an earlier stage */
		wants_r->facts |= identity;
	judge_begin(&w.j, set, f, &copy, store, now_ms, &unused);
	for (unsigned i = 0; i < s->n && s->rules[i] < case_limit(set, &copy, w.j.ok); i++)
		if (!want_rule(&w, s->rules[i]))
			return;
}
