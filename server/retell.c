/* What a session says and hears, for a trace of its client; called only while some trace is on. Two things are never
 * told: what belongs to AUTH, and bodies. */
#include "score/names.h"
#include "server/lookup.h"
#include "server/talk.h"
#include "smtp/command.h"

#include <stdarg.h>
#include <stdio.h>

static void put(struct session *s, enum transcript_kind kind, struct slice text)
{
	struct worker *w = s->worker;
	transcripts_put(w->app->transcripts, &s->peer.ip, s->id, kind, text, w->wall_ms, w->now_ms);
}

__attribute__((format(printf, 3, 4))) static void say(
	struct session *s, enum transcript_kind kind, const char *fmt, ...)
{
	char text[TRANSCRIPT_TEXT];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	if (n >= 0)
		put(s, kind, slice_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1));
}

/* ---- the client's lines ---- */

static bool has_auth(struct slice line)
{
	for (; line.n >= 4; line = slice_skip(line, 1))
		if (slice_istarts(line, SLICE("auth")))
			return true;
	return false;
}

/* After an AUTH whatever is no command may be a part of it: names, passwords, in base64 or not. */
static void put_command(struct session *s, struct slice line)
{
	enum smtp_verb verb = smtp_command_parse(line).verb;
	if (slice_istarts(slice_trim(line), SLICE("auth"))) {
		s->auth_said = true;
		put(s, TRANSCRIPT_IN, SLICE("AUTH ***"));
	} else if (verb >= SMTP_VERB_FOREIGN && (s->auth_said || has_auth(line))) {
		put(s, TRANSCRIPT_IN, SLICE("***"));
	} else {
		put(s, TRANSCRIPT_IN, line);
	}
}

/* What stands behind a BDAT is body. */
static size_t chunk_behind(struct slice line)
{
	uint64_t n;
	struct smtp_command c = smtp_command_parse(line);
	struct slice count = slice_cut(&c.arg, ' ');
	return c.verb == SMTP_VERB_BDAT && slice_u64(count, SMTP_CHUNK_MAX, &n) ? (size_t)n : 0;
}

static void put_commands(struct session *s, struct slice lines)
{
	while (lines.n) {
		struct slice line = slice_cut(&lines, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		put_command(s, line);
		lines = slice_skip(lines, chunk_behind(line));
	}
}

/* What a Postfix that asks has told of its client. */
static void put_question(struct session *s, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	if (kind == SMTP_EV_HELO)
		say(s, TRANSCRIPT_IN, "%s %.*s", ev->esmtp ? "EHLO" : "HELO", SLICE_ARG(ev->name));
	else if (kind == SMTP_EV_MAIL)
		say(s, TRANSCRIPT_IN, "MAIL FROM:<%.*s>", SLICE_ARG(ev->path.addr));
	else if (kind == SMTP_EV_RCPT)
		say(s, TRANSCRIPT_IN, "RCPT TO:<%.*s>", SLICE_ARG(ev->path.addr));
	else if (kind == SMTP_EV_DATA)
		say(s, TRANSCRIPT_IN, "DATA");
	else if (kind == SMTP_EV_BODY_END)
		say(s, TRANSCRIPT_IN, "[body]");
}

void retell_in(
	struct session *s, struct slice used, uint32_t chunk, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	if (s->policy) {
		put_question(s, kind, ev);
		return;
	}
	bool offence = kind == SMTP_EV_OFFENCE, in_body = s->in_body && !s->smtp.body.chunked;
	if (kind == SMTP_EV_BODY_END && s->mail)
		say(s, TRANSCRIPT_IN, "[body: %llu bytes]", (unsigned long long)s->mail->body_bytes);
	else if (offence && ev->offence == SMTP_OFFENCE_REFUSED_DATA)
		say(s, TRANSCRIPT_IN, "[body: %zu bytes or more, after a refused DATA]", used.n);
	else if (!in_body && kind != SMTP_EV_CLOSE)
		put_commands(s, slice_skip(used, chunk));
	if (offence)
		put(s, TRANSCRIPT_OFFENCE, smtp_offence_name(ev->offence));
}

/* ---- our lines ---- */

void retell_out(struct session *s)
{
	struct slice out = slice_skip(buf_slice(&s->conn.out), s->told);
	while (out.n) {
		struct slice line = slice_cut(&out, '\n');
		if (line.n && line.p[line.n - 1] == '\r')
			line.n--;
		put(s, TRANSCRIPT_OUT, line);
	}
	s->told = (uint32_t)buf_len(&s->conn.out);
}

/* ---- what we do about it ---- */

void retell_connect(struct session *s)
{
	char ip[IP_TEXT];
	ip_format(&s->peer.ip, ip);
	say(s, TRANSCRIPT_CONNECT, "%s port %u at listener %s%s%s", ip, s->peer.port,
		app_listener(s->worker->app, s->peer.listener)->name, s->standing.allowed ? ", allowed" : "",
		s->standing.known_good ? ", known good" : "");
}

void retell_away(
	struct worker *w, uint64_t id, const struct peer *peer, struct slice by, unsigned code, struct slice words)
{
	struct transcripts *t = w->app->transcripts;
	struct buf text = { 0 };
	char ip[IP_TEXT];
	ip_format(&peer->ip, ip);
	if (buf_printf(&text, "%s port %u, turned away by %.*s", ip, peer->port, SLICE_ARG(by)))
		transcripts_put(t, &peer->ip, id, TRANSCRIPT_CONNECT, buf_slice(&text), w->wall_ms, w->now_ms);
	buf_clear(&text);
	if (buf_printf(&text, "%u %.*s", code, SLICE_ARG(words)))
		transcripts_put(t, &peer->ip, id, TRANSCRIPT_OUT, buf_slice(&text), w->wall_ms, w->now_ms);
	transcripts_put(t, &peer->ip, id, TRANSCRIPT_END, SLICE("turned away"), w->wall_ms, w->now_ms);
	buf_release(&text);
}

void retell_tls(struct session *s, const char *error)
{
	if (error)
		say(s, TRANSCRIPT_TLS, "handshake failed: %s", error);
	else
		say(s, TRANSCRIPT_TLS, "%s with %s", net_tls_version(s->conn.tls), net_tls_cipher(s->conn.tls));
}

void retell_lookup(struct session *s, const struct lookup_told *told)
{
	struct buf text = { 0 };
	if (buf_puts(&text, slice_str(told->name), SLICE(": "), told->answer) &&
		buf_printf(&text, " (%u ms)", told->ms))
		put(s, TRANSCRIPT_LOOKUP, buf_slice(&text));
	buf_release(&text);
}

void retell_fires(struct session *s, enum score_stage stage, const struct score_fires *fires)
{
	for (unsigned i = 0; i < fires->n; i++) {
		const struct settings_rule *r = &s->generation->settings->rules.items[fires->item[i].rule];
		bool observed = r->state == SETTINGS_RULE_OBSERVE;
		char points[32] = "", charge[32] = "";
		if (fires->item[i].anew && !observed && (r->points > 0 || r->points < 0))
			snprintf(points, sizeof points, ", %+g points", r->points);
		if (fires->item[i].charged)
			snprintf(charge, sizeof charge, ", charges %+g", r->charge);
		say(s, TRANSCRIPT_RULE, "%s: %s%s%s%s", score_stage_names[stage], r->name, points, charge,
			observed ? ", only observed" : "");
	}
}

static const char *rule_name(const struct session *s, const struct score_decision *d)
{
	return d->rule == SCORE_NO_RULE ? "" : score_rule_name(s->generation->rules, (unsigned)d->rule);
}

void retell_verdict(struct session *s, enum score_stage stage, const struct score_verdict *v, bool acted)
{
	if (v->now.action != SCORE_NONE)
		say(s, TRANSCRIPT_VERDICT, "%s: %s by %s%s, score %g, points %g", score_stage_names[stage],
			score_action_name(v->now.action), rule_name(s, &v->now), acted ? "" : " (kept for later)",
			v->score, v->points);
	if (v->would.action != v->now.action || v->would.rule != v->now.rule)
		say(s, TRANSCRIPT_VERDICT, "%s: would be %s by %s", score_stage_names[stage],
			score_action_name(v->would.action), rule_name(s, &v->would));
}

void retell_backend(struct session *s, const struct relay_done *d)
{
	const char *from = d->cached ? "recipient cache" : d->backend[0] ? d->backend : "no backend";
	struct buf text = { 0 };
	if (buf_printf(&text, "%s: %u %.*s (%u ms)", from, d->code, (int)d->text_n, d->text, d->backend_ms))
		put(s, TRANSCRIPT_BACKEND, buf_slice(&text));
	buf_release(&text);
}

void retell_end(struct session *s)
{
	struct slice by = s->tally.by.n ? s->tally.by : SLICE("client");
	say(s, TRANSCRIPT_END, "by %.*s, %u mails, %llu bytes received, %llu ms", SLICE_ARG(by), s->tally.mails,
		(unsigned long long)s->tally.bytes, (unsigned long long)(s->worker->now_ms - s->opened_ms));
}
