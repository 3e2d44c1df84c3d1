#include "tests/replay/trace.h"

#include <stdio.h>
#include <stdlib.h>

static unsigned pick(uint64_t *random, unsigned n)
{
	*random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17;
	return (unsigned)((*random >> 20) % n);
}

#define ONE_OF(random, list) (list)[pick(random, sizeof(list) / sizeof *(list))]

/* ---- rules ---- */

static void write_simple(char *out, size_t room, uint64_t *random)
{
	static const char *const events[] = { "connections", "messages", "accepted", "recipients", "bad_recipients",
		"refused", "deferred", "bytes", "offences" };
	static const char *const keys[] = { "client", "net(24,48)", "sender", "sender.domain", "client, sender", "helo",
		"recipient.domain", "all" };
	static const char *const windows[] = { "1m", "10m", "1h" };
	static const char *const records[] = { "client", "net(24,48)", "sender", "sender.domain", "recipient" };
	static const char *const facts[] = { "client.known_good", "not client.known_good and early_talker",
		"helo.form == 'bare'", "sender.domain == 'd3.example'", "recipient =~ /^u[0-3]@/",
		"header('Subject') =~ /win/i", "message.size > 64k", "stress > 0.5", "load > 1.25",
		"tls.version == '1.3'", "client.age < 1h", "recipients > 3", "bad_recipients > 1", "offences > 0",
		"client.ip in 10.0.0.0/28", "sender.null", "client.connections > 3", "listener == 'mx'",
		"points > 12" };
	switch (pick(random, 7)) {
	case 0:
	case 1:
		(void)snprintf(out, room, "count(%s by %s, %s) > %u", ONE_OF(random, events), ONE_OF(random, keys),
			ONE_OF(random, windows), pick(random, 25));
		return;
	case 2:
		(void)snprintf(out, room, "distinct(%s, %s) > %u",
			pick(random, 2) ? "sender by client" : "recipient by sender", ONE_OF(random, windows),
			pick(random, 8));
		return;
	case 3:
		(void)snprintf(out, room, "record(%s) >= %u.3", ONE_OF(random, records), 5 + pick(random, 60));
		return;
	case 4:
		(void)snprintf(out, room, "score >= %u.7", 5 + pick(random, 80));
		return;
	case 5:
		(void)snprintf(out, room, "spike(messages by %s) > 1.%u", ONE_OF(random, records), pick(random, 9));
		return;
	default:
		(void)snprintf(out, room, "%s", ONE_OF(random, facts));
		return;
	}
}

static void write_when(char out[TRACE_TEXT], uint64_t *random)
{
	char a[150], b[150];
	write_simple(a, sizeof a, random);
	write_simple(b, sizeof b, random);
	unsigned how = pick(random, 6);
	if (how < 3)
		(void)snprintf(out, TRACE_TEXT,
			how == 0   ? "%s and %s"
			: how == 1 ? "%s or %s"
				   : "%s and not (%s)",
			a, b);
	else
		(void)snprintf(out, TRACE_TEXT, "%s", a);
}

static void random_rule(struct trace_rules *rules, unsigned i, uint64_t *random)
{
	static const enum score_action actions[] = { SCORE_NONE, SCORE_NONE, SCORE_NONE, SCORE_LOG, SCORE_OK,
		SCORE_WAIT, SCORE_DEFER, SCORE_REJECT, SCORE_BLOCK, SCORE_MAIL_ALERT, SCORE_THROTTLE, SCORE_DELETE };
	static const enum score_charge_to tos[] = { SCORE_TO_DEFAULT, SCORE_TO_CLIENT, SCORE_TO_NET, SCORE_TO_SENDER,
		SCORE_TO_DOMAIN };
	struct score_rule_source *r = &rules->rule[i];
	(void)snprintf(rules->names[i], sizeof rules->names[i], "rule%u", i);
	write_when(rules->whens[i], random);
	*r = (struct score_rule_source){ .name = rules->names[i],
		.when = rules->whens[i],
		.file = "random",
		.line = i,
		.stage = SCORE_ANY_STAGE,
		.percent = 100 };
	r->action = ONE_OF(random, actions);
	r->points = pick(random, 3) ? 0 : (double)pick(random, 400) / 7 - 10;
	r->charge = pick(random, 3) == 0 ? (double)pick(random, 300) / 11 - 3 : 0;
	r->to = ONE_OF(random, tos);
	r->delay_ms = r->action == SCORE_WAIT ? 500u * (1 + pick(random, 9)) : 0;
	r->hold_ms = r->action == SCORE_BLOCK ? 3600000 : 0;
	r->rate = r->action == SCORE_THROTTLE ? 20000 : 0;
	r->state = pick(random, 8) == 0 ? SCORE_OBSERVE : SCORE_ENFORCE;
	r->percent = pick(random, 5) == 0 ? 1 + pick(random, 98) : 100;
	r->even_known_good = pick(random, 6) == 0;
}

/* Drawn until they compile: not every action goes with every expression. */
void trace_rules_random(struct trace_rules *rules, unsigned n, uint64_t *random)
{
	*rules = (struct trace_rules){ 0 };
	while (rules->n < n) {
		random_rule(rules, rules->n, random);
		struct buf faults = { 0 };
		struct score_rules_config c = { .rules = &rules->rule[rules->n], .n = 1, .half_life_ms = 3600000 };
		struct score_ruleset *one = score_rules_compile(&c, &faults);
		rules->n += one != NULL;
		score_rules_free(&one);
		buf_release(&faults);
	}
}

struct score_ruleset *trace_compile(const struct trace_rules *rules)
{
	struct buf faults = { 0 };
	struct score_rules_config c = {
		.rules = rules->rule, .n = rules->n, .key = hash_key_random(), .half_life_ms = 3600000, .enforce = true
	};
	struct score_ruleset *set = score_rules_compile(&c, &faults);
	if (!set)
		(void)fprintf(stderr, "%.*s", SLICE_ARG(buf_slice(&faults)));
	buf_release(&faults);
	return set;
}

void trace_world_open(struct trace_world *w, const struct trace_rules *rules)
{
	struct hash_key key = hash_key_random();
	*w = (struct trace_world){ .set = trace_compile(rules), .store = score_store_new(64u << 20, &key) };
	if (!w->set || !w->store)
		abort();
}

void trace_world_close(struct trace_world *w)
{
	for (unsigned i = 0; i < TRACE_SESSIONS; i++)
		score_case_free(&w->cases[i]);
	score_store_free(&w->store);
	score_rules_free(&w->set);
}

/* ---- the clients ---- */

void trace_open(struct trace *t, uint64_t seed)
{
	*t = (struct trace){ .random = seed, .now_ms = 1767225600000u };
}

static void arrive(struct trace *t, struct trace_session *s)
{
	struct ip client;
	char text[64];
	if (pick(&t->random, 4))
		(void)snprintf(text, sizeof text, "10.0.%u.%u", pick(&t->random, 2), pick(&t->random, 40));
	else
		(void)snprintf(text, sizeof text, "2001:db8:%u::%x", pick(&t->random, 5), pick(&t->random, 9));
	*s = (struct trace_session){ .state = 0 };
	(void)snprintf(s->id, sizeof s->id, "S%llu", (unsigned long long)t->sessions_n++);
	if (!ip_parse(slice_str(text), &client))
		abort();
	score_facts_client(&s->facts, &client, pick(&t->random, 2) ? SLICE("mx") : SLICE("submission"));
	score_facts_port(&s->facts, (uint16_t)pick(&t->random, 65536));
	score_facts_connections(&s->facts, 1 + pick(&t->random, 5));
	score_facts_known_good(&s->facts, pick(&t->random, 5) == 0);
	score_facts_age(&s->facts, pick(&t->random, 9000000));
	score_facts_tls(&s->facts, false);
}

static void say_helo(struct trace *t, struct trace_session *s)
{
	static const char *const helos[] = { "mail.example.org", "bare", "[192.0.2.1]", "wild\x80\xff\"\\\t", "" };
	(void)snprintf(s->helo, sizeof s->helo, "%s", ONE_OF(&t->random, helos));
	score_facts_early_talker(&s->facts, pick(&t->random, 6) == 0);
	if (pick(&t->random, 2)) {
		score_facts_tls(&s->facts, true);
		score_facts_tls_version(&s->facts, pick(&t->random, 2) ? SLICE("1.3") : SLICE("1.2"));
	}
	score_facts_helo(&s->facts, slice_str(s->helo));
}

static void begin_mail(struct trace *t, struct trace_session *s)
{
	s->sender[0] = '\0';
	if (pick(&t->random, 8))
		(void)snprintf(
			s->sender, sizeof s->sender, "u%u@d%u.example", pick(&t->random, 20), pick(&t->random, 5));
	score_facts_sender(&s->facts, slice_str(s->sender));
	s->left = 1 + pick(&t->random, 5);
}

static void name_recipient(struct trace *t, struct trace_session *s)
{
	(void)snprintf(
		s->recipient, sizeof s->recipient, "u%u@local%u.example", pick(&t->random, 30), pick(&t->random, 3));
	score_facts_recipient(&s->facts, slice_str(s->recipient));
	s->left--;
}

static void send_header(struct trace *t, struct trace_session *s)
{
	s->headers[0] =
		(struct score_header){ SLICE("Subject"), pick(&t->random, 2) ? SLICE("You WIN") : SLICE("\xc3\xa9") };
	s->headers[1] = (struct score_header){ SLICE("From"), slice_str(s->sender) };
	score_facts_headers(&s->facts, s->headers, 2);
}

/* ---- calls ---- */

static void test(struct trace *t, enum score_stage stage, enum score_event event)
{
	t->kind = REPLAY_TEST;
	t->stage = stage;
	t->event = event;
}

static void happen(struct trace *t, enum replay_kind kind, enum score_event event, uint64_t amount)
{
	t->kind = kind;
	t->event = event;
	t->amount = amount;
}

/* A recipient was answered: known, unknown, deferred. */
static void answer_recipient(struct trace *t, struct trace_session *s)
{
	static const enum score_event events[] = { SCORE_EV_BAD_RECIPIENTS, SCORE_EV_REFUSED, SCORE_EV_DEFERRED };
	unsigned how = pick(&t->random, 5);
	if (how < 3) {
		s->facts.bad_recipients += how == 0;
		happen(t, REPLAY_EVENT, events[how], 1);
	} else
		happen(t, how == 3 ? REPLAY_UNDO : REPLAY_EVENT, how == 3 ? SCORE_EV_RECIPIENTS : SCORE_EV_OFFENCES, 1);
}

static void end_mail(struct trace *t)
{
	static const enum score_event events[] = { SCORE_EV_ACCEPTED, SCORE_EV_REFUSED, SCORE_EV_DEFERRED,
		SCORE_EV_BYTES };
	unsigned how = pick(&t->random, 5);
	if (how == 4)
		happen(t, REPLAY_UNDO, SCORE_EV_MESSAGES, 1);
	else
		happen(t, REPLAY_EVENT, events[how], how == 3 ? pick(&t->random, 500000) : 1);
}

enum { ARRIVING, GREETING, HELLO, MAIL, RCPT, ANSWER, ANSWERED, DATA, MESSAGE, END_OF_MAIL, MAIL_DONE, LEAVE };

static void session_next(struct trace *t, struct trace_session *s)
{
	switch (s->state++) {
	case ARRIVING:
		arrive(t, s);
		s->state = GREETING;
		test(t, SCORE_CONNECT, SCORE_EV_CONNECTIONS);
		return;
	case GREETING:
		test(t, SCORE_GREET, SCORE_EVENTS);
		return;
	case HELLO:
		say_helo(t, s);
		test(t, SCORE_HELO, SCORE_EVENTS);
		return;
	case MAIL:
		begin_mail(t, s);
		test(t, SCORE_MAIL, SCORE_EV_MESSAGES);
		return;
	case RCPT:
		name_recipient(t, s);
		test(t, SCORE_RCPT, SCORE_EV_RECIPIENTS);
		return;
	case ANSWER:
		answer_recipient(t, s);
		return;
	case ANSWERED:
		t->kind = REPLAY_RECIPIENT_DONE;
		t->accepted = pick(&t->random, 3);
		s->state = s->left ? RCPT : DATA;
		return;
	case DATA:
		send_header(t, s);
		test(t, SCORE_DATA, SCORE_EVENTS);
		return;
	case MESSAGE:
		score_facts_size(&s->facts, pick(&t->random, 200000));
		test(t, SCORE_MESSAGE, SCORE_EVENTS);
		return;
	case END_OF_MAIL:
		end_mail(t);
		return;
	case MAIL_DONE:
		t->kind = REPLAY_MAIL_DONE;
		s->state = pick(&t->random, 3) ? MAIL : LEAVE;
		return;
	default:
		t->kind = REPLAY_SESSION_END;
		s->state = ARRIVING;
		return;
	}
}

void trace_next(struct trace *t)
{
	t->at = pick(&t->random, TRACE_SESSIONS);
	t->now_ms += pick(&t->random, 4) ? pick(&t->random, 300) : pick(&t->random, 20000);
	t->event = SCORE_EVENTS;
	t->amount = 0;
	struct trace_session *s = &t->sessions[t->at];
	session_next(t, s);
	if (t->kind == REPLAY_TEST && t->stage == SCORE_DATA)
		score_facts_drop(&s->facts, SCORE_OF_RECIPIENT);
	score_facts_pressure(&s->facts, 10 + pick(&t->random, 90), (double)pick(&t->random, 1000) / 997,
		(double)pick(&t->random, 1000) / 333);
	s->facts.offences += t->kind == REPLAY_EVENT && t->event == SCORE_EV_OFFENCES;
	t->facts = s->facts;
	t->seq++;
	s->step++;
	if (t->kind == REPLAY_RECIPIENT_DONE)
		score_facts_drop(&s->facts, SCORE_OF_RECIPIENT);
	if (t->kind == REPLAY_MAIL_DONE)
		score_facts_drop(&s->facts, SCORE_OF_MAIL);
}

/* ---- in a world ---- */

static void do_test(const struct trace *t, struct trace_world *w, struct replay_record *record)
{
	struct score_case *c = &w->cases[t->at];
	struct score_verdict v;
	if (t->event != SCORE_EVENTS && !score_event(w->set, &t->facts, c, w->store, t->event, 1, t->now_ms))
		abort();
	c->tape = &w->tape;
	if (!score_rules_eval(w->set, t->stage, &t->facts, c, w->store, t->now_ms, &v))
		abort();
	replay_record_verdict(record, w->set, &v);
}

static void do_call(const struct trace *t, struct trace_world *w, struct replay_record *record)
{
	struct score_case *c = &w->cases[t->at];
	switch (t->kind) {
	case REPLAY_TEST:
		do_test(t, w, record);
		break;
	case REPLAY_EVENT:
		c->tape = &w->tape;
		if (!score_event(w->set, &t->facts, c, w->store, t->event, t->amount, t->now_ms))
			abort();
		break;
	case REPLAY_UNDO:
		score_event_undo(w->set, &t->facts, w->store, t->event, t->amount, t->now_ms);
		break;
	case REPLAY_RECIPIENT_DONE:
		score_case_recipient_done(w->set, c, t->accepted);
		break;
	case REPLAY_MAIL_DONE:
		score_case_mail_done(w->set, c);
		break;
	default:
		score_case_free(c);
		*c = (struct score_case){ 0 };
		break;
	}
	c->tape = NULL;
}

void trace_call(const struct trace *t, struct trace_world *w, struct replay_record *record_r)
{
	const struct trace_session *s = &t->sessions[t->at];
	replay_record_begin(record_r, t->kind);
	record_r->seq = t->seq;
	record_r->time_ms = t->now_ms;
	record_r->rules = score_rules_hash(w->set);
	record_r->session = slice_str(s->id);
	record_r->step = s->step;
	record_r->facts = t->facts;
	record_r->place = (uint8_t)score_client_place(w->set, &t->facts.client);
	record_r->event = t->event;
	record_r->amount = t->amount;
	record_r->stage = t->stage;
	record_r->accepted = t->accepted;
	w->cases[t->at].allowed = record_r->allowed = s->facts.client_port % 31 == 0;
	score_tape_clear(&w->tape);
	do_call(t, w, record_r);
	replay_record_tape(record_r, w->set, &w->tape);
}
