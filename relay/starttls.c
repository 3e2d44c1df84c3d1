/* STARTTLS toward a backend (RFC 3207). */
#include "base/log.h"
#include "relay/link_inside.h"

#include <stdio.h>

static struct slice words(char *text, size_t cap, const char *what, const char *why)
{
	int n = snprintf(text, cap, "%s%s%s", what, *why ? ": " : "", why);
	return slice_of(text, (size_t)n < cap ? (size_t)n : cap - 1);
}

/* It did not come to TLS. With "require" nothing is given to the backend; with "may" it is spoken to in the clear for
 * a while: this connection is lost, the next goes without. */
static void failed(struct relay *r, struct relay_link *l, const char *what, const char *why, uint64_t now_ms)
{
	char text[160];
	struct relay_backend *b = l->pool->backend;
	if (l->settings->c.tls == RELAY_TLS_REQUIRE) {
		snprintf(text, sizeof text, "UNHEALTHY: %s%s%s; relay.tls = \"require\", no mail is given to it", what,
			*why ? ": " : "", why);
		relay_link_turned_away(r, l, RELAY_UNHEALTHY, slice_str(text), now_ms);
		return;
	}
	atomic_store(&b->plain_until_ms, now_ms + RELAY_PLAIN_MS);
	log_warn("backend %s: %.*s; spoken to in the clear for now (relay.tls = \"may\")", b->name,
		SLICE_ARG(words(text, sizeof text, what, why)));
	relay_link_give_up(r, l, now_ms);
}

void relay_tls_late(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	failed(r, l, "TLS failed", "no answer in time", now_ms);
}

bool relay_tls_wanted(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	enum relay_tls tls = l->settings->c.tls;
	bool offered = (l->client.caps.ext & SMTP_EXT_STARTTLS) != 0;
	if (tls == RELAY_TLS_OFF || l->conn.tls)
		return false;
	if (tls == RELAY_TLS_MAY && (!offered || now_ms < atomic_load(&l->pool->backend->plain_until_ms)))
		return false;
	if (!offered)
		failed(r, l, "it does not offer STARTTLS", "", now_ms);
	else if (!smtp_client_starttls(&l->client))
		relay_link_give_up(r, l, now_ms);
	else
		relay_link_enter(r, l, RELAY_LINK_STARTTLS, now_ms);
	return true;
}

void relay_tls_reply(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	const struct relay_settings *s = l->settings;
	char name[256];
	if (!relay_is_2xx(reply->code)) {
		char why[80];
		snprintf(why, sizeof why, "%u %.*s", reply->code, SLICE_ARG(reply->text));
		failed(r, l, "it refuses STARTTLS", why, now_ms);
		return;
	}
	if (s->c.tls_name.n)
		snprintf(name, sizeof name, "%.*s", SLICE_ARG(s->c.tls_name));
	else
		ip_format(&l->pool->backend->ip, name);
	if (net_tls_connect(&l->conn, s->c.tls_ctx, name, l->pool->tls))
		relay_link_enter(r, l, RELAY_LINK_HANDSHAKE, now_ms);
	else
		relay_link_give_up(r, l, now_ms);
}

void relay_tls_shake(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	switch (net_tls_handshake(&l->conn, r->loop)) {
	case NET_OK:
		log_debug("backend %s: %s %s%s", l->pool->backend->name, net_tls_version(l->conn.tls),
			net_tls_cipher(l->conn.tls), net_tls_resumed(l->conn.tls) ? ", resumed" : "");
		relay_link_hello(r, l, now_ms);
		return;
	case NET_AGAIN:
		return;
	case NET_EOF:
	case NET_FAILED:
		net_tls_session_free(&l->pool->tls);
		failed(r, l, "TLS failed", net_tls_error(), now_ms);
	}
}
