/* Telling the backend who the client is: XCLIENT, the EHLO behind it, and what their refusals mean. */
#include "base/log.h"
#include "relay/identity.h"
#include "relay/link_inside.h"

#include <stdio.h>

static bool speaks_for(const struct relay_link *l, const struct relay_whom *whom)
{
	return l->whom.key == whom->key && (l->whom.port == whom->port || !l->takes_xclient);
}

void relay_xclient_begin(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	struct relay_whom whom = relay_identity_of(r->shared, l->job);
	if (l->settings->c.identity != RELAY_XCLIENT || speaks_for(l, &whom)) {
		relay_envelope_start(r, l, now_ms);
		return;
	}
	struct smtp_identity id = relay_identity_smtp(l->job);
	if (!smtp_client_xclient(&l->client, &id)) {
		relay_link_unsayable(r, l, now_ms);
		return;
	}
	l->whom = whom;
	relay_link_enter(r, l, RELAY_LINK_IDENTIFY, now_ms);
}

/* ---- refusals ---- */

/* What a refusal of XCLIENT or XFORWARD speaks of. Postfix: 550 not authorised, 503 in mid-transaction, 501 a value;
 * 500, 502 unknown command (RFC 5321 4.2.4), 504 a parameter. Other codes are its verdict on the client
 * (smtpd_delay_reject = no).
 * Values are the client's choice, so what is said of them must never count against the backend: Postfix with
 * inet_protocols = ipv4 says 501 to each IPv6 address, and one such client would stop all mail. */
enum about { ABOUT_COMMAND, ABOUT_VALUES, ABOUT_CLIENT };

static enum about about(unsigned code)
{
	if (code == 501 || code == 504)
		return ABOUT_VALUES;
	return code == 500 || code == 502 || code == 503 || code == 550 ? ABOUT_COMMAND : ABOUT_CLIENT;
}

/* The backend turns this client away as such. The connection speaks for it alone: retired. */
static void client_refused(
	struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	relay_link_keep(l, reply, UINT16_MAX);
	l->retire = true;
	relay_finish_refusal(r, l->job, now_ms);
	relay_link_release(r, l, false, now_ms);
}

static void command_refused(
	struct relay *r, struct relay_link *l, const char *verb, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	char text[160];
	snprintf(text, sizeof text, "UNHEALTHY: it refuses %s: %u %.*s", verb, reply->code, SLICE_ARG(reply->text));
	relay_link_unhealthy(r, l, slice_str(text), now_ms);
}

/* It may have taken some of the values and not the others: the connection is of no more use. The names are left out
 * once, the address never is. */
static void values_refused(
	struct relay *r, struct relay_link *l, const char *verb, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	char ip[IP_TEXT];
	ip_format(&l->job->mail->client.ip, ip);
	if (!relay_finish_untold(r, l->job, now_ms))
		log_warn("backend %s: takes no mail from %s: it answers %s with %u %.*s", l->pool->backend->name, ip,
			verb, reply->code, SLICE_ARG(reply->text));
	relay_link_close(r, l);
}

/* XCLIENT was offered again but not meant: from now on each connection serves one client. The job lost nothing. */
static void taken_once(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	struct relay_backend *b = l->pool->backend;
	atomic_store(&b->no_reuse, true);
	relay_backend_reuse(b, false);
	relay_finish_lost(r, l->job, true, false, false, now_ms);
	relay_link_close(r, l);
}

/* ---- replies ---- */

static void identified(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	struct slice helo = relay_identity_helo(&l->job->mail->client, l->settings->c.hostname);
	l->xclients++;
	if (!smtp_client_ehlo(&l->client, helo))
		relay_link_unsayable(r, l, now_ms);
	else
		relay_link_enter(r, l, RELAY_LINK_REHELLO, now_ms);
}

void relay_xclient_reply(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	enum about what = about(reply->code);
	if (relay_is_2xx(reply->code))
		identified(r, l, now_ms);
	else if (reply->code < 400)
		relay_link_nonsense(r, l, now_ms);
	else if (what == ABOUT_VALUES)
		values_refused(r, l, "XCLIENT", reply, now_ms);
	else if (what == ABOUT_CLIENT)
		client_refused(r, l, reply, now_ms);
	else if (l->xclients == 0)
		command_refused(r, l, "XCLIENT", reply, now_ms);
	else
		taken_once(r, l, now_ms);
}

void relay_xclient_rehello(
	struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	struct relay_backend *b = l->pool->backend;
	if (reply->code / 100 == 3) {
		relay_link_nonsense(r, l, now_ms);
		return;
	}
	if (!relay_is_2xx(reply->code)) {
		client_refused(r, l, reply, now_ms);
		return;
	}
	l->takes_xclient = (l->client.caps.xclient & SMTP_XATTR_ADDR) != 0 && !atomic_load(&b->no_reuse);
	relay_backend_reuse(b, l->takes_xclient);
	relay_envelope_start(r, l, now_ms);
}

void relay_xforward_refused(
	struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	if (about(reply->code) == ABOUT_VALUES)
		values_refused(r, l, "XFORWARD", reply, now_ms);
	else
		command_refused(r, l, "XFORWARD", reply, now_ms);
}
