/* test: what the rules would do to a session that an administrator makes up; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/clock.h"
#include "score/evidence.h"
#include "score/names.h"
#include "server/control_look.h"
#include "server/door.h"
#include "server/grey.h"
#include "server/pressure.h"

#include <stdio.h>

struct trial {
	struct app *app;
	const struct generation *g;
	struct score_facts facts;
	struct score_case c;
	struct score_readings read;
	uint64_t told[SCORE_RULES_MAX / 64 + 1]; /* a bit for each rule that was told */
	struct control_look look;
	struct slice client;
	struct ctl_json stages, rules;
};

/* ---- facts ---- */

static void take_session(struct trial *t, const struct ip *client)
{
	uint64_t now_ms = clock_wall_ms();
	struct standing known;
	struct pressure p = { 0 };
	door_standing(t->app, t->g, client, now_ms, &known);
	pressure_look(&p, t->app, t->g->settings->limits.waiting, clock_mono_ms());
	score_facts_client(&t->facts, client, slice_str(t->g->settings->listeners.items[0].name));
	score_facts_connections(&t->facts, clients_count(t->app->clients, client) + 1);
	score_facts_known_good(&t->facts, known.known_good);
	score_facts_age(&t->facts, known.first_ms && known.first_ms < now_ms ? now_ms - known.first_ms : 0);
	score_facts_early_talker(&t->facts, false);
	score_facts_pressure(&t->facts, atomic_load(&t->app->sessions), p.stress, p.load);
	score_facts_tls(&t->facts, false);
}

/* ---- an answer's parts ---- */

static void put_rule(struct trial *t, unsigned rule, enum score_stage stage, bool cancelled)
{
	struct score_fired about = score_rule_about(t->g->rules, rule);
	struct ctl_json at = ctl_json_put_object(t->rules, NULL), list = { 0 };
	ctl_json_put_text(at, "name", slice_str(score_rule_name(t->g->rules, rule)));
	ctl_json_put_text(at, "stage", slice_str(score_stage_names[stage]));
	if (about.action != SCORE_NONE)
		ctl_json_put_text(at, "action", slice_str(score_action_name(about.action)));
	ctl_json_put_double(at, "points", about.observed || cancelled ? 0 : about.points);
	if (about.observed)
		ctl_json_put_bool(at, "observed", true);
	if (cancelled)
		ctl_json_put_bool(at, "cancelled", true);
	for (unsigned i = 0; i < t->read.n; i++) {
		if (!score_rule_reads(t->g->rules, rule, t->read.item[i].probe))
			continue;
		list = list.node ? list : ctl_json_put_array(at, "read");
		struct ctl_json read = ctl_json_put_object(list, NULL);
		ctl_json_put_text(read, "name", slice_str(score_probe_name(t->g->rules, t->read.item[i].probe)));
		ctl_json_put_double(read, "value", t->read.item[i].value);
	}
}

static void put_rules(struct trial *t, enum score_stage stage, int ok_rule)
{
	struct score_standing it;
	unsigned at = 0;
	while (score_case_standing(t->g->rules, &t->c, &at, &it)) {
		uint64_t bit = (uint64_t)1 << it.rule % 64;
		if (t->told[it.rule / 64] & bit)
			continue;
		t->told[it.rule / 64] |= bit;
		put_rule(t, it.rule, stage, ok_rule != SCORE_NO_RULE && (int)it.rule > ok_rule);
	}
}

static struct slice rule_name(const struct trial *t, int rule)
{
	return rule == SCORE_NO_RULE ? SLICE("") : slice_str(score_rule_name(t->g->rules, (unsigned)rule));
}

static struct slice action_name(enum score_action action)
{
	return action == SCORE_NONE ? SLICE("none") : slice_str(score_action_name(action));
}

/* Nobody's clock is started. Returns how long it would have to wait; 0: it passes. */
static uint64_t put_greylist(struct trial *t, struct ctl_json at)
{
	struct score_store *store = t->app->store;
	const struct score_grey_limits limits = door_grey_limits(t->g);
	const struct score_grey_who who = grey_who(store, &t->facts.client, t->look.lookups);
	const struct score_grey_answer a =
		score_grey_peek(store, &limits, &who, t->facts.sender, t->facts.recipient, t->look.desk.wall_ms);
	bool passes = a.verdict == SCORE_GREY_PASSED || a.verdict == SCORE_GREY_KNOWN;
	struct ctl_json grey = ctl_json_put_object(at, "greylist");
	ctl_json_put_text(grey, "answer", slice_str(score_grey_verdict_name(a.verdict)));
	ctl_json_put_text(grey, "identity", lookup_identity(t->look.lookups));
	if (passes)
		ctl_json_put_text(grey, "by", slice_str(score_grey_rung_name(a.rung)));
	else
		ctl_json_put_count(grey, "wait_s", (a.left_ms + 999) / 1000);
	return passes ? 0 : a.left_ms;
}

static void put_reply(struct trial *t, struct ctl_json at, const struct score_verdict *v, uint64_t wait_ms)
{
	struct buf words = { 0 };
	const struct lookup_listing listing = lookup_listing(t->look.lookups, (unsigned)v->now.rule);
	const struct score_reply_values values = { .id = SLICE("00000000"),
		.client = t->client,
		.rule = rule_name(t, v->now.rule),
		.list = listing.list,
		.txt = listing.txt,
		.wait_s = (wait_ms + 999) / 1000 };
	bool ok = buf_printf(&words, "%u.%u.%u ", v->reply->klass, v->reply->subject, v->reply->detail) &&
		  score_reply_expand(v->reply, &values, &words);
	ctl_json_put_count(at, "code", v->reply->code);
	if (ok)
		ctl_json_put_text(at, "reply", buf_slice(&words));
	buf_release(&words);
}

static void put_stage(struct trial *t, enum score_stage stage, const struct score_verdict *v)
{
	struct ctl_json at = ctl_json_put_object(t->stages, NULL);
	ctl_json_put_text(at, "stage", slice_str(score_stage_names[stage]));
	ctl_json_put_text(at, "verdict", action_name(v->now.action));
	if (v->now.rule != SCORE_NO_RULE)
		ctl_json_put_text(at, "by", rule_name(t, v->now.rule));
	if (v->would.action != v->now.action || v->would.rule != v->now.rule) {
		ctl_json_put_text(at, "would", action_name(v->would.action));
		ctl_json_put_text(at, "would_by", rule_name(t, v->would.rule));
	}
	if (v->wait_ms)
		ctl_json_put_count(at, "wait_ms", v->wait_ms);
	bool greylisted = v->now.action == SCORE_GREYLIST;
	uint64_t left_ms = greylisted || v->would.action == SCORE_GREYLIST ? put_greylist(t, at) : 0;
	if (v->reply && (!greylisted || left_ms))
		put_reply(t, at, v, left_ms);
	if (v->ok_rule != SCORE_NO_RULE)
		ctl_json_put_text(at, "ok", rule_name(t, v->ok_rule));
	ctl_json_put_double(at, "score", v->score);
	ctl_json_put_double(at, "points", v->points);
}

static bool judge(struct trial *t, enum score_stage stage)
{
	struct score_verdict v;
	t->read.n = 0;
	control_look_stage(&t->look, stage, &t->c, &t->facts);
	TRY(score_rules_eval(t->g->rules, stage, &t->facts, &t->c, t->app->store, clock_wall_ms(), &v));
	put_stage(t, stage, &v);
	put_rules(t, stage, v.ok_rule);
	return true;
}

/* ---- the session ---- */

static struct slice without_brackets(struct slice s)
{
	return s.n >= 2 && s.p[0] == '<' && s.p[s.n - 1] == '>' ? slice_of(s.p + 1, s.n - 2) : s;
}

static bool is_local(const struct trial *t, struct slice domain)
{
	return domain.n && relay_shared_is_local(t->app->relay, domain);
}

static bool play(struct trial *t, struct ctl_json args)
{
	struct slice helo = ctl_json_text(args, "helo"), from = ctl_json_text(args, "from");
	struct slice rcpt = ctl_json_text(args, "recipient");
	TRY(judge(t, SCORE_CONNECT) && judge(t, SCORE_GREET));
	if (helo.n) {
		score_facts_helo(&t->facts, helo);
		score_facts_helo_ours(&t->facts, slice_ieq(helo, t->g->hostname) || is_local(t, helo));
		TRY(judge(t, SCORE_HELO));
	}
	if (from.n || rcpt.n) { /* a recipient without a sender: the null sender's */
		score_facts_sender(&t->facts, without_brackets(from));
		score_facts_sender_local(&t->facts, is_local(t, t->facts.sender_domain));
		TRY(judge(t, SCORE_MAIL));
	}
	if (rcpt.n) {
		score_facts_recipient(&t->facts, without_brackets(rcpt));
		TRY(judge(t, SCORE_RCPT));
	}
	return true;
}

static void put_notes(const struct trial *t, struct ctl_json root)
{
	struct ctl_json notes = ctl_json_put_array(root, "notes");
	char text[256];
	for (unsigned i = 0; i < score_rules_count(t->g->rules); i++) {
		const char *what = score_rule_unknown(t->g->rules, i);
		if (what && snprintf(text, sizeof text, "rule \"%s\": %s is always unknown in this version",
				    score_rule_name(t->g->rules, i), what) < (int)sizeof text)
			ctl_json_put_text(notes, NULL, slice_str(text));
	}
}

/* What the administrator or a rule decided before, of the client or else of one of the addresses. */
static void put_hold(struct trial *t, const struct ip *client, struct ctl_json args, struct ctl_json root)
{
	struct slice addresses[] = { without_brackets(ctl_json_text(args, "from")),
		without_brackets(ctl_json_text(args, "recipient")) };
	struct score_hold hold, of_recipient;
	uint64_t now_ms = clock_wall_ms();
	bool held = score_hold_client(t->app->store, client, now_ms, &hold);
	t->c.allowed = held && hold.kind == SCORE_HOLD_ALLOW;
	for (size_t i = 0; !held && i < sizeof addresses / sizeof addresses[0]; i++) {
		held = addresses[i].n && score_hold_address(t->app->store, addresses[i], now_ms, &hold);
		t->c.allowed |= held && hold.kind == SCORE_HOLD_ALLOW;
	}
	bool open = !held || hold.kind == SCORE_HOLD_ALLOW; /* what others are allowed lifts no recipient's block */
	if (open && addresses[1].n && score_hold_address(t->app->store, addresses[1], now_ms, &of_recipient) &&
		of_recipient.kind != SCORE_HOLD_ALLOW) {
		hold = of_recipient;
		held = true;
	}
	if (held)
		control_put_hold(root, &hold);
}

/* With all its lookups, which are told at the end. */
static bool run(
	struct trial *t, const struct ip *client, struct ctl_json args, struct ctl_json root, struct buf *error_r)
{
	struct slice name = ctl_json_text(args, "rdns");
	if (!control_look_open(&t->look, t->app, t->g, client))
		return control_refuse(error_r, "out of memory or descriptors");
	if (name.n && !lookup_say_name(&t->look.lookups, &t->look.client, name))
		return control_refuse(error_r, "--rdns takes the name of a host, as in --rdns mx.example.org");
	t->stages = ctl_json_put_array(root, "stages");
	t->rules = ctl_json_put_array(root, "rules");
	take_session(t, client);
	put_hold(t, client, args, root);
	if (!play(t, args))
		return control_refuse(error_r, "out of memory");
	control_look_put(&t->look, root);
	put_notes(t, root);
	return true;
}

bool control_test(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct trial t = { .app = arg, .client = ctl_json_text(args, "client"), .c.dry = true };
	struct ip client;
	if (!ip_parse(t.client, &client))
		return control_refuse(error_r, "test wants a client's address, as in --client 192.0.2.7");
	struct generation *g = control_generation(t.app, NULL);
	t.g = g;
	t.c.readings = &t.read;
	bool ok = run(&t, &client, args, ctl_json_root_object(data_r), error_r);
	score_case_free(&t.c);
	control_look_close(&t.look);
	generation_unref(&g);
	return ok;
}
