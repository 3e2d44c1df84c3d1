#include "smtp/server_core.h"

#include "smtp/params.h"
#include "smtp/utf8.h"

/* Which commands may not come at which stage, and what they get then. What is not named here may run. */
static const uint8_t ORDER[SMTP_STAGES][SMTP_VERBS] = {
	[SMTP_STAGE_REJECTED] = {
		[SMTP_VERB_EHLO] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_HELO] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_MAIL] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_RCPT] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_DATA] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_RSET] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_NOOP] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_VRFY] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_HELP] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_STARTTLS] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_BDAT] = SMTP_REPLY_REJECTED,
		[SMTP_VERB_ABSENT] = SMTP_REPLY_REJECTED,
	},
	[SMTP_STAGE_NEW] = {
		[SMTP_VERB_MAIL] = SMTP_REPLY_NEED_HELO,
		[SMTP_VERB_RCPT] = SMTP_REPLY_NEED_HELO,
		[SMTP_VERB_DATA] = SMTP_REPLY_NEED_HELO,
		[SMTP_VERB_BDAT] = SMTP_REPLY_NEED_HELO,
		[SMTP_VERB_STARTTLS] = SMTP_REPLY_NEED_HELO,
	},
	[SMTP_STAGE_READY] = {
		[SMTP_VERB_RCPT] = SMTP_REPLY_NEED_MAIL,
		[SMTP_VERB_DATA] = SMTP_REPLY_NEED_MAIL,
		[SMTP_VERB_BDAT] = SMTP_REPLY_NEED_MAIL,
	},
	[SMTP_STAGE_MAIL] = {
		[SMTP_VERB_MAIL] = SMTP_REPLY_NESTED,
		[SMTP_VERB_DATA] = SMTP_REPLY_NEED_RCPT,
		[SMTP_VERB_BDAT] = SMTP_REPLY_NEED_RCPT,
		[SMTP_VERB_STARTTLS] = SMTP_REPLY_IN_MAIL,
		[SMTP_VERB_XCLIENT] = SMTP_REPLY_IN_MAIL,
	},
	[SMTP_STAGE_TRIED] = {
		[SMTP_VERB_MAIL] = SMTP_REPLY_NESTED,
		[SMTP_VERB_BDAT] = SMTP_REPLY_NO_RCPT,
		[SMTP_VERB_STARTTLS] = SMTP_REPLY_IN_MAIL,
		[SMTP_VERB_XCLIENT] = SMTP_REPLY_IN_MAIL,
	},
	[SMTP_STAGE_RCPT] = {
		[SMTP_VERB_MAIL] = SMTP_REPLY_NESTED,
		[SMTP_VERB_STARTTLS] = SMTP_REPLY_IN_MAIL,
		[SMTP_VERB_XCLIENT] = SMTP_REPLY_IN_MAIL,
	},
	[SMTP_STAGE_CHUNKS] = {
		[SMTP_VERB_MAIL] = SMTP_REPLY_IN_CHUNKS,
		[SMTP_VERB_RCPT] = SMTP_REPLY_IN_CHUNKS,
		[SMTP_VERB_DATA] = SMTP_REPLY_IN_CHUNKS,
		[SMTP_VERB_STARTTLS] = SMTP_REPLY_IN_MAIL,
		[SMTP_VERB_XCLIENT] = SMTP_REPLY_IN_MAIL,
	},
	[SMTP_STAGE_DROPPED] = {
		[SMTP_VERB_MAIL] = SMTP_REPLY_NEED_RSET,
		[SMTP_VERB_RCPT] = SMTP_REPLY_NEED_RSET,
		[SMTP_VERB_DATA] = SMTP_REPLY_NEED_RSET,
		[SMTP_VERB_STARTTLS] = SMTP_REPLY_IN_MAIL,
		[SMTP_VERB_BDAT] = SMTP_REPLY_NEED_RSET,
		[SMTP_VERB_XCLIENT] = SMTP_REPLY_IN_MAIL,
	},
};

/* ---- one function a verb ----------------------------------------------------------------------- */

/* Any name is taken here, rules judge its form (helo.form); but it must be safe to show and to pass on. */
static bool helo_is_valid(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] < 33 || name.p[i] > 126)
			return false;
	return name.n > 0 && name.n <= SMTP_DOMAIN_MAX;
}

static void run_helo(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	if (!helo_is_valid(c->arg)) {
		smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, SMTP_REPLY_HELO_ARG);
		return;
	}
	if (s->stage > SMTP_STAGE_READY) {
		/* the owner hears of the reset first; the same line runs again in the next turn */
		s->stage = SMTP_STAGE_READY;
		s->junk -= s->junk > 0;
		*t->in = t->before;
		smtp_server_tell(t, SMTP_EV_RSET);
		return;
	}
	s->flags &= (uint16_t)~SMTP_SERVER_ESMTP;
	if (c->verb == SMTP_VERB_EHLO)
		s->flags |= SMTP_SERVER_ESMTP;
	t->ev->esmtp = c->verb == SMTP_VERB_EHLO;
	t->ev->name = c->arg;
	smtp_server_ask(s, t, SMTP_EV_HELO);
}

static void refuse_params(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c,
			  enum smtp_params_result result)
{
	smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line,
			   result == SMTP_PARAMS_UNKNOWN ? SMTP_REPLY_PARAM_UNKNOWN : SMTP_REPLY_PARAM_VALUE);
}

/* "FROM:<path> params": the keyword and the path are taken, *rest_r is what follows. Blanks before '<' are
 * tolerated as Postfix does by default: real clients send them. */
static enum smtp_reply_id take_path(struct smtp_turn *t, const struct smtp_command *c,
				    struct slice keyword, unsigned flags, struct slice *rest_r)
{
	bool mail = c->verb == SMTP_VERB_MAIL;
	if (!slice_istarts(c->arg, keyword))
		return mail ? SMTP_REPLY_MAIL_ARG : SMTP_REPLY_RCPT_ARG;
	*rest_r = slice_trim(slice_skip(c->arg, keyword.n));
	enum smtp_path_result result = smtp_path_parse(rest_r, flags, &t->ev->path);
	if (result == SMTP_PATH_NOT_ASCII && (flags & SMTP_PATH_UTF8) == 0)
		return SMTP_REPLY_NOT_ASCII;
	if (result != SMTP_PATH_OK || (rest_r->n && rest_r->p[0] != ' '))
		return mail ? SMTP_REPLY_SENDER : SMTP_REPLY_RECIPIENT;
	return SMTP_REPLY_NONE;
}

static bool is_ascii(struct slice s)
{
	unsigned char all = 0;
	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 128;
}

static void set_utf8(struct smtp_server *s, bool on)
{
	s->flags = (uint16_t)(on ? s->flags | SMTP_SERVER_UTF8 : s->flags & ~SMTP_SERVER_UTF8);
}

static void run_mail(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	struct slice rest;
	s->flags |= SMTP_SERVER_NO_MAIL; /* until it is taken */
	s->rcpts = 0;
	/* whether MAIL says SMTPUTF8 is seen behind the path only */
	unsigned utf8 = s->announced & SMTP_EXT_SMTPUTF8 ? SMTP_PATH_UTF8 : 0;
	enum smtp_reply_id refusal = take_path(t, c, SLICE("FROM:"), SMTP_PATH_NULL | utf8, &rest);
	if (refusal != SMTP_REPLY_NONE) {
		smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, refusal);
		return;
	}
	enum smtp_params_result result = smtp_mail_params_parse(rest, s->announced, &t->ev->params);
	set_utf8(s, t->ev->params.smtputf8);
	if (result != SMTP_PARAMS_OK)
		refuse_params(s, t, c, result);
	else if (utf8 && !t->ev->params.smtputf8 && !is_ascii(t->ev->path.addr))
		smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, SMTP_REPLY_NOT_ASCII);
	else if (s->config->size_max && t->ev->params.size > s->config->size_max)
		smtp_server_say(s, SMTP_REPLY_SIZE);
	else
		smtp_server_ask(s, t, SMTP_EV_MAIL);
}

static void run_rcpt(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	struct slice rest;
	bool mail_is_utf8 = s->flags & SMTP_SERVER_UTF8;
	unsigned utf8 = mail_is_utf8 ? SMTP_PATH_UTF8 : 0;
	unsigned ext = mail_is_utf8 ? s->announced : s->announced & ~(unsigned)SMTP_EXT_SMTPUTF8;
	enum smtp_reply_id refusal = take_path(t, c, SLICE("TO:"), SMTP_PATH_POSTMASTER | utf8, &rest);
	if (s->stage == SMTP_STAGE_MAIL)
		s->stage = SMTP_STAGE_TRIED;
	if (refusal != SMTP_REPLY_NONE) {
		smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, refusal);
		return;
	}
	enum smtp_params_result result = smtp_rcpt_params_parse(rest, ext, &t->ev->params);
	if (result != SMTP_PARAMS_OK)
		refuse_params(s, t, c, result);
	else if (s->config->recipients && s->rcpts >= s->config->recipients)
		smtp_server_say(s, SMTP_REPLY_RECIPIENTS);
	else
		smtp_server_ask(s, t, SMTP_EV_RCPT);
}

static void run_data(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	(void)c;
	bool behind = t->in->n > 0;
	if (s->stage == SMTP_STAGE_TRIED) {
		/* no fault of the client: it pipelined (RFC 2920 3.1) */
		smtp_server_say(s, SMTP_REPLY_NO_RCPT);
		smtp_server_data_refused(s, behind);
		return;
	}
	if (behind)
		s->flags |= SMTP_SERVER_BEHIND;
	smtp_server_ask(s, t, SMTP_EV_DATA);
}

/* Its payload is not understood, so what follows may be anything. */
static void run_rset(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	(void)c;
	if (s->stage > SMTP_STAGE_READY)
		s->stage = SMTP_STAGE_READY;
	smtp_server_say(s, SMTP_REPLY_OK);
	smtp_server_tell(t, SMTP_EV_RSET);
}

static void run_noop(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	(void)t, (void)c;
	smtp_server_say(s, SMTP_REPLY_OK);
}

/* RFC 6531 3.7.4.2: "VRFY string SMTPUTF8" */
static bool vrfy_may_be_utf8(const struct smtp_server *s, struct slice arg)
{
	struct slice last = slice_skip(arg, slice_rfind(arg, ' ') + 1);
	return s->announced & SMTP_EXT_SMTPUTF8 && slice_ieq(last, SLICE("SMTPUTF8")) && smtp_utf8_is_valid(arg);
}

static void run_vrfy(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	if (c->arg.n == 0)
		smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, SMTP_REPLY_VRFY_ARG);
	else if (!is_ascii(c->arg) && !vrfy_may_be_utf8(s, c->arg))
		smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, SMTP_REPLY_NOT_ASCII);
	else
		smtp_server_say(s, SMTP_REPLY_VRFY);
}

static void run_help(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	(void)t, (void)c;
	smtp_server_say(s, SMTP_REPLY_HELP);
}

static void run_quit(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	(void)c;
	smtp_server_say(s, SMTP_REPLY_BYE);
	s->phase = SMTP_PHASE_CLOSED;
	smtp_server_tell(t, SMTP_EV_QUIT);
}

static void run_starttls(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	if (s->flags & SMTP_SERVER_TLS)
		smtp_server_offend(s, t, SMTP_OFFENCE_ORDER, c->line, SMTP_REPLY_TLS_ACTIVE);
	else if ((s->config->ext & SMTP_EXT_STARTTLS) == 0)
		smtp_server_say(s, SMTP_REPLY_ABSENT);
	else if (t->in->n) /* never run what was sent in the clear as if it came through TLS (RFC 3207 4.2) */
		smtp_server_end(s, SMTP_OFFENCE_INJECTION, SMTP_REPLY_INJECTION);
	else
		smtp_server_ask(s, t, SMTP_EV_STARTTLS);
}

static void run_xclient(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	if ((s->config->ext & SMTP_EXT_XCLIENT) == 0)
		smtp_server_offend(s, t, SMTP_OFFENCE_ORDER, c->line, SMTP_REPLY_XCLIENT_DENIED);
	else if (c->arg.n > sizeof t->ev->scratch.bytes ||
		 !smtp_xclient_parse(c->arg, t->ev->scratch.bytes, &t->ev->xclient))
		smtp_server_offend(s, t, SMTP_OFFENCE_SYNTAX, c->line, SMTP_REPLY_XCLIENT_ARG);
	else
		smtp_server_ask(s, t, SMTP_EV_XCLIENT);
}

static void run_absent(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	(void)t, (void)c;
	smtp_server_say(s, SMTP_REPLY_ABSENT);
}

static void run_foreign(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	(void)t, (void)c;
	smtp_server_end(s, SMTP_OFFENCE_NOT_SMTP, SMTP_REPLY_NOT_SMTP);
}

static void run_unknown(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	smtp_server_offend(s, t, SMTP_OFFENCE_UNKNOWN, c->line, SMTP_REPLY_UNKNOWN);
}

static void (*const RUN[SMTP_VERBS])(struct smtp_server *, struct smtp_turn *, const struct smtp_command *) = {
	[SMTP_VERB_EHLO] = run_helo,
	[SMTP_VERB_HELO] = run_helo,
	[SMTP_VERB_MAIL] = run_mail,
	[SMTP_VERB_RCPT] = run_rcpt,
	[SMTP_VERB_DATA] = run_data,
	[SMTP_VERB_RSET] = run_rset,
	[SMTP_VERB_NOOP] = run_noop,
	[SMTP_VERB_VRFY] = run_vrfy,
	[SMTP_VERB_HELP] = run_help,
	[SMTP_VERB_QUIT] = run_quit,
	[SMTP_VERB_STARTTLS] = run_starttls,
	[SMTP_VERB_XCLIENT] = run_xclient,
	[SMTP_VERB_ABSENT] = run_absent,
	[SMTP_VERB_FOREIGN] = run_foreign,
	[SMTP_VERB_UNKNOWN] = run_unknown,
};

/* The rest of a group whose MAIL was not taken: no fault of the client, it pipelined (RFC 2920 3.1). No group has more
 * recipients than a mail may have. */
static bool is_of_refused_group(struct smtp_server *s)
{
	return s->flags & SMTP_SERVER_NO_MAIL && (s->config->recipients == 0 || s->rcpts++ < s->config->recipients);
}

/* A DATA that is not run counts as refused, whatever the reason. */
static void refuse(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c,
		   enum smtp_offence offence, enum smtp_reply_id id)
{
	if (is_of_refused_group(s))
		smtp_server_say(s, id);
	else
		smtp_server_offend(s, t, offence, c->line, id);
	if (c->verb == SMTP_VERB_DATA)
		smtp_server_data_refused(s, t->in->n > 0);
}

void smtp_server_run(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c)
{
	enum smtp_reply_id wrong = ORDER[s->stage][c->verb];
	if (c->verb != SMTP_VERB_RCPT && c->verb != SMTP_VERB_DATA && c->verb != SMTP_VERB_BDAT)
		s->flags &= (uint16_t)~SMTP_SERVER_NO_MAIL;
	if (c->verb == SMTP_VERB_BDAT)
		smtp_server_run_bdat(s, t, c, wrong);
	else if (wrong != SMTP_REPLY_NONE)
		refuse(s, t, c, SMTP_OFFENCE_ORDER, wrong);
	else if (c->flags & SMTP_VERB_NO_ARG && c->arg.n)
		refuse(s, t, c, SMTP_OFFENCE_SYNTAX, SMTP_REPLY_NO_ARG);
	else if (c->flags & SMTP_VERB_JUNK && s->config->junk && ++s->junk > s->config->junk)
		smtp_server_end(s, SMTP_OFFENCE_JUNK, SMTP_REPLY_JUNK);
	else
		RUN[c->verb](s, t, c);
}
