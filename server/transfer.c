#include "server/talk.h"

#include "base/clock.h"
#include "base/log.h"
#include "dns/spf_header.h"
#include "server/lookup.h"
#include "server/trace.h"

/* A proxy's word, or what DNS says. */
static struct slice client_name(const struct session *s)
{
	return s->via && s->via->name ? slice_str(s->via->name) : lookup_client_name(s->lookups);
}

/* What a PROXY header tells beside the address. */
static void add_connection(const struct session *s, struct relay_client *c)
{
	const struct via *v = s->via;
	c->tls_version = session_tls_version(s);
	c->tls_cipher = session_tls_cipher(s);
	c->server_name = slice_str(net_tls_server_name(s->conn.tls));
	if (!s->conn.tls && v && v->server_name)
		c->server_name = slice_str(v->server_name);
	if (v && v->dest_port) {
		c->dest = v->dest;
		c->dest_port = v->dest_port;
	} else if (!net_local_address(s->conn.io.fd, &c->dest, &c->dest_port)) {
		c->dest_port = 0;
	}
}

/* `id` is written to, and must live as long as what is returned. */
struct relay_client transfer_client(const struct session *s, char id[ID_TEXT])
{
	const char *login = s->via && s->via->login ? s->via->login : "";
	struct relay_client c = {
		.ip = s->peer.ip,
		.port = s->peer.port,
		.name = client_name(s),
		.login = slice_str(login),
		.helo = session_helo(s),
		.proto = s->esmtp ? SLICE("ESMTP") : SLICE("SMTP"),
	};
	if (!s->generation->tells_proxy)
		return c;
	id_format(s->id, id);
	c.session = slice_str(id);
	add_connection(s, &c);
	return c;
}

/* ---- recipients ---- */

/* A mail goes to one group of backends: that of the first recipient that was taken. */
static bool is_of_another_group(const struct session *s, struct slice domain)
{
	const struct mail *m = s->mail;
	for (uint32_t i = 0; m->taken && s->generation->relay.groups_n && i < m->rcpts_n; i++)
		if (m->rcpts[i].code / 100 == 2)
			return !relay_same_group(s->worker->relay, domain, mail_domain(m->rcpts[i].address));
	return false;
}

void transfer_check_rcpt(struct session *s)
{
	struct slice domain = mail_domain(mail_last_rcpt(s->mail)->address);
	if (domain.n && !relay_may_relay(s->worker->relay, &s->peer.ip, domain)) {
		recipients_note_bad(s); /* who looks for an open relay guesses as who looks for users */
		talk_answer_rcpt(s, 550, judge_sign(s, SLICE("5.7.1 Relaying denied")), SLICE("protocol"));
		return;
	}
	if (is_of_another_group(s, domain)) {
		talk_answer_rcpt(s, 452, SLICE("4.5.3 Send the mail to this recipient separately"), SLICE("limit"));
		return;
	}
	if (s->mail->taken >= relay_rcpt_max(s->worker->relay, s->worker->now_ms)) {
		talk_answer_rcpt(s, 452, SLICE("4.5.3 Too many recipients"), SLICE("limit"));
		return;
	}
	recipients_ask(s);
}

/* ---- the whole mail ---- */

/* For the journal: which backend it was, and its own words. */
void transfer_note_backend(struct session *s, const struct relay_done *d)
{
	struct mail *m = s->mail;
	m->outcome.backend = mail_keep(m, slice_str(d->backend));
	if (s->generation->relay.groups_n)
		m->outcome.group = mail_keep(m, slice_str(d->group));
	m->outcome.backend_ms = d->backend_ms;
	if (d->from == RELAY_FROM_BACKEND)
		m->outcome.backend_reply = mail_keep(m, slice_of(d->text, d->text_n));
}

/* RFC 3848, RFC 6531 4.3 */
static struct slice protocol_of(const struct session *s)
{
	if (s->mail->utf8)
		return s->handshaken ? SLICE("UTF8SMTPS") : SLICE("UTF8SMTP");
	if (!s->esmtp)
		return SLICE("SMTP");
	return s->handshaken ? SLICE("ESMTPS") : SLICE("ESMTP");
}

/* What SPF said, where it was asked. */
static bool write_spf(struct session *s, struct buf *out)
{
	struct spf_run *r = lookup_spf(s->lookups);
	const struct dns_spf_client client = { .ip = s->peer.ip,
		.helo = session_helo(s),
		.mail_from = s->mail->sender,
		.our_name = s->generation->hostname,
		.now_s = s->worker->wall_ms / 1000 };
	if (!r || !spf_is_done(r) || s->generation->settings->spf_header == SETTINGS_SPF_NONE)
		return true;
	return s->generation->settings->spf_header == SETTINGS_SPF_RECEIVED
		       ? dns_spf_received_write(&client, spf_result(r), out)
		       : dns_spf_authentication_write(&client, spf_result(r), out);
}

static bool write_head(struct session *s)
{
	struct mail *m = s->mail;
	struct buf *words = &s->worker->words;
	char id[ID_TEXT];
	id_format(m->id, id);
	struct slice only = slice_of(NULL, 0);
	for (uint32_t i = 0; m->taken == 1 && i < m->rcpts_n; i++)
		if (m->rcpts[i].code / 100 == 2)
			only = m->rcpts[i].address;
	struct trace t = {
		.helo = session_helo(s),
		.name = client_name(s),
		.ip = s->peer.ip,
		.tls = session_tls_version(s),
		.cipher = session_tls_cipher(s),
		.hostname = s->generation->hostname,
		.protocol = protocol_of(s),
		.id = slice_str(id),
		.recipient = only,
		.wall_ms = s->worker->wall_ms,
	};
	buf_clear(words);
	TRY(trace_write(&t, words) && write_spf(s, words) && act_write_tags(s, slice_str(id), words));
	m->out.id = arena_copy(&m->arena, slice_str(id));
	m->out.body.head = arena_copy(&m->arena, buf_slice(words));
	return m->out.body.head.p != NULL;
}

static void defer(struct session *s)
{
	talk_answer_message(s, 451, judge_sign(s, SLICE("4.3.0 Out of memory, try again later")), SLICE("limit"));
}

bool transfer_expect(struct session *s)
{
	struct mail *m = s->mail;
	if (!mail_prepare(m, s->conn.io.fd, session_ticket(s))) {
		defer(s);
		return false;
	}
	relay_expect(s->worker->relay, &m->out);
	receipt_doubt(s);
	return true;
}

void transfer_deliver(struct session *s)
{
	struct mail *m = s->mail;
	m->out.client = transfer_client(s, m->session);
	if (!write_head(s) || !relay_deliver(s->worker->relay, &m->out, s->worker->now_ms)) {
		defer(s);
		return;
	}
	s->awaiting = AWAIT_BACKEND;
	m->handed_on = true;
}

static void answer_message(struct session *s, const struct relay_done *d)
{
	struct mail *m = s->mail;
	struct slice text = slice_of(d->text, d->text_n);
	m->handed_on = false;
	transfer_note_backend(s, d);
	if (retell_wanted(s->worker))
		retell_backend(s, d);
	m->outcome.doubtful = d->doubtful;
	talk_answer_message(s, d->code, text, SLICE("backend"));
}

void transfer_answer(struct session *s, const struct relay_done *d)
{
	s->awaiting = AWAIT_CLIENT;
	if (s->asked == ASKED_RCPT)
		recipients_answer(s, d);
	else if (s->asked == ASKED_MESSAGE)
		answer_message(s, d);
	session_pump(s);
}

void transfer_cancel(struct session *s)
{
	if (s->awaiting != AWAIT_BACKEND)
		return;
	relay_cancel(s->worker->relay, session_ticket(s), s->worker->now_ms);
	rcpt_desk_cancel(s->worker->rcpt, session_ticket(s));
	s->awaiting = AWAIT_CLIENT;
}
