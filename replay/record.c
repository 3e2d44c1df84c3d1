#include "replay/record.h"

void replay_record_begin(struct replay_record *r, enum replay_kind kind)
{
	r->kind = kind;
	r->seq = r->time_ms = r->rules = r->amount = 0;
	r->session = r->mail = slice_of("", 0);
	r->step = 0;
	r->head = (struct replay_head){ 0 };
	r->facts = (struct score_facts){ 0 };
	r->allowed = r->accepted = r->cut = false;
	r->place = 0;
	r->event = SCORE_EVENTS;
	r->learned = REPLAY_NOT_LEARNED;
	r->stage = SCORE_CONNECT;
	r->verdict = (struct replay_verdict){ 0 };
	r->answers_n = r->reads_n = r->charges_n = 0;
}

void replay_record_head(struct replay_record *r, const struct score_ruleset *set, uint64_t start_ms)
{
	replay_record_begin(r, REPLAY_HEAD);
	r->rules = score_rules_hash(set);
	r->head.version = REPLAY_VERSION;
	r->head.start_ms = start_ms;
	score_rules_times(set, &r->head.half_life_ms, &r->head.spike_ms);
}

void replay_record_answers(struct replay_record *r, const struct score_ruleset *set)
{
	r->answers_n = 0;
	for (uint64_t bits = r->facts.answered; bits; bits &= bits - 1) {
		unsigned lookup = (unsigned)__builtin_ctzll(bits);
		r->answers[r->answers_n++] = (struct replay_answer){ slice_str(score_lookup_about(set, lookup)->name),
			r->facts.answers[lookup] };
	}
}

void replay_record_tape(struct replay_record *r, const struct score_ruleset *set, const struct score_tape *t)
{
	unsigned at = 0, probe;
	r->reads_n = r->charges_n = 0;
	while (score_tape_next(t, &at, &probe))
		r->reads[r->reads_n++] =
			(struct replay_read){ slice_str(score_probe_name(set, probe)), t->values[probe] };
	for (unsigned i = 0; i < t->charges_n; i++) {
		const struct score_tape_charge *c = &t->charges[i];
		r->charges[r->charges_n++] = (struct replay_charge){
			.rule = slice_str(score_rule_name(set, c->rule)),
			.key = slice_str(score_charge_key_name(set, c->key)),
			.forgets = c->forgets,
			.points = c->points,
			.now = c->now,
		};
	}
	r->cut |= t->cut;
}

static struct slice rule_name(const struct score_ruleset *set, int rule)
{
	return rule < 0 ? slice_of("", 0) : slice_str(score_rule_name(set, (unsigned)rule));
}

void replay_verdict_of(const struct score_ruleset *set, const struct score_verdict *v, struct replay_verdict *verdict_r)
{
	*verdict_r = (struct replay_verdict){
		.now = v->now.action,
		.would = v->would.action,
		.now_rule = rule_name(set, v->now.rule),
		.would_rule = rule_name(set, v->would.rule),
		.ok_rule = rule_name(set, v->ok_rule),
		.wait_ms = v->wait_ms,
		.points = v->points,
		.score = v->score,
	};
}

void replay_record_verdict(struct replay_record *r, const struct score_ruleset *set, const struct score_verdict *v)
{
	replay_verdict_of(set, v, &r->verdict);
}
