#include "server/policy.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/held.h"
#include "server/seats.h"
#include "server/talk.h"

#include <unistd.h>

/* ---- the connection ---- */

static bool take_place(struct worker *w)
{
	return seats_take(w->app, true) || (ending_make_room(w) && seats_take(w->app, true));
}

static bool is_neighbour(const struct worker *w, const struct peer *peer)
{
	const struct settings_prefixes *from = &app_listener(w->app, peer->listener)->policy_from;
	return ip_prefixes_have(from->items, from->count, &peer->ip);
}

static void turn_away(struct worker *w, int fd, const struct peer *peer, struct slice why)
{
	close(fd);
	stat_add(&w->stats, STAT_POLICY_REFUSED, 1);
	away_silently(w, peer, SLICE("policy"), why);
}

void policy_open(struct worker *w, int fd, const struct peer *peer)
{
	if (!is_neighbour(w, peer)) {
		turn_away(w, fd, peer, SLICE("not within listeners[].policy_from"));
		return;
	}
	struct policy *p = mem_zalloc(sizeof *p);
	if (!p || !take_place(w)) {
		turn_away(w, fd, peer, p ? SLICE("too many sessions") : SLICE("out of memory"));
		mem_free(&p);
		return;
	}
	struct session *s = session_new(w, fd, peer);
	if (!s) {
		mem_free(&p);
		seats_leave(w->app);
		return;
	}
	s->policy = p;
	p->neighbour = *peer;
	p->vacant = true;
	smtp_policy_init(&p->core, &s->conn.out);
	session_pump(s);
}

void policy_close_vacant(struct session *s)
{
	struct worker *w = s->worker;
	net_conn_close(&s->conn, w->loop);
	net_wheel_cancel(&w->wheel, &s->timer);
	buf_release(&s->in);
	held_release(s);
	mem_free(&s->policy);
	seats_leave(w->app);
	worker_unseat(w, s, s->index);
}

void policy_end(struct session *s, struct slice by)
{
	if (!s->tally.by.n)
		s->tally.by = by;
	smtp_policy_pass(&s->policy->core);
	ending_finish(s, false);
}

static uint64_t quiet_ms(const struct session *s, uint64_t most)
{
	uint64_t set = s->generation->settings->limits.command_timeout_ms;
	return set < most ? set : most;
}

uint64_t policy_quiet_ms(const struct session *s)
{
	bool refused = s->mail && s->mail->rcpts_n && !s->mail->taken;
	return quiet_ms(s, refused ? POLICY_REFUSED_MS : POLICY_QUIET_MS);
}

void policy_look(struct session *s)
{
	struct policy *p = s->policy;
	uint64_t now = s->worker->now_ms;
	if (p->vacant)
		return;
	if (s->mail && now >= s->heard_ms + policy_quiet_ms(s)) {
		journal_mail(s);
		smtp_policy_forget_mail(&p->core);
	}
	if (now < s->heard_ms + policy_quiet_ms(s)) {
		deadline_client(s);
		return;
	}
	again_leave(s);
	p->vacant = true;
	smtp_policy_forget(&p->core);
}

/* ---- requests ---- */

enum smtp_event_kind policy_next(struct session *s, struct slice *in, struct smtp_event *ev_r)
{
	enum smtp_event_kind kind = smtp_policy_next(&s->policy->core, in, ev_r);
	return kind == SMTP_EV_MORE && s->leaving ? SMTP_EV_CLOSE : kind;
}

/* STARTTLS may have come since the request before. */
static void note_tls(struct session *s)
{
	struct slice version = smtp_policy_value(&s->policy->core.request, SMTP_POLICY_TLS);
	struct slice cipher = smtp_policy_value(&s->policy->core.request, SMTP_POLICY_CIPHER);
	struct via *v = s->via;
	if (!v || v->tls || !version.n || version.n >= sizeof v->version)
		return;
	v->tls = s->handshaken = true;
	memcpy(v->version, version.p, version.n);
	v->cipher = cipher.n ? mem_strndup(cipher.p, cipher.n) : NULL;
}

static void on_client(struct session *s, const struct smtp_event *ev)
{
	struct policy *p = s->policy;
	switch (again_for_policy(s, &ev->xclient)) {
	case AGAIN_FAILED:
		policy_answer(s, 451, SLICE("out of memory"));
		return;
	case AGAIN_BLOCKED:
		p->refused = true;
		again_refuse(s, SLICE("block"), SLICE("4.7.0 Your address is blocked for now, try again later"));
		return;
	case AGAIN_LET_IN:
		note_tls(s);
		arrive_welcome(s);
	}
}

static void on_data(struct session *s)
{
	s->asked = ASKED_HEADER;
	stage_begin(s);
}

/* Its header is not shown to us. */
static void on_body_end(struct session *s)
{
	uint64_t size = 0;
	s->asked = ASKED_MESSAGE;
	s->mail->dot_ms = s->worker->now_ms;
	if (slice_u64(smtp_policy_value(&s->policy->core.request, SMTP_POLICY_SIZE), UINT32_MAX, &size))
		s->mail->body_bytes = size;
	stage_begin(s);
}

static void on_bad_request(struct session *s)
{
	stat_add(&s->worker->stats, STAT_POLICY_UNJUDGED, 1);
	log_debug("a policy request could not be read, and was answered DUNNO");
}

void policy_event(struct session *s, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	if (kind == SMTP_EV_OFFENCE) {
		on_bad_request(s);
		return;
	}
	note_tls(s);
	if (kind == SMTP_EV_XCLIENT)
		on_client(s, ev);
	else if (kind == SMTP_EV_DATA)
		on_data(s);
	else if (kind == SMTP_EV_BODY_END)
		on_body_end(s);
	else
		talk_event(s, kind, ev);
}

/* ---- answers ---- */

void policy_note_refusal(struct session *s, const struct refusal *r)
{
	s->policy->refused = !slice_eq(r->by, SLICE("limit"));
}

void policy_answer(struct session *s, unsigned code, struct slice text)
{
	struct policy *p = s->policy;
	bool failed = code >= 400 && !p->refused;
	p->refused = false;
	if (failed) {
		stat_add(&s->worker->stats, STAT_POLICY_UNJUDGED, 1);
		smtp_policy_pass(&p->core);
	} else {
		smtp_policy_answer(&p->core, code, text);
	}
}

void policy_go_on(struct session *s)
{
	static const struct slice BY = SLICE_INIT("policy");
	if (s->asked == ASKED_RCPT)
		talk_answer_rcpt(s, 250, SLICE("DUNNO"), BY);
	else if (s->asked == ASKED_HEADER)
		talk_answer(s, 354, SLICE("DUNNO"));
	else if (s->asked == ASKED_MESSAGE)
		talk_answer_message(s, 250, SLICE("DUNNO"), BY);
	else
		talk_steps[s->asked].go_on(s);
}

void policy_settle(struct mail *m)
{
	if (m->outcome.verdict > MAIL_LOST || !m->taken)
		return;
	m->outcome = (struct mail_outcome){
		.verdict = MAIL_ACCEPTED, .by = SLICE("policy"), .code = 250, .reply = SLICE("DUNNO")
	};
}
