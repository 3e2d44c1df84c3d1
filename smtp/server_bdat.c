/* BDAT (RFC 3030): chunks of a body whose length is said before them. Whatever becomes of a chunk, its bytes are taken
 * off the stream and never run as commands. */
#include "smtp/server_core.h"

/* The chunk's reply is given already: the owner's, to the first one. */
static const enum smtp_reply_id ANSWERED = SMTP_REPLIES;

/* How many bytes follow cannot be known, or they are too many to wait for. */
static void lose_count(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c, enum smtp_reply_id why)
{
	smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, why);
	smtp_server_end(s, SMTP_OFFENCE_REFUSED_DATA, SMTP_REPLY_CHUNK_LOST);
}

/* A refused chunk ends its mail, since a mail without its middle must not be taken: what follows, up to LAST, is
 * refused as well. After LAST a new mail may come in the same pipelined group. */
static void drop_mail(struct smtp_server *s, struct smtp_turn *t)
{
	bool last = s->flags & SMTP_SERVER_LAST_CHUNK;
	s->stage = last ? SMTP_STAGE_READY : SMTP_STAGE_DROPPED;
	if (last)
		smtp_server_tell(t, SMTP_EV_RSET);
}

static void ask_owner(struct smtp_server *s, struct smtp_turn *t)
{
	s->flags |= SMTP_SERVER_CHUNKED;
	smtp_server_ask(s, t, SMTP_EV_DATA);
}

static bool is_junk(const struct smtp_server *s)
{
	return s->refusal == SMTP_REPLY_ABSENT || (s->chunk.size == 0 && (s->flags & SMTP_SERVER_LAST_CHUNK) == 0);
}

static void begin_chunk(struct smtp_server *s, struct smtp_turn *t, uint32_t n, bool last, enum smtp_reply_id wrong)
{
	s->chunk.size = s->chunk.left = n;
	s->refusal = (uint8_t)wrong;
	s->phase = SMTP_PHASE_CHUNK;
	s->flags &= (uint16_t)~SMTP_SERVER_LAST_CHUNK;
	if (last)
		s->flags |= SMTP_SERVER_LAST_CHUNK;
	if (is_junk(s) && s->config->junk && ++s->junk > s->config->junk)
		smtp_server_end(s, SMTP_OFFENCE_JUNK, SMTP_REPLY_JUNK);
	else if (wrong == SMTP_REPLY_NONE && s->stage == SMTP_STAGE_RCPT)
		ask_owner(s, t);
	else if (wrong != SMTP_REPLY_NONE && wrong != SMTP_REPLY_ABSENT && s->stage > SMTP_STAGE_READY)
		drop_mail(s, t);
}

void smtp_server_run_bdat(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c,
			  enum smtp_reply_id wrong)
{
	struct slice last = c->arg, count = slice_cut(&last, ' ');
	uint64_t n = 0;
	last = slice_trim(last);
	bool is_last = slice_ieq(last, SLICE("LAST")), fits = slice_u64(count, SMTP_CHUNK_MAX, &n);
	size_t digits = 0;
	while (digits < count.n && count.p[digits] >= '0' && count.p[digits] <= '9')
		digits++;
	if (count.n == 0 || digits < count.n || (last.n && !is_last))
		lose_count(s, t, c, SMTP_REPLY_BDAT_ARG);
	else if (!fits)
		lose_count(s, t, c, SMTP_REPLY_SIZE);
	else if (s->stage >= SMTP_STAGE_READY && (s->announced & SMTP_EXT_CHUNKING) == 0)
		begin_chunk(s, t, (uint32_t)n, is_last, SMTP_REPLY_ABSENT);
	else
		begin_chunk(s, t, (uint32_t)n, is_last, wrong);
}

void smtp_server_answer_bdat(struct smtp_server *s, int code)
{
	s->phase = SMTP_PHASE_CHUNK;
	s->flags &= (uint16_t)~SMTP_SERVER_CHUNKED;
	if (code == 354) {
		s->stage = SMTP_STAGE_CHUNKS;
		smtp_server_begin_body(s);
		s->body.chunked = true;
	} else {
		s->stage = SMTP_STAGE_DROPPED;
		s->refusal = (uint8_t)ANSWERED;
	}
}

/* The whole of a refused chunk is gone by. */
static void refuse_chunk(struct smtp_server *s, struct smtp_turn *t)
{
	enum smtp_reply_id refusal = s->refusal;
	if (refusal == ANSWERED)
		drop_mail(s, t);
	else if (refusal == SMTP_REPLY_ABSENT || refusal == SMTP_REPLY_NO_RCPT || refusal == SMTP_REPLY_NEED_RSET ||
		 s->flags & SMTP_SERVER_NO_MAIL)
		smtp_server_say(s, refusal); /* no fault of the client: it pipelined (RFC 2920 3.1) */
	else
		smtp_server_offend(s, t, SMTP_OFFENCE_ORDER, SLICE("BDAT"), refusal);
}

static void take_chunk_whole(struct smtp_server *s, struct smtp_turn *t)
{
	s->phase = SMTP_PHASE_COMMAND;
	if (s->refusal != SMTP_REPLY_NONE) {
		refuse_chunk(s, t);
		return;
	}
	char text[sizeof "2.0.0  octets received" + SLICE_DIGITS], digits[SLICE_DIGITS];
	struct slice n = slice_number(s->chunk.size, digits), end = SLICE(" octets received");
	memcpy(text, "2.0.0 ", 6);
	memcpy(text + 6, n.p, n.n);
	memcpy(text + 6 + n.n, end.p, end.n);
	smtp_server_reply(s, 250, slice_of(text, 6 + n.n + end.n));
}

void smtp_server_take_chunk(struct smtp_server *s, struct smtp_turn *t)
{
	size_t n = t->in->n < s->chunk.left ? t->in->n : s->chunk.left;
	struct slice part = slice_of(t->in->p, n);
	enum smtp_body_in_result result = SMTP_BODY_IN_MORE;
	if (s->refusal != SMTP_REPLY_NONE)
		part = slice_skip(part, n);
	else
		result = smtp_body_in_next(&s->body, &part, &t->ev->scratch, &t->ev->data);
	*t->in = slice_skip(*t->in, n - part.n);
	s->chunk.left -= (uint32_t)(n - part.n);
	bool whole = s->chunk.left == 0 && result == SMTP_BODY_IN_MORE;
	if (whole && s->refusal == SMTP_REPLY_NONE && s->flags & SMTP_SERVER_LAST_CHUNK)
		result = smtp_body_in_end(&s->body, &t->ev->scratch, &t->ev->data);
	if (result != SMTP_BODY_IN_MORE)
		smtp_server_tell_body(s, t, result);
	else if (whole)
		take_chunk_whole(s, t);
	else
		smtp_server_tell(t, SMTP_EV_MORE);
}
