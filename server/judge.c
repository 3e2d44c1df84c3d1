#include "base/log.h"
#include "server/account.h"
#include "server/grey.h"
#include "server/lookup.h"
#include "server/policy.h"
#include "server/replay_log.h"
#include "server/talk.h"

#include <stdio.h>

/* Of limits.delay, what may be spent before the greeting: longer, and good servers give up. And behind the dot, of the
 * 4 minutes in which the client hears something: the backend needs its part. */
enum { GREETING_DELAY_MS = 20000, DOT_DELAY_MS = 120000 };
static const struct slice NO_MEMORY = SLICE_INIT("4.3.0 Out of memory, try again later");

/* The administrator's `allow`, an `ok` above all rules. `here`: of the recipient in question. */
static void set_allowed(struct session *s, bool here)
{
	s->judgement.allowed = here || s->standing.allowed || (s->mail && s->mail->allowed);
}

/* ---- what fired ---- */

static int64_t milli(double v)
{
	return (int64_t)(v * 1000 + (v < 0 ? -0.5 : 0.5));
}

static void count_fire(struct session *s, unsigned rule, bool anew, bool charged)
{
	struct rule_counts *c = s->generation->counts[rule];
	const struct settings_rule *about = &s->generation->settings->rules.items[rule];
	unsigned w = s->worker->number;
	bool observed = about->state == SETTINGS_RULE_OBSERVE;
	if (anew)
		rule_count_add(c, w, observed ? RULE_OBSERVED : RULE_FIRED, 1);
	if (anew && !observed && milli(about->points))
		rule_count_add(c, w, RULE_POINTS_MILLI, milli(about->points));
	if (!charged)
		return;
	rule_count_add(c, w, RULE_CHARGED, 1);
	rule_count_add(c, w, RULE_CHARGE_MILLI, milli(about->charge));
}

static void count_decision(struct session *s, const struct score_verdict *v)
{
	if (v->now.rule != SCORE_NO_RULE)
		rule_count_add(s->generation->counts[v->now.rule], s->worker->number, RULE_DECIDED, 1);
}

static void begin_test(struct session *s, struct score_readings *read)
{
	read->n = s->worker->fires->n = 0; /* the rest is filled as it is read */
	s->judgement.readings = read;
	s->judgement.fires = s->worker->fires;
}

static void end_test(struct session *s, enum score_stage stage, const struct score_readings *read)
{
	const struct score_fires *f = s->worker->fires;
	s->judgement.readings = NULL;
	s->judgement.fires = NULL;
	account_note(s, stage, read);
	if (f->n && retell_wanted(s->worker))
		retell_fires(s, stage, f);
	for (unsigned i = 0; i < f->n; i++)
		count_fire(s, f->item[i].rule, f->item[i].anew, f->item[i].charged);
}

/* ---- events ---- */

static void write_event(struct session *s, struct replay_record *r, enum score_event event, uint64_t amount, bool whole)
{
	r->event = event;
	r->amount = amount;
	r->cut |= !whole;
	replay_called(s, NULL);
}

void judge_event(struct session *s, enum score_event event, uint64_t amount)
{
	struct worker *w = s->worker;
	struct score_facts f = facts_of(s);
	struct score_readings read;
	set_allowed(s, false);
	begin_test(s, &read);
	struct replay_record *r = replay_call(s, REPLAY_EVENT, &f);
	bool counted = score_event(s->generation->rules, &f, &s->judgement, w->app->store, event, amount, w->wall_ms);
	if (!counted)
		log_warn("out of memory: an event was not counted");
	if (r)
		write_event(s, r, event, amount, counted);
	end_test(s, (enum score_stage)s->judgement.stage, &read);
}

static void undo(struct session *s, const struct score_facts *f, enum score_event event)
{
	struct replay_record *r = replay_call(s, REPLAY_UNDO, f);
	score_event_undo(s->generation->rules, f, s->worker->app->store, event, 1, s->worker->wall_ms);
	if (r)
		write_event(s, r, event, 1, true);
}

void judge_undo(struct session *s, enum score_event event)
{
	struct score_facts f = facts_of(s);
	undo(s, &f, event);
}

void judge_take_back(struct session *s)
{
	const struct mail *m = s->mail;
	struct score_facts f = facts_of(s);
	score_facts_drop(&f, SCORE_OF_RECIPIENT);
	undo(s, &f, SCORE_EV_MESSAGES);
	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		if (m->rcpts[i].code / 100 != 2)
			continue;
		score_facts_recipient(&f, m->rcpts[i].address);
		undo(s, &f, SCORE_EV_RECIPIENTS);
	}
}

void judge_learned(struct session *s, enum score_event event, enum score_key_kind key)
{
	struct worker *w = s->worker;
	if (!score_rules_count_by(s->generation->rules, key))
		return;
	struct score_facts f = facts_of(s);
	struct replay_record *r = replay_call(s, REPLAY_EVENT, &f);
	score_event_learned(s->generation->rules, &f, w->app->store, event, 1, key, w->wall_ms);
	if (!r)
		return;
	r->learned = (int)key;
	write_event(s, r, event, 1, true);
}

/* ---- delays ---- */

static bool enter_waiting(struct app *app, uint32_t limit)
{
	if (atomic_fetch_add_explicit(&app->waiting, 1, memory_order_relaxed) < limit || limit == 0)
		return true;
	atomic_fetch_sub_explicit(&app->waiting, 1, memory_order_relaxed);
	return false;
}

/* What may still be waited for. */
static uint64_t delay_left(const struct session *s)
{
	uint64_t most = s->generation->settings->limits.delay_ms;
	bool greeting = s->asked == ASKED_GREETING || s->asked == ASKED_BANNER;
	if (s->policy && most > POLICY_DELAY_MS)
		most = POLICY_DELAY_MS;
	if (greeting && most > GREETING_DELAY_MS)
		most = GREETING_DELAY_MS;
	uint64_t left = most > s->tally.waited_ms ? most - s->tally.waited_ms : 0;
	if (!s->mail || !s->mail->dot_ms)
		return left;
	uint64_t after = s->worker->now_ms - s->mail->dot_ms, room = after < DOT_DELAY_MS ? DOT_DELAY_MS - after : 0;
	return left < room ? left : room;
}

/* Holds the session back, as far as the limits allow. False: it goes on at once. */
static bool hold_back(struct session *s, uint64_t ms)
{
	struct worker *w = s->worker;
	const struct settings_limits *l = &s->generation->settings->limits;
	bool before_greeting = s->asked == ASKED_GREETING || s->asked == ASKED_BANNER;
	uint64_t left = delay_left(s);
	if (ms > left)
		ms = left;
	if (ms == 0)
		return false;
	/* who waits holds a session: when they run short nobody is made to */
	if (pressure_is_high(w->app) || !enter_waiting(w->app, l->waiting)) {
		stat_add(&w->stats, STAT_WAITS_SKIPPED, 1);
		return false;
	}
	stat_add(&w->stats, STAT_WAITING, 1);
	s->tally.waited_ms += (uint32_t)ms;
	if (before_greeting && !s->by_xclient)
		smtp_server_tease(&s->smtp, s->generation->hostname);
	s->awaiting = AWAIT_DELAY;
	deadline_after(s, ms);
	return true;
}

void judge_end_delay(struct session *s)
{
	if (s->awaiting != AWAIT_DELAY)
		return;
	atomic_fetch_sub_explicit(&s->worker->app->waiting, 1, memory_order_relaxed);
	stat_sub(&s->worker->stats, STAT_WAITING, 1);
	s->awaiting = AWAIT_CLIENT;
}

/* ---- verdicts ---- */

/* "7F3K9QZ2", or "7F3K9QZ2-3" for the third recipient that this mail was refused. */
static struct slice decision_id(struct session *s, char text_r[ID_TEXT + 12])
{
	struct mail *m = s->mail;
	id_format(m ? m->id : s->id, text_r);
	if (s->asked != ASKED_RCPT)
		return slice_str(text_r);
	mail_last_rcpt(m)->sub = (uint16_t)++m->subs;
	snprintf(text_r + ID_TEXT - 1, 13, "-%u", m->subs);
	return slice_str(text_r);
}

struct slice judge_sign(struct session *s, struct slice text)
{
	struct buf *words = &s->worker->words;
	char id[ID_TEXT + 12];
	buf_clear(words);
	bool ok = buf_puts(words, text, SLICE(" (id "), decision_id(s, id), SLICE(")"));
	return ok ? buf_slice(words) : text;
}

static bool word_refusal(struct session *s, const struct score_verdict *v, uint64_t wait_s, struct refusal *refusal_r)
{
	struct buf *words = &s->worker->words;
	char id[ID_TEXT + 12], ip[IP_TEXT];
	struct slice rule = slice_str(score_rule_name(s->generation->rules, (unsigned)v->now.rule));
	ip_format(&s->peer.ip, ip);
	buf_clear(words);
	TRY(buf_printf(words, "%u.%u.%u ", v->reply->klass, v->reply->subject, v->reply->detail));
	const struct lookup_listing listing = lookup_listing(s->lookups, (unsigned)v->now.rule);
	const struct score_reply_values values = { .id = decision_id(s, id),
		.client = slice_str(ip),
		.rule = rule,
		.list = listing.list,
		.txt = listing.txt,
		.wait_s = wait_s };
	TRY(score_reply_expand(v->reply, &values, words));
	*refusal_r = (struct refusal){ .code = v->reply->code, .text = buf_slice(words), .by = rule };
	return true;
}

/* With refuse_at = "rcpt" a refusal found early is kept until the log can say sender and recipient. */
static bool is_held_back(const struct session *s, enum score_stage stage)
{
	return stage < SCORE_RCPT && s->generation->settings->refuse_at == SETTINGS_REFUSE_AT_RCPT;
}

/* ---- the administrator's own word ---- */

/* Asked again where it may have changed since the accept, or where an address is new. */
static enum door door_now(struct session *s, enum score_stage stage)
{
	struct worker *w = s->worker;
	struct score_hold hold;
	enum door door = DOOR_OPEN;
	if (stage == SCORE_RCPT)
		return door_of_address(w->app, mail_last_rcpt(s->mail)->address, w->wall_ms);
	if (stage != SCORE_MAIL)
		return DOOR_OPEN;
	door = door_of_client(w->app, s->generation, &s->peer.ip, w->wall_ms, &hold);
	s->ending = door == DOOR_BLOCKED;
	if (door == DOOR_OPEN)
		door = door_of_address(w->app, s->mail->sender, w->wall_ms);
	s->mail->allowed = door == DOOR_ALLOWED;
	return door;
}

static enum judged refuse_blocked(struct session *s, struct refusal *refusal_r)
{
	struct buf *words = &s->worker->words;
	char id[ID_TEXT + 12];
	*refusal_r = (struct refusal){ .code = s->ending ? 421 : 450, .text = NO_MEMORY, .by = SLICE("block") };
	buf_clear(words);
	if (buf_puts(words, s->ending ? SLICE("4.7.0 Your address") : SLICE("4.7.1 This mail address"),
		    SLICE(" is blocked for now, try again later (id "), decision_id(s, id), SLICE(")")))
		refusal_r->text = buf_slice(words);
	return JUDGED_REFUSED;
}

/* ---- the rules' ---- */

static enum judged refuse(struct session *s, const struct score_verdict *v, struct refusal *refusal_r)
{
	bool lasting = v->now.action == SCORE_BLOCK || v->now.action == SCORE_REJECT;
	if (!word_refusal(s, v, 0, refusal_r))
		*refusal_r = (struct refusal){ .code = 451, .text = NO_MEMORY, .by = SLICE("limit") };
	if (v->now.action == SCORE_BLOCK)
		act_block(s, v);
	else if (v->held)
		s->held_refusals++;
	if (lasting && (!s->mail || !s->mail->refused))
		act_remember(s, DEED_REFUSED);
	else if (v->alarm_rule != SCORE_NO_RULE)
		act_remember(s, DEED_SPARED);
	if (s->mail)
		s->mail->refused |= lasting;
	return JUDGED_REFUSED;
}

static enum judged greylist(struct session *s, const struct score_verdict *v, struct refusal *refusal_r)
{
	uint64_t left_ms = grey_left_ms(s);
	if (left_ms == 0)
		return JUDGED_GO;
	if (!word_refusal(s, v, (left_ms + 999) / 1000, refusal_r))
		*refusal_r = (struct refusal){ .code = 451, .text = NO_MEMORY, .by = SLICE("limit") };
	return JUDGED_REFUSED;
}

static enum judged follow(
	struct session *s, enum score_stage stage, const struct score_verdict *v, struct refusal *refusal_r)
{
	switch (v->now.action) {
	case SCORE_WAIT:
		return hold_back(s, v->wait_ms) ? JUDGED_WAIT : JUDGED_GO;
	case SCORE_GREYLIST:
		return greylist(s, v, refusal_r);
	case SCORE_DEFER:
	case SCORE_REJECT:
		return is_held_back(s, stage) ? JUDGED_GO : refuse(s, v, refusal_r);
	case SCORE_BLOCK: /* never held: every further command would be work for nothing */
		return refuse(s, v, refusal_r);
	default: /* the other actions add up beside the verdict: act_on() */
		return JUDGED_GO;
	}
}

static void write_test(
	struct session *s, struct replay_record *r, enum score_stage stage, const struct score_verdict *v)
{
	r->stage = stage;
	r->event = SCORE_EVENTS;
	r->cut |= v == NULL;
	replay_called(s, v);
}

static bool test(struct session *s, enum score_stage stage, const struct score_facts *f, struct score_verdict *v_r)
{
	struct worker *w = s->worker;
	struct score_readings read;
	begin_test(s, &read);
	struct replay_record *r = replay_call(s, REPLAY_TEST, f);
	bool tested = score_rules_eval(s->generation->rules, stage, f, &s->judgement, w->app->store, w->wall_ms, v_r);
	if (r)
		write_test(s, r, stage, tested ? v_r : NULL);
	end_test(s, stage, &read);
	return tested;
}

enum judged judge_stage(struct session *s, enum score_stage stage, struct refusal *refusal_r)
{
	struct score_verdict v;
	enum door door = door_now(s, stage);
	if (door == DOOR_BLOCKED)
		return refuse_blocked(s, refusal_r);
	set_allowed(s, door == DOOR_ALLOWED);
	struct score_facts f = facts_of(s);
	if (!test(s, stage, &f, &v)) {
		*refusal_r = (struct refusal){ .code = 451, .text = NO_MEMORY, .by = SLICE("limit") };
		return JUDGED_REFUSED;
	}
	act_on(s, &f, &v);
	bool same = v.would.action == v.now.action && v.would.rule == v.now.rule;
	if (!same && v.would.action > s->would.action)
		s->would = v.would;
	enum judged judged = follow(s, stage, &v, refusal_r);
	if (judged != JUDGED_GO)
		count_decision(s, &v);
	if (retell_wanted(s->worker))
		retell_verdict(s, stage, &v, judged != JUDGED_GO);
	return judged;
}

void judge_tell(struct session *s, enum score_scope scope)
{
	struct score_facts f = facts_of(s);
	struct score_verdict v;
	if (score_rules_tell(
		    s->generation->rules, scope, &f, &s->judgement, s->worker->app->store, s->worker->wall_ms, &v))
		act_tell(s, &f, &v);
}

void judge_recipient_done(struct session *s, bool accepted)
{
	lookup_end_recipient(s->lookups);
	score_case_recipient_done(s->generation->rules, &s->judgement, accepted);
	struct replay_record *r = replay_call(s, REPLAY_RECIPIENT_DONE, NULL);
	if (!r)
		return;
	r->accepted = accepted;
	replay_called(s, NULL);
}

void judge_mail_done(struct session *s)
{
	score_case_mail_done(s->generation->rules, &s->judgement);
	replay_tell(s, REPLAY_MAIL_DONE);
	s->would = (struct score_decision){ .action = SCORE_NONE, .rule = SCORE_NO_RULE };
}

void judge_sum_up(struct session *s, struct score_verdict *verdict_r)
{
	struct score_facts f = facts_of(s);
	score_case_verdict(
		s->generation->rules, &f, &s->judgement, s->worker->app->store, s->worker->wall_ms, verdict_r);
}

void judge_release(struct session *s)
{
	judge_end_delay(s);
	account_free(&s->account);
	score_case_free(&s->judgement);
	replay_tell(s, REPLAY_SESSION_END);
}
