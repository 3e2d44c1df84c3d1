#include "server/talk.h"

#include "base/clock.h"
#include "server/account.h"
#include "server/grey.h"
#include "server/lookup.h"
#include "server/policy.h"

static const char *const VERDICT[] = {
	[MAIL_QUIT] = "quit",
	[MAIL_LOST] = "lost",
	[MAIL_REFUSED] = "refused",
	[MAIL_DEFERRED] = "deferred",
	[MAIL_ACCEPTED] = "accepted",
};
static const enum statistic COUNTED_AS[] = {
	[MAIL_QUIT] = STAT_MAILS_QUIT,
	[MAIL_LOST] = STAT_MAILS_LOST,
	[MAIL_REFUSED] = STAT_MAILS_REFUSED,
	[MAIL_DEFERRED] = STAT_MAILS_DEFERRED,
	[MAIL_ACCEPTED] = STAT_MAILS_ACCEPTED,
};

static void put_id(struct record *r, const char *name, uint64_t id)
{
	char text[ID_TEXT];
	id_format(id, text);
	record_text(r, name, slice_str(text));
}

static void put_optional(struct record *r, const char *name, struct slice value)
{
	if (value.n)
		record_words(r, name, value);
}

/* A host's name may spell its address. */
static void put_hidden(struct record *r, const char *name, struct slice value)
{
	if (value.n)
		record_address(r, name, value);
}

static void put_count(struct record *r, const char *name, uint64_t value)
{
	if (value)
		record_number(r, name, value);
}

/* Who says that it is this client, and how. */
static void put_via(struct record *r, const struct session *s)
{
	static const char *const KIND[] = {
		[VIA_PROXY_PROTOCOL] = "proxy-protocol", [VIA_XCLIENT] = "xclient", [VIA_POLICY] = "policy"
	};
	char ip[IP_TEXT];
	if (!s->via)
		return;
	ip_format(&s->via->proxy, ip);
	record_address(r, "proxy", slice_str(ip));
	record_text(r, "via", slice_str(KIND[s->via->kind]));
	put_optional(r, "name", slice_str(s->via->name ? s->via->name : ""));
	put_optional(r, "login", slice_str(s->via->login ? s->via->login : ""));
}

/* The fields that session and mail lines share. */
static void put_client(struct record *r, const struct session *s)
{
	char ip[IP_TEXT];
	ip_format(&s->peer.ip, ip);
	record_text(r, "listener", slice_str(app_listener(s->worker->app, s->peer.listener)->name));
	record_address(r, "client", slice_str(ip));
	record_number(r, "port", s->peer.port);
	put_via(r, s);
	if (!(s->via && s->via->name))
		put_hidden(r, "name", lookup_client_name(s->lookups));
	put_optional(r, "rdns", lookup_rdns(s->lookups));
	put_optional(r, "helo", session_helo(s));
	put_optional(r, "tls", session_tls_version(s));
	put_optional(r, "cipher", session_tls_cipher(s));
}

static bool format_recipient(const struct record *r, const struct mail *m, const struct mail_rcpt *to, struct buf *out)
{
	char code[4] = { ':', (char)('0' + to->code / 100 % 10), (char)('0' + to->code / 10 % 10),
		(char)('0' + to->code % 10) };
	char id[ID_TEXT];
	TRY(record_format_address(r, out, to->address) && buf_put(out, slice_of(code, sizeof code)));
	if (!to->sub)
		return true;
	id_format(m->id, id);
	return buf_printf(out, ":%s-%u", id, to->sub);
}

/* "address:code" or "address:code:id" of each recipient. */
static void put_recipients(struct record *r, const struct mail *m)
{
	struct buf item = { 0 };
	record_list_begin(r, "to");
	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		buf_clear(&item);
		if (format_recipient(r, m, &m->rcpts[i], &item))
			record_item(r, buf_slice(&item));
	}
	record_list_end(r);
	buf_release(&item);
}

/* "name:points" of each rule that fired. */
static void put_rules(struct record *r, const struct session *s)
{
	struct score_fired fired;
	unsigned at = 0;
	struct buf item = { 0 };
	record_list_begin(r, "rules");
	while (score_case_next(s->generation->rules, &s->judgement, &at, &fired)) {
		buf_clear(&item);
		if (buf_printf(&item, "%s:%g%s", score_rule_name(s->generation->rules, fired.rule), fired.points,
			    fired.observed ? ":observed" : ""))
			record_item(r, buf_slice(&item));
	}
	record_list_end(r);
	buf_release(&item);
}

static void put_observed(struct record *r, const struct session *s)
{
	if (s->would.rule == SCORE_NO_RULE)
		return;
	struct buf item = { 0 };
	if (buf_printf(&item, "%s:%s", score_rule_name(s->generation->rules, (unsigned)s->would.rule),
		    score_action_name(s->would.action)))
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
	record_number(r, "code", o->code);
	record_words(r, "reply", o->reply);
	if (o->doubtful)
		record_text(r, "doubtful", SLICE("the body was out and no reply came: the mail may come twice"));
}

/* Who is proven to have sent the mail. */
static void put_proof(struct record *r, const struct session *s)
{
	put_optional(r, "spf", lookup_spf_word(s->lookups));
	put_hidden(r, "identity", lookup_identity(s->lookups));
}

/* Of a client that left before its refusal: the rule that held it. */
static struct slice held_by(const struct session *s, const struct score_verdict *v)
{
	if (v->now.action != SCORE_DEFER && v->now.action != SCORE_REJECT)
		return SLICE("");
	return slice_str(score_rule_name(s->generation->rules, (unsigned)v->now.rule));
}

static void write_mail(struct session *s)
{
	struct worker *w = s->worker;
	struct mail *m = s->mail;
	struct record *r = &w->record;
	struct score_verdict v;
	judge_sum_up(s, &v);
	if ((m->outcome.verdict == MAIL_QUIT || m->outcome.verdict == MAIL_LOST) && m->taken == 0)
		m->outcome.by = held_by(s, &v);
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
	record_number(r, "size", m->body_bytes);
	put_outcome(r, m);
	put_proof(r, s);
	put_judgement(r, s, &v);
	record_text(r, "backend", m->outcome.backend);
	if (s->generation->relay.groups_n)
		record_text(r, "group", m->outcome.group);
	record_words(r, "backend_reply", m->outcome.backend_reply);
	record_number(r, "waited_ms", s->tally.waited_ms);
	put_count(r, "dns_ms", s->tally.dns_ms);
	record_number(r, "backend_ms", m->outcome.backend_ms);
	record_number(r, "total_ms", w->now_ms - m->started_ms);
	record_end(r);
	account_mail(s, &v, VERDICT[m->outcome.verdict]);
}

void journal_mail(struct session *s)
{
	struct mail *m = s->mail;
	judge_tell(s, SCORE_OF_MAIL);
	if (s->policy)
		policy_settle(m);
	write_mail(s);
	if (m->outcome.verdict == MAIL_DEFERRED)
		judge_take_back(s);
	if (m->outcome.verdict == MAIL_ACCEPTED)
		stat_add(&s->worker->stats, STAT_BYTES_DELIVERED, m->body_bytes);
	if (m->outcome.verdict > s->tally.verdict)
		s->tally.verdict = m->outcome.verdict;
	stat_add(&s->worker->stats, COUNTED_AS[m->outcome.verdict], 1);
	judge_mail_done(s);
	lookup_end_mail(s->lookups);
	if (m->outcome.verdict == MAIL_ACCEPTED && !s->policy)
		receipt_await(s);
	mail_free(&s->mail, &s->worker->app->spool);
}

/* A session without a mail that was accepted, refused or deferred: what became of it, and by whom. */
static void settle(struct session *s)
{
	struct tally *t = &s->tally;
	struct score_verdict v;
	if (t->code && t->verdict < MAIL_REFUSED)
		t->verdict = t->code / 100 == 5 ? MAIL_REFUSED : MAIL_DEFERRED;
	if (t->code || t->mails)
		return;
	judge_sum_up(s, &v);
	struct slice by = held_by(s, &v);
	if (by.n)
		t->by = by;
}

void journal_session(struct session *s)
{
	struct worker *w = s->worker;
	struct record *r = &w->record;
	judge_tell(s, SCORE_OF_SESSION);
	settle(s);
	record_begin(r, w->wall_ms, "session");
	put_id(r, "id", s->id);
	put_id(r, "session", s->id);
	put_client(r, s);
	record_number(r, "bytes", s->tally.bytes);
	record_number(r, "mails", s->tally.mails);
	put_count(r, "offences", s->tally.offences);
	put_optional(r, "offence", s->tally.offence);
	record_text(r, "verdict", slice_str(VERDICT[s->tally.verdict]));
	record_text(r, "by", s->tally.by.n ? s->tally.by : SLICE("client"));
	if (s->tally.code)
		record_number(r, "code", s->tally.code);
	put_optional(r, "reply", s->tally.why);
	put_observed(r, s); /* outside of its mails: of a client that sent none it stands only here */
	put_count(r, "waited_ms", s->tally.waited_ms);
	record_number(r, "total_ms", w->now_ms - s->opened_ms);
	record_end(r);
	account_session(s, VERDICT[s->tally.verdict]);
}

void journal_orphan(struct worker *w, uint64_t id, const struct relay_done *d)
{
	struct record *r = &w->record;
	enum mail_verdict v = d->code / 100 == 2 ? MAIL_ACCEPTED : d->code / 100 == 4 ? MAIL_DEFERRED : MAIL_REFUSED;
	record_begin(r, w->wall_ms, "mail");
	put_id(r, "id", id);
	record_text(r, "verdict", slice_str(VERDICT[v]));
	record_text(r, "by", SLICE("backend"));
	record_number(r, "code", d->code);
	record_words(r, "reply", slice_of(d->text, d->text_n));
	record_text(r, "backend", slice_str(d->backend));
	if (w->generation->relay.groups_n)
		record_text(r, "group", slice_str(d->group));
	if (d->doubtful)
		record_text(r, "doubtful", SLICE("no reply came to the body"));
	record_text(r, "note", SLICE("the client had left when the body was out"));
	record_end(r);
	account_orphan(w, id, d, VERDICT[v]);
	stat_add(&w->stats, COUNTED_AS[v], 1);
}

void journal_turned_away(
	struct worker *w, uint64_t id, const struct peer *peer, struct slice by, unsigned code, struct slice words)
{
	struct record *r = &w->record;
	char text[IP_TEXT];
	ip_format(&peer->ip, text);
	record_begin(r, w->wall_ms, "session");
	put_id(r, "id", id);
	record_text(r, "listener", slice_str(app_listener(w->app, peer->listener)->name));
	record_address(r, "client", slice_str(text));
	record_number(r, "port", peer->port);
	record_text(r, "verdict", SLICE("deferred"));
	record_text(r, "by", by);
	record_number(r, "code", code);
	record_words(r, "reply", words);
	record_end(r);
}
