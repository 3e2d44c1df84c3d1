#include "server/account.h"

#include "base/mem.h"
#include "score/evidence.h"
#include "score/names.h"
#include "server/decisions.h"
#include "server/lookup.h"
#include "server/talk.h"

#include <stdio.h>

/* What makes more rules fire, and rules read more, than this is told about the first of them. */
enum { NOTES_MAX = 64, READ_MAX = 256, FIRST_ROOM = 4 };

struct reading {
	uint16_t probe;
	double value;
};

struct note {
	uint16_t rule, times; /* recipients it fired for */
	uint8_t scope, stage;
	uint16_t read_at, read_n; /* what it read, in `read` */
	uint32_t rcpt, after_ms;
};

/* Grows as rules fire: most sessions have one or two notes. */
struct account {
	struct note *notes; /* in the order of time */
	struct reading *read;
	uint16_t notes_n, notes_cap, read_n, read_cap;
};

void account_free(struct account **a)
{
	if (!*a)
		return;
	mem_free(&(*a)->notes);
	mem_free(&(*a)->read);
	mem_free(a);
}

/* ---- notes ---- */

/* Room for one more element; `p` stays as it was when there is none. */
static void *grown(void *p, size_t size, uint16_t n, uint16_t *cap, uint16_t max)
{
	if (n < *cap)
		return p;
	uint16_t wanted = *cap ? (uint16_t)(*cap * 2) : (uint16_t)FIRST_ROOM;
	void *fresh = wanted <= max ? mem_realloc(p, wanted * size) : NULL;
	if (fresh)
		*cap = wanted;
	return fresh ? fresh : p;
}

static struct account *account_of(struct session *s)
{
	if (!s->account)
		s->account = mem_zalloc(sizeof *s->account);
	return s->account;
}

static struct note *find(struct account *a, const struct score_standing *it)
{
	for (unsigned i = 0; i < a->notes_n; i++)
		if (a->notes[i].rule == it->rule && a->notes[i].scope == (uint8_t)it->scope)
			return &a->notes[i];
	return NULL;
}

static void note_again(struct note *n, uint32_t rcpt)
{
	if (n->scope == SCORE_OF_RECIPIENT && n->rcpt != rcpt && n->times < UINT16_MAX)
		n->times++;
	n->rcpt = rcpt;
}

static void keep_readings(const struct session *s, struct account *a, struct note *n, const struct score_readings *read)
{
	for (unsigned i = 0; i < read->n; i++) {
		if (!score_rule_reads(s->generation->rules, n->rule, read->item[i].probe))
			continue;
		a->read = grown(a->read, sizeof *a->read, a->read_n, &a->read_cap, READ_MAX);
		if (a->read_n == a->read_cap)
			return;
		a->read[a->read_n++] = (struct reading){ read->item[i].probe, read->item[i].value };
		n->read_n++;
	}
}

static void note_new(
	const struct session *s, struct account *a, const struct note *fresh, const struct score_readings *read)
{
	a->notes = grown(a->notes, sizeof *a->notes, a->notes_n, &a->notes_cap, NOTES_MAX);
	if (a->notes_n == a->notes_cap)
		return;
	struct note *n = &a->notes[a->notes_n++];
	*n = *fresh;
	n->read_at = a->read_n;
	if (read)
		keep_readings(s, a, n, read);
}

void account_note(struct session *s, enum score_stage stage, const struct score_readings *read)
{
	struct score_standing it;
	struct account *a;
	unsigned at = 0;
	uint32_t rcpt = s->mail ? s->mail->rcpts_n : 0;
	while (score_case_standing(s->generation->rules, &s->judgement, &at, &it) && (a = account_of(s)) != NULL) {
		struct note *known = find(a, &it);
		struct note fresh = { .rule = (uint16_t)it.rule,
			.scope = (uint8_t)it.scope,
			.stage = (uint8_t)stage,
			.times = 1,
			.rcpt = rcpt,
			.after_ms = (uint32_t)(s->worker->now_ms - s->opened_ms) };
		if (known)
			note_again(known, rcpt);
		else
			note_new(s, a, &fresh, read);
	}
}

/* The mail's notes go, the session's stay, packed together. */
static void drop_mail(struct account *a)
{
	uint16_t notes = 0, read = 0;
	for (unsigned i = 0; i < a->notes_n; i++) {
		struct note n = a->notes[i];
		if (n.scope != SCORE_OF_SESSION)
			continue;
		if (n.read_n)
			memmove(&a->read[read], &a->read[n.read_at], n.read_n * sizeof *a->read);
		n.read_at = read;
		read = (uint16_t)(read + n.read_n);
		a->notes[notes++] = n;
	}
	a->notes_n = notes;
	a->read_n = read;
}

/* ---- the record; a field that has no room is left out ---- */

static void text(struct buf *b, enum decision_key key, struct slice value)
{
	if (value.n)
		(void)!decision_text(b, key, value);
}

static void number(struct buf *b, enum decision_key key, uint64_t value)
{
	if (value)
		(void)!decision_number(b, key, value);
}

/* Most records fit into this, so that one allocation does. */
enum { USUAL_ROOM = 1000 };

static void begin(struct buf *b, struct slice event)
{
	if (buf_reserve(b, USUAL_ROOM))
		text(b, DECISION_EVENT, event);
}

static void put_id(struct buf *b, enum decision_key key, uint64_t id)
{
	char shown[ID_TEXT];
	id_format(id, shown);
	text(b, key, slice_str(shown));
}

/* As log.addresses wants them: what the journal hides, this does not tell. */
static bool put_address(const struct record *r, struct buf *b, enum decision_key key, struct slice value)
{
	struct buf shown = { 0 };
	if (r->addresses == SETTINGS_ADDRESSES_PLAIN)
		return decision_text(b, key, value);
	bool ok = record_format_address(r, &shown, value) && decision_text(b, key, buf_slice(&shown));
	buf_release(&shown);
	return ok;
}

/* A text that may hold addresses. */
static void put_words(const struct record *r, struct buf *b, enum decision_key key, struct slice value)
{
	struct buf shown = { 0 };
	if (r->addresses == SETTINGS_ADDRESSES_PLAIN)
		text(b, key, value);
	else if (record_format_words(r, &shown, value))
		text(b, key, buf_slice(&shown));
	buf_release(&shown);
}

static void put_client(struct buf *b, const struct session *s)
{
	char ip[IP_TEXT];
	ip_format(&s->peer.ip, ip);
	put_id(b, DECISION_SESSION, s->id);
	number(b, DECISION_TIME, s->worker->wall_ms);
	text(b, DECISION_LISTENER, slice_str(app_listener(s->worker->app, s->peer.listener)->name));
	(void)!put_address(&s->worker->record, b, DECISION_CLIENT, slice_str(ip));
	number(b, DECISION_PORT, s->peer.port);
	put_words(&s->worker->record, b, DECISION_HELO, slice_of(s->helo, s->helo_n > 255 ? 255 : s->helo_n));
	text(b, DECISION_TLS, session_tls_version(s));
	number(b, DECISION_OFFENCES, s->tally.offences);
	text(b, DECISION_OFFENCE, s->tally.offence);
	number(b, DECISION_WAITED, s->tally.waited_ms);
}

/* A host's name may spell its address, a term of SPF has some: where those are hidden the first word is told alone. */
static bool put_answer(struct buf *b, const struct record *r, struct slice answer)
{
	bool plain = r->addresses == SETTINGS_ADDRESSES_PLAIN, name = slice_find(answer, '.') < answer.n;
	if (plain)
		return decision_text(b, DECISION_LOOKUP_ANSWER, answer);
	struct slice first = slice_of(answer.p, slice_find(answer, ' '));
	return name && first.n == answer.n ? put_address(r, b, DECISION_LOOKUP_ANSWER, answer)
					   : decision_text(b, DECISION_LOOKUP_ANSWER, first);
}

static void put_lookups(struct buf *b, const struct session *s)
{
	const struct record *r = &s->worker->record;
	struct lookup_told told;
	unsigned at = 0;
	if (lookup_client_name(s->lookups).n)
		(void)!put_address(r, b, DECISION_NAME, lookup_client_name(s->lookups));
	text(b, DECISION_RDNS, lookup_rdns(s->lookups));
	number(b, DECISION_DNS_MS, s->tally.dns_ms);
	while (lookup_next(s->lookups, &at, &told)) {
		if (!decision_text(b, DECISION_LOOKUP, slice_str(told.name)) || !put_answer(b, r, told.answer) ||
			!decision_number(b, DECISION_LOOKUP_MS, told.ms))
			return;
	}
}

static bool put_note(struct buf *b, const struct session *s, const struct note *n, const struct score_verdict *v)
{
	const struct score_ruleset *set = s->generation->rules;
	struct score_fired about = score_rule_about(set, n->rule);
	bool cancelled = v->ok_rule != SCORE_NO_RULE && n->rule > v->ok_rule;
	TRY(decision_text(b, DECISION_RULE, slice_str(score_rule_name(set, n->rule))));
	TRY(decision_text(b, DECISION_RULE_STAGE, slice_str(score_stage_names[n->stage])));
	TRY(decision_number(b, DECISION_RULE_AFTER, n->after_ms));
	if (about.action != SCORE_NONE)
		TRY(decision_text(b, DECISION_RULE_ACTION, slice_str(score_action_name(about.action))));
	TRY(decision_decimal(b, DECISION_RULE_POINTS, about.observed || cancelled ? 0 : about.points));
	if (about.observed)
		TRY(decision_number(b, DECISION_RULE_OBSERVED, 1));
	if (cancelled)
		TRY(decision_number(b, DECISION_RULE_CANCELLED, 1));
	if (n->times > 1)
		TRY(decision_number(b, DECISION_RULE_TIMES, n->times));
	return true;
}

static void put_judgement(struct buf *b, const struct session *s, const struct score_verdict *v)
{
	const struct score_ruleset *set = s->generation->rules;
	put_lookups(b, s);
	(void)!decision_decimal(b, DECISION_SCORE, v->score);
	(void)!decision_decimal(b, DECISION_POINTS, v->points);
	for (unsigned i = 0; s->account && i < s->account->notes_n; i++) {
		const struct note *n = &s->account->notes[i];
		bool room = put_note(b, s, n, v);
		for (unsigned k = 0; room && k < n->read_n; k++) {
			const struct reading *r = &s->account->read[n->read_at + k];
			room = decision_text(b, DECISION_READ, slice_str(score_probe_name(set, r->probe))) &&
			       decision_decimal(b, DECISION_READ_VALUE, r->value);
		}
	}
	if (v->alarm_rule != SCORE_NO_RULE)
		text(b, DECISION_PROMISE, slice_str(score_rule_name(set, (unsigned)v->alarm_rule)));
	if (s->would.rule == SCORE_NO_RULE)
		return;
	char would[128];
	int n = snprintf(would, sizeof would, "%s:%s", score_rule_name(set, (unsigned)s->would.rule),
		score_action_name(s->would.action));
	text(b, DECISION_OBSERVED, slice_of(would, n < (int)sizeof would ? (size_t)n : sizeof would - 1));
}

static bool put_recipient(struct buf *b, const struct session *s, const struct mail_rcpt *to)
{
	char id[ID_TEXT + 12];
	TRY(put_address(&s->worker->record, b, DECISION_TO, to->address));
	TRY(decision_number(b, DECISION_TO_CODE, to->code));
	if (!to->sub)
		return true;
	id_format(s->mail->id, id);
	snprintf(id + ID_TEXT - 1, 13, "-%u", to->sub);
	return decision_text(b, DECISION_TO_ID, slice_str(id));
}

/* Room that is kept for "and so many more". */
enum { MORE_ROOM = 600 };

static void put_recipients(struct buf *b, const struct session *s)
{
	const struct mail *m = s->mail;
	uint32_t i = 0;
	while (i < m->rcpts_n && buf_len(b) < DECISION_MAX - MORE_ROOM && put_recipient(b, s, &m->rcpts[i]))
		i++;
	number(b, DECISION_TO_MORE, m->rcpts_n - i);
}

static void keep(struct worker *w, uint64_t id, struct buf *b)
{
	decisions_put(w->app->decisions, w->number, id, w->wall_ms, buf_slice(b));
	buf_release(b);
}

void account_mail(struct session *s, const struct score_verdict *v, const char *verdict)
{
	const struct mail *m = s->mail;
	const struct mail_outcome *o = &m->outcome;
	struct buf b = { 0 };
	account_note(s, (enum score_stage)s->judgement.stage, NULL);
	begin(&b, SLICE("mail"));
	put_id(&b, DECISION_ID, m->id);
	put_client(&b, s);
	number(&b, DECISION_MAIL, m->number);
	if (m->sender.n)
		(void)!put_address(&s->worker->record, &b, DECISION_FROM, m->sender);
	else
		text(&b, DECISION_FROM, SLICE("<>"));
	number(&b, DECISION_SIZE, m->body_bytes);
	text(&b, DECISION_VERDICT, slice_str(verdict));
	text(&b, DECISION_BY, o->by.n ? o->by : SLICE("client"));
	number(&b, DECISION_CODE, o->code);
	put_words(&s->worker->record, &b, DECISION_REPLY, o->reply);
	text(&b, DECISION_BACKEND, o->backend);
	text(&b, DECISION_GROUP, o->group);
	put_words(&s->worker->record, &b, DECISION_BACKEND_REPLY, o->backend_reply);
	number(&b, DECISION_BACKEND_MS, o->backend_ms);
	number(&b, DECISION_TOTAL, s->worker->now_ms - m->started_ms);
	put_judgement(&b, s, v);
	put_recipients(&b, s);
	keep(s->worker, m->id, &b);
	if (s->account)
		drop_mail(s->account);
}

void account_session(struct session *s, const char *verdict)
{
	const struct tally *t = &s->tally;
	struct score_verdict v;
	struct buf b = { 0 };
	if (t->mails)
		return;
	judge_sum_up(s, &v);
	account_note(s, (enum score_stage)s->judgement.stage, NULL);
	begin(&b, SLICE("session"));
	put_id(&b, DECISION_ID, s->id);
	put_client(&b, s);
	text(&b, DECISION_VERDICT, slice_str(verdict));
	text(&b, DECISION_BY, t->by.n ? t->by : SLICE("client"));
	number(&b, DECISION_CODE, t->code);
	put_words(&s->worker->record, &b, DECISION_REPLY, t->why);
	number(&b, DECISION_TOTAL, s->worker->now_ms - s->opened_ms);
	put_judgement(&b, s, &v);
	keep(s->worker, s->id, &b);
}

void account_orphan(struct worker *w, uint64_t id, const struct relay_done *d, const char *verdict)
{
	struct buf b = { 0 };
	begin(&b, SLICE("mail"));
	put_id(&b, DECISION_ID, id);
	number(&b, DECISION_TIME, w->wall_ms);
	text(&b, DECISION_VERDICT, slice_str(verdict));
	text(&b, DECISION_BY, SLICE("backend"));
	number(&b, DECISION_CODE, d->code);
	put_words(&w->record, &b, DECISION_REPLY, slice_of(d->text, d->text_n));
	text(&b, DECISION_BACKEND, slice_str(d->backend));
	if (w->generation->relay.groups_n)
		text(&b, DECISION_GROUP, slice_str(d->group));
	text(&b, DECISION_NOTE, SLICE("the client had left when the body was out"));
	keep(w, id, &b);
}

void account_away(struct worker *w, uint64_t id, const struct peer *peer, struct slice by, unsigned code,
	struct slice reply, uint32_t times)
{
	struct buf b = { 0 };
	char ip[IP_TEXT];
	ip_format(&peer->ip, ip);
	begin(&b, SLICE("session"));
	put_id(&b, DECISION_ID, id);
	put_id(&b, DECISION_SESSION, id);
	number(&b, DECISION_TIME, w->wall_ms);
	text(&b, DECISION_LISTENER, slice_str(app_listener(w->app, peer->listener)->name));
	(void)!put_address(&w->record, &b, DECISION_CLIENT, slice_str(ip));
	number(&b, DECISION_PORT, peer->port);
	text(&b, DECISION_VERDICT, SLICE("deferred"));
	text(&b, DECISION_BY, by);
	number(&b, DECISION_CODE, code);
	put_words(&w->record, &b, DECISION_REPLY, reply);
	number(&b, DECISION_CONNECTIONS, times);
	keep(w, id, &b);
}
