/* A session as `smtpguardctl sessions` shows it. */
#include "server/session.h"

static const char *state_name(const struct session *s)
{
	static const char *const ASKED[ASKED_COUNT] = { "idle", "connect", "connect", "helo", "mail", "rcpt", "message",
		"message" };
	if (s->awaiting == AWAIT_DELAY)
		return "delayed";
	if (s->awaiting == AWAIT_DNS)
		return "looked up";
	if (s->awaiting == AWAIT_RATE)
		return "throttled";
	if (s->awaiting == AWAIT_PROXY)
		return "proxy";
	if (s->awaiting == AWAIT_TLS)
		return "handshake";
	if (s->awaiting == AWAIT_FLUSH)
		return "closing";
	if (s->asked != ASKED_NOTHING)
		return ASKED[s->asked];
	if (s->mail)
		return s->in_body ? "data" : "envelope";
	return "idle";
}

static void copy_text(char *to, size_t cap, struct slice from)
{
	size_t n = from.n < cap ? from.n : cap - 1;
	if (n)
		memcpy(to, from.p, n);
	to[n] = 0;
}

void session_describe(const struct session *s, struct session_info *info_r)
{
	*info_r = (struct session_info){
		.client = s->peer.ip,
		.port = s->peer.port,
		.state = state_name(s),
		.recipients = s->mail ? s->mail->taken : 0,
		.age_ms = s->worker->now_ms - s->opened_ms,
	};
	id_format(s->id, info_r->id);
	copy_text(info_r->tls, sizeof info_r->tls, session_tls_version(s));
	copy_text(info_r->helo, sizeof info_r->helo, session_helo(s));
	if (s->mail)
		copy_text(info_r->from, sizeof info_r->from, s->mail->sender);
}
