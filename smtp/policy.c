#include "smtp/policy.h"

#include <stdio.h>

enum phase { READING, STEPPING, ASKED, CLOSED };

/* In the order in which they are taken; those from STEP_CLIENT on are questions. */
enum step { STEP_RESET, STEP_CLIENT, STEP_HELO, STEP_MAIL, STEP_RCPT, STEP_DATA, STEP_END, STEP_DONE };

/* What a refusal holds for. */
enum holds { HOLDS_NOT, HOLDS_CLIENT, HOLDS_HELO, HOLDS_MAIL };

static const struct {
	struct slice name;
	enum step to;
} STATES[] = {
	{ SLICE_INIT("CONNECT"), STEP_CLIENT },
	{ SLICE_INIT("EHLO"), STEP_HELO },
	{ SLICE_INIT("HELO"), STEP_HELO },
	{ SLICE_INIT("MAIL"), STEP_MAIL },
	{ SLICE_INIT("RCPT"), STEP_RCPT },
	{ SLICE_INIT("DATA"), STEP_DATA },
	{ SLICE_INIT("BDAT"), STEP_DATA },
	{ SLICE_INIT("VRFY"), STEP_HELO },
	{ SLICE_INIT("ETRN"), STEP_HELO },
	{ SLICE_INIT("END-OF-MESSAGE"), STEP_END },
};

void smtp_policy_init(struct smtp_policy *p, struct buf *out)
{
	memset(p, 0, sizeof *p);
	p->out = out;
}

static struct slice value_of(const struct smtp_policy *p, enum smtp_policy_attr attr)
{
	return smtp_policy_value(&p->request, attr);
}

/* ---- replies ---- */

/* Ends the request. */
static void say(struct smtp_policy *p, struct slice action)
{
	bool written = buf_puts(p->out, SLICE("action="), action, SLICE("\n\n"));
	p->phase = written ? READING : CLOSED;
	smtp_policy_request_begin(&p->request);
}

/* One line of what is printable, as the protocol has it; smtpd sends it on to its client. */
static void keep_word(struct smtp_policy *p, unsigned code, struct slice text)
{
	int n = snprintf(p->word, sizeof p->word, "%u %.*s", code, SLICE_ARG(text));
	p->word_n = (uint16_t)((size_t)n < sizeof p->word ? (size_t)n : sizeof p->word - 1);
	for (unsigned i = 0; i < p->word_n; i++)
		if (p->word[i] < ' ' || p->word[i] > '~')
			p->word[i] = p->word[i] == '\n' ? ' ' : '?';
}

static enum holds hold_of(const struct smtp_policy *p, unsigned code)
{
	static const enum holds HOLDS[STEP_DONE] = {
		[STEP_CLIENT] = HOLDS_CLIENT, [STEP_HELO] = HOLDS_HELO, [STEP_MAIL] = HOLDS_MAIL
	};
	return code == 421 ? HOLDS_CLIENT : HOLDS[p->step];
}

/* ---- a request ---- */

static bool is_one_of(struct slice state, enum step *to_r)
{
	for (size_t i = 0; i < sizeof STATES / sizeof *STATES; i++) {
		*to_r = STATES[i].to;
		if (slice_eq(state, STATES[i].name))
			return true;
	}
	return false;
}

static bool same(struct slice value, const char *kept, uint8_t n)
{
	return slice_eq(value, slice_of(kept, n));
}

/* As our own EHLO takes it: whatever Postfix let through is shown, and fits nothing. */
static void clean_helo(struct smtp_policy_request *r)
{
	char *helo = r->room + r->at[SMTP_POLICY_HELO];
	for (unsigned i = 0; i < r->n[SMTP_POLICY_HELO]; i++)
		if (helo[i] <= ' ' || helo[i] > '~')
			helo[i] = '?';
}

static bool refusal_holds(const struct smtp_policy *p)
{
	switch ((enum holds)p->holds_for) {
	case HOLDS_NOT:
		return false;
	case HOLDS_CLIENT:
		return !p->other_client;
	case HOLDS_HELO:
		return !p->other_client && same(value_of(p, SMTP_POLICY_HELO), p->helo, p->helo_n);
	case HOLDS_MAIL:
		return !p->other_client && !p->other_mail;
	}
	return false;
}

/* Who and what it is about. False: nothing that could be judged. */
static bool look_at(struct smtp_policy *p)
{
	struct ip ip;
	uint64_t port = 0;
	enum step to;
	struct slice instance = value_of(p, SMTP_POLICY_INSTANCE);
	if (!slice_eq(value_of(p, SMTP_POLICY_REQUEST), SLICE("smtpd_access_policy")) ||
		!is_one_of(value_of(p, SMTP_POLICY_STATE), &to) || !ip_parse(value_of(p, SMTP_POLICY_ADDRESS), &ip))
		return false;
	if (!slice_u64(value_of(p, SMTP_POLICY_PORT), UINT16_MAX, &port))
		port = 0; /* "unknown" */
	clean_helo(&p->request);
	p->level = (uint8_t)to;
	p->other_client = !p->has_client || memcmp(&ip, &p->ip, sizeof ip) != 0 || port != p->port;
	p->other_mail = p->other_client || !instance.n || !same(instance, p->instance, p->instance_n);
	p->ip = ip;
	p->port = (uint16_t)port;
	return true;
}

/* OFFENCE, or MORE: it has been answered already, or is to be stepped through. */
static enum smtp_event_kind begin(struct smtp_policy *p, struct smtp_event *ev_r)
{
	p->step = STEP_RESET;
	p->phase = STEPPING;
	if (p->request.bad) {
		say(p, SLICE("DUNNO"));
		ev_r->offence = SMTP_OFFENCE_SYNTAX;
		ev_r->code = 0;
		return SMTP_EV_OFFENCE;
	}
	if (!look_at(p))
		say(p, SLICE("DUNNO"));
	else if (refusal_holds(p))
		say(p, slice_of(p->word, p->word_n));
	else
		p->holds_for = HOLDS_NOT;
	return SMTP_EV_MORE;
}

/* ---- its questions ---- */

static bool is_needed(const struct smtp_policy *p, enum step step)
{
	struct slice helo = value_of(p, SMTP_POLICY_HELO);
	if (step == STEP_RESET)
		return p->has_mail && (p->other_client || (p->level >= STEP_MAIL && p->other_mail));
	if (step > p->level)
		return false;
	switch (step) {
	case STEP_CLIENT:
		return p->other_client;
	case STEP_HELO:
		return helo.n && !same(helo, p->helo, p->helo_n);
	case STEP_MAIL:
		return !p->has_mail;
	case STEP_RCPT:
		return p->level == STEP_RCPT || (!p->has_rcpt && value_of(p, SMTP_POLICY_RECIPIENT).n);
	case STEP_DATA:
		return p->level == STEP_DATA || !p->has_data;
	case STEP_END:
		return true;
	case STEP_RESET:
	case STEP_DONE:
		break;
	}
	return false;
}

static void keep(char *to, uint8_t *n_r, struct slice value)
{
	if (value.n)
		memcpy(to, value.p, value.n);
	*n_r = (uint8_t)value.n;
}

static enum smtp_event_kind tell_client(struct smtp_policy *p, struct smtp_event *ev_r)
{
	unsigned what = SMTP_XATTR_ADDR | SMTP_XATTR_PORT;
	p->has_client = true;
	p->helo_n = 0;
	ev_r->xclient = (struct smtp_xclient){ .given = what, .known = what, .ip = p->ip, .port = p->port };
	return SMTP_EV_XCLIENT;
}

static enum smtp_event_kind tell_helo(struct smtp_policy *p, struct smtp_event *ev_r)
{
	ev_r->name = value_of(p, SMTP_POLICY_HELO);
	ev_r->esmtp = slice_eq(value_of(p, SMTP_POLICY_PROTOCOL), SLICE("ESMTP"));
	keep(p->helo, &p->helo_n, ev_r->name);
	return SMTP_EV_HELO;
}

static struct smtp_path path_of(struct slice address)
{
	size_t at = slice_rfind(address, '@');
	return (struct smtp_path){ address, slice_of(address.p, at), slice_skip(address, at + 1) };
}

static enum smtp_event_kind tell_mail(struct smtp_policy *p, struct smtp_event *ev_r)
{
	ev_r->path = path_of(value_of(p, SMTP_POLICY_SENDER));
	ev_r->params = (struct smtp_params){ 0 };
	if (!slice_u64(value_of(p, SMTP_POLICY_SIZE), UINT32_MAX, &ev_r->params.size))
		ev_r->params.size = 0;
	keep(p->instance, &p->instance_n, value_of(p, SMTP_POLICY_INSTANCE));
	p->has_mail = true;
	p->has_rcpt = p->has_data = false;
	return SMTP_EV_MAIL;
}

static enum smtp_event_kind tell_rcpt(struct smtp_policy *p, struct smtp_event *ev_r)
{
	ev_r->path = path_of(value_of(p, SMTP_POLICY_RECIPIENT));
	ev_r->params = (struct smtp_params){ 0 };
	p->has_rcpt = true;
	return SMTP_EV_RCPT;
}

static enum smtp_event_kind ask(struct smtp_policy *p, struct smtp_event *ev_r)
{
	p->phase = ASKED;
	switch ((enum step)p->step) {
	case STEP_CLIENT:
		return tell_client(p, ev_r);
	case STEP_HELO:
		return tell_helo(p, ev_r);
	case STEP_MAIL:
		return tell_mail(p, ev_r);
	case STEP_RCPT:
		return tell_rcpt(p, ev_r);
	case STEP_DATA:
		p->has_data = true;
		return SMTP_EV_DATA;
	case STEP_END:
		return SMTP_EV_BODY_END;
	case STEP_RESET:
	case STEP_DONE:
		break;
	}
	p->phase = STEPPING;
	p->has_mail = false;
	return SMTP_EV_RSET;
}

/* SMTP_EV_MORE: all are answered. */
static enum smtp_event_kind go_on(struct smtp_policy *p, struct smtp_event *ev_r)
{
	while (p->step < STEP_DONE && !is_needed(p, (enum step)p->step))
		p->step++;
	if (p->step < STEP_DONE)
		return ask(p, ev_r);
	say(p, SLICE("DUNNO"));
	return SMTP_EV_MORE;
}

/* False: more of it is needed. */
static bool read_request(struct smtp_policy *p, struct slice *in)
{
	switch (smtp_policy_request_read(&p->request, in)) {
	case SMTP_POLICY_MORE:
		return false;
	case SMTP_POLICY_WILD:
		p->phase = CLOSED;
		break;
	case SMTP_POLICY_DONE:
		break;
	}
	return true;
}

enum smtp_event_kind smtp_policy_next(struct smtp_policy *p, struct slice *in, struct smtp_event *ev_r)
{
	for (;;) {
		enum smtp_event_kind kind = SMTP_EV_MORE;
		switch ((enum phase)p->phase) {
		case READING:
			if (!read_request(p, in))
				return SMTP_EV_MORE;
			kind = p->phase == CLOSED ? SMTP_EV_CLOSE : begin(p, ev_r);
			break;
		case STEPPING:
			kind = go_on(p, ev_r);
			break;
		case ASKED:
			return SMTP_EV_WAIT;
		case CLOSED:
			return SMTP_EV_CLOSE;
		}
		if (kind != SMTP_EV_MORE)
			return kind;
	}
}

/* ---- answers ---- */

void smtp_policy_answer(struct smtp_policy *p, unsigned code, struct slice text)
{
	bool refused = code >= 400;
	if (p->phase != ASKED)
		return;
	if (p->step == STEP_END || (refused && (p->step == STEP_MAIL || p->step == STEP_DATA)))
		p->has_mail = false;
	if (refused) {
		keep_word(p, code, text);
		p->holds_for = (uint8_t)hold_of(p, code);
		say(p, slice_of(p->word, p->word_n));
		return;
	}
	p->step++;
	p->phase = STEPPING;
}

void smtp_policy_pass(struct smtp_policy *p)
{
	if (p->phase != ASKED)
		return;
	if (p->step == STEP_CLIENT)
		p->has_client = false;
	if (p->step == STEP_HELO)
		p->helo_n = 0;
	if (p->step != STEP_RCPT)
		p->has_mail = false;
	say(p, SLICE("DUNNO"));
}

void smtp_policy_forget_mail(struct smtp_policy *p)
{
	p->has_mail = false;
}

void smtp_policy_forget(struct smtp_policy *p)
{
	p->has_client = p->has_mail = false;
	p->holds_for = HOLDS_NOT;
}
