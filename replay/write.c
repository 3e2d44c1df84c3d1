/* A record as a line, by hand: the server writes one for every test. */
#include "base/escape.h"
#include "replay/record.h"
#include "replay/words.h"
#include "score/names.h"

#include <math.h>

struct line {
	struct buf *out;
	bool failed, first; /* first: of an object or array that was just opened */
};

static void put(struct line *l, struct slice s)
{
	l->failed = l->failed || !buf_put(l->out, s);
}

static void next(struct line *l)
{
	if (!l->first)
		put(l, SLICE(","));
	l->first = false;
}

static void put_key(struct line *l, const char *key)
{
	next(l);
	l->failed = l->failed || !buf_puts(l->out, SLICE("\""), slice_str(key), SLICE("\":"));
}

static void put_string(struct line *l, struct slice s)
{
	l->failed = l->failed || !escape_json(l->out, s, SIZE_MAX);
}

static void put_number(struct line *l, const char *key, uint64_t v)
{
	char digits[SLICE_DIGITS];
	put_key(l, key);
	put(l, slice_number(v, digits));
}

/* So many digits read back as the same double; whole numbers, most of them, need no format. */
static void put_value(struct line *l, double v)
{
	char digits[SLICE_DIGITS];
	double size = fabs(v);
	if (!isfinite(v))
		put(l, SLICE("null"));
	else if (size < 1e15 && size == floor(size) && !(signbit(v) && size == 0))
		l->failed = l->failed ||
			    !buf_puts(l->out, v < 0 ? SLICE("-") : SLICE(""), slice_number((uint64_t)size, digits));
	else if (size == 0)
		put(l, SLICE("-0.0"));
	else
		l->failed = l->failed || !buf_printf(l->out, "%.17g", v);
}

static void put_double(struct line *l, const char *key, double v)
{
	if (!isfinite(v))
		return;
	put_key(l, key);
	put_value(l, v);
}

/* p NULL is a thing that is none, and null. */
static void put_thing(struct line *l, struct slice s)
{
	if (s.p)
		put_string(l, s);
	else
		put(l, SLICE("null"));
}

static void put_text(struct line *l, const char *key, struct slice s)
{
	put_key(l, key);
	put_thing(l, s);
}

static void put_some(struct line *l, const char *key, struct slice s)
{
	if (s.n)
		put_text(l, key, s);
}

static void put_bool(struct line *l, const char *key, bool v)
{
	put_key(l, key);
	put(l, v ? SLICE("true") : SLICE("false"));
}

static void put_flag(struct line *l, const char *key, bool v)
{
	if (v)
		put_bool(l, key, v);
}

static void put_hash(struct line *l, uint64_t hash)
{
	static const char hex[] = "0123456789abcdef";
	char text[16];
	for (unsigned i = 0; i < sizeof text; i++)
		text[i] = hex[hash >> (60 - 4 * i) & 15];
	put_text(l, "rules", slice_of(text, sizeof text));
}

static void open(struct line *l, const char *key, struct slice bracket)
{
	put_key(l, key);
	put(l, bracket);
	l->first = true;
}

static void close(struct line *l, struct slice bracket)
{
	put(l, bracket);
	l->first = false;
}

/* ---- facts ---- */

static void put_client(struct line *l, const struct score_facts *f)
{
	char text[IP_TEXT];
	size_t n = ip_format(&f->client, text);
	put_text(l, "client", slice_of(text, n));
}

static void put_session_facts(struct line *l, const struct score_facts *f)
{
	if (f->known & SCORE_HAS_CLIENT)
		put_client(l, f);
	if (f->known & SCORE_HAS_PORT)
		put_number(l, "port", f->client_port);
	if (f->known & SCORE_HAS_LISTENER)
		put_text(l, "listener", f->listener);
	if (f->known & SCORE_HAS_CONNECTIONS)
		put_number(l, "connections", f->connections);
	if (f->known & SCORE_HAS_KNOWN_GOOD)
		put_bool(l, "known_good", f->known_good);
	if (f->known & SCORE_HAS_AGE)
		put_number(l, "age", f->age_ms);
	if (f->known & SCORE_HAS_EARLY_TALKER)
		put_bool(l, "early", f->early_talker);
	if (f->known & SCORE_HAS_PRESSURE) {
		put_number(l, "sessions", f->sessions);
		put_double(l, "stress", f->stress);
		put_double(l, "load", f->load);
	}
	if (f->known & SCORE_HAS_TLS)
		put_bool(l, "tls", f->tls);
	if (f->tls_version.p)
		put_text(l, "tls_version", f->tls_version);
	if (f->offences)
		put_number(l, "offences", f->offences);
	if (f->known & SCORE_HAS_HELO)
		put_text(l, "helo", f->helo);
}

static void put_looked_up(struct line *l, const struct score_facts *f)
{
	if (f->known & SCORE_HAS_PTR) {
		put_text(l, "ptr", f->ptr);
		put_flag(l, "dynamic", f->dynamic);
	}
	if (f->known & SCORE_HAS_NAME)
		put_text(l, "name", f->name);
	if (f->known & SCORE_HAS_HELO_RESOLVES)
		put_bool(l, "helo_resolves", f->helo_resolves);
	if (f->known & SCORE_HAS_HELO_OURS)
		put_bool(l, "helo_ours", f->helo_ours);
	if (f->known & SCORE_HAS_SENDER_MX)
		put_bool(l, "sender_mx", f->sender_mx);
	if (f->known & SCORE_HAS_SENDER_LOCAL)
		put_bool(l, "sender_local", f->sender_local);
	if (f->known & SCORE_HAS_SPF)
		put_text(l, "spf", f->spf);
	if (f->known & SCORE_HAS_IDENTITY)
		put_text(l, "identity", f->identity);
}

static void put_pair(struct line *l, struct slice a, struct slice b)
{
	next(l);
	put(l, SLICE("["));
	put_string(l, a);
	put(l, SLICE(","));
	put_thing(l, b);
	put(l, SLICE("]"));
}

static void put_answers(struct line *l, const struct replay_record *r)
{
	if (!r->answers_n)
		return;
	open(l, "answers", SLICE("["));
	for (unsigned i = 0; i < r->answers_n; i++)
		put_pair(l, r->answers[i].lookup, r->answers[i].text);
	close(l, SLICE("]"));
}

static void put_headers(struct line *l, const struct score_facts *f)
{
	open(l, "headers", SLICE("["));
	for (uint32_t i = 0; i < f->headers_n && i < REPLAY_HEADERS; i++)
		put_pair(l, f->headers[i].name, f->headers[i].value);
	close(l, SLICE("]"));
}

static void put_facts(struct line *l, const struct score_facts *f)
{
	open(l, "facts", SLICE("{"));
	put_session_facts(l, f);
	put_looked_up(l, f);
	if (f->known & SCORE_HAS_SENDER) {
		put_text(l, "sender", f->sender);
		put_number(l, "recipients", f->recipients);
		put_number(l, "bad", f->bad_recipients);
	}
	if (f->known & SCORE_HAS_RECIPIENT)
		put_text(l, "recipient", f->recipient);
	if (f->known & SCORE_HAS_SIZE)
		put_number(l, "size", f->message_size);
	if (f->known & SCORE_HAS_HEADERS)
		put_headers(l, f);
	close(l, SLICE("}"));
}

/* ---- what was read, charged, decided ---- */

static void put_reads(struct line *l, const struct replay_record *r)
{
	if (!r->reads_n)
		return;
	open(l, "reads", SLICE("["));
	for (unsigned i = 0; i < r->reads_n; i++) {
		next(l);
		put(l, SLICE("["));
		put_string(l, r->reads[i].probe);
		put(l, SLICE(","));
		put_value(l, r->reads[i].value);
		put(l, SLICE("]"));
	}
	close(l, SLICE("]"));
}

/* ["harvest","client",20,35.5]; of a delete ["pardon","client"] */
static void put_charge(struct line *l, const struct replay_charge *c)
{
	next(l);
	put(l, SLICE("["));
	put_string(l, c->rule);
	put(l, SLICE(","));
	put_string(l, c->key);
	if (!c->forgets) {
		put(l, SLICE(","));
		put_value(l, c->points);
		put(l, SLICE(","));
		put_value(l, c->now);
	}
	put(l, SLICE("]"));
}

static void put_charges(struct line *l, const struct replay_record *r)
{
	if (!r->charges_n)
		return;
	open(l, "charges", SLICE("["));
	for (unsigned i = 0; i < r->charges_n; i++)
		put_charge(l, &r->charges[i]);
	close(l, SLICE("]"));
}

static void put_decision(struct line *l, const char *key, enum score_action action, struct slice rule)
{
	if (action == SCORE_NONE)
		return;
	open(l, key, SLICE("["));
	put_string(l, slice_str(score_action_name(action)));
	put(l, SLICE(","));
	put_string(l, rule);
	close(l, SLICE("]"));
}

static void put_verdict(struct line *l, const struct replay_verdict *v)
{
	put_decision(l, "now", v->now, v->now_rule);
	put_decision(l, "would", v->would, v->would_rule);
	put_some(l, "ok", v->ok_rule);
	if (v->wait_ms)
		put_number(l, "wait", v->wait_ms);
	put_double(l, "points", v->points);
	put_double(l, "score", v->score);
}

/* ---- the line ---- */

static void put_head(struct line *l, const struct replay_record *r)
{
	put_number(l, "version", r->head.version);
	put_number(l, "start", r->head.start_ms);
	put_number(l, "half_life", r->head.half_life_ms);
	put_number(l, "spike_window", r->head.spike_ms);
}

static void put_call(struct line *l, const struct replay_record *r)
{
	if (r->kind == REPLAY_TEST)
		put_text(l, "stage", slice_str(score_stage_names[r->stage]));
	if (r->event < SCORE_EVENTS)
		put_text(l, "event", slice_str(score_events[r->event].name));
	if (r->kind != REPLAY_TEST)
		put_number(l, "amount", r->amount);
	if (r->learned != REPLAY_NOT_LEARNED)
		put_text(l, "learned", slice_str(score_keys[r->learned].name));
	put_flag(l, "allowed", r->allowed);
	put_number(l, "place", r->place);
	put_facts(l, &r->facts);
	put_answers(l, r);
	put_reads(l, r);
	put_charges(l, r);
	if (r->kind == REPLAY_TEST)
		put_verdict(l, &r->verdict);
}

static void put_kind(struct line *l, const struct replay_record *r)
{
	switch (r->kind) {
	case REPLAY_HEAD:
		put_head(l, r);
		break;
	case REPLAY_TEST:
	case REPLAY_EVENT:
	case REPLAY_UNDO:
		put_call(l, r);
		break;
	case REPLAY_RECIPIENT_DONE:
		put_bool(l, "accepted", r->accepted);
		break;
	case REPLAY_MAIL_DONE:
	case REPLAY_SESSION_END:
	case REPLAY_KINDS:
		break;
	}
}

bool replay_record_write(const struct replay_record *r, struct buf *out)
{
	uint32_t end = out->end;
	struct line l = { .out = out, .first = true };
	put(&l, SLICE("{"));
	put_text(&l, "kind", slice_str(replay_kind_names[r->kind]));
	put_number(&l, "seq", r->seq);
	put_number(&l, "time", r->time_ms);
	put_hash(&l, r->rules);
	if (r->kind != REPLAY_HEAD) {
		put_text(&l, "session", r->session);
		put_number(&l, "step", r->step);
	}
	put_some(&l, "mail", r->mail);
	put_kind(&l, r);
	put_flag(&l, "cut", r->cut || r->facts.headers_n > REPLAY_HEADERS);
	put(&l, SLICE("}\n"));
	if (l.failed)
		out->end = end;
	return !l.failed;
}
