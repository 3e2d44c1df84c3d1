#include "tools/replay_report.h"

#include "base/clock.h"
#include "score/names.h"

#include <inttypes.h>
#include <stdio.h>

/* Of a verdict, what differs from the other: what was done, else what observed rules would have done. */
struct shown {
	enum score_action action;
	struct slice rule;
	bool would;
};

static bool same_decision(enum score_action a, struct slice a_rule, enum score_action b, struct slice b_rule)
{
	return a == b && slice_eq(a_rule, b_rule);
}

static struct shown show(const struct replay_verdict *v, const struct replay_verdict *other)
{
	bool would = same_decision(v->now, v->now_rule, other->now, other->now_rule) && v->wait_ms == other->wait_ms &&
		     !same_decision(v->would, v->would_rule, other->would, other->would_rule);
	return would ? (struct shown){ v->would, v->would_rule, true } : (struct shown){ v->now, v->now_rule, false };
}

static struct slice action_name(const struct shown *s)
{
	return s->action == SCORE_NONE ? SLICE("pass") : slice_str(score_action_name(s->action));
}

/* "would defer" */
static bool put_action(struct buf *out, const struct shown *s)
{
	return buf_puts(out, s->would ? SLICE("would ") : SLICE(""), action_name(s));
}

/* "defer by harvest", "wait 4000 ms by slow" */
static bool word(struct buf *out, const struct shown *s, const struct replay_verdict *v)
{
	TRY(put_action(out, s));
	if (!s->would && s->action == SCORE_WAIT)
		TRY(buf_printf(out, " %" PRIu32 " ms", v->wait_ms));
	TRY(s->rule.n == 0 || buf_puts(out, SLICE(" by "), s->rule));
	return v->ok_rule.n == 0 || buf_puts(out, SLICE(" (ok by "), v->ok_rule, SLICE(")"));
}

static struct tally_example example_of(const struct replay_record *record, char client[IP_TEXT])
{
	const struct score_facts *f = &record->facts;
	return (struct tally_example){
		.time_ms = record->time_ms,
		.session = record->session,
		.mail = record->mail,
		.client = slice_of(client, ip_format(&f->client, client)),
		.sender = !(f->known & SCORE_HAS_SENDER) ? slice_of("", 0)
			  : f->sender.n			 ? f->sender
							 : SLICE("<>"),
		.recipient = f->known & SCORE_HAS_RECIPIENT ? f->recipient : slice_of("", 0),
		.stage = slice_str(score_stage_names[record->stage]),
	};
}

/* Those that decided then and now, and the `ok` that came or went. */
static void count_rules(struct replay_report *r, const struct tally_example *e, const struct shown *from,
	const struct shown *to, const struct replay_record *record, const struct replay_verdict *now)
{
	if (from->rule.n && !slice_eq(from->rule, to->rule))
		tally_add(&r->rules, from->rule, e);
	if (to->rule.n)
		tally_add(&r->rules, to->rule, e);
	struct slice ok_then = record->verdict.ok_rule;
	if (slice_eq(ok_then, now->ok_rule))
		return;
	if (ok_then.n)
		tally_add(&r->rules, ok_then, e);
	if (now->ok_rule.n)
		tally_add(&r->rules, now->ok_rule, e);
}

void replay_report_change(struct replay_report *r, const struct replay_record *record, const struct replay_verdict *now)
{
	char client[IP_TEXT];
	struct shown from = show(&record->verdict, now), to = show(now, &record->verdict);
	struct tally_example e = example_of(record, client);
	struct buf *b = &r->text;
	buf_clear(b);
	size_t ends[3];
	bool ok = word(b, &from, &record->verdict);
	ends[0] = buf_len(b);
	ok = ok && word(b, &to, now);
	ends[1] = buf_len(b);
	ok = ok && put_action(b, &from) && buf_put(b, SLICE(" -> ")) && put_action(b, &to);
	ends[2] = buf_len(b);
	r->verdicts.failed |= !ok;
	if (!ok)
		return;
	const char *text = buf_slice(b).p;
	e.from = slice_of(text, ends[0]);
	e.to = slice_of(text + ends[0], ends[1] - ends[0]);
	count_rules(r, &e, &from, &to, record, now);
	tally_add(&r->clients, e.client, &e);
	tally_add(&r->verdicts, slice_of(text + ends[1], ends[2] - ends[1]), &e);
}

void replay_report_fault(struct replay_report *r, const char *file, uint64_t line, const char *why)
{
	if (r->faults_n < REPLAY_FAULTS_TOLD)
		r->faults[r->faults_n] = (struct replay_fault){ file, line, why };
	r->faults_n++;
}

/* ---- the data ---- */

static void put_time(struct ctl_json at, const char *key, uint64_t ms)
{
	char text[CLOCK_RFC3339];
	ctl_json_put_text(at, key, slice_of(text, clock_rfc3339(ms, text)));
}

static void put_totals(const struct replay_totals *t, const struct score_ruleset *set, struct ctl_json at)
{
	char hash[20];
	(void)snprintf(hash, sizeof hash, "%016" PRIx64, score_rules_hash(set));
	ctl_json_put_text(at, "rules", slice_str(hash));
	ctl_json_put_bool(at, "rules_same", t->tests > 0 && t->by_same_rules == t->tests);
	ctl_json_put_count(at, "tests_by_same_rules", t->by_same_rules);
	ctl_json_put_count(at, "records", t->records);
	ctl_json_put_count(at, "sessions", t->sessions);
	ctl_json_put_count(at, "starts", t->starts);
	put_time(at, "first", t->first_ms);
	put_time(at, "last", t->last_ms);
	ctl_json_put_count(at, "tests", t->tests);
	ctl_json_put_count(at, "same", t->same);
	ctl_json_put_count(at, "changed", t->changed);
	ctl_json_put_count(at, "uncertain", t->uncertain);
	ctl_json_put_count(at, "sessions_broken", t->broken);
	ctl_json_put_count(at, "missing", t->missing);
	ctl_json_put_count(at, "crowded", t->crowded);
}

static void put_faults(const struct replay_report *r, struct ctl_json at)
{
	ctl_json_put_count(at, "faults", r->faults_n);
	struct ctl_json list = ctl_json_put_array(at, "fault_lines");
	for (uint64_t i = 0; i < r->faults_n && i < REPLAY_FAULTS_TOLD; i++) {
		struct ctl_json one = ctl_json_put_object(list, NULL);
		ctl_json_put_text(one, "file", slice_str(r->faults[i].file));
		ctl_json_put_count(one, "line", r->faults[i].line);
		ctl_json_put_text(one, "fault", slice_str(r->faults[i].why));
	}
}

static void put_fresh(const struct replay_runner *runner, struct ctl_json at)
{
	struct ctl_json list = ctl_json_put_array(at, "new_expressions");
	struct replay_fresh fresh;
	for (unsigned i = 0; replay_runner_fresh(runner, &i, &fresh);) {
		struct ctl_json one = ctl_json_put_object(list, NULL);
		ctl_json_put_text(one, "expression", slice_str(fresh.probe));
		ctl_json_put_count(one, "reads", fresh.reads);
		ctl_json_put_count(one, "reached_before_file", fresh.too_early);
		ctl_json_put_count(one, "most_before_file_ms", fresh.before_ms);
	}
}

void replay_report_put(struct replay_report *r, const struct replay_runner *runner, const struct score_ruleset *set,
	size_t top, struct ctl_json at)
{
	struct replay_totals t;
	replay_runner_totals(runner, &t);
	put_totals(&t, set, at);
	put_faults(r, at);
	put_fresh(runner, at);
	tally_put(&r->verdicts, at, "by_verdict", 0);
	tally_put(&r->rules, at, "by_rule", 0);
	tally_put(&r->clients, at, "by_client", top);
	at.doc->failed |= r->verdicts.failed || r->rules.failed || r->clients.failed;
}

void replay_report_release(struct replay_report *r)
{
	tally_release(&r->rules);
	tally_release(&r->clients);
	tally_release(&r->verdicts);
	buf_release(&r->text);
}
