#include "replay/run.h"

#include "base/mem.h"
#include "replay/sessions.h"

enum { HEADS = 64, PROBE_SLOTS = 4 * SCORE_PROBES_MAX, DRIFT_SHARE = 4, STORE_LEAST = 1024 * 1024 };

/* The numbers of one run of the server. */
struct sequence {
	uint64_t start_ms, first, last, n;
};

struct head {
	uint64_t rules, spike_ms;
};

struct replay_runner {
	const struct score_ruleset *set;
	struct score_store *store;
	uint64_t spike_ms;
	struct replay_sessions sessions;
	struct sequence sequence;
	struct head heads[HEADS]; /* a ring */
	unsigned heads_n;
	struct replay_totals totals;
	struct {
		uint64_t reads, too_early, before_ms;
	} fresh[SCORE_PROBES_MAX];
	uint16_t probes[PROBE_SLOTS]; /* by hash of their names: 1 + probe */
	struct score_tape tape;
};

/* ---- names ---- */

static unsigned name_slot(struct slice name)
{
	static const struct hash_key fixed = { 1, 2 };
	return (unsigned)(hash_bytes(&fixed, name) % PROBE_SLOTS);
}

static unsigned find_probe(const struct replay_runner *r, struct slice name)
{
	for (unsigned i = name_slot(name); r->probes[i]; i = (i + 1) % PROBE_SLOTS)
		if (slice_eq(slice_str(score_probe_name(r->set, r->probes[i] - 1u)), name))
			return r->probes[i] - 1u;
	return SCORE_PROBES_MAX;
}

static void index_probes(struct replay_runner *r)
{
	for (unsigned probe = 0; probe < score_probe_count(r->set); probe++) {
		unsigned i = name_slot(slice_str(score_probe_name(r->set, probe)));
		while (r->probes[i])
			i = (i + 1) % PROBE_SLOTS;
		r->probes[i] = (uint16_t)(probe + 1);
	}
}

/* ---- making ---- */

static uint64_t at_least(uint64_t memory)
{
	return memory > STORE_LEAST ? memory : STORE_LEAST;
}

struct replay_runner *replay_runner_new(const struct score_ruleset *set, uint64_t memory)
{
	struct replay_runner *r = mem_zalloc(sizeof *r);
	struct hash_key key = hash_key_random();
	uint64_t half_life_ms;
	if (!r)
		return NULL;
	r->set = set;
	score_rules_times(set, &half_life_ms, &r->spike_ms);
	index_probes(r);
	r->store = score_store_new(at_least(memory), &key);
	r->tape.drift = score_store_new(at_least(memory / DRIFT_SHARE), &key);
	if (!r->store || !r->tape.drift)
		replay_runner_free(&r);
	return r;
}

void replay_runner_free(struct replay_runner **p)
{
	struct replay_runner *r = *p;
	if (!r)
		return;
	replay_sessions_release(&r->sessions);
	score_store_free(&r->tape.drift);
	score_store_free(&r->store);
	mem_free(p);
}

/* ---- where the trace has holes ---- */

static uint64_t missing_of(const struct sequence *s)
{
	uint64_t span = s->n ? s->last - s->first + 1 : 0;
	return span > s->n ? span - s->n : 0;
}

static void note_sequence(struct replay_runner *r, uint64_t seq)
{
	struct sequence *s = &r->sequence;
	s->first = s->n == 0 || seq < s->first ? seq : s->first;
	s->last = s->n == 0 || seq > s->last ? seq : s->last;
	s->n++;
}

static void note_time(struct replay_totals *t, uint64_t time_ms)
{
	t->first_ms = t->first_ms == 0 || time_ms < t->first_ms ? time_ms : t->first_ms;
	t->last_ms = time_ms > t->last_ms ? time_ms : t->last_ms;
}

/* Another run of the server: its sessions and numbers have nothing to do with those before. */
static void take_head(struct replay_runner *r, const struct replay_record *record)
{
	struct sequence *s = &r->sequence;
	r->totals.heads++;
	if (s->start_ms && s->start_ms != record->head.start_ms) {
		r->totals.missing += missing_of(s);
		*s = (struct sequence){ 0 };
		replay_sessions_release(&r->sessions);
	}
	if (s->start_ms == 0)
		r->totals.starts++;
	s->start_ms = record->head.start_ms;
	r->heads[r->heads_n++ % HEADS] = (struct head){ record->rules, record->head.spike_ms };
}

/* A spike over another window is another value, though it has the same name. */
static bool spikes_differ(const struct replay_runner *r, uint64_t rules)
{
	unsigned n = r->heads_n < HEADS ? r->heads_n : HEADS;
	for (unsigned i = 0; i < n; i++)
		if (r->heads[i].rules == rules)
			return r->heads[i].spike_ms != r->spike_ms;
	return false;
}

/* NULL: there is no room for it. */
static struct replay_session *session_of(struct replay_runner *r, const struct replay_record *record)
{
	struct replay_session *s = replay_session_find(&r->sessions, record->session);
	if (s && record->step == 1) {
		replay_session_end(&r->sessions, record->session);
		s = NULL;
	}
	if (!s) {
		s = replay_session_make(&r->sessions, record->session);
		if (!s)
			return NULL;
		s->whole = true;
		r->totals.sessions++;
	}
	if (s->whole && (record->step != s->step + 1 || record->cut)) {
		s->whole = false;
		r->totals.broken++;
	}
	s->step = record->step;
	return s;
}

/* ---- one record ---- */

static void load_tape(struct replay_runner *r, const struct replay_record *record)
{
	struct score_tape *t = &r->tape;
	bool other_spikes = spikes_differ(r, record->rules);
	score_tape_clear(t);
	t->place = record->place;
	for (unsigned i = 0; i < record->reads_n; i++) {
		const struct replay_read *read = &record->reads[i];
		unsigned probe = find_probe(r, read->probe);
		if (probe < SCORE_PROBES_MAX && !(other_spikes && slice_starts(read->probe, SLICE("spike("))))
			score_tape_set(t, probe, read->value);
	}
	for (unsigned i = 0; i < record->charges_n; i++) {
		const struct replay_charge *c = &record->charges[i];
		t->charges[t->charges_n++] = (struct score_tape_charge){
			.key = (uint16_t)score_charge_key_find(r->set, c->key),
			.forgets = c->forgets,
			.points = c->points,
			.now = c->now,
		};
	}
}

/* The record's facts, with its answers by the numbers of this rule set: what only the new rules ask is unknown. */
static struct score_facts facts_for(
	const struct replay_runner *r, const struct replay_record *record, struct slice answers_r[SCORE_LOOKUPS_MAX])
{
	struct score_facts f = record->facts;
	f.answered = 0;
	f.answers = answers_r;
	for (unsigned i = 0; i < record->answers_n; i++) {
		unsigned lookup = score_lookup_find(r->set, record->answers[i].lookup);
		if (lookup == SCORE_LOOKUPS_MAX)
			continue;
		answers_r[lookup] = record->answers[i].text;
		f.answered |= (uint64_t)1 << lookup;
	}
	return f;
}

/* What was read that the record does not tell. */
static void note_fresh(struct replay_runner *r, uint64_t now_ms)
{
	uint64_t known_ms = now_ms > r->totals.first_ms ? now_ms - r->totals.first_ms : 0;
	for (unsigned w = 0; w < SCORE_TAPE_WORDS; w++)
		for (uint64_t bits = r->tape.fresh[w]; bits; bits &= bits - 1) {
			unsigned probe = w * 64 + (unsigned)__builtin_ctzll(bits);
			uint64_t window_ms = score_probe_window_ms(r->set, probe);
			r->fresh[probe].reads++;
			r->fresh[probe].too_early += window_ms == 0 || window_ms > known_ms;
			if (window_ms > known_ms && window_ms - known_ms > r->fresh[probe].before_ms)
				r->fresh[probe].before_ms = window_ms - known_ms;
		}
}

static bool slices_same(struct slice a, struct slice b)
{
	return a.n == b.n && slice_eq(a, b);
}

static bool verdicts_same(const struct replay_verdict *a, const struct replay_verdict *b)
{
	return a->now == b->now && a->would == b->would && a->wait_ms == b->wait_ms &&
	       slices_same(a->now_rule, b->now_rule) && slices_same(a->would_rule, b->would_rule) &&
	       slices_same(a->ok_rule, b->ok_rule);
}

static enum replay_outcome compare(
	struct replay_runner *r, const struct replay_record *record, bool whole, const struct replay_verdict *verdict)
{
	struct replay_totals *t = &r->totals;
	t->tests++;
	t->by_same_rules += record->rules == score_rules_hash(r->set);
	if (!whole) {
		t->uncertain++;
		return REPLAY_UNCERTAIN;
	}
	bool same = verdicts_same(&record->verdict, verdict);
	t->same += same;
	t->changed += !same;
	return same ? REPLAY_SAME : REPLAY_CHANGED;
}

static bool run_test(struct replay_runner *r, const struct replay_record *record, const struct score_facts *f,
	struct score_case *c, struct score_verdict *v_r)
{
	if (record->event != SCORE_EVENTS)
		TRY(score_event(r->set, f, c, r->store, record->event, 1, record->time_ms));
	c->tape = &r->tape;
	bool ran = score_rules_eval(r->set, record->stage, f, c, r->store, record->time_ms, v_r);
	c->tape = NULL;
	return ran;
}

static bool run_event(
	struct replay_runner *r, const struct replay_record *record, const struct score_facts *f, struct score_case *c)
{
	if (record->learned != REPLAY_NOT_LEARNED) {
		score_event_learned(r->set, f, r->store, record->event, record->amount,
			(enum score_key_kind)record->learned, record->time_ms);
		return true;
	}
	c->tape = &r->tape;
	bool ran = score_event(r->set, f, c, r->store, record->event, record->amount, record->time_ms);
	c->tape = NULL;
	return ran;
}

static enum replay_outcome run_call(struct replay_runner *r, const struct replay_record *record,
	struct replay_session *s, struct replay_verdict *verdict_r)
{
	struct score_verdict v;
	struct slice answers[SCORE_LOOKUPS_MAX];
	struct score_facts facts = facts_for(r, record, answers), *f = &facts;
	s->c.allowed = record->allowed;
	load_tape(r, record);
	r->tape.follows = !s->whole;
	score_tape_begin(r->set, &r->tape, f, r->store, record->time_ms);
	bool is_test = record->kind == REPLAY_TEST;
	bool ran = is_test ? run_test(r, record, f, &s->c, &v) : run_event(r, record, f, &s->c);
	score_tape_end(r->set, &r->tape, f, r->store, record->time_ms);
	note_fresh(r, record->time_ms);
	if (!ran)
		return REPLAY_NO_MEMORY;
	if (!is_test)
		return REPLAY_RAN;
	replay_verdict_of(r->set, &v, verdict_r);
	return compare(r, record, s->whole, verdict_r);
}

static enum replay_outcome run_step(struct replay_runner *r, const struct replay_record *record,
	struct replay_session *s, struct replay_verdict *verdict_r)
{
	switch (record->kind) {
	case REPLAY_TEST:
	case REPLAY_EVENT:
		return run_call(r, record, s, verdict_r);
	case REPLAY_UNDO:
		score_event_undo(r->set, &record->facts, r->store, record->event, record->amount, record->time_ms);
		break;
	case REPLAY_RECIPIENT_DONE:
		score_case_recipient_done(r->set, &s->c, record->accepted);
		break;
	case REPLAY_MAIL_DONE:
		score_case_mail_done(r->set, &s->c);
		break;
	case REPLAY_SESSION_END:
		replay_session_end(&r->sessions, record->session);
		break;
	case REPLAY_HEAD:
	case REPLAY_KINDS:
		break;
	}
	return REPLAY_RAN;
}

enum replay_outcome replay_run(
	struct replay_runner *r, const struct replay_record *record, struct replay_verdict *verdict_r)
{
	r->totals.records++;
	if (record->kind == REPLAY_HEAD)
		take_head(r, record);
	note_sequence(r, record->seq);
	note_time(&r->totals, record->time_ms);
	if (record->kind == REPLAY_HEAD)
		return REPLAY_RAN;
	struct replay_session *s = session_of(r, record);
	if (s)
		return run_step(r, record, s, verdict_r);
	r->totals.crowded++;
	return r->sessions.open < REPLAY_SESSIONS_MAX / 2 ? REPLAY_NO_MEMORY : REPLAY_RAN;
}

void replay_runner_totals(const struct replay_runner *r, struct replay_totals *totals_r)
{
	*totals_r = r->totals;
	totals_r->missing += missing_of(&r->sequence);
}

bool replay_runner_fresh(const struct replay_runner *r, unsigned *at, struct replay_fresh *fresh_r)
{
	while (*at < score_probe_count(r->set) && r->fresh[*at].reads == 0)
		++*at;
	if (*at >= score_probe_count(r->set))
		return false;
	unsigned probe = (*at)++;
	*fresh_r = (struct replay_fresh){ score_probe_name(r->set, probe), r->fresh[probe].reads,
		r->fresh[probe].too_early, r->fresh[probe].before_ms };
	return true;
}
