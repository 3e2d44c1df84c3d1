#include "replay/read.h"

#include "replay/words.h"
#include "score/names.h"

#include <math.h>

/* One line under way; the first thing that is wrong is kept. */
struct reading {
	const char *why;
};

static void fault(struct reading *g, const char *why)
{
	g->why = g->why ? g->why : why;
}

static bool is_there(struct ctl_json at, const char *key)
{
	return ctl_json_get(at, key).node != NULL;
}

/* ---- values ---- */

/* null is a thing that is none: p NULL. */
static struct slice text(struct reading *g, struct ctl_json at, const char *key)
{
	struct ctl_json v = ctl_json_get(at, key);
	if (!ctl_json_is_text(v))
		return slice_of(NULL, 0);
	struct slice s = ctl_json_text(v, NULL);
	if (!s.p)
		fault(g, "no memory is left to read it");
	return s;
}

static struct slice text_or_empty(struct reading *g, struct ctl_json at, const char *key)
{
	struct slice s = text(g, at, key);
	return s.p ? s : slice_of("", 0);
}

static uint64_t number(struct reading *g, struct ctl_json at, const char *key, uint64_t max)
{
	int64_t v = ctl_json_int(at, key, 0);
	if (v < 0 || (uint64_t)v > max)
		fault(g, "a number is out of range");
	return v < 0 ? 0 : (uint64_t)v > max ? max : (uint64_t)v;
}

static double finite_value(struct reading *g, struct ctl_json at, const char *key)
{
	double v = ctl_json_double(at, key, NAN);
	if (!isfinite(v))
		fault(g, "a value is missing or no number");
	return v;
}

/* What writing leaves out is 0. */
static double value(struct ctl_json at, const char *key)
{
	return ctl_json_double(at, key, 0);
}

static int word(struct slice s, const char *const *words, int n)
{
	for (int i = 0; i < n; i++)
		if (slice_eq(s, slice_str(words[i])))
			return i;
	return -1;
}

static uint64_t hash(struct reading *g, struct ctl_json at)
{
	struct slice s = text_or_empty(g, at, "rules");
	uint64_t v = 0;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool digit = c >= '0' && c <= '9', letter = c >= 'a' && c <= 'f';
		if (!digit && !letter)
			fault(g, "\"rules\" is no hash of 16 hex digits");
		v = v << 4 | (uint64_t)(digit ? c - '0' : c - 'a' + 10);
	}
	if (s.n != 16)
		fault(g, "\"rules\" is no hash of 16 hex digits");
	return v;
}

/* ---- facts ---- */

static bool knows(struct ctl_json at, const char *key, struct score_facts *f, uint32_t fact)
{
	bool there = is_there(at, key);
	f->known |= there ? fact : 0;
	return there;
}

static void read_client(struct reading *g, struct ctl_json at, struct score_facts *f)
{
	if (knows(at, "client", f, SCORE_HAS_CLIENT) && !ip_parse(text_or_empty(g, at, "client"), &f->client))
		fault(g, "\"client\" is no address");
	if (knows(at, "port", f, SCORE_HAS_PORT))
		f->client_port = (uint16_t)number(g, at, "port", UINT16_MAX);
	if (knows(at, "listener", f, SCORE_HAS_LISTENER))
		f->listener = text(g, at, "listener");
	if (knows(at, "connections", f, SCORE_HAS_CONNECTIONS))
		f->connections = (uint32_t)number(g, at, "connections", UINT32_MAX);
	if (knows(at, "known_good", f, SCORE_HAS_KNOWN_GOOD))
		f->known_good = ctl_json_bool(at, "known_good", false);
	if (knows(at, "age", f, SCORE_HAS_AGE))
		f->age_ms = number(g, at, "age", INT64_MAX);
	if (knows(at, "early", f, SCORE_HAS_EARLY_TALKER))
		f->early_talker = ctl_json_bool(at, "early", false);
}

static void read_session(struct reading *g, struct ctl_json at, struct score_facts *f)
{
	read_client(g, at, f);
	if (knows(at, "sessions", f, SCORE_HAS_PRESSURE))
		f->sessions = (uint32_t)number(g, at, "sessions", UINT32_MAX);
	f->stress = value(at, "stress");
	f->load = value(at, "load");
	if (knows(at, "tls", f, SCORE_HAS_TLS))
		f->tls = ctl_json_bool(at, "tls", false);
	f->tls_version = text(g, at, "tls_version");
	f->offences = (uint32_t)number(g, at, "offences", UINT32_MAX);
	if (knows(at, "helo", f, SCORE_HAS_HELO))
		f->helo = text(g, at, "helo");
}

static bool is_true(struct ctl_json at, const char *key)
{
	return ctl_json_bool(at, key, false);
}

static void read_looked_up(struct reading *g, struct ctl_json at, struct score_facts *f)
{
	if (knows(at, "ptr", f, SCORE_HAS_PTR))
		score_facts_ptr(f, text(g, at, "ptr"), is_true(at, "dynamic"));
	if (knows(at, "name", f, SCORE_HAS_NAME))
		f->name = text(g, at, "name");
	if (knows(at, "helo_resolves", f, SCORE_HAS_HELO_RESOLVES))
		f->helo_resolves = is_true(at, "helo_resolves");
	if (knows(at, "helo_ours", f, SCORE_HAS_HELO_OURS))
		f->helo_ours = is_true(at, "helo_ours");
	if (knows(at, "sender_mx", f, SCORE_HAS_SENDER_MX))
		f->sender_mx = is_true(at, "sender_mx");
	if (knows(at, "sender_local", f, SCORE_HAS_SENDER_LOCAL))
		f->sender_local = is_true(at, "sender_local");
	if (knows(at, "spf", f, SCORE_HAS_SPF))
		f->spf = text(g, at, "spf");
	if (knows(at, "identity", f, SCORE_HAS_IDENTITY))
		f->identity = text(g, at, "identity");
}

static void read_answers(struct reading *g, struct ctl_json line, struct replay_record *r)
{
	struct ctl_json all = ctl_json_get(line, "answers");
	size_t n = ctl_json_len(all);
	if (n > SCORE_LOOKUPS_MAX) {
		fault(g, "\"answers\" are more than rules can ask for");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct ctl_json one = ctl_json_item(all, i);
		r->answers[i].lookup = text_or_empty(g, ctl_json_item(one, 0), NULL);
		r->answers[i].text = text(g, ctl_json_item(one, 1), NULL);
	}
	r->answers_n = (unsigned)n;
}

static void read_headers(struct reading *g, struct ctl_json at, struct replay_record *r)
{
	struct ctl_json all = ctl_json_get(at, "headers");
	size_t n = ctl_json_len(all);
	if (!ctl_json_is_array(all) || n > REPLAY_HEADERS) {
		fault(g, "\"headers\" is no list of header fields, or too long");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct ctl_json field = ctl_json_item(all, i);
		r->headers[i].name = text_or_empty(g, ctl_json_item(field, 0), NULL);
		r->headers[i].value = text_or_empty(g, ctl_json_item(field, 1), NULL);
	}
	score_facts_headers(&r->facts, r->headers, (uint32_t)n);
}

static void read_mail(struct reading *g, struct ctl_json at, struct score_facts *f)
{
	if (is_there(at, "sender"))
		score_facts_sender(f, text(g, at, "sender"));
	if (is_there(at, "recipient"))
		score_facts_recipient(f, text(g, at, "recipient"));
	f->recipients = (uint32_t)number(g, at, "recipients", UINT32_MAX);
	f->bad_recipients = (uint32_t)number(g, at, "bad", UINT32_MAX);
	if (is_there(at, "size"))
		score_facts_size(f, number(g, at, "size", INT64_MAX));
}

static void read_facts(struct reading *g, struct ctl_json line, struct replay_record *r)
{
	struct ctl_json at = ctl_json_get(line, "facts");
	if (!ctl_json_is_object(at))
		fault(g, "\"facts\" are missing");
	read_session(g, at, &r->facts);
	read_looked_up(g, at, &r->facts);
	read_mail(g, at, &r->facts);
	if (is_there(at, "headers"))
		read_headers(g, at, r);
	/* without a client nothing was ever judged; the store wants one */
	if (!(r->facts.known & SCORE_HAS_CLIENT))
		fault(g, "\"client\" is missing");
}

/* ---- what was read, charged, decided ---- */

static void read_reads(struct reading *g, struct ctl_json line, struct replay_record *r)
{
	struct ctl_json all = ctl_json_get(line, "reads");
	size_t n = ctl_json_len(all);
	if (n > SCORE_PROBES_MAX) {
		fault(g, "\"reads\" are more than rules can read");
		return;
	}
	for (size_t i = 0; i < n; i++) {
		struct ctl_json one = ctl_json_item(all, i);
		r->reads[i].probe = text_or_empty(g, ctl_json_item(one, 0), NULL);
		r->reads[i].value = finite_value(g, ctl_json_item(one, 1), NULL);
	}
	r->reads_n = (unsigned)n;
}

static void read_charge(struct reading *g, struct ctl_json one, struct replay_charge *c)
{
	size_t n = ctl_json_len(one);
	if (!ctl_json_is_array(one) || (n != 2 && n != 4))
		fault(g, "a charge has not two or four parts");
	*c = (struct replay_charge){
		.rule = text_or_empty(g, ctl_json_item(one, 0), NULL),
		.key = text_or_empty(g, ctl_json_item(one, 1), NULL),
		.forgets = n == 2,
	};
	if (n != 4)
		return;
	c->points = finite_value(g, ctl_json_item(one, 2), NULL);
	c->now = finite_value(g, ctl_json_item(one, 3), NULL);
}

static void read_charges(struct reading *g, struct ctl_json line, struct replay_record *r)
{
	struct ctl_json all = ctl_json_get(line, "charges");
	size_t n = ctl_json_len(all);
	if (n > SCORE_RULES_MAX) {
		fault(g, "\"charges\" are more than rules can give");
		return;
	}
	for (size_t i = 0; i < n; i++)
		read_charge(g, ctl_json_item(all, i), &r->charges[i]);
	r->charges_n = (unsigned)n;
}

static enum score_action read_decision(struct reading *g, struct ctl_json line, const char *key, struct slice *rule_r)
{
	struct ctl_json v = ctl_json_get(line, key);
	*rule_r = text_or_empty(g, ctl_json_item(v, 1), NULL);
	if (!v.node)
		return SCORE_NONE;
	struct slice name = text_or_empty(g, ctl_json_item(v, 0), NULL);
	for (int i = 0; i < SCORE_ACTIONS; i++)
		if (slice_eq(name, slice_str(score_action_name((enum score_action)i))))
			return (enum score_action)i;
	fault(g, "a verdict has no known action");
	return SCORE_NONE;
}

static void read_verdict(struct reading *g, struct ctl_json line, struct replay_verdict *v)
{
	v->now = read_decision(g, line, "now", &v->now_rule);
	v->would = read_decision(g, line, "would", &v->would_rule);
	v->ok_rule = text_or_empty(g, line, "ok");
	v->wait_ms = (uint32_t)number(g, line, "wait", UINT32_MAX);
	v->points = value(line, "points");
	v->score = value(line, "score");
}

/* ---- the line ---- */

static void read_head(struct reading *g, struct ctl_json line, struct replay_head *h)
{
	h->version = number(g, line, "version", INT64_MAX);
	h->start_ms = number(g, line, "start", INT64_MAX);
	h->half_life_ms = number(g, line, "half_life", INT64_MAX);
	h->spike_ms = number(g, line, "spike_window", INT64_MAX);
	if (h->version != REPLAY_VERSION)
		fault(g, "it was written by another version of the format");
}

static void read_event(struct reading *g, struct ctl_json line, struct replay_record *r)
{
	int event = SCORE_EVENTS;
	if (is_there(line, "event"))
		event = score_name_find(score_events, SCORE_EVENTS, text_or_empty(g, line, "event"));
	if (event < 0 || (event == SCORE_EVENTS && r->kind != REPLAY_TEST))
		fault(g, "\"event\" is unknown or missing");
	r->event = event < 0 ? SCORE_EVENTS : (enum score_event)event;
	bool before_test = r->event == SCORE_EV_CONNECTIONS || r->event == SCORE_EV_MESSAGES ||
			   r->event == SCORE_EV_RECIPIENTS || r->event == SCORE_EVENTS;
	if (r->kind == REPLAY_TEST && !before_test)
		fault(g, "a test follows an event that is settled by itself");
	r->amount = number(g, line, "amount", INT64_MAX);
	if (is_there(line, "learned"))
		r->learned = score_name_find(score_keys, SCORE_KEY_KINDS, text_or_empty(g, line, "learned"));
	if (is_there(line, "learned") && (r->learned < 0 || r->kind != REPLAY_EVENT))
		fault(g, "\"learned\" names no key, or not that of an event");
}

static void read_call(struct reading *g, struct ctl_json line, struct replay_record *r)
{
	if (r->kind == REPLAY_TEST) {
		int stage = word(text_or_empty(g, line, "stage"), score_stage_names, SCORE_STAGES);
		if (stage < 0)
			fault(g, "\"stage\" is unknown or missing");
		r->stage = stage < 0 ? SCORE_CONNECT : (enum score_stage)stage;
		read_verdict(g, line, &r->verdict);
	}
	read_event(g, line, r);
	r->allowed = ctl_json_bool(line, "allowed", false);
	r->place = (uint8_t)number(g, line, "place", 99);
	read_facts(g, line, r);
	read_answers(g, line, r);
	read_reads(g, line, r);
	read_charges(g, line, r);
}

static void read_line(struct reading *g, struct ctl_json line, struct replay_record *r)
{
	int kind = word(text_or_empty(g, line, "kind"), replay_kind_names, REPLAY_KINDS);
	replay_record_begin(r, kind < 0 ? REPLAY_HEAD : (enum replay_kind)kind);
	if (kind < 0) {
		fault(g, "it is no record: \"kind\" is unknown or missing");
		return;
	}
	r->seq = number(g, line, "seq", INT64_MAX);
	r->time_ms = number(g, line, "time", INT64_MAX);
	r->rules = hash(g, line);
	r->cut = ctl_json_bool(line, "cut", false);
	r->mail = text_or_empty(g, line, "mail");
	r->accepted = ctl_json_bool(line, "accepted", false);
	if (r->kind == REPLAY_HEAD) {
		read_head(g, line, &r->head);
		return;
	}
	r->session = text_or_empty(g, line, "session");
	r->step = (uint32_t)number(g, line, "step", UINT32_MAX);
	if (r->session.n == 0)
		fault(g, "\"session\" is missing");
	if (r->kind == REPLAY_TEST || r->kind == REPLAY_EVENT || r->kind == REPLAY_UNDO)
		read_call(g, line, r);
}

bool replay_read(struct replay_reader *reader, struct slice line, struct replay_record *record_r, const char **why_r)
{
	struct reading g = { 0 };
	struct buf why = { 0 };
	*why_r = "it is longer than a megabyte";
	if (line.n > REPLAY_LINE)
		return false;
	replay_reader_release(reader);
	bool parsed = ctl_json_parse(line, &reader->doc, &why);
	buf_release(&why);
	*why_r = "it is no JSON: cut off, or not a line of a replay file";
	if (!parsed)
		return false;
	read_line(&g, ctl_json_root(&reader->doc), record_r);
	*why_r = g.why;
	return g.why == NULL;
}

void replay_reader_release(struct replay_reader *reader)
{
	ctl_json_release(&reader->doc);
}
