/* What a trial has found, and what to change: see relay/trial.h */
#include "relay/settings.h"
#include "relay/trial.h"

#define LIMITS_OFF                                                                                                     \
	"-o smtpd_error_sleep_time=0\n-o smtpd_soft_error_limit=1000000\n-o smtpd_hard_error_limit=1000000\n"          \
	"-o smtpd_junk_command_limit=1000000\n" ANVIL_OFF
#define ANVIL_OFF                                                                                                      \
	"-o smtpd_client_connection_count_limit=0\n-o smtpd_client_connection_rate_limit=0\n"                          \
	"-o smtpd_client_message_rate_limit=0\n-o smtpd_client_recipient_rate_limit=0\n"                               \
	"-o smtpd_client_new_tls_session_rate_limit=0\n-o smtpd_client_auth_rate_limit=0"

enum finding {
	DEAD,
	NO_HEADER_WANTED,
	HEADER_WANTED,
	REFUSED,
	TLS_FAILS,
	TLS_BROKEN,
	NO_XCLIENT,
	NO_XCLIENT_DOVECOT,
	XCLIENT_ONCE,
	NO_XFORWARD,
	OPEN_RELAY,
	MAIL_REFUSED,
	TAKES_ANYBODY,
	NOT_ITS_OWN,
	UNCLEAR,
	LATER,
	IMPATIENT,
	CROWDED,
};

static const struct relay_advice ADVICE[] = {
	[DEAD] = { true, "It cannot be reached: start it, or correct relay.backends.", "", "" },
	[HEADER_WANTED] = { true,
		"It does not greet. If it waits for a PROXY header: set relay.identity = \"proxy\", or take this line "
		"away. Else it is stuck or something that is no mail server.",
		"master.cf", "-o smtpd_upstream_proxy_protocol=haproxy" },
	[NO_HEADER_WANTED] = { true, "It does not understand the PROXY header that relay.identity = \"proxy\" sends.",
		"master.cf", "-o smtpd_upstream_proxy_protocol=haproxy" },
	[REFUSED] = { true, "It turns us away; its words above say why.", "", "" },
	[TLS_FAILS] = { true, "relay.tls = \"require\", and TLS does not come about: no mail is given to it.",
		"master.cf",
		"-o smtpd_tls_security_level=may\n-o smtpd_tls_cert_file=/etc/ssl/inner.pem\n"
		"-o smtpd_tls_key_file=/etc/ssl/private/inner.key" },
	[TLS_BROKEN] = { false, "It offers STARTTLS, and that fails: mail goes to it in the clear.", "master.cf",
		"-o smtpd_tls_security_level=none" },
	[NO_XCLIENT] = { true,
		"It does not take XCLIENT with ADDR from us, so it cannot be told the client: no mail is given to it.",
		"master.cf", "-o smtpd_authorized_xclient_hosts=static:all" },
	[NO_XCLIENT_DOVECOT] = { true,
		"It does not take XCLIENT with ADDR from us, so it cannot be told the client: no mail is given to it. "
		"Where Dovecot need not know the client, relay.identity = \"none\" with relay.domains does as well.",
		"dovecot.conf", "login_trusted_networks = 127.0.0.0/8 ::1" },
	[XCLIENT_ONCE] = { false,
		"A connection takes XCLIENT once only, so each serves one client. With static:all one serves all.",
		"master.cf", "-o smtpd_authorized_xclient_hosts=static:all" },
	[NO_XFORWARD] = { true, "It does not take XFORWARD with ADDR from us: no mail is given to it.", "master.cf",
		"-o smtpd_authorized_xforward_hosts=127.0.0.0/8" },
	[OPEN_RELAY] = { true,
		"It would relay for a stranger, and relay.domains is empty: everybody could relay. Name your domains "
		"in "
		"relay.domains, or:",
		"main.cf", "smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination" },
	[MAIL_REFUSED] = { true, "It takes no mail of the null sender from a stranger; its words above say why.", "",
		"" },
	[TAKES_ANYBODY] = { false,
		"It takes recipients that do not exist, so they cannot be refused at RCPT; it would have to send them "
		"back "
		"later. Tell it who exists, or use a list in relay.recipients.",
		"main.cf", "relay_recipient_maps = hash:/etc/postfix/relay_recipients" },
	[NOT_ITS_OWN] = { false,
		"It refuses the unknown recipient in the words in which it refuses to relay: that domain may be none "
		"of "
		"its own. Name one of its domains in relay.domains and ask again; if it is its own, add the code to "
		"relay.unknown_user.",
		"", "" },
	[UNCLEAR] = { false,
		"It refuses an unknown recipient in words that do not say so: it is asked again and again, and no rule "
		"counts it. Add its code to relay.unknown_user if it means nothing else.",
		"", "" },
	[LATER] = { false, "It answers an unknown recipient with \"later\", so senders try again for days.", "main.cf",
		"unknown_local_recipient_reject_code = 550\nunverified_recipient_reject_code = 550" },
	[IMPATIENT] = { false,
		"It slows down or hangs up after some refusals, and all clients share its connections. SmtpGuard has "
		"its "
		"own limits for each client.",
		"master.cf", LIMITS_OFF },
	[CROWDED] = { false,
		"It was found to take fewer connections than relay.connections. (maxproc is the seventh column of its "
		"line.)",
		"master.cf", ANVIL_OFF },
};

static bool greets_as(const struct relay_trial *t, const char *name)
{
	return strstr(t->greeting.text, name) != NULL;
}

static void add(struct relay_advice *a, size_t *n, bool found, enum finding f)
{
	if (found && *n < RELAY_ADVICE_MAX)
		a[(*n)++] = ADVICE[f];
}

static bool is_2xx(const struct relay_trial_reply *r)
{
	return r->code / 100 == 2;
}

/* It did not come to a conversation. */
static bool opening(const struct relay_trial *t, struct relay_advice *a, size_t *n)
{
	bool proxy = t->identity == RELAY_PROXY;
	/* Postfix without the header that it expects says 421 4.3.0 after 5 s */
	bool shut = t->connected && (!t->greeting.code || (t->greeting.code == 421 && t->greeted_ms >= 4000));
	bool tls = t->tls_fault[0] != 0;
	add(a, n, !t->connected, DEAD);
	add(a, n, shut && !proxy, HEADER_WANTED);
	add(a, n, (shut || (t->hello.code && !is_2xx(&t->hello))) && proxy, NO_HEADER_WANTED);
	add(a, n, t->greeting.code && t->greeting.code != 220 && !shut, REFUSED);
	add(a, n, t->hello.code && !is_2xx(&t->hello) && !proxy, REFUSED);
	add(a, n, tls && t->tls == RELAY_TLS_REQUIRE, TLS_FAILS);
	add(a, n, tls && t->tls == RELAY_TLS_MAY, TLS_BROKEN);
	return *n == 0;
}

static void identity(const struct relay_trial *t, struct relay_advice *a, size_t *n)
{
	bool x = t->identity == RELAY_XCLIENT, none = x && !is_2xx(&t->first);
	bool dovecot = greets_as(t, "Dovecot");
	add(a, n, none && !dovecot, NO_XCLIENT);
	add(a, n, none && dovecot, NO_XCLIENT_DOVECOT);
	add(a, n, x && !none && !is_2xx(&t->second), XCLIENT_ONCE);
	add(a, n, t->identity == RELAY_XFORWARD && !is_2xx(&t->first), NO_XFORWARD);
}

/* But for the mailbox that both name, and not about the mailbox (x.1.x: RFC 3463, 3.2). */
static bool is_the_same_policy(const struct relay_trial_reply *a, const struct relay_trial_reply *b)
{
	size_t before = strcspn(a->text, "<");
	return a->code == b->code && a->text[0] && strncmp(a->text + 1, ".1.", 3) != 0 &&
	       before == strcspn(b->text, "<") && strncmp(a->text, b->text, before) == 0 &&
	       strcmp(a->text + strcspn(a->text, ">"), b->text + strcspn(b->text, ">")) == 0;
}

static void unknown_recipient(const struct relay_trial *t, struct relay_advice *a, size_t *n)
{
	bool refused = t->unknown.code >= 400;
	bool elsewhere = refused && !t->unknown_counts && is_the_same_policy(&t->unknown, &t->foreign);
	add(a, n, is_2xx(&t->unknown), TAKES_ANYBODY);
	add(a, n, elsewhere, NOT_ITS_OWN);
	add(a, n, refused && !elsewhere && t->unknown.code >= 500 && !t->unknown_counts, UNCLEAR);
	add(a, n, refused && !elsewhere && t->unknown.code < 500, LATER);
}

static void recipients(const struct relay_trial *t, struct relay_advice *a, size_t *n)
{
	bool named = t->identity == RELAY_XCLIENT || t->identity == RELAY_PROXY;
	add(a, n, named && is_2xx(&t->foreign) && t->settings->c.domains_n == 0, OPEN_RELAY);
	add(a, n, t->mail.code && !is_2xx(&t->mail), MAIL_REFUSED);
	if (t->settings->c.ask_backend && t->unknown.code)
		unknown_recipient(t, a, n);
}

size_t relay_trial_advice(const struct relay_trial *t, struct relay_advice a_r[RELAY_ADVICE_MAX])
{
	size_t n = 0;
	if (t->kind == RELAY_MAILDIR || !opening(t, a_r, &n))
		return n;
	identity(t, a_r, &n);
	recipients(t, a_r, &n);
	add(a_r, &n, t->refusals && (t->slowed || t->hung_up), IMPATIENT);
	add(a_r, &n, t->limit < t->settings->c.connections, CROWDED);
	if (n == 0 && t->fault[0])
		add(a_r, &n, true, REFUSED);
	return n;
}
