/* Testing a stage's rules in list order, and who wins. */
#include "score/case.h"

struct judge {
	const struct score_ruleset *set;
	struct score_case *c;
	struct score_look look;
	enum score_stage stage;
	unsigned ok;		     /* 1 + position of the highest in force */
	struct score_decision found; /* the strongest of this test */
	struct score_decision observed;
	uint32_t wait_ms[SCORE_SCOPES];
	int wait_rule;
	unsigned in_percent; /* the client's place among 100; 100: not yet hashed */
	struct score_verdict *verdict;
};

static const uint8_t stage_scope[SCORE_STAGES] = {
	[SCORE_CONNECT] = SCORE_OF_SESSION,
	[SCORE_GREET] = SCORE_OF_SESSION,
	[SCORE_HELO] = SCORE_OF_SESSION,
	[SCORE_MAIL] = SCORE_OF_MAIL,
	[SCORE_RCPT] = SCORE_OF_RECIPIENT,
	[SCORE_DATA] = SCORE_OF_MAIL,
	[SCORE_MESSAGE] = SCORE_OF_MAIL,
};

static bool is_refusal(unsigned action)
{
	return action == SCORE_DEFER || action == SCORE_REJECT;
}

/* The stronger wins; of equals the one further up. */
static bool prefer(struct score_decision *best, enum score_action action, unsigned rule)
{
	bool wins = action > best->action || (action == best->action && (int)rule < best->rule);
	if (wins)
		*best = (struct score_decision){ action, (int)rule };
	return wins;
}

/* The same client is always in or always out. */
static bool takes_part(struct judge *j, const struct score_rule *r)
{
	if (j->look.now_ms >= r->until_ms)
		return false;
	if (r->percent >= 100)
		return true;
	if (j->in_percent == 100) {
		struct ip client = ip_client(&j->look.facts->client);
		j->in_percent =
			(unsigned)(hash_bytes(&j->set->key, slice_of((const char *)client.b, sizeof client.b)) % 100);
	}
	return j->in_percent < r->percent;
}

/* --- what a rule that is true does --- */

static void give_charge(struct judge *j, const struct score_rule *r, unsigned rule)
{
	struct score_look *l = &j->look;
	const struct score_key *key;
	if (r->charge_events ? !(r->charge_events & j->c->fresh) : !case_mark(j->set, j->c, SCORE_SET_CHARGED, rule))
		return;
	if (score_look_key(l, r->charge_key, &key) != SCORE_TRUE)
		return; /* a null sender has no record */
	double now = score_record_charge(
		l->store, key, r->charge, j->set->half_life_ms, score_origin(l->store, &l->facts->client), l->now_ms);
	if (r->charge_key == SCORE_KEYSPEC_CLIENT) {
		l->client_record = now;
		l->client_record_read = true;
	}
}

/* An `ok` found in what can still change holds no longer than the stage that found it: it will be asked again. */
static void take_ok(struct judge *j, const struct score_rule *r, unsigned rule)
{
	unsigned scope = r->scope, now = stage_scope[j->stage];
	if (r->program.reads.changing && now > scope)
		scope = now;
	j->c->ok[scope] = (uint16_t)(rule + 1);
	j->ok = rule + 1;
	j->look.points = case_points(j->set, j->c, case_limit(j->set, j->ok));
}

static void take_log(struct judge *j, unsigned rule)
{
	struct score_verdict *v = j->verdict;
	if (v->logs_n < SCORE_VERDICT_LOGS)
		v->logs[v->logs_n++] = (uint16_t)rule;
}

static void take_refusal(struct judge *j, const struct score_rule *r, unsigned rule)
{
	if (j->stage <= SCORE_MAIL)
		(void)case_mark(j->set, j->c, SCORE_SET_HELD + stage_scope[j->stage], rule);
	(void)prefer(r->observed ? &j->observed : &j->found, (enum score_action)r->action, rule);
}

static void take_wait(struct judge *j, const struct score_rule *r, unsigned rule, bool newly)
{
	if (r->observed) {
		if (newly)
			(void)prefer(&j->observed, SCORE_WAIT, rule);
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
		j->look.points += r->points;
	if (r->charge < 0 || r->charge > 0)
		give_charge(j, r, rule);
	if (is_refusal(r->action))
		take_refusal(j, r, rule);
	else if (r->action == SCORE_WAIT)
		take_wait(j, r, rule, newly);
	else if (r->action == SCORE_OK && !r->observed)
		take_ok(j, r, rule);
	else if (r->action == SCORE_LOG && newly && !r->observed)
		take_log(j, rule);
	return true;
}

static bool test_stage(struct judge *j)
{
	const struct score_stage_rules *s = &j->set->stages[j->stage];
	for (unsigned i = 0; i < s->n && s->rules[i] < case_limit(j->set, j->ok); i++) {
		const struct score_rule *r = &j->set->rules[s->rules[i]];
		if (takes_part(j, r) && score_program_test(&r->program, &j->look) == SCORE_TRUE)
			TRY(fire(j, r, s->rules[i]));
	}
	return true;
}

/* --- who wins --- */

/* Adds what earlier stages found. */
static void add_held(struct judge *j)
{
	struct score_verdict *v = j->verdict;
	unsigned limit = case_limit(j->set, j->ok);
	for (unsigned w = 0; j->c->sets && w < 2 * j->set->words; w++) {
		for (uint64_t bits = case_words(j->set, j->c, SCORE_SET_HELD)[w]; bits; bits &= bits - 1) {
			unsigned rule = w % j->set->words * 64 + (unsigned)__builtin_ctzll(bits);
			const struct score_rule *r = &j->set->rules[rule];
			if (rule >= limit)
				continue;
			if (r->observed)
				(void)prefer(&j->observed, (enum score_action)r->action, rule);
			else if (prefer(&j->found, (enum score_action)r->action, rule))
				v->held = true;
		}
	}
}

/* Of several waits the longest counts, once a scope: what the scope has already waited is not waited again. */
static void add_wait(struct judge *j)
{
	uint32_t due = 0;
	for (unsigned s = 0; s < SCORE_SCOPES; s++) {
		uint32_t *done = &j->c->waited_ms[s], wanted = j->wait_ms[s];
		if (wanted <= *done)
			continue;
		due = wanted - *done > due ? wanted - *done : due;
		*done = wanted;
	}
	if (due == 0)
		return;
	j->found = (struct score_decision){ SCORE_WAIT, j->wait_rule };
	j->verdict->wait_ms = due;
}

static void decide(struct judge *j)
{
	struct score_verdict *v = j->verdict;
	add_held(j);
	if (j->found.action == SCORE_NONE)
		add_wait(j);
	v->would = j->found;
	if (j->observed.rule >= 0)
		(void)prefer(&v->would, j->observed.action, (unsigned)j->observed.rule);
	v->now = j->found;
	if (!j->set->enforce) {
		v->now = (struct score_decision){ SCORE_NONE, SCORE_NO_RULE };
		v->wait_ms = 0;
		v->held = false;
	}
	if (is_refusal(v->now.action)) {
		v->reply = &j->set->rules[v->now.rule].reply;
	}
	v->ok_rule = (int)j->ok - 1;
	v->points = j->look.points;
	v->score = score_look_score(&j->look);
}

static void begin(struct judge *j, const struct score_ruleset *set, const struct score_facts *f, struct score_case *c,
	struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r)
{
	static const struct score_decision nothing = { SCORE_NONE, SCORE_NO_RULE };
	*verdict_r = (struct score_verdict){
		.now = nothing, .would = nothing, .ok_rule = SCORE_NO_RULE, .alarm_rule = SCORE_NO_RULE
	};
	j->set = set;
	j->c = c;
	j->stage = (enum score_stage)c->stage;
	j->ok = case_ok(c);
	j->found = j->observed = nothing;
	memset(j->wait_ms, 0, sizeof j->wait_ms);
	j->wait_rule = SCORE_NO_RULE;
	j->in_percent = 100;
	j->verdict = verdict_r;
	score_look_init(&j->look, set, f, store, now_ms);
	j->look.points = case_points(set, c, case_limit(set, j->ok));
}

bool score_rules_eval(const struct score_ruleset *set, enum score_stage stage, const struct score_facts *f,
	struct score_case *c, struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r)
{
	struct judge j;
	c->stage = (uint8_t)stage;
	if (set->n == 0) {
		static const struct score_decision nothing = { SCORE_NONE, SCORE_NO_RULE };
		*verdict_r = (struct score_verdict){
			.now = nothing, .would = nothing, .ok_rule = SCORE_NO_RULE, .alarm_rule = SCORE_NO_RULE
		};
		return true;
	}
	begin(&j, set, f, c, store, now_ms, verdict_r);
	TRY(test_stage(&j));
	decide(&j);
	c->fresh = 0;
	return true;
}

void score_case_verdict(const struct score_ruleset *set, const struct score_facts *f, const struct score_case *c,
	struct score_store *store, uint64_t now_ms, struct score_verdict *verdict_r)
{
	struct score_case copy = *c;
	struct judge j;
	begin(&j, set, f, &copy, store, now_ms, verdict_r);
	decide(&j);
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
		facts |= set->rules[s->rules[i]].program.reads.facts;
	return facts & ~f->known;
}

/* --- events --- */

/* Tested in the stage that follows; all others are settled at once. */
enum { EVENTS_BEFORE_TEST = 1 << SCORE_EV_CONNECTIONS | 1 << SCORE_EV_MESSAGES | 1 << SCORE_EV_RECIPIENTS };

static uint32_t units_of(enum score_event event, uint64_t amount)
{
	if (event == SCORE_EV_BYTES)
		amount = amount / SCORE_BYTES_UNIT + (amount % SCORE_BYTES_UNIT != 0);
	return amount > UINT32_MAX ? UINT32_MAX : (uint32_t)amount;
}

/* Charges of the rules that count the event and are true now. */
static bool settle(struct judge *j, uint16_t event)
{
	const struct score_stage_rules *s = &j->set->stages[j->stage];
	j->c->fresh = event;
	for (unsigned i = 0; i < s->n && s->rules[i] < case_limit(j->set, j->ok); i++) {
		unsigned rule = s->rules[i];
		const struct score_rule *r = &j->set->rules[rule];
		if (!(r->charge_events & event) || !takes_part(j, r))
			continue;
		if (score_program_test(&r->program, &j->look) != SCORE_TRUE)
			continue;
		TRY(case_reserve(j->set, j->c));
		if (r->action != SCORE_LOG && case_mark(j->set, j->c, SCORE_SET_FIRED + r->scope, rule))
			j->look.points += r->points; /* a `log` is told by the next test */
		give_charge(j, r, rule);
	}
	return true;
}

bool score_event(const struct score_ruleset *set, const struct score_facts *f, struct score_case *c,
	struct score_store *store, enum score_event event, uint64_t amount, uint64_t now_ms)
{
	uint16_t bit = (uint16_t)(1u << event);
	struct score_verdict unused;
	struct judge j;
	if (!(set->count_events & bit) || amount == 0)
		return true;
	begin(&j, set, f, c, store, now_ms, &unused);
	uint64_t origin = score_origin(store, &f->client);
	for (unsigned i = 0; i < set->counters_n; i++) {
		const struct score_counter *counter = &set->counters[i];
		const struct score_key *key;
		if (counter->event == event && score_look_key(&j.look, counter->keyspec, &key) == SCORE_TRUE)
			(void)score_count_add(store, key, &counter->window, units_of(event, amount), origin, now_ms);
	}
	if (!(set->charge_events & bit))
		return true;
	uint16_t waiting = c->fresh;
	if (!(EVENTS_BEFORE_TEST & bit))
		TRY(settle(&j, bit));
	c->fresh = EVENTS_BEFORE_TEST & bit ? waiting | bit : waiting;
	return true;
}

void score_event_undo(const struct score_ruleset *set, const struct score_facts *f, struct score_store *store,
	enum score_event event, uint64_t amount, uint64_t now_ms)
{
	struct score_look l;
	if (!(set->count_events & 1u << event))
		return;
	score_look_init(&l, set, f, store, now_ms);
	for (unsigned i = 0; i < set->counters_n; i++) {
		const struct score_counter *counter = &set->counters[i];
		const struct score_key *key;
		if (counter->event == event && score_look_key(&l, counter->keyspec, &key) == SCORE_TRUE)
			score_count_sub(store, key, &counter->window, units_of(event, amount), now_ms);
	}
}
