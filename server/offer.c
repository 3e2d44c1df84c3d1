/* What EHLO announces: what we and all backends can do now, and this peer may hear. */
#include "server/talk.h"

static bool offers_tls(const struct session *s)
{
	return s->generation->tls && !s->handshaken &&
	       app_listener(s->worker->app, s->peer.listener)->tls == SETTINGS_TLS_STARTTLS;
}

/* smtp.ehlo_hide: what peers with a broken implementation of it are better not told. */
static unsigned hidden(const struct session *s)
{
	static const unsigned EXT[] = {
		[SETTINGS_EHLO_8BITMIME] = SMTP_EXT_8BITMIME,
		[SETTINGS_EHLO_CHUNKING] = SMTP_EXT_CHUNKING,
		[SETTINGS_EHLO_DSN] = SMTP_EXT_DSN,
		[SETTINGS_EHLO_ENHANCEDSTATUSCODES] = SMTP_EXT_ENHANCEDSTATUSCODES,
		[SETTINGS_EHLO_LIMITS] = SMTP_EXT_LIMITS,
		[SETTINGS_EHLO_PIPELINING] = SMTP_EXT_PIPELINING,
		[SETTINGS_EHLO_SIZE] = SMTP_EXT_SIZE,
		[SETTINGS_EHLO_SMTPUTF8] = SMTP_EXT_SMTPUTF8,
		[SETTINGS_EHLO_STARTTLS] = SMTP_EXT_STARTTLS,
	};
	const struct settings_ehlo_hides *hides = &s->generation->settings->smtp.ehlo_hide;
	unsigned ext = 0;
	for (size_t i = 0; i < hides->count; i++) {
		const struct settings_ehlo_hide *h = &hides->items[i];
		if (!ip_prefixes_have(h->from.items, h->from.count, &s->peer.ip))
			continue;
		for (size_t k = 0; k < h->keywords.count; k++)
			ext |= EXT[h->keywords.items[k]];
	}
	return ext;
}

void offer_extensions(struct session *s)
{
	uint64_t size = 0, own = s->generation->settings->limits.message_size;
	const unsigned by_all = SMTP_EXT_8BITMIME | SMTP_EXT_SMTPUTF8 | SMTP_EXT_DSN;
	const unsigned by_us = SMTP_EXT_PIPELINING | SMTP_EXT_ENHANCEDSTATUSCODES | SMTP_EXT_SIZE | SMTP_EXT_CHUNKING |
			       SMTP_EXT_LIMITS;
	unsigned caps = relay_caps(s->worker->relay, &size) & by_all;
	unsigned most = relay_rcpt_max(s->worker->relay, s->worker->now_ms);
	s->announced.ext = by_us | caps | (offers_tls(s) ? SMTP_EXT_STARTTLS : 0u) |
			   (s->trusted ? SMTP_EXT_XCLIENT : 0u);
	s->announced.ext &= ~hidden(s);
	s->announced.size_max = size && size < own ? size : own;
	s->announced.recipients = s->generation->settings->limits.recipients;
	if (most < s->announced.recipients)
		s->announced.recipients = most;
}
