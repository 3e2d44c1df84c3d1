#include "base/log.h"
#include "score/evidence.h"
#include "server/lookup.h"
#include "server/talk.h"

#include <stdio.h>

/* What an alert shows of the rules that fired. */
enum { FIRED_MAX = 200 };

/* With log.addresses = "hash" or "none" the log tells the id alone, and the journal's line of it what it may. */
static struct slice shown(const struct session *s, struct slice address)
{
	bool plain = s->generation->settings->log.addresses == SETTINGS_ADDRESSES_PLAIN;
	return plain ? address : SLICE("(not shown)");
}

static void tell_logs(const struct session *s, const struct score_verdict *v, struct slice id)
{
	char ip[IP_TEXT];
	for (unsigned i = 0; i < v->logs_n; i++) {
		ip_format(&s->peer.ip, ip);
		log_info("rule %s: client %.*s helo %.*s id %.*s score %.0f",
			score_rule_name(s->generation->rules, v->logs[i]), SLICE_ARG(shown(s, slice_str(ip))),
			SLICE_ARG(shown(s, session_helo(s))), SLICE_ARG(id), v->score);
	}
}

/* ---- alerts ---- */

/* "harvest:20 tell:0" */
static bool list_fired(const struct session *s, struct buf *out)
{
	struct score_fired fired;
	unsigned at = 0;
	while (buf_len(out) < FIRED_MAX && score_case_next(s->generation->rules, &s->judgement, &at, &fired))
		if (!fired.observed)
			TRY(buf_printf(out, "%s%s:%g", buf_len(out) ? " " : "",
				score_rule_name(s->generation->rules, fired.rule), fired.points));
	return true;
}

/* "sender spam@example.org", what the rule counts by; an alarm is about the client. */
static bool write_key(const struct session *s, const struct score_facts *f, unsigned rule, bool alarm, struct buf *out)
{
	struct buf subject = { 0 };
	const char *kind = NULL;
	char ip[IP_TEXT];
	bool known = !alarm && score_rule_subject(s->generation->rules, rule, f, &kind, &subject) && kind;
	ip_format(&s->peer.ip, ip);
	bool ok = known ? buf_puts(out, slice_str(kind), SLICE(" "), buf_slice(&subject))
			: buf_puts(out, SLICE("client "), slice_str(ip));
	buf_release(&subject);
	return ok;
}

/* False: it was told not long ago, or too much was. */
static bool may_tell(struct worker *w, const struct generation *g, const struct alert *a)
{
	switch (alerts_ask(w->app->alerts, a->rule, a->key, g->settings->alerts.every_ms, w->now_ms)) {
	case ALERT_TELL:
		return true;
	case ALERT_TOLD:
	case ALERT_FULL:
		return false;
	case ALERT_FULL_NOW:
		log_warn("alerts: %d were told within alerts.every, further ones are left out", ALERTS_MAX);
		return false;
	}
	return false;
}

static void mail(struct worker *w, const struct generation *g, const struct alert *a)
{
	const struct settings_alerts *to = &g->settings->alerts;
	if (!to->to.count)
		return;
	stat_add(&w->stats, STAT_ALERTS, 1);
	if (!alert_desk_send(&w->alert_desk, w->relay, a, to, g->hostname, w->now_ms)) {
		log_warn("alerts: too many are under way, this one was not mailed");
		alerts_forget(w->app->alerts, a->rule, a->key);
	}
}

void act_alert(struct worker *w, const struct generation *g, const struct alert *a)
{
	if (may_tell(w, g, a))
		mail(w, g, a);
}

static void send_alert(struct session *s, const struct alert *a)
{
	if (!may_tell(s->worker, s->generation, a))
		return;
	struct slice key = shown(s, a->key), client = shown(s, a->client);
	log_warn("alert: rule %.*s, %.*s, client %.*s, score %.0f, id %.*s%s", SLICE_ARG(a->rule), SLICE_ARG(key),
		SLICE_ARG(client), a->score, SLICE_ARG(a->id),
		a->action.n ? "; a known-good client was spared a refusal" : "");
	mail(s->worker, s->generation, a);
}

/* `alarm`: the rule would have refused or blocked a client that is known good. */
static void tell(struct session *s, const struct score_facts *f, const struct score_verdict *v, unsigned rule,
	bool alarm, struct slice id)
{
	const struct score_ruleset *set = s->generation->rules;
	struct buf key = { 0 }, fired = { 0 };
	char ip[IP_TEXT];
	ip_format(&s->peer.ip, ip);
	if (write_key(s, f, rule, alarm, &key) && list_fired(s, &fired)) {
		struct alert a = {
			.rule = slice_str(score_rule_name(set, rule)),
			.key = buf_slice(&key),
			.action = slice_str(alarm ? score_action_name(score_rule_about(set, rule).action) : ""),
			.client = slice_str(ip),
			.helo = session_helo(s),
			.sender = f->sender,
			.recipient = f->recipient,
			.fired = buf_slice(&fired),
			.id = id,
			.score = v->score,
			.points = v->points,
			.wall_ms = s->worker->wall_ms,
		};
		send_alert(s, &a);
	}
	buf_release(&key);
	buf_release(&fired);
}

/* The client's text is not written: it is in the decision's record, and may be long. */
static void tell_gave_up(struct session *s, unsigned rule)
{
	stat_add(&s->worker->stats, STAT_GAVE_UP, 1);
	if (rule_count_may_tell(s->generation->counts[rule], s->worker->now_ms))
		log_warn("rule %s: its patterns took too many steps for what a client sent, so that what they ask "
			 "is unknown (told once a minute)",
			score_rule_name(s->generation->rules, rule));
}

void act_tell(struct session *s, const struct score_facts *f, const struct score_verdict *v)
{
	char text[ID_TEXT];
	id_format(s->mail ? s->mail->id : s->id, text);
	struct slice id = slice_str(text);
	tell_logs(s, v, id);
	for (unsigned i = 0; i < v->mails_n; i++)
		tell(s, f, v, v->mails[i], false, id);
	if (v->alarm_rule != SCORE_NO_RULE)
		tell(s, f, v, (unsigned)v->alarm_rule, true, id);
	if (v->gave_up_rule != SCORE_NO_RULE)
		tell_gave_up(s, (unsigned)v->gave_up_rule);
}

void act_on(struct session *s, const struct score_facts *f, const struct score_verdict *v)
{
	act_tell(s, f, v);
	if (!s->policy) /* the connection is not its client's */
		throttle_set(&s->throttle, v->rate, s->worker->now_ms);
}

/* ---- block ---- */

static void copy_text(char *to, size_t cap, const char *from)
{
	size_t n = strlen(from);
	n = n < cap ? n : cap - 1;
	memcpy(to, from, n);
	to[n] = 0;
}

void act_block(struct session *s, const struct score_verdict *v)
{
	struct worker *w = s->worker;
	struct score_key key = door_client_key(w->app, &s->peer.ip);
	struct score_hold hold = { .kind = SCORE_HOLD_AUTO, .until_ms = w->wall_ms + v->hold_ms };
	const char *rule = score_rule_name(s->generation->rules, (unsigned)v->now.rule);
	char ip[IP_TEXT];
	ip_format(&s->peer.ip, ip);
	copy_text(hold.by, sizeof hold.by, rule);
	snprintf(hold.reason, sizeof hold.reason, "score %.0f", v->score);
	if (score_hold_set(w->app->store, &key, &hold, score_origin(w->app->store, &s->peer.ip), w->wall_ms))
		log_info("rule %s: client %.*s is blocked for %llu s, score %.0f", rule,
			SLICE_ARG(shown(s, slice_str(ip))), (unsigned long long)(v->hold_ms / 1000), v->score);
	else
		log_warn("rule %s: a client could not be blocked, the table of blocks is full", rule);
	stat_add(&w->stats, STAT_BLOCKS, 1);
	s->ending = true;
}

/* ---- tag ---- */

bool act_write_tags(const struct session *s, struct slice id, struct buf *out)
{
	const struct score_ruleset *set = s->generation->rules;
	const struct score_reply *tag;
	unsigned at = 0;
	char ip[IP_TEXT];
	ip_format(&s->peer.ip, ip);
	while ((tag = score_case_tag(set, &s->judgement, &at))) {
		struct slice rule = slice_str(score_rule_name(set, at - 1));
		const struct lookup_listing listing = lookup_listing(s->lookups, at - 1);
		const struct score_reply_values values = {
			.id = id, .client = slice_str(ip), .rule = rule, .list = listing.list, .txt = listing.txt
		};
		TRY(score_reply_expand(tag, &values, out) && buf_put(out, SLICE("\r\n")));
	}
	return true;
}

/* ---- known good ---- */

bool act_note_deed(struct session *s, const struct score_key *key, enum deed deed)
{
	struct worker *w = s->worker;
	struct score_known_limits limits = door_limits(s->generation);
	switch (deed) {
	case DEED_ACCEPTED:
		return score_known_accepted(
			w->app->store, key, &limits, score_origin(w->app->store, &s->peer.ip), w->wall_ms);
	case DEED_REFUSED:
		return score_known_refused(w->app->store, key, &limits);
	case DEED_SPARED:
		return score_known_spared(w->app->store, key, &limits, w->wall_ms);
	}
	return false;
}

void act_remember(struct session *s, enum deed deed)
{
	struct score_key key = door_client_key(s->worker->app, &s->peer.ip);
	s->standing.known_good = act_note_deed(s, &key, deed);
	grey_remember(s, deed);
}
