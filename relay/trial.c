#include "relay/trial.h"

#include "base/clock.h"
#include "base/hash.h"
#include "net/proxy.h"
#include "relay/finish.h"
#include "relay/shared.h"
#include "smtp/client.h"

#include <errno.h>
#include <stdio.h>

enum { TURN_MS = 100 };		     /* how soon *stop is seen */
enum { REFUSALS = 21, RSETS = 105 }; /* more than the 20 and 100 of a stock Postfix */

#define STRANGER "192.0.2.1"
#define ANOTHER "198.51.100.1"

struct talk {
	struct relay_trial *t;
	const struct relay_settings *s;
	const atomic_bool *stop;
	struct net_loop *loop;
	struct net_conn conn;
	struct smtp_client client;
	unsigned events;
	bool named; /* from here on it speaks to a stranger */
	uint64_t end_ms;
	struct slice in;
	char scratch[4096];
};

/* ---- one reply ---- */

static bool fault(struct talk *k, const char *what, const char *why)
{
	if (!k->t->fault[0])
		snprintf(k->t->fault, sizeof k->t->fault, "%s%s%s", what, *why ? ": " : "", why);
	return false;
}

/* Until something happens on the connection. */
static bool wait_for(struct talk *k, uint64_t due_ms, const char *what)
{
	uint64_t now_ms = clock_mono_ms();
	unsigned events;
	due_ms = due_ms < k->end_ms ? due_ms : k->end_ms;
	if (atomic_load(k->stop))
		return fault(k, "broken off, the server ends", "");
	if (now_ms >= due_ms)
		return fault(k, what, "no answer in time");
	net_loop_wait(k->loop, due_ms - now_ms < TURN_MS ? (int)(due_ms - now_ms) : TURN_MS);
	while (net_loop_next(k->loop, &events)) {
		net_conn_events(&k->conn, events);
		k->events |= events;
	}
	return true;
}

static bool read_more(struct talk *k, uint64_t due_ms, const char *what)
{
	size_t n;
	switch (net_conn_read(&k->conn, k->scratch, sizeof k->scratch, &n)) {
	case NET_OK:
		k->in = slice_of(k->scratch, n);
		return true;
	case NET_AGAIN:
		return wait_for(k, due_ms, what);
	case NET_EOF:
	case NET_FAILED:
		break;
	}
	k->t->hung_up = true;
	return fault(k, what, "it hung up");
}

static bool hear(struct talk *k, const char *what, struct smtp_client_reply *reply_r)
{
	uint64_t due_ms = clock_mono_ms() + RELAY_TRIAL_REPLY_MS;
	for (;;) {
		switch (smtp_client_next(&k->client, &k->in, reply_r)) {
		case SMTP_CLIENT_REPLY:
			return true;
		case SMTP_CLIENT_GARBAGE:
			return fault(k, what, "its answer is not understood");
		case SMTP_CLIENT_NO_MEMORY:
			return fault(k, what, "out of memory");
		case SMTP_CLIENT_MORE:
			break;
		}
		if (net_conn_flush(&k->conn, k->loop) == NET_FAILED)
			return fault(k, what, "the connection broke");
		TRY(read_more(k, due_ms, what));
	}
}

/* `said`: the command could be written. */
static bool ask(struct talk *k, bool said, const char *what, struct relay_trial_reply *r)
{
	struct smtp_client_reply reply;
	if (!said)
		return fault(k, what, "cannot be said");
	TRY(hear(k, what, &reply));
	r->code = reply.code;
	snprintf(r->text, sizeof r->text, "%.*s", SLICE_ARG(reply.text));
	return true;
}

/* ---- opening ---- */

static bool link_up(struct talk *k)
{
	const struct relay_backend *b = k->t->backend;
	uint64_t due_ms = clock_mono_ms() + RELAY_TRIAL_REPLY_MS;
	int fd = b->path[0] ? net_connect_unix(b->path) : net_connect(&b->ip, b->port);
	uint16_t port;
	struct ip ours;
	k->events = 0;
	k->in = slice_of(NULL, 0);
	if (fd < 0 || !net_conn_init(&k->conn, k->loop, fd, NET_OWNER_RELAY, true))
		return fault(k, "cannot connect", strerror(errno));
	while (!(k->events & (NET_WRITE | NET_HUP)))
		TRY(wait_for(k, due_ms, "cannot connect"));
	int error = net_connect_error(fd);
	if (error)
		return fault(k, "cannot connect", strerror(error));
	k->t->connected = true;
	if (net_local_address(fd, &ours, &port))
		ip_format(&ours, k->t->ours);
	return true;
}

/* `client`: who is named; NULL: nobody. */
static bool put_header(struct talk *k, const char *client)
{
	char bytes[NET_PROXY_MAX];
	struct net_proxy header = { .local = !client, .src_port = 25252, .dst_port = 25 };
	if (client)
		TRY(ip_parse(slice_str(client), &header.src) && ip_parse(SLICE("192.0.2.25"), &header.dst));
	return buf_put(&k->conn.out, slice_of(bytes, net_proxy_write(&header, bytes)));
}

static bool greet(struct talk *k)
{
	struct relay_trial *t = k->t;
	smtp_client_release(&k->client);
	smtp_client_init(&k->client, &k->conn.out);
	if (t->kind == RELAY_LMTP)
		smtp_client_speak_lmtp(&k->client);
	uint64_t before_ms = clock_mono_ms();
	bool heard = ask(k, true, "greeting", &t->greeting);
	t->greeted_ms = (uint32_t)(clock_mono_ms() - before_ms);
	TRY(heard);
	return t->greeting.code == 220 || fault(k, "greeting refused", t->greeting.text);
}

static bool hello(struct talk *k)
{
	struct relay_trial *t = k->t;
	struct smtp_client_reply reply;
	if (!smtp_client_ehlo(&k->client, k->s->c.hostname))
		return fault(k, "EHLO", "out of memory");
	TRY(hear(k, "EHLO", &reply));
	t->hello.code = reply.code;
	snprintf(t->hello.text, sizeof t->hello.text, "%.*s", SLICE_ARG(reply.text));
	if (reply.code / 100 != 2)
		return fault(k, "EHLO refused", t->hello.text);
	if (!k->named) {
		snprintf(t->ehlo, sizeof t->ehlo, "%.*s", SLICE_ARG(reply.text));
		t->caps = k->client.caps;
	}
	return true;
}

/* ---- TLS ---- */

static bool tls_fault(struct talk *k, const char *why)
{
	snprintf(k->t->tls_fault, sizeof k->t->tls_fault, "%s", why);
	return fault(k, "TLS", why);
}

static bool shake(struct talk *k)
{
	uint64_t due_ms = clock_mono_ms() + RELAY_TRIAL_REPLY_MS;
	for (;;) {
		switch (net_tls_handshake(&k->conn, k->loop)) {
		case NET_OK:
			return true;
		case NET_AGAIN:
			TRY(wait_for(k, due_ms, "TLS handshake"));
			break;
		case NET_EOF:
		case NET_FAILED:
			return tls_fault(k, net_tls_error());
		}
	}
}

static bool secure(struct talk *k)
{
	struct relay_trial *t = k->t;
	const struct relay_settings *s = k->s;
	struct relay_trial_reply reply;
	char name[256];
	t->tls_offered = (k->client.caps.ext & SMTP_EXT_STARTTLS) != 0;
	if (s->c.tls == RELAY_TLS_OFF || (s->c.tls == RELAY_TLS_MAY && !t->tls_offered))
		return true;
	if (!t->tls_offered)
		return tls_fault(k, "STARTTLS is not offered");
	TRY(ask(k, smtp_client_starttls(&k->client), "STARTTLS", &reply));
	if (reply.code / 100 != 2)
		return tls_fault(k, reply.text);
	ip_format(&t->backend->ip, name);
	if (s->c.tls_name.n)
		snprintf(name, sizeof name, "%.*s", SLICE_ARG(s->c.tls_name));
	if (!net_tls_connect(&k->conn, s->c.tls_ctx, name, NULL))
		return tls_fault(k, "out of memory");
	TRY(shake(k));
	snprintf(t->tls_version, sizeof t->tls_version, "%s", net_tls_version(k->conn.tls));
	snprintf(t->tls_cipher, sizeof t->tls_cipher, "%s", net_tls_cipher(k->conn.tls));
	return hello(k);
}

static bool open_for(struct talk *k, const char *client)
{
	TRY(link_up(k));
	if (k->t->identity == RELAY_PROXY && !put_header(k, client))
		return fault(k, "PROXY header", "out of memory");
	return greet(k) && hello(k) && secure(k);
}

/* ---- who the client is ---- */

static struct smtp_identity identity_of(const char *address)
{
	struct smtp_identity id = { .helo = SLICE("test.example"), .proto = SLICE("ESMTP"), .port = 25252 };
	(void)!ip_parse(slice_str(address), &id.ip); /* a constant of ours */
	return id;
}

static bool tell_xclient(struct talk *k, const char *address, struct relay_trial_reply *r)
{
	struct smtp_identity id = identity_of(address);
	TRY(ask(k, smtp_client_xclient(&k->client, &id), "XCLIENT", r));
	return r->code / 100 != 2 || hello(k);
}

static bool introduce(struct talk *k)
{
	struct relay_trial *t = k->t;
	struct smtp_caps offered = t->caps;
	struct smtp_identity id = identity_of(STRANGER);
	k->named = true;
	switch (t->identity) {
	case RELAY_XCLIENT:
		if (!(offered.xclient & SMTP_XATTR_ADDR))
			return true;
		TRY(tell_xclient(k, STRANGER, &t->first));
		t->again = t->first.code / 100 == 2 && k->client.caps.xclient & SMTP_XATTR_ADDR;
		return !t->again || tell_xclient(k, ANOTHER, &t->second);
	case RELAY_XFORWARD:
		return !(offered.xforward & SMTP_XATTR_ADDR) ||
		       ask(k, smtp_client_xforward(&k->client, &id), "XFORWARD", &t->first);
	case RELAY_PROXY:
		net_conn_close(&k->conn, k->loop);
		return open_for(k, STRANGER);
	case RELAY_NONE:
		break;
	}
	return true;
}

/* ---- recipients ---- */

static void name_unknown(struct relay_trial *t, const struct relay_settings *s)
{
	struct slice rest = slice_str(t->ehlo), domain = slice_cut(&rest, '\n');
	uint32_t number;
	rand_bytes(&number, sizeof number);
	domain = slice_cut(&domain, ' ');
	if (s->c.domains_n)
		domain = s->c.domains[0];
	snprintf(t->rcpt, sizeof t->rcpt, "smtpguard-test-%08x@%.*s", number, (int)(domain.n < 255 ? domain.n : 255),
		domain.p);
}

static bool ask_recipients(struct talk *k)
{
	struct relay_trial *t = k->t;
	name_unknown(t, k->s);
	TRY(ask(k, smtp_client_mail(&k->client, SLICE(""), NULL), "MAIL", &t->mail));
	if (t->mail.code / 100 != 2)
		return true;
	TRY(ask(k, smtp_client_rcpt(&k->client, SLICE("postmaster@smtpguard-test.invalid"), NULL), "RCPT",
		&t->foreign));
	TRY(ask(k, smtp_client_rcpt(&k->client, slice_str(t->rcpt), NULL), "RCPT", &t->unknown));
	t->unknown_counts = relay_is_unknown_user(k->s, t->unknown.code, slice_str(t->unknown.text));
	t->refusals = (t->foreign.code >= 400 ? 1u : 0) + (t->unknown.code >= 400 ? 1u : 0);
	return true;
}

/* One more command that it may hold against the connection. False: it slows down or hangs up. */
static bool bears(struct talk *k, bool said, unsigned *n)
{
	struct relay_trial *t = k->t;
	struct relay_trial_reply reply = { 0 };
	uint64_t before_ms = clock_mono_ms();
	if (!ask(k, said, "many refusals", &reply) || reply.code == 421) {
		t->hung_up |= reply.code == 421;
		return false;
	}
	t->slowed = clock_mono_ms() - before_ms >= RELAY_TRIAL_SLOW_MS;
	*n += !t->slowed;
	return !t->slowed;
}

static void strain(struct talk *k)
{
	struct relay_trial *t = k->t;
	bool shared = t->kind == RELAY_SMTP && t->identity != RELAY_PROXY;
	if (!shared || t->unknown.code < 400)
		return;
	while (t->refusals < REFUSALS)
		if (!bears(k, smtp_client_rcpt(&k->client, slice_str(t->rcpt), NULL), &t->refusals))
			return;
	while (t->rsets < RSETS)
		if (!bears(k, smtp_client_rset(&k->client), &t->rsets))
			return;
}

/* ---- the whole ---- */

static void converse(struct talk *k)
{
	struct relay_trial_reply bye;
	if (!open_for(k, NULL) || !introduce(k) || !ask_recipients(k))
		return;
	strain(k);
	if (net_conn_is_open(&k->conn) && !k->t->hung_up)
		(void)!ask(k, smtp_client_quit(&k->client), "QUIT", &bye);
}

void relay_trial_run(struct relay_trial *t, const atomic_bool *stop)
{
	uint64_t began_ms = clock_mono_ms();
	struct talk k = { .t = t, .s = t->settings, .stop = stop, .end_ms = began_ms + RELAY_TRIAL_MS };
	k.conn.io.fd = -1;
	if (t->kind == RELAY_MAILDIR)
		return;
	k.loop = net_loop_new();
	if (k.loop)
		converse(&k);
	else
		fault(&k, "cannot begin", strerror(errno));
	if (k.loop)
		net_conn_close(&k.conn, k.loop);
	smtp_client_release(&k.client);
	net_loop_free(&k.loop);
	t->took_ms = (uint32_t)(clock_mono_ms() - began_ms);
}

size_t relay_trials_prepare(struct relay_shared *s, struct relay_trial *t_r, size_t max)
{
	struct relay_settings *settings = relay_shared_settings(s);
	size_t n = 0;
	for (struct relay_settings *group = settings; group; group = group->next)
		for (size_t i = 0; i < group->c.backends_n && n < max; i++) {
			struct relay_trial *t = &t_r[n++];
			*t = (struct relay_trial){ .settings = relay_settings_ref(group),
				.backend = group->backends[i] };
			memcpy(t->name, t->backend->name, sizeof t->name);
			memcpy(t->group, t->backend->group, sizeof t->group);
			t->kind = t->backend->kind;
			t->identity = group->c.identity;
			t->tls = group->c.tls;
			t->limit = relay_backend_limit(t->backend, group->c.connections, clock_mono_ms());
		}
	relay_settings_unref(&settings);
	return n;
}

void relay_trial_release(struct relay_trial *t)
{
	if (t->settings)
		relay_settings_unref(&t->settings);
}
