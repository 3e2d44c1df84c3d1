#include "server/talk.h"

#include "base/clock.h"

static const char *const VERDICT[] = { "quit", "accepted", "deferred", "refused", "lost" };
static const enum statistic COUNTED_AS[] = { STAT_MAILS_QUIT, STAT_MAILS_ACCEPTED, STAT_MAILS_DEFERRED, STAT_MAILS_REFUSED, STAT_MAILS_LOST };

static void put_id(struct record *r, const char *name, uint64_t id)
{
	char text[ID_TEXT];
	id_format(id, text);
	record_text(r, name, slice_str(text));
}

static void put_optional(struct record *r, const char *name, struct slice value)
{
	if (value.n)
		record_text(r, name, value);
}

static void put_count(struct record *r, const char *name, uint64_t value)
{
	if (value)
		record_number(r, name, value);
}

/* The fields that session and mail lines share. */
static void put_client(struct record *r, const struct session *s)
{
	char ip[IP_TEXT];
	ip_format(&s->peer.ip, ip);
	record_text(r, "listener", slice_str(s->generation->settings->listeners.items[s->peer.listener].name));
	record_address(r, "client", slice_str(ip));
	record_number(r, "port", s->peer.port);
	put_optional(r, "helo", session_helo(s));
	put_optional(r, "tls", slice_str(net_tls_version(s->conn.tls)));
	put_optional(r, "cipher", slice_str(net_tls_cipher(s->conn.tls)));
}

/* "address:code" or "address:code:id" of each recipient. */
static void put_recipients(struct record *r, const struct mail *m)
{
	struct buf item = { 0 };
	char id[ID_TEXT];
	id_format(m->id, id);
	record_list_begin(r, "to");
	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		const struct mail_rcpt *to = &m->rcpts[i];
		buf_clear(&item);
		bool ok = record_format_address(r, &item, to->address) && buf_printf(&item, ":%u", to->code);
		if (ok && to->sub)
			ok = buf_printf(&item, ":%s-%u", id, to->sub);
		if (ok)
			record_item(r, buf_slice(&item));
	}
	record_list_end(r);
	buf_release(&item);
}

/* "name:points" of each rule that fired. */
static void put_rules(struct record *r, const struct session *s)
{
	struct score_fired fired;
	unsigned at = 0, n = 0;
	struct buf item = { 0 };
	while (score_case_next(s->generation->rules, &s->judgement, &at, &fired)) {
		if (n++ == 0)
			record_list_begin(r, "rules");
		buf_clear(&item);
		if (buf_printf(&item, "%s:%g%s", score_rule_name(s->generation->rules, fired.rule), fired.points,
			    fired.observed ? ":observed" : ""))
			record_item(r, buf_slice(&item));
	}
	if (n)
		record_list_end(r);
	buf_release(&item);
}

static void put_observed(struct record *r, const struct session *s)
{
	if (s->would.rule == SCORE_NO_RULE)
		return;
	struct buf item = { 0 };
	if (buf_printf(&item, "%s:%s", score_rule_name(s->generation->rules, (unsigned)s->would.rule), score_action_name(s->would.action)))
		record_text(r, "observed", buf_slice(&item));
	buf_release(&item);
}

static void put_judgement(struct record *r, const struct session *s, const struct score_verdict *v)
{
	record_decimal(r, "score", v->score);
	record_decimal(r, "points", v->points);
	put_rules(r, s);
	put_observed(r, s);
}

static void put_outcome(struct record *r, const struct mail *m)
{
	const struct mail_outcome *o = &m->outcome;
	record_text(r, "verdict", slice_str(VERDICT[o->verdict]));
	record_text(r, "by", o->by.n ? o->by : SLICE("client"));
	if (o->code)
		record_number(r, "code", o->code);
	put_optional(r, "reply", o->reply);
}

static void write_mail(struct session *s)
{
	struct worker *w = s->worker;
	struct mail *m = s->mail;
	struct record *r = &w->record;
	struct score_verdict v;
	judge_sum_up((struct session *)s, &v);
	record_begin(r, w->wall_ms, "mail");
	put_id(r, "id", m->id);
	put_id(r, "session", s->id);
	record_number(r, "mail", m->number);
	put_client(r, s);
	if (m->sender.n)
		record_address(r, "from", m->sender);
	else
		record_text(r, "from", SLICE("<>"));
	put_recipients(r, m);
	put_count(r, "size", m->body_bytes);
	put_outcome(r, m);
	put_judgement(r, s, &v);
	put_optional(r, "backend", m->outcome.backend);
	put_optional(r, "backend_reply", m->outcome.backend_reply);
	put_count(r, "waited_ms", s->tally.waited_ms);
	put_count(r, "backend_ms", m->outcome.backend_ms);
	record_number(r, "total_ms", w->now_ms - m->started_ms);
	record_end(r);
}

void journal_mail(struct session *s)
{
	struct mail *m = s->mail;
	if (m->outcome.lost)
		m->outcome.verdict = MAIL_LOST;
	write_mail(s);
	stat_add(&s->worker->stats, COUNTED_AS[m->outcome.verdict], 1);
	judge_mail_done(s);
	mail_free(&s->mail, &s->worker->app->spool);
}

void journal_session(struct session *s)
{
	struct worker *w = s->worker;
	struct record *r = &w->record;
	record_begin(r, w->wall_ms, "session");
	put_id(r, "id", s->id);
	put_id(r, "session", s->id);
	put_client(r, s);
	record_number(r, "bytes", s->tally.bytes);
	record_number(r, "mails", s->tally.mails);
	put_count(r, "offences", s->tally.offences);
	put_optional(r, "offence", s->tally.offence);
	record_text(r, "by", s->tally.by.n ? s->tally.by : SLICE("client"));
	if (s->tally.code)
		record_number(r, "code", s->tally.code);
	put_optional(r, "reply", s->tally.why);
	put_count(r, "waited_ms", s->tally.waited_ms);
	record_number(r, "total_ms", w->now_ms - s->opened_ms);
	record_end(r);
}

void journal_orphan(struct worker *w, uint64_t id, const struct relay_done *d)
{
	struct record *r = &w->record;
	enum mail_verdict v = d->doubtful ? MAIL_LOST : d->code / 100 == 2 ? MAIL_ACCEPTED : d->code / 100 == 4 ? MAIL_DEFERRED : MAIL_REFUSED;
	record_begin(r, w->wall_ms, "mail");
	put_id(r, "id", id);
	record_text(r, "verdict", slice_str(VERDICT[v]));
	record_text(r, "by", d->from == RELAY_FROM_BACKEND ? SLICE("backend") : SLICE("relay"));
	record_number(r, "code", d->code);
	record_text(r, "reply", slice_of(d->text, d->text_n));
	record_text(r, "backend", slice_str(d->backend));
	record_text(r, "note", SLICE("the client had left when the body was out"));
	record_end(r);
	stat_add(&w->stats, COUNTED_AS[v], 1);
}
