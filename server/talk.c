#include "server/talk.h"

#include "base/log.h"
#include "base/mem.h"
#include "server/lookup.h"
#include "server/policy.h"

#include <sys/socket.h>

/* A client whose refusal was held back hears it this often, then the session ends. */
enum { HELD_REFUSALS_MAX = 5 };
#define NO_ROOM "4.3.1 Insufficient system storage, try again later"

static enum mail_verdict verdict_of(unsigned code)
{
	return code / 100 == 5 ? MAIL_REFUSED : code / 100 == 4 ? MAIL_DEFERRED : MAIL_ACCEPTED;
}

void talk_answer(struct session *s, unsigned code, struct slice text)
{
	s->asked = ASKED_NOTHING;
	s->awaiting = AWAIT_CLIENT;
	s->heard_ms = s->worker->now_ms;
	if (s->ending)
		s->tally.code = (uint16_t)code;
	if (s->policy)
		policy_answer(s, code, text);
	else if (s->ending)
		smtp_server_close(&s->smtp, (int)code, text);
	else
		smtp_server_answer(&s->smtp, (int)code, text);
}

/* ---- greeting ---- */

/* Bytes that came while the greeting was held back: whoever talks first does not speak SMTP. With implicit TLS a record
 * behind the handshake is looked for, unread. What stands behind XCLIENT is the proxy's, which knows whom it
 * talks to. */
static void note_early_talk(struct session *s)
{
	bool held = s->tally.waited_ms || s->tally.dns_ms;
	if (s->early_talker || !held || !s->conn.readable || s->by_xclient)
		return;
	if (s->conn.tls && s->conn.hup) /* below TLS its farewell looks like any other record */
		return;
	if (!net_conn_has_more(&s->conn))
		return;
	s->early_talker = true;
	s->tally.offence = SLICE("early-talk");
	s->tally.offences++;
	stat_add(&s->worker->stats, STAT_OFFENCES, 1);
	judge_event(s, SCORE_EV_OFFENCES, 1);
}

static void count_refusal(struct session *s, unsigned code)
{
	judge_event(s, code / 100 == 4 ? SCORE_EV_DEFERRED : SCORE_EV_REFUSED, 1);
}

static void greet(struct session *s, unsigned code, struct slice text)
{
	bool by_xclient = s->by_xclient;
	s->by_xclient = false;
	if (by_xclient)
		talk_answer(s, code, text);
	else
		smtp_server_greet(&s->smtp, (int)code, text);
}

static void refuse_greeting(struct session *s, const struct refusal *r)
{
	count_refusal(s, r->code);
	s->asked = ASKED_NOTHING;
	s->tally.code = (uint16_t)(r->code / 100 == 4 ? 421 : 554);
	s->tally.by = r->by;
	if (s->ending && !s->policy)
		smtp_server_close(&s->smtp, (int)r->code, r->text);
	else
		greet(s, s->tally.code, r->text);
}

static void say_banner(struct session *s)
{
	s->asked = ASKED_NOTHING;
	s->heard_ms = s->worker->now_ms;
	note_early_talk(s); /* in the delay of the stage `greet` itself */
	greet(s, 220, s->generation->banner);
}

static void judge_banner(struct session *s)
{
	s->asked = ASKED_BANNER;
	note_early_talk(s);
	stage_begin(s);
}

void talk_greet(struct session *s)
{
	s->asked = ASKED_GREETING;
	stage_arrive(s);
}

/* ---- HELO ---- */

static void greet_back(struct session *s)
{
	s->tally.why = SLICE(""); /* an earlier name was refused, this one is not */
	offer_extensions(s);
	talk_answer(s, 250, s->generation->hostname);
}

static void refuse_helo(struct session *s, const struct refusal *r)
{
	count_refusal(s, r->code);
	s->tally.verdict = verdict_of(r->code);
	talk_answer(s, r->code, r->text);
}

/* "[192.0.2.1]" or "[IPv6:2001:db8::1]", the address at which it has reached us. */
static bool is_our_literal(const struct session *s, struct slice helo)
{
	static const struct slice v6 = SLICE_INIT("[ipv6:");
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	struct ip ours, theirs;
	uint16_t port;
	if (helo.n < 3 || helo.p[0] != '[' || helo.p[helo.n - 1] != ']')
		return false;
	size_t skip = helo.n > v6.n && slice_ieq(slice_of(helo.p, v6.n), v6) ? v6.n : 1;
	if (!ip_parse(slice_of(helo.p + skip, helo.n - skip - 1), &theirs) ||
		getsockname(s->conn.io.fd, (struct sockaddr *)&sa, &n) != 0)
		return false;
	ip_from_sockaddr(&sa, &ours, &port);
	return memcmp(&ours, &theirs, sizeof ours) == 0;
}

static bool helo_is_ours(const struct session *s)
{
	struct slice helo = session_helo(s);
	return slice_ieq(helo, s->generation->hostname) || relay_is_local(s->worker->relay, helo) ||
	       is_our_literal(s, helo);
}

static void on_helo(struct session *s, const struct smtp_event *ev)
{
	mem_free(&s->helo);
	s->helo = mem_strndup(ev->name.p, ev->name.n);
	s->helo_n = s->helo ? ev->name.n : 0;
	s->esmtp = ev->esmtp;
	s->asked = ASKED_HELO;
	s->helo_ours = helo_is_ours(s);
	judge_learned(s, SCORE_EV_CONNECTIONS, SCORE_KEY_HELO); /* of the session, by the name it gives itself */
	lookup_end_hello(s->lookups);
	stage_begin(s);
}

/* ---- MAIL ---- */

static void outcome(struct mail *m, enum mail_verdict verdict, struct slice by, unsigned code, struct slice reply)
{
	m->outcome.verdict = verdict;
	m->outcome.by = by;
	m->outcome.code = (uint16_t)code;
	m->outcome.reply = mail_keep(m, reply);
}

static void take_mail(struct session *s)
{
	talk_answer(s, 250, SLICE("2.1.0 Ok"));
}

static void refuse_mail(struct session *s, const struct refusal *r)
{
	outcome(s->mail, verdict_of(r->code), r->by, r->code, r->text);
	count_refusal(s, r->code);
	talk_answer(s, r->code, r->text);
	journal_mail(s);
}

static bool too_late_for_mail(struct session *s)
{
	if (s->worker->now_ms - s->opened_ms <= s->generation->settings->limits.session_time_ms && !s->leaving)
		return false;
	s->tally.code = 421;
	s->tally.by = s->leaving ? SLICE("shutdown") : SLICE("limit");
	talk_answer(s, 421,
		s->leaving ? SLICE("4.3.2 Server is shutting down, try again")
			   : SLICE("4.7.0 Session has lasted too long, connect again"));
	return true;
}

static void on_mail(struct session *s, const struct smtp_event *ev)
{
	struct worker *w = s->worker;
	s->asked = ASKED_MAIL;
	if (!s->policy && too_late_for_mail(s))
		return;
	uint32_t rcpts = s->generation->settings->limits.recipients;
	s->mail = mail_new(id_next(&w->ids), ++s->tally.mails, rcpts, w->now_ms, &w->stock);
	if (!s->mail || !mail_set_sender(s->mail, ev->path.addr, &ev->params)) {
		mail_free(&s->mail, &w->app->spool);
		talk_answer(s, 421, SLICE("4.3.0 Out of memory, try again later"));
		return;
	}
	s->mail->sender_local = relay_is_local(w->relay, mail_domain(s->mail->sender));
	judge_event(s, SCORE_EV_MESSAGES, 1);
	stage_begin(s);
}

/* ---- RCPT ---- */

void talk_answer_rcpt(struct session *s, unsigned code, struct slice text, struct slice by)
{
	struct mail *m = s->mail;
	mail_last_rcpt(m)->code = (uint16_t)code;
	judge_tell(s, SCORE_OF_RECIPIENT);
	judge_recipient_done(s, code / 100 == 2);
	if (code / 100 == 2) {
		m->taken++;
		m->outcome = (struct mail_outcome){ .verdict = MAIL_QUIT };
		stat_add(&s->worker->stats, STAT_RCPT_ACCEPTED, 1);
	} else {
		s->tally.refused++;
		stat_add(&s->worker->stats, code / 100 == 4 ? STAT_RCPT_DEFERRED : STAT_RCPT_REFUSED, 1);
		if (m->taken == 0)
			outcome(m, verdict_of(code), by, code, text);
	}
	talk_answer(s, code, text);
	if (s->held_refusals >= HELD_REFUSALS_MAX && !s->policy) {
		s->tally.code = 421;
		s->tally.by = by;
		smtp_server_close(&s->smtp, 421, SLICE("4.7.0 Too many refused recipients, closing connection"));
	}
}

static void refuse_rcpt(struct session *s, const struct refusal *r)
{
	if (r->code / 100 == 4)
		judge_undo(s, SCORE_EV_RECIPIENTS);
	count_refusal(s, r->code);
	talk_answer_rcpt(s, r->code, r->text, r->by);
}

static void on_rcpt(struct session *s, const struct smtp_event *ev)
{
	s->asked = ASKED_RCPT;
	if (!mail_add_rcpt(s->mail, ev->path.addr, &ev->params.rcpt)) {
		talk_answer(s, 452, SLICE("4.5.3 Too many recipients"));
		return;
	}
	judge_event(s, SCORE_EV_RECIPIENTS, 1);
	stage_begin(s);
}

/* ---- DATA ---- */

/* So that nobody sends a body for nothing; that there is room may have changed when it comes. */
static bool no_room_for_body(struct session *s)
{
	const struct settings_relay *r = &s->generation->settings->relay;
	if (spool_room_takes(&s->worker->app->spool, s->mail->size_said, r->memory_per_message))
		return false;
	struct slice words = judge_sign(s, SLICE(NO_ROOM));
	outcome(s->mail, MAIL_DEFERRED, SLICE("limit"), 451, words);
	talk_answer(s, 451, words);
	return true;
}

static void on_data(struct session *s)
{
	if (no_room_for_body(s))
		return;
	body_begin(s);
	struct score_facts f = facts_of(s);
	const struct score_ruleset *rules = s->generation->rules;
	uint64_t wants = score_rules_wants(rules, SCORE_DATA, &f, &s->judgement) |
			 score_rules_wants(rules, SCORE_MESSAGE, &f, &s->judgement);
	s->mail->keeps_header = wants & SCORE_HAS_HEADERS;
	s->in_body = true;
	deadline_body(s);
	talk_answer(s, 354, SLICE("End data with <CR><LF>.<CR><LF>"));
}

void talk_answer_message(struct session *s, unsigned code, struct slice text, struct slice by)
{
	outcome(s->mail, verdict_of(code), by, code, text);
	if (code / 100 == 2) {
		judge_event(s, SCORE_EV_ACCEPTED, 1);
		act_remember(s, DEED_ACCEPTED);
	} else if (code / 100 == 5) {
		judge_event(s, SCORE_EV_REFUSED, 1);
	}
	judge_event(s, SCORE_EV_BYTES, s->mail->body_bytes);
	judge_tell(s, SCORE_OF_MAIL); /* while its header is known */
	talk_answer(s, code, text);
	journal_mail(s);
}

static bool refuse_spooled(struct session *s)
{
	if (body_end(s))
		return false;
	talk_answer_message(s, 451, judge_sign(s, SLICE(NO_ROOM)), SLICE("limit"));
	return true;
}

/* A mail that a rule defers is counted for its client; one that the backend or a lack of room puts off is not: rules
 * that charge for deferrals would have a site's own trouble cost its clients their good name. */
static void refuse_message(struct session *s, const struct refusal *r)
{
	if (r->code / 100 == 4)
		judge_event(s, SCORE_EV_DEFERRED, 1);
	talk_answer_message(s, r->code, r->text, r->by);
}

/* The last two stages; which of them is behind us stands in `asked`, so that a delay at the first goes on here. */
static void judge_message(struct session *s)
{
	s->asked = ASKED_MESSAGE;
	stage_begin(s);
}

static void judge_header(struct session *s)
{
	s->asked = ASKED_HEADER;
	stage_begin(s);
}

static void on_body_end(struct session *s, const struct smtp_event *ev)
{
	s->asked = ASKED_HEADER;
	s->in_body = s->pace.measured = false;
	s->mail->eight_bit = ev->eight_bit;
	s->mail->dot_ms = s->worker->now_ms;
	stat_add(&s->worker->stats, STAT_BYTES, s->mail->body_bytes);
	if (ev->fault != SMTP_FAULT_NONE) {
		struct slice words;
		int code = smtp_fault_reply(ev->fault, &words);
		talk_answer_message(s, (unsigned)code, words, SLICE("protocol"));
	} else if (s->mail->hops.count >= SMTP_HOPS_MAX) {
		talk_answer_message(s, 554, SLICE("5.4.6 Too many hops, the mail goes in circles"), SLICE("protocol"));
	} else if (!refuse_spooled(s) && transfer_expect(s)) {
		mail_read_header(s->mail);
		judge_header(s);
	}
}

const struct step talk_steps[ASKED_COUNT] = {
	[ASKED_GREETING] = { SCORE_CONNECT, judge_banner, refuse_greeting },
	[ASKED_BANNER] = { SCORE_GREET, say_banner, refuse_greeting },
	[ASKED_HELO] = { SCORE_HELO, greet_back, refuse_helo },
	[ASKED_MAIL] = { SCORE_MAIL, take_mail, refuse_mail },
	[ASKED_RCPT] = { SCORE_RCPT, transfer_check_rcpt, refuse_rcpt },
	[ASKED_HEADER] = { SCORE_DATA, judge_message, refuse_message },
	[ASKED_MESSAGE] = { SCORE_MESSAGE, transfer_deliver, refuse_message },
};

/* ---- all else ---- */

static void on_starttls(struct session *s)
{
	talk_answer(s, 220, SLICE("2.0.0 Ready to start TLS"));
	if (session_flush(s) != NET_OK || !net_tls_accept(&s->conn, s->generation->tls)) {
		session_close(s);
		return;
	}
	s->awaiting = AWAIT_TLS;
	deadline_after(s, SESSION_HANDSHAKE_MS);
}

static void on_offence(struct session *s, const struct smtp_event *ev)
{
	if (!s->tally.offence.n)
		s->tally.offence = smtp_offence_name(ev->offence);
	s->tally.offences++;
	stat_add(&s->worker->stats, STAT_OFFENCES, 1);
	judge_event(s, SCORE_EV_OFFENCES, 1);
}

static void on_reset(struct session *s)
{
	s->in_body = s->pace.measured = false; /* it may come between two chunks */
	if (s->mail)
		journal_mail(s);
}

void talk_event(struct session *s, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	switch (kind) {
	case SMTP_EV_HELO:
		on_helo(s, ev);
		return;
	case SMTP_EV_MAIL:
		on_mail(s, ev);
		return;
	case SMTP_EV_RCPT:
		on_rcpt(s, ev);
		return;
	case SMTP_EV_DATA:
		on_data(s);
		return;
	case SMTP_EV_BODY:
		body_take(s, ev->data);
		return;
	case SMTP_EV_BODY_END:
		on_body_end(s, ev);
		return;
	case SMTP_EV_RSET:
		on_reset(s);
		return;
	case SMTP_EV_STARTTLS:
		on_starttls(s);
		return;
	case SMTP_EV_XCLIENT:
		again_by_xclient(s, &ev->xclient);
		return;
	case SMTP_EV_OFFENCE:
		on_offence(s, ev);
		return;
	case SMTP_EV_QUIT:
		s->said_quit = true;
		if (!s->tally.code) /* else it was refused, by whom is known */
			s->tally.by = SLICE("client");
		return;
	case SMTP_EV_MORE:
	case SMTP_EV_WAIT:
	case SMTP_EV_CLOSE:
		return; /* session_pump()'s own */
	}
}
