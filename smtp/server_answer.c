/* What comes from the owner: the banner, the answers to its questions, the end. */
#include "smtp/server_core.h"

_Static_assert(sizeof(struct smtp_server) <= 72, "an idle session must stay small");

void smtp_server_init(struct smtp_server *s, const struct smtp_server_config *c, struct buf *out)
{
	*s = (struct smtp_server){ .config = c, .out = out, .phase = SMTP_PHASE_GREETING, .stage = SMTP_STAGE_NEW };
}

void smtp_server_tease(struct smtp_server *s, struct slice text)
{
	if (s->phase != SMTP_PHASE_GREETING || s->flags & SMTP_SERVER_TEASED)
		return;
	s->flags |= SMTP_SERVER_TEASED;
	smtp_server_written(s, smtp_reply_write(s->out, 220, text, true));
}

void smtp_server_greet(struct smtp_server *s, int code, struct slice text)
{
	if (s->phase != SMTP_PHASE_GREETING)
		return;
	s->phase = code == 421 ? SMTP_PHASE_CLOSED : SMTP_PHASE_COMMAND;
	if (code >= 300)
		s->stage = SMTP_STAGE_REJECTED;
	smtp_server_reply(s, code, text);
}

static void answer_helo(struct smtp_server *s, int code, struct slice text)
{
	if (code / 100 != 2) {
		smtp_server_reply(s, code, text);
		return;
	}
	bool esmtp = s->flags & SMTP_SERVER_ESMTP;
	s->stage = SMTP_STAGE_READY;
	s->announced = esmtp ? s->config->ext & SMTP_REPLY_EHLO_EXTS : 0;
	if (s->config->recipients == 0) /* the only limit that we have */
		s->announced &= ~(unsigned)SMTP_EXT_LIMITS;
	if (s->flags & SMTP_SERVER_TLS)
		s->announced &= ~(unsigned)SMTP_EXT_STARTTLS;
	if (text.n == 0)
		text = s->config->hostname;
	if (esmtp)
		smtp_server_written(s, smtp_reply_write_ehlo(s->out, text, s->announced, s->config));
	else
		smtp_server_reply(s, code, text);
}

void smtp_server_begin_body(struct smtp_server *s)
{
	smtp_body_in_init(&s->body, s->config->bare_newline, s->config->bare_cr, s->config->size_max);
}

static void answer_data(struct smtp_server *s, int code)
{
	bool behind = s->flags & SMTP_SERVER_BEHIND;
	s->flags &= (uint16_t)~SMTP_SERVER_BEHIND;
	if (s->flags & SMTP_SERVER_CHUNKED) {
		smtp_server_answer_bdat(s, code);
	} else if (code == 354) {
		s->phase = SMTP_PHASE_BODY;
		smtp_server_begin_body(s);
	} else {
		smtp_server_data_refused(s, behind);
	}
}

/* The proxy speaks for another client now: nothing of the former one counts against it. TLS, if there is, stays. */
static void answer_xclient(struct smtp_server *s, int code)
{
	if (code != 220 && code != 554)
		return;
	s->stage = code == 220 ? SMTP_STAGE_NEW : SMTP_STAGE_REJECTED;
	s->announced = 0;
	s->errors = s->junk = 0;
	s->strays = 0;
}

/* What an answer means for the session. */
static void take_answer(struct smtp_server *s, enum smtp_event_kind question, int code)
{
	bool taken = code / 100 == 2;
	if (question == SMTP_EV_MAIL && taken) {
		s->stage = SMTP_STAGE_MAIL;
		s->rcpts = 0;
		s->flags &= (uint16_t)~SMTP_SERVER_NO_MAIL;
	} else if (question == SMTP_EV_RCPT && taken) {
		s->stage = SMTP_STAGE_RCPT;
		s->rcpts++;
	} else if (question == SMTP_EV_DATA) {
		answer_data(s, code);
	} else if (question == SMTP_EV_BODY_END) {
		s->stage = SMTP_STAGE_READY;
		s->junk = taken ? 0 : s->junk;
	} else if (question == SMTP_EV_STARTTLS && code == 220) {
		s->phase = SMTP_PHASE_TLS;
	} else if (question == SMTP_EV_XCLIENT) {
		answer_xclient(s, code);
	}
}

/* Does the client hear of this answer? BDAT has no 354: its bytes are behind it already (RFC 3030 2). */
static bool is_said(const struct smtp_server *s, enum smtp_event_kind question, int code)
{
	return question != SMTP_EV_DATA || code != 354 || (s->flags & SMTP_SERVER_CHUNKED) == 0;
}

void smtp_server_answer(struct smtp_server *s, int code, struct slice text)
{
	if (s->phase != SMTP_PHASE_ASKED)
		return;
	enum smtp_event_kind question = s->question;
	s->question = 0;
	s->phase = SMTP_PHASE_COMMAND;
	if (question == SMTP_EV_HELO)
		answer_helo(s, code, text);
	else if (is_said(s, question, code))
		smtp_server_reply(s, code, text);
	if (code == 421)
		s->phase = SMTP_PHASE_CLOSED;
	if (s->phase == SMTP_PHASE_CLOSED)
		return;
	take_answer(s, question, code);
	if (code >= 500)
		smtp_server_count_error(s);
}

void smtp_server_close(struct smtp_server *s, int code, struct slice text)
{
	if (s->phase == SMTP_PHASE_CLOSED)
		return;
	if (s->phase != SMTP_PHASE_TLS) /* there the client expects a handshake, not a reply */
		smtp_server_reply(s, code, text);
	s->phase = SMTP_PHASE_CLOSED;
	s->question = 0;
}

void smtp_server_tls_started(struct smtp_server *s)
{
	if (s->phase == SMTP_PHASE_TLS)
		s->phase = SMTP_PHASE_COMMAND;
	s->flags |= SMTP_SERVER_TLS;
	s->stage = SMTP_STAGE_NEW;
	s->announced = 0;
}

uint32_t smtp_server_chunk_left(const struct smtp_server *s)
{
	return s->phase == SMTP_PHASE_CHUNK || s->flags & SMTP_SERVER_CHUNKED ? s->chunk.left : 0;
}

bool smtp_server_drops_body(const struct smtp_server *s)
{
	bool chunk = s->phase == SMTP_PHASE_CHUNK, faulty = s->body.fault != SMTP_FAULT_NONE;
	return chunk ? faulty || s->refusal != SMTP_REPLY_NONE : s->phase == SMTP_PHASE_BODY && faulty;
}

bool smtp_server_is_idle(const struct smtp_server *s)
{
	return s->phase == SMTP_PHASE_COMMAND && s->stage <= SMTP_STAGE_READY;
}
