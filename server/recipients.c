/* relay.recipients: who is asked about a recipient, in order, and what their words mean. */
#include "server/talk.h"

#include "base/log.h"

/* What we say of a recipient whom no source knows; remembered like a backend's words. */
#define UNKNOWN "5.1.1 Recipient address rejected: user unknown"

static struct slice rcpt_of(const struct session *s)
{
	return mail_last_rcpt(s->mail)->address;
}

void recipients_note_bad(struct session *s)
{
	s->mail->bad++;
	judge_event(s, SCORE_EV_BAD_RECIPIENTS, 1);
}

static void accept_known(struct session *s, struct slice by)
{
	talk_answer_rcpt(s, 250, SLICE("2.1.5 Ok"), by);
}

static void refuse_unknown(struct session *s, struct slice by)
{
	recipients_note_bad(s);
	talk_answer_rcpt(s, 550, judge_sign(s, SLICE(UNKNOWN)), by);
}

/* ---- the backend ---- */

void recipients_answer(struct session *s, const struct relay_done *d)
{
	struct mail *m = s->mail;
	struct slice text = slice_of(d->text, d->text_n);
	if (retell_wanted(s->worker))
		retell_backend(s, d);
	if (d->code / 100 == 2) {
		accept_known(s, SLICE("backend"));
		return;
	}
	if (d->cached && slice_eq(text, SLICE(UNKNOWN))) {
		refuse_unknown(s, SLICE("source"));
		return;
	}
	if (d->bad_recipient)
		recipients_note_bad(s);
	talk_answer_rcpt(s, d->code, text, SLICE("backend"));
	if (m->taken == 0)
		transfer_note_backend(s, d);
}

static void ask_relay(struct session *s)
{
	struct relay_done d;
	char id[ID_TEXT];
	struct relay_client client = transfer_client(s, id);
	if (relay_check_rcpt(s->worker->relay, &client, s->mail->sender, s->mail->size_said, rcpt_of(s),
		    session_ticket(s), s->worker->now_ms, &d) == RELAY_KNOWN)
		recipients_answer(s, &d);
	else
		s->awaiting = AWAIT_BACKEND;
}

/* ---- a step ---- */

enum said {
	SAID_YES,
	SAID_NO,	/* by a source that knows it and does not want it */
	SAID_NOT_FOUND, /* the next one is asked */
	SAID_UNSURE,	/* it could not be found out */
	SAID_BACKEND,	/* the backend decides */
	SAID_LATER,	/* the session awaits the answer */
	SAID_ALREADY	/* it was remembered, and the client has its answer */
};

/* A list whose patterns did not come to an end: neither "known" nor "unknown" would be true. */
static void note_gave_up(struct session *s, const char *list)
{
	struct worker *w = s->worker;
	stat_add(&w->stats, STAT_GAVE_UP, 1);
	if (rule_count_may_tell(s->generation->recipients_told, w->now_ms))
		log_warn("list %s: its patterns took too many steps for a recipient, who is deferred (told once a "
			 "minute)",
			list);
}

/* Has a delivery just contradicted what a list says? A mail for several would be put off for ever. */
static bool is_doubted(struct session *s)
{
	struct relay_done d;
	return relay_remembered_rcpt(s->worker->relay, rcpt_of(s), s->worker->now_ms, &d) == RELAY_DOUBTED;
}

static enum said look_in_list(struct session *s, size_t i, struct score_effort *effort)
{
	const struct generation *g = s->generation;
	switch (score_list_has_name(g->recipients[i], rcpt_of(s), effort)) {
	case SCORE_MATCH_NO:
		return SAID_NOT_FOUND;
	case SCORE_MATCH_GAVE_UP:
		note_gave_up(s, g->settings->relay.recipients.items[i].name);
		return SAID_UNSURE;
	case SCORE_MATCH_YES:
		break;
	}
	/* where no backend is probed it is asked only for who is doubted */
	return g->relay.ask_backend && !is_doubted(s) ? SAID_YES : SAID_BACKEND;
}

/* A recipient without a domain (<postmaster>) is not one for tables. */
static enum said ask_source(struct session *s, size_t i)
{
	struct worker *w = s->worker;
	struct slice rcpt = rcpt_of(s);
	struct relay_done d;
	if (slice_rfind(rcpt, '@') == rcpt.n)
		return SAID_BACKEND;
	switch (relay_remembered_rcpt(w->relay, rcpt, w->now_ms, &d)) {
	case RELAY_REMEMBERED:
		recipients_answer(s, &d);
		return SAID_ALREADY;
	case RELAY_DOUBTED:
		return SAID_BACKEND;
	case RELAY_NOT_REMEMBERED:
		break;
	}
	if (!rcpt_desk_ask(w->rcpt, s->generation->sources[i], rcpt, session_ticket(s), w->now_ms))
		return SAID_UNSURE;
	s->mail->rcpt_step = i;
	s->awaiting = AWAIT_BACKEND;
	return SAID_LATER;
}

static enum said ask_step(struct session *s, size_t i, struct score_effort *effort)
{
	switch (s->generation->settings->relay.recipients.items[i].source) {
	case SETTINGS_SOURCE_LIST:
		return look_in_list(s, i, effort);
	case SETTINGS_SOURCE_SQLITE:
	case SETTINGS_SOURCE_PGSQL:
	case SETTINGS_SOURCE_SOCKETMAP:
		return ask_source(s, i);
	case SETTINGS_SOURCE_BACKEND:
	case SETTINGS_SOURCE_NONE:
		break;
	}
	return SAID_BACKEND;
}

/* ---- all of them ---- */

/* `learned`: a source other than a list was asked, so it is remembered. */
static void act_on_word(struct session *s, enum said said, bool learned)
{
	struct worker *w = s->worker;
	struct slice by = learned ? SLICE("source") : SLICE("list");
	switch (said) {
	case SAID_YES:
		accept_known(s, by);
		return;
	case SAID_NO:
	case SAID_NOT_FOUND:
		if (learned)
			relay_learn_rcpt(w->relay, rcpt_of(s), false, SLICE(UNKNOWN), w->now_ms);
		refuse_unknown(s, by);
		return;
	case SAID_UNSURE:
		talk_answer_rcpt(s, learned ? 451 : 450,
			judge_sign(s, SLICE("4.3.0 Recipient could not be checked, try later")), by);
		return;
	case SAID_BACKEND:
		ask_relay(s);
		return;
	case SAID_LATER:
	case SAID_ALREADY:
		return;
	}
}

/* The first one that has something to say decides; that nobody has is a refusal. */
static void walk(struct session *s, size_t from)
{
	const struct generation *g = s->generation;
	struct score_effort effort = { 0 };
	enum said said = SAID_NOT_FOUND;
	bool learned = from > 0; /* it goes on behind a source */
	for (size_t i = from; said == SAID_NOT_FOUND && i < g->recipients_n; i++) {
		said = ask_step(s, i, &effort);
		if (said == SAID_UNSURE || said == SAID_YES)
			learned = g->sources[i] != NULL;
	}
	act_on_word(s, said, learned);
}

/* Where relay.clients send to others, lists and sources of our own users have nothing to say. */
void recipients_ask(struct session *s)
{
	struct slice domain = mail_domain(rcpt_of(s));
	if (domain.n && !relay_is_ours(s->worker->relay, domain))
		ask_relay(s);
	else
		walk(s, 0);
}

static void hear(struct session *s, enum rcpt_answer answer)
{
	struct worker *w = s->worker;
	switch (answer) {
	case RCPT_YES:
		relay_learn_rcpt(w->relay, rcpt_of(s), true, SLICE(""), w->now_ms);
		act_on_word(s, SAID_YES, true);
		return;
	case RCPT_NO:
		act_on_word(s, SAID_NO, true);
		return;
	case RCPT_NOT_FOUND:
		walk(s, s->mail->rcpt_step + 1);
		return;
	case RCPT_FAILED:
		act_on_word(s, SAID_UNSURE, true);
		return;
	}
}

void recipients_collect(struct worker *w)
{
	struct rcpt_done done;
	while (rcpt_desk_pop(w->rcpt, w->now_ms, &done)) {
		struct session *s = worker_asker(w, done.ticket);
		if (!s || s->awaiting != AWAIT_BACKEND || s->asked != ASKED_RCPT)
			continue;
		s->awaiting = AWAIT_CLIENT;
		hear(s, done.answer);
		session_pump(s);
	}
}
