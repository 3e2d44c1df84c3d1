/* The first words of a connection: greeting and EHLO, and what their refusals mean. */
#include "base/log.h"
#include "relay/identity.h"
#include "relay/link_inside.h"

#include <stdio.h>

/* Who is named to the backend speaks in his own name, too. */
static struct slice name_of(const struct relay_link *l)
{
	struct slice ours = l->settings->c.hostname;
	return l->named ? relay_identity_helo(&l->job->mail->client, ours) : ours;
}

void relay_link_hello(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (!smtp_client_ehlo(&l->client, name_of(l))) {
		relay_link_give_up(r, l, now_ms);
		return;
	}
	relay_link_enter(r, l, RELAY_LINK_HELLO, now_ms);
}

void relay_opening_greeting(
	struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	bool news;
	if (l->named && reply->code >= 400) {
		relay_proxy_refused(r, l, reply, now_ms);
		return;
	}
	if (reply->code / 100 == 4 && relay_backend_full(l->pool->backend, now_ms, &news)) {
		log_msg(news ? LOG_LEVEL_WARN : LOG_LEVEL_INFO,
			"backend %s: takes no more connections than it has, fewer than relay.connections: %u %.*s",
			l->pool->backend->name, reply->code, SLICE_ARG(reply->text));
		relay_link_close(r, l);
		return;
	}
	if (reply->code != 220) {
		char text[160];
		snprintf(text, sizeof text, "greeting refused: %u %.*s", reply->code, SLICE_ARG(reply->text));
		relay_link_turned_away(r, l, RELAY_DOWN, slice_str(text), now_ms);
		return;
	}
	relay_link_hello(r, l, now_ms);
}

/* NULL, or why this backend cannot be told the client as the settings want it. Without that it would take every client
 * for one of its own networks. */
static const char *identity_fault(const struct relay_link *l)
{
	const struct smtp_caps *caps = &l->client.caps;
	if (l->settings->c.identity == RELAY_XCLIENT && !(caps->xclient & SMTP_XATTR_ADDR))
		return "UNHEALTHY: it does not offer XCLIENT with ADDR (Postfix: smtpd_authorized_xclient_hosts); no "
		       "mail is given to it";
	if (l->settings->c.identity == RELAY_XFORWARD && !(caps->xforward & SMTP_XATTR_ADDR))
		return "UNHEALTHY: it does not offer XFORWARD with ADDR (Postfix: smtpd_authorized_xforward_hosts); no "
		       "mail is given to it";
	return NULL;
}

/* It works, and takes this of us. (What it offers to a client that was named to it may be less.) */
static void heard(struct relay_backend *b, const struct smtp_caps *caps)
{
	relay_backend_heard(b, caps);
	if (relay_backend_up(b))
		log_info("backend %s: works again", b->name);
}

void relay_opening_hello(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	struct relay_backend *b = l->pool->backend;
	if (reply->to == SMTP_TO_EHLO && reply->code >= 500 && smtp_client_helo(&l->client, name_of(l))) {
		relay_link_enter(r, l, RELAY_LINK_HELLO, now_ms);
		return;
	}
	if (l->named && reply->code >= 400) {
		relay_proxy_refused(r, l, reply, now_ms);
		return;
	}
	if (!relay_is_2xx(reply->code)) {
		char text[160];
		bool header = l->settings->c.identity == RELAY_PROXY;
		snprintf(text, sizeof text, "EHLO refused%s: %u %.*s",
			header ? " (does it expect a PROXY header? Postfix: smtpd_upstream_proxy_protocol)" : "",
			reply->code, SLICE_ARG(reply->text));
		relay_link_turned_away(r, l, RELAY_DOWN, slice_str(text), now_ms);
		return;
	}
	if (relay_tls_wanted(r, l, now_ms))
		return;
	const char *fault = identity_fault(l);
	if (fault) {
		relay_link_unhealthy(r, l, slice_str(fault), now_ms);
		return;
	}
	if (!l->named)
		heard(b, &l->client.caps);
	atomic_fetch_add_explicit(&b->n.connects, 1, memory_order_relaxed);
	l->takes_xclient = (l->client.caps.xclient & SMTP_XATTR_ADDR) != 0;
	atomic_store_explicit(&b->tls_version, net_tls_version(l->conn.tls), memory_order_relaxed);
	l->pool->opening_n--;
	l->settled = true;
	relay_backend_settle(b);
	if (l->job)
		relay_link_begin(r, l, now_ms);
	else
		relay_link_release(r, l, false, now_ms);
}
