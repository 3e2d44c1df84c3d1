/* From XFORWARD and MAIL to the reply to DATA. */
#include "base/hash.h"
#include "base/log.h"
#include "relay/identity.h"
#include "relay/known.h"
#include "relay/link_inside.h"

static bool is_probe(const struct relay_job *job)
{
	return job->done.question == RELAY_RCPT;
}

static bool pipelining(const struct relay_link *l)
{
	return (l->client.caps.ext & SMTP_EXT_PIPELINING) != 0;
}

static uint64_t size_of(const struct relay_body *b)
{
	return b->head.n + rope_size(b->mem) + (b->fd >= 0 ? b->fd_size : 0);
}

static bool is_ascii(struct slice s)
{
	unsigned char all = 0;
	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all < 128;
}

/* It can go only where SMTPUTF8 is offered. */
static bool needs_utf8(const struct relay_job *job)
{
	const struct relay_mail *m = job->mail;
	bool needs = (m->utf8 && m->utf8_header) || !is_ascii(m->sender);
	for (size_t i = 0; (m->utf8 || is_probe(job)) && i < job->rcpts_n; i++)
		needs |= !is_ascii(job->rcpts[i]);
	return needs;
}

static bool say_mail(struct relay_link *l)
{
	const struct relay_mail *m = l->job->mail;
	struct smtp_mail_options o = { .smtputf8 = l->env.utf8, .size = l->job->size };
	if (!is_probe(l->job)) {
		o.size = size_of(&m->body);
		o.eight_bit = m->body.eight_bit;
		o.dsn = m->dsn;
	}
	return smtp_client_mail(&l->client, m->sender, &o);
}

static bool say_rcpt(struct relay_link *l, size_t i)
{
	const struct relay_job *job = l->job;
	const struct smtp_rcpt_dsn *dsn = job->mail->rcpts_dsn;
	if (dsn)
		dsn += job->rcpts_at ? job->rcpts_at[i] : i;
	return smtp_client_rcpt(&l->client, job->rcpts[i], dsn);
}

/* The group's end. A mail for several gets its DATA only when all were taken, see envelope_over(). */
static bool say_last(struct relay_link *l)
{
	if (is_probe(l->job)) {
		l->rsets++;
		return smtp_client_rset(&l->client);
	}
	if (l->job->rcpts_n > 1 || !pipelining(l))
		return true;
	return smtp_client_data(&l->client);
}

static bool say_next(struct relay_link *l)
{
	const struct relay_job *job = l->job;
	uint32_t i = l->env.next++;
	if (i == 0) {
		struct smtp_identity id = relay_identity_smtp(l->job);
		return l->settings->c.identity != RELAY_XFORWARD || smtp_client_xforward(&l->client, &id);
	}
	if (i == 1)
		return say_mail(l);
	return i < job->rcpts_n + 2 ? say_rcpt(l, i - 2) : say_last(l);
}

/* All that may be said now: everything with PIPELINING, else one command. */
static bool say(struct relay_link *l)
{
	while (l->env.next <= l->job->rcpts_n + 2) {
		if (!pipelining(l) && (smtp_client_due(&l->client) || l->env.mail_refused))
			return true;
		TRY(say_next(l));
	}
	return true;
}

void relay_envelope_start(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	bool offered = l->client.caps.ext & SMTP_EXT_SMTPUTF8, needs = needs_utf8(l->job);
	l->env = (struct relay_envelope){ .utf8 = offered && (needs || l->job->mail->utf8) };
	if (needs && !offered) {
		relay_finish_no_utf8(r, l->job, now_ms);
		relay_link_release(r, l, false, now_ms);
		return;
	}
	relay_link_enter(r, l, RELAY_LINK_ENVELOPE, now_ms);
	if (!say(l))
		relay_link_unsayable(r, l, now_ms);
}

/* Not said of the mail, but of the connection: it goes out on a fresh one. */
static bool elsewhere(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (!l->env.session_full || l->job->tries)
		return false;
	relay_finish_again(r, l->job, now_ms);
	relay_link_release(r, l, false, now_ms);
	return true;
}

static void probe_over(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	struct relay_job *job = l->job;
	if (elsewhere(r, l, now_ms))
		return;
	if (l->env.mail_refused || l->env.refused)
		relay_finish_refusal(r, job, now_ms);
	else
		relay_finish_exists(r, job, now_ms);
	relay_link_release(r, l, false, now_ms);
}

/* Something was refused: nothing is delivered. */
static void mail_refused(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (elsewhere(r, l, now_ms))
		return;
	bool partly = !l->env.mail_refused && l->env.refused && l->env.accepted;
	if (partly)
		relay_finish_partly(r, l->job, now_ms);
	else
		relay_finish_refusal(r, l->job, now_ms);
	relay_link_release(r, l, !l->env.mail_refused, now_ms);
}

static void envelope_over(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (is_probe(l->job)) {
		probe_over(r, l, now_ms);
	} else if (l->env.mail_refused || l->env.refused) {
		mail_refused(r, l, now_ms);
	} else if (!smtp_client_data(&l->client)) {
		relay_link_unsayable(r, l, now_ms);
	} else {
		relay_link_enter(r, l, RELAY_LINK_DATA, now_ms);
	}
}

/* RFC 5321 4.5.3.1.10, RFC 3463 4.5.3. */
static bool is_too_many(const struct smtp_client_reply *reply)
{
	const struct smtp_enhanced *e = &reply->enhanced;
	return e->class ? e->subject == 5 && e->detail == 3 : reply->code == 452;
}

static void on_mail(struct relay_link *l, const struct smtp_client_reply *reply)
{
	if (relay_is_2xx(reply->code))
		return;
	relay_link_keep(l, reply, UINT16_MAX);
	l->env.mail_refused = true;
	l->refusals++;
	/* OpenSMTPD: 100 mails in a session */
	l->env.session_full = l->uses > 1 && is_too_many(reply);
	l->retire |= l->env.session_full;
}

/* A plain 552 may mean the same (RFC 5321 4.5.3.1.10; Exim with recipients_max_reject), or that one mailbox is full.
 * That shows at the retry: who is taken when he is asked for alone, and refused again behind others, is one too many.
 */
static bool is_one_too_many(struct relay *r, const struct relay_link *l, const struct smtp_client_reply *reply)
{
	if (is_too_many(reply))
		return true;
	if (reply->code != 552 || reply->enhanced.class)
		return false;
	struct slice rcpt = l->job->rcpts[reply->index];
	return l->env.too_many || relay_backend_rcpt_again(l->pool->backend, hash_bytes(&r->shared->key, rcpt));
}

/* The mail is not to fail for ever: from now on recipients beyond this are told so at their RCPT, and the client brings
 * them in a mail of their own. They may well exist, so they are no suspects. */
static void too_many(struct relay *r, struct relay_link *l)
{
	struct relay_backend *b = l->pool->backend;
	if (l->env.too_many++ == 0) {
		log_info("backend %s: takes %u recipients in a mail", b->name, l->env.accepted);
		relay_backend_rcpts_found(b, l->env.accepted, r->now_ms);
	}
	l->env.refused++;
}

static void on_rcpt(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply)
{
	struct relay_job *job = l->job;
	if (relay_is_2xx(reply->code) && !l->env.mail_refused) {
		if (l->env.accepted++ == 0 && is_probe(job))
			relay_link_keep(l, reply, UINT16_MAX);
		return;
	}
	if (!is_probe(job) && l->env.accepted && is_one_too_many(r, l, reply)) {
		too_many(r, l);
		return;
	}
	l->refusals++;
	if (l->env.mail_refused)
		return; /* whatever it says, it does not speak of the recipient */
	/* one reply stands for the whole mail: if any recipient may be reached later, it must not say "never" */
	bool milder = job->done.code >= 500 && reply->code < 500;
	if (l->env.refused++ == 0 || milder)
		relay_link_keep(l, reply, reply->index);
	/* its answer had aged: the retry must be told at RCPT, so that it is never half delivered */
	if (!is_probe(job))
		relay_known_suspect(r, job->group, job->rcpts[reply->index]);
}

void relay_envelope_data(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	bool wanted = !l->env.mail_refused && !l->env.refused;
	if (reply->code == 354 && wanted) {
		relay_body_begin(r, l, now_ms);
		return;
	}
	if (reply->code == 354) {
		/* it refused the recipient and wants the body all the same: only closing makes sure that nothing is
		 * delivered */
		relay_finish_refusal(r, l->job, now_ms);
		relay_link_close(r, l);
		return;
	}
	l->refusals++;
	if (wanted && reply->code < 400) {
		relay_link_nonsense(r, l, now_ms);
		return;
	}
	if (wanted)
		relay_link_keep(l, reply, UINT16_MAX);
	mail_refused(r, l, now_ms);
}

void relay_envelope_reply(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	if (reply->code / 100 == 3 && reply->to != SMTP_TO_DATA) {
		relay_link_nonsense(r, l, now_ms);
		return;
	}
	if (reply->to == SMTP_TO_XFORWARD && !relay_is_2xx(reply->code)) {
		relay_xforward_refused(r, l, reply, now_ms);
		return;
	}
	if (reply->to == SMTP_TO_DATA) {
		relay_envelope_data(r, l, reply, now_ms);
		return;
	}
	if (reply->to == SMTP_TO_MAIL)
		on_mail(l, reply);
	else if (reply->to == SMTP_TO_RCPT)
		on_rcpt(r, l, reply);
	else if (reply->to == SMTP_TO_RSET && !relay_is_2xx(reply->code))
		l->retire = true; /* its transaction may be open still: the next MAIL would be one too many */
	if (!say(l))
		relay_link_unsayable(r, l, now_ms);
	else if (smtp_client_due(&l->client) == 0)
		envelope_over(r, l, now_ms);
}
