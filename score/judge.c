/* Testing a stage's rules in list order, and who wins. */
#include "score/distinct.h"
#include "score/judge.h"
#include "score/tape.h"

static const struct score_verdict nothing_yet = { .now = { SCORE_NONE, SCORE_NO_RULE },
	.would = { SCORE_NONE, SCORE_NO_RULE },
	.ok_rule = SCORE_NO_RULE,
	.alarm_rule = SCORE_NO_RULE,
	.gave_up_rule = SCORE_NO_RULE };

const uint8_t judge_stage_scope[SCORE_STAGES] = {
	[SCORE_CONNECT] = SCORE_OF_SESSION,
	[SCORE_GREET] = SCORE_OF_SESSION,
	[SCORE_HELO] = SCORE_OF_SESSION,
	[SCORE_MAIL] = SCORE_OF_MAIL,
	[SCORE_RCPT] = SCORE_OF_RECIPIENT,
	[SCORE_DATA] = SCORE_OF_MAIL,
	[SCORE_MESSAGE] = SCORE_OF_MAIL,
};

/* The same client is always in or always out. */
bool judge_takes_part(struct judge *j, const struct score_rule *r)
{
	if (j->look.now_ms >= r->until_ms)
		return false;
	if (r->percent >= 100)
		return true;
	if (j->in_percent == 100)
		j->in_percent = score_client_place(j->set, &j->look.facts->client);
	return j->in_percent < r->percent;
}

/* --- what a rule that is true does --- */

/* What the charge makes of the record. */
static double give(struct judge *j, const struct score_rule *r, const struct score_key *key)
{
	struct score_look *l = &j->look;
	if (l->tape && l->tape->drift)
		return tape_charge(l, r->charge_key, key, r->charge);
	if (j->c->dry)
		return score_record_get(l->store, key, j->set->half_life_ms, l->now_ms).points + r->charge;
	return score_record_charge(
		l->store, key, r->charge, j->set->half_life_ms, score_origin(l->store, &l->facts->client), l->now_ms);
}

bool judge_charge(struct judge *j, const struct score_rule *r, unsigned rule)
{
	struct score_look *l = &j->look;
	const struct score_key *key;
	if (!(r->charge < 0 || r->charge > 0))
		return false;
	if (r->charge_events ? !(r->charge_events & j->c->fresh) : !case_mark(j->set, j->c, SCORE_SET_CHARGED, rule))
		return false;
	if (score_look_key(l, r->charge_key, &key) != SCORE_TRUE)
		return false; /* a null sender has no record */
	double now = give(j, r, key);
	if (l->tape && !l->tape->drift)
		tape_note(l, rule, false, r->charge, now);
	score_look_charged(l, r->charge_key, now);
	return true;
}

void judge_tell_fire(struct judge *j, unsigned rule, bool anew, bool charged)
{
	struct score_fires *f = j->c->fires;
	if (!f || !(anew || charged) || f->n == SCORE_RULES_MAX)
		return;
	f->item[f->n].rule = (uint16_t)rule;
	f->item[f->n].anew = anew;
	f->item[f->n++].charged = charged;
}

static void forget(struct judge *j, const struct score_rule *r, unsigned rule)
{
	struct score_tape *tape = j->look.tape;
	const struct score_key *key;
	if (score_look_key(&j->look, r->charge_key, &key) != SCORE_TRUE)
		return;
	if (tape && tape->drift)
		tape_forget(&j->look, r->charge_key, key);
	else if (!j->c->dry)
		(void)score_record_delete(j->look.store, key);
	if (tape && !tape->drift)
		tape_note(&j->look, rule, true, 0, 0);
	score_look_charged(&j->look, r->charge_key, 0);
}

/* An `ok` found in what can still change holds no longer than the stage that found it: it will be asked again. */
static void take_ok(struct judge *j, const struct score_rule *r, unsigned rule)
{
	unsigned scope = r->scope, now = judge_stage_scope[j->stage];
	if (r->reads.changing && now > scope)
		scope = now;
	j->c->ok[scope] = (uint16_t)(rule + 1);
	j->ok = rule + 1;
	score_look_points(&j->look, case_points(j->set, j->c, case_limit(j->set, j->c, j->ok)));
}

static void tell(uint16_t told[SCORE_VERDICT_LOGS], unsigned *n, unsigned rule)
{
	if (*n < SCORE_VERDICT_LOGS)
		told[(*n)++] = (uint16_t)rule;
}

/* What is done once a scope, when the rule is newly true, and never by an observed one. */
static void act_once(struct judge *j, const struct score_rule *r, unsigned rule)
{
	struct score_verdict *v = j->verdict;
	if (r->action == SCORE_LOG)
		tell(v->logs, &v->logs_n, rule);
	else if (r->action == SCORE_MAIL_ALERT)
		tell(v->mails, &v->mails_n, rule);
	else if (r->action == SCORE_DELETE)
		forget(j, r, rule);
}

static void take_wait(struct judge *j, const struct score_rule *r, unsigned rule, bool newly)
{
	if (r->observed) {
		if (newly)
			(void)judge_prefer(&j->observed, SCORE_WAIT, rule);
		return;
	}
	uint32_t longest = j->wait_ms[SCORE_OF_SESSION];
	for (unsigned s = 1; s < SCORE_SCOPES; s++)
		longest = j->wait_ms[s] > longest ? j->wait_ms[s] : longest;
	if (r->wait_ms > longest)
		j->wait_rule = (int)rule;
	if (r->wait_ms > j->wait_ms[r->scope])
		j->wait_ms[r->scope] = r->wait_ms;
}

/* False: memory is out. */
static bool fire(struct judge *j, const struct score_rule *r, unsigned rule)
{
	TRY(case_reserve(j->set, j->c));
	bool newly = case_mark(j->set, j->c, SCORE_SET_FIRED + r->scope, rule);
	if (newly)
		score_look_points(&j->look, j->look.points + r->points);
	judge_tell_fire(j, rule, newly, judge_charge(j, r, rule));
	if (r->action >= SCORE_DEFER && r->action <= SCORE_BLOCK)
		judge_refusal(j, r, rule);
	else if (r->action == SCORE_GREYLIST)
		judge_greylist(j, r, rule);
	else if (r->action == SCORE_WAIT)
		take_wait(j, r, rule, newly);
	else if (r->action == SCORE_OK && !r->observed)
		take_ok(j, r, rule);
	else if (newly && !r->observed)
		act_once(j, r, rule);
	return true;
}

/* The value as a key, for its hash. False: it is none or not known. */
static bool value_key(struct judge *j, enum score_attr attr, struct score_key *key_r)
{
	struct score_value v = score_value_attr(attr, &j->look);
	if (v.kind == SCORE_V_TEXT)
		*key_r = score_key_text(j->look.store, SCORE_KEY_ALL, v.text);
	else if (v.kind == SCORE_V_IP)
		*key_r = score_key_ip(j->look.store, SCORE_KEY_CLIENT, v.ip, ip_is_v4(v.ip) ? 128 : 64);
	return v.kind == SCORE_V_TEXT || v.kind == SCORE_V_IP;
}

/* What a distinct tells apart is added at the stage where attribute and key are first known together, before its
 * rules are tested: the one being judged is already counted. */
static void feed_distincts(struct judge *j)
{
	struct score_look *l = &j->look;
	uint64_t origin = score_origin(l->store, &l->facts->client);
	for (unsigned i = 0; i < j->set->probes_n; i++) {
		const struct score_probe *p = &j->set->probes[i];
		const struct score_key *key;
		struct score_key value;
		if (p->kind == SCORE_PROBE_DISTINCT && p->fed == j->stage &&
			score_look_key(l, p->keyspec, &key) == SCORE_TRUE &&
			value_key(j, (enum score_attr)p->attr, &value))
			(void)score_distinct_add(l->store, key, &p->window, &value, origin, l->now_ms);
	}
}

static bool holds(struct judge *j, unsigned rule)
{
	bool yes = score_rule_holds(j->set, rule, &j->look);
	if (j->look.effort.gave_up && j->verdict->gave_up_rule == SCORE_NO_RULE)
		j->verdict->gave_up_rule = (int)rule;
	return yes;
}

static bool test_stage(struct judge *j)
{
	const struct score_stage_rules *s = &j->set->stages[j->stage];
	for (unsigned i = 0; i < s->n && s->rules[i] < case_limit(j->set, j->c, j->ok); i++) {
		unsigned rule = s->rules[i];
		if (holds(j, rule) && judge_takes_part(j, &j->set->rules[rule]))
			TRY(fire(j, &j->set->rules[rule], rule));
	}
	return true;
}

void judge_begin(struct judge *j, const struct score_ruleset *set, const struct score_facts *f, struct score_case *c,
	struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r)
{
	*verdict_r = nothing_yet;
	j->set = set;
	j->c = c;
	j->stage = (enum score_stage)c->stage;
	j->ok = case_ok(c);
	j->found = j->observed = nothing_yet.now;
	memset(j->wait_ms, 0, sizeof j->wait_ms);
	j->wait_rule = j->alarm_rule = SCORE_NO_RULE;
	j->in_percent = c->tape && c->tape->drift ? c->tape->place : 100;
	j->verdict = verdict_r;
	score_look_init(&j->look, set, f, store, now_ms);
	j->look.readings = c->readings;
	j->look.tape = c->tape;
	score_look_points(&j->look, case_points(set, c, case_limit(set, c, j->ok)));
}

bool score_rules_eval(const struct score_ruleset *set, enum score_stage stage, const struct score_facts *f,
	struct score_case *c, struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r)
{
	struct judge j;
	c->stage = (uint8_t)stage;
	if (set->n == 0) {
		*verdict_r = nothing_yet;
		return true;
	}
	judge_begin(&j, set, f, c, store, now_ms, verdict_r);
	if (!c->dry && (set->fed_stages & 1u << stage))
		feed_distincts(&j);
	TRY(test_stage(&j));
	judge_decide(&j);
	c->fresh = 0;
	c->late = false;
	return true;
}

static bool is_told(const struct score_rule *r)
{
	return (r->action == SCORE_LOG || r->action == SCORE_MAIL_ALERT) && !r->observed;
}

static bool tell_late(struct judge *j, enum score_scope scope)
{
	const struct score_stage_rules *s = &j->set->stages[j->stage];
	for (unsigned i = 0; i < s->n && s->rules[i] < case_limit(j->set, j->c, j->ok); i++) {
		unsigned rule = s->rules[i];
		const struct score_rule *r = &j->set->rules[rule];
		if (r->scope != scope || !is_told(r) || !holds(j, rule) || !judge_takes_part(j, r))
			continue;
		TRY(case_reserve(j->set, j->c));
		if (case_mark(j->set, j->c, SCORE_SET_FIRED + scope, rule))
			act_once(j, r, rule);
	}
	return true;
}

bool score_rules_tell(const struct score_ruleset *set, enum score_scope scope, const struct score_facts *f,
	struct score_case *c, struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r)
{
	struct judge j;
	*verdict_r = nothing_yet;
	if (!c->late || !(set->actions & (1u << SCORE_LOG | 1u << SCORE_MAIL_ALERT)))
		return true;
	judge_begin(&j, set, f, c, store, now_ms, verdict_r);
	TRY(tell_late(&j, scope));
	if (!set->enforce)
		verdict_r->mails_n = 0;
	verdict_r->points = j.look.points;
	verdict_r->score = score_look_score(&j.look);
	return true;
}

void score_case_verdict(const struct score_ruleset *set, const struct score_facts *f, const struct score_case *c,
	struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r)
{
	struct score_case copy = *c;
	struct judge j;
	judge_begin(&j, set, f, &copy, store, now_ms, verdict_r);
	judge_decide(&j);
}

uint64_t score_rules_wants(const struct score_ruleset *set, enum score_stage stage, const struct score_facts *f,
	const struct score_case *c)
{
	const struct score_stage_rules *s = &set->stages[stage];
	struct score_case at = *c;
	at.stage = (uint8_t)stage;
	unsigned ok = case_ok(&at);
	uint32_t facts = ok ? 0 : s->facts;
	for (unsigned i = 0; ok && i < s->n && s->rules[i] < ok; i++)
		facts |= set->rules[s->rules[i]].reads.facts;
	return facts & ~f->known & ~(uint32_t)(SCORE_HAS_LATER | SCORE_HAS_ANSWERS | SCORE_LOOKED_UP);
}

bool score_rules_do(const struct score_ruleset *set, enum score_action action)
{
	return set->actions >> action & 1;
}

bool score_rules_read(const struct score_ruleset *set, uint32_t facts)
{
	uint32_t read = 0;
	for (unsigned i = 0; i < SCORE_STAGES; i++)
		read |= set->stages[i].facts;
	return read & facts;
}
