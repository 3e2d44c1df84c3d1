/* What comes from the client: one turn takes bytes until there is an event to tell. */
#include "smtp/server_core.h"

/* The first byte of a TLS handshake (RFC 8446 5.1): no command begins so, and a CR LF may never come. */
enum { TLS_HANDSHAKE = 0x16 };

/* ---- what all steps use ------------------------------------------------------------------------ */

void smtp_server_tell(struct smtp_turn *t, enum smtp_event_kind kind)
{
	t->told = true;
	t->kind = kind;
}

void smtp_server_ask(struct smtp_server *s, struct smtp_turn *t, enum smtp_event_kind question)
{
	s->phase = SMTP_PHASE_ASKED;
	s->question = (uint8_t)question;
	smtp_server_tell(t, question);
}

void smtp_server_written(struct smtp_server *s, bool ok)
{
	if (!ok)
		s->phase = SMTP_PHASE_CLOSED;
}

void smtp_server_reply(struct smtp_server *s, int code, struct slice text)
{
	smtp_server_written(s, smtp_reply_write(s->out, code, text, false));
}

void smtp_server_say(struct smtp_server *s, enum smtp_reply_id id)
{
	smtp_server_reply(s, smtp_replies[id].code, smtp_replies[id].text);
}

static void tell_offence(struct smtp_turn *t, enum smtp_offence offence, struct slice line, int code)
{
	t->ev->offence = offence;
	t->ev->line = line;
	t->ev->code = code;
	smtp_server_tell(t, SMTP_EV_OFFENCE);
}

void smtp_server_offend(struct smtp_server *s, struct smtp_turn *t, enum smtp_offence offence, struct slice line,
			enum smtp_reply_id id)
{
	smtp_server_say(s, id);
	tell_offence(t, offence, line, smtp_replies[id].code);
	smtp_server_count_error(s);
}

void smtp_server_end(struct smtp_server *s, enum smtp_offence offence, enum smtp_reply_id id)
{
	if (s->phase == SMTP_PHASE_CLOSED)
		return;
	smtp_server_say(s, id);
	s->phase = SMTP_PHASE_CLOSED;
	s->question = 0;
	s->pending = (uint8_t)(offence + 1);
}

void smtp_server_count_error(struct smtp_server *s)
{
	s->errors++;
	if (s->config->errors && s->errors >= s->config->errors)
		smtp_server_end(s, SMTP_OFFENCE_ERRORS, SMTP_REPLY_ERRORS);
}

void smtp_server_data_refused(struct smtp_server *s, bool behind)
{
	if (behind)
		smtp_server_end(s, SMTP_OFFENCE_REFUSED_DATA, SMTP_REPLY_REFUSED_DATA);
	else
		s->flags |= SMTP_SERVER_WARY;
}

/* ---- input, phase by phase --------------------------------------------------------------------- */

/* A line that cannot be run, and that announced more than commands: that must not run either, and where the bytes of a
 * BDAT end is not known then. */
static void beware(struct smtp_server *s, struct slice line, bool behind)
{
	enum smtp_verb verb = smtp_command_parse(line).verb;
	if (verb == SMTP_VERB_BDAT)
		smtp_server_end(s, SMTP_OFFENCE_REFUSED_DATA, SMTP_REPLY_CHUNK_LOST);
	else if (verb == SMTP_VERB_DATA)
		smtp_server_data_refused(s, behind);
}

/* A stray line end in a command. What follows it, up to CR LF, is not run. */
static void stray(struct smtp_server *s, struct smtp_turn *t, bool lf, struct slice line)
{
	enum smtp_offence offence = lf ? SMTP_OFFENCE_BARE_LF : SMTP_OFFENCE_BARE_CR;
	s->phase = SMTP_PHASE_SKIP;
	if (s->flags & SMTP_SERVER_WARY)
		smtp_server_end(s, SMTP_OFFENCE_REFUSED_DATA, SMTP_REPLY_REFUSED_DATA);
	else if (++s->strays >= SMTP_STRAY_COMMANDS_MAX)
		smtp_server_end(s, offence, SMTP_REPLY_STRAYS);
	else
		smtp_server_offend(s, t, offence, line, lf ? SMTP_REPLY_BARE_LF : SMTP_REPLY_BARE_CR);
	beware(s, line, false);
}

static void begin_skip(struct smtp_server *s)
{
	s->phase = SMTP_PHASE_SKIP;
	s->skip = (struct smtp_line_skip){ 0 };
	s->flags &= (uint16_t)~SMTP_SERVER_TOO_LONG;
}

static void skip_line(struct smtp_server *s, struct smtp_turn *t)
{
	enum smtp_line_result result = smtp_line_skip(&s->skip, t->in);
	if (s->skip.bytes > SMTP_LINE_SKIP_MAX) {
		smtp_server_end(s, SMTP_OFFENCE_LINE_LENGTH, SMTP_REPLY_ENDLESS);
	} else if (result == SMTP_LINE_MORE) {
		smtp_server_tell(t, SMTP_EV_MORE);
	} else if (result == SMTP_LINE_GOT) {
		s->phase = SMTP_PHASE_COMMAND;
		if (s->flags & SMTP_SERVER_TOO_LONG)
			smtp_server_offend(s, t, SMTP_OFFENCE_LINE_LENGTH, slice_of(t->in->p, 0),
					   SMTP_REPLY_LINE_LENGTH);
		else if (s->skip.bytes) /* the stray line end was answered; whoever sent this awaits a reply as well */
			smtp_server_say(s, SMTP_REPLY_UNKNOWN);
		if (s->flags & SMTP_SERVER_WARY)
			smtp_server_data_refused(s, t->in->n > 0);
	} else {
		stray(s, t, result == SMTP_LINE_BARE_LF, slice_of(t->in->p, 0));
	}
}

/* Input behind a command that had to wait for our reply. The command itself is run in the next turn. */
static bool is_pipelined_wrongly(const struct smtp_server *s, const struct smtp_command *c, struct slice behind)
{
	if (behind.n == 0 || s->flags & SMTP_SERVER_BURST_TOLD || c->verb == SMTP_VERB_STARTTLS ||
	    c->verb == SMTP_VERB_BDAT) /* its bytes are behind it rightly */
		return false;
	return c->flags & SMTP_VERB_LAST || (s->announced & SMTP_EXT_PIPELINING) == 0;
}

static void got_line(struct smtp_server *s, struct smtp_turn *t, struct slice line)
{
	struct smtp_command c = smtp_command_parse(line);
	bool clean = smtp_command_is_clean(line);

	if (s->flags & SMTP_SERVER_WARY && (!clean || c.verb >= SMTP_VERB_FOREIGN)) {
		smtp_server_end(s, SMTP_OFFENCE_REFUSED_DATA, SMTP_REPLY_REFUSED_DATA);
	} else if (!clean) {
		smtp_server_offend(s, t, SMTP_OFFENCE_CONTROL, line, SMTP_REPLY_CONTROL);
		beware(s, line, t->in->n > 0);
	} else if (is_pipelined_wrongly(s, &c, *t->in)) {
		s->flags |= SMTP_SERVER_BURST_TOLD;
		*t->in = t->before;
		tell_offence(t, SMTP_OFFENCE_PIPELINING, line, 0);
	} else {
		s->flags &= (uint16_t)~SMTP_SERVER_WARY;
		smtp_server_run(s, t, &c);
	}
}

static void take_line(struct smtp_server *s, struct smtp_turn *t)
{
	struct slice line;
	t->before = *t->in;
	if (t->in->n && t->in->p[0] == TLS_HANDSHAKE) {
		smtp_server_end(s, SMTP_OFFENCE_NOT_SMTP, SMTP_REPLY_NOT_SMTP);
		return;
	}
	size_t max = s->announced & SMTP_EXT_DSN ? SMTP_LINE_DSN_MAX : SMTP_LINE_MAX;
	switch (smtp_line_take(t->in, max, &line)) {
	case SMTP_LINE_MORE:
		s->flags &= (uint16_t)~SMTP_SERVER_BURST_TOLD;
		smtp_server_tell(t, SMTP_EV_MORE);
		break;
	case SMTP_LINE_GOT:
		got_line(s, t, line);
		break;
	case SMTP_LINE_BARE_LF:
		begin_skip(s);
		stray(s, t, true, line);
		break;
	case SMTP_LINE_BARE_CR:
		begin_skip(s);
		stray(s, t, false, line);
		break;
	case SMTP_LINE_TOO_LONG:
		begin_skip(s);
		if (s->flags & SMTP_SERVER_WARY)
			smtp_server_end(s, SMTP_OFFENCE_REFUSED_DATA, SMTP_REPLY_REFUSED_DATA);
		s->flags |= SMTP_SERVER_TOO_LONG;
		beware(s, line, false);
		break;
	}
}

void smtp_server_tell_body(struct smtp_server *s, struct smtp_turn *t, enum smtp_body_in_result result)
{
	switch (result) {
	case SMTP_BODY_IN_MORE:
		break;
	case SMTP_BODY_IN_DATA:
		smtp_server_tell(t, SMTP_EV_BODY);
		break;
	case SMTP_BODY_IN_END:
		t->ev->fault = s->body.fault;
		t->ev->repaired = s->body.repaired;
		t->ev->eight_bit = s->body.eight_bit;
		smtp_server_ask(s, t, SMTP_EV_BODY_END);
		break;
	}
}

static void take_body(struct smtp_server *s, struct smtp_turn *t)
{
	enum smtp_body_in_result result = smtp_body_in_next(&s->body, t->in, &t->ev->scratch, &t->ev->data);
	smtp_server_tell(t, SMTP_EV_MORE);
	smtp_server_tell_body(s, t, result);
}

/* Input while the owner thinks. */
static void wait_for_answer(struct smtp_server *s, struct smtp_turn *t)
{
	if (t->in->n && s->question == SMTP_EV_STARTTLS) {
		smtp_server_end(s, SMTP_OFFENCE_INJECTION, SMTP_REPLY_INJECTION);
		return;
	}
	if (t->in->n && s->question == SMTP_EV_DATA)
		s->flags |= SMTP_SERVER_BEHIND;
	smtp_server_tell(t, SMTP_EV_WAIT);
}

static void wait_for_tls(struct smtp_server *s, struct smtp_turn *t)
{
	if (t->in->n == 0) {
		smtp_server_tell(t, SMTP_EV_WAIT);
		return;
	}
	/* our 220 is out, the client expects a handshake: nothing more can be said */
	s->phase = SMTP_PHASE_CLOSED;
	tell_offence(t, SMTP_OFFENCE_INJECTION, *t->in, 0);
}

static void take_end(struct smtp_server *s, struct smtp_turn *t)
{
	if (s->pending) {
		tell_offence(t, (enum smtp_offence)(s->pending - 1), slice_of(t->in->p, 0), 421);
		s->pending = 0;
		return;
	}
	if (t->in->n)
		*t->in = slice_skip(*t->in, t->in->n);
	smtp_server_tell(t, SMTP_EV_CLOSE);
}

enum smtp_event_kind smtp_server_next(struct smtp_server *s, struct slice *in, struct smtp_event *ev_r)
{
	struct smtp_turn t = { .in = in, .ev = ev_r };
	while (!t.told) {
		switch ((enum smtp_phase)s->phase) {
		case SMTP_PHASE_GREETING:
			smtp_server_tell(&t, SMTP_EV_WAIT);
			break;
		case SMTP_PHASE_COMMAND:
			take_line(s, &t);
			break;
		case SMTP_PHASE_SKIP:
			skip_line(s, &t);
			break;
		case SMTP_PHASE_ASKED:
			wait_for_answer(s, &t);
			break;
		case SMTP_PHASE_BODY:
			take_body(s, &t);
			break;
		case SMTP_PHASE_CHUNK:
			smtp_server_take_chunk(s, &t);
			break;
		case SMTP_PHASE_TLS:
			wait_for_tls(s, &t);
			break;
		case SMTP_PHASE_CLOSED:
			take_end(s, &t);
			break;
		}
	}
	return t.kind;
}

struct slice smtp_offence_name(enum smtp_offence offence)
{
	static const struct slice names[] = {
		[SMTP_OFFENCE_BARE_LF] = SLICE_INIT("bare-lf"),
		[SMTP_OFFENCE_BARE_CR] = SLICE_INIT("bare-cr"),
		[SMTP_OFFENCE_CONTROL] = SLICE_INIT("control-byte"),
		[SMTP_OFFENCE_SYNTAX] = SLICE_INIT("syntax"),
		[SMTP_OFFENCE_ORDER] = SLICE_INIT("bad-order"),
		[SMTP_OFFENCE_UNKNOWN] = SLICE_INIT("unknown-command"),
		[SMTP_OFFENCE_LINE_LENGTH] = SLICE_INIT("line-length"),
		[SMTP_OFFENCE_PIPELINING] = SLICE_INIT("pipelining"),
		[SMTP_OFFENCE_REFUSED_DATA] = SLICE_INIT("refused-data"),
		[SMTP_OFFENCE_INJECTION] = SLICE_INIT("starttls-injection"),
		[SMTP_OFFENCE_NOT_SMTP] = SLICE_INIT("not-smtp"),
		[SMTP_OFFENCE_ERRORS] = SLICE_INIT("errors"),
		[SMTP_OFFENCE_JUNK] = SLICE_INIT("junk-commands"),
	};
	return names[offence];
}
