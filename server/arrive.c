/* The beginning of a session: who the client is (by its address, or by what a listed proxy says in a PROXY header),
 * whether it may come in, and the handshake of a listener with implicit TLS. */
#include "base/mem.h"
#include "net/proxy.h"
#include "server/policy.h"
#include "server/replay_log.h"
#include "server/seats.h"
#include "server/talk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

/* A proxy sends its header with its first packet. */
enum { PROXY_HEADER_MS = 5000 };

#define TOO_MANY "4.3.2 Too many connections, try again later"
#define TOO_MANY_OF_YOU "4.7.0 Too many connections from your address, try again later"
#define TOO_MANY_OF_NET "4.7.0 Too many connections from your network, try again later"

static const struct settings_listener *listener_of(const struct session *s)
{
	return app_listener(s->worker->app, s->peer.listener);
}

/* ---- a session's first steps ---- */

struct smtp_server_config arrive_config(const struct session *s)
{
	const struct settings *set = s->generation->settings;
	return (struct smtp_server_config){
		.hostname = s->generation->hostname,
		.ext = s->trusted ? SMTP_EXT_XCLIENT : 0,
		.size_max = set->limits.message_size,
		.recipients = set->limits.recipients,
		.errors = set->limits.errors,
		.junk = set->limits.junk_commands,
		.bare_newline =
			set->smtp.bare_newline == SETTINGS_NEWLINE_REPAIR ? SMTP_STRAY_REPAIR : SMTP_STRAY_REFUSE,
		.bare_cr = set->smtp.bare_cr == SETTINGS_NEWLINE_REPAIR ? SMTP_STRAY_REPAIR : SMTP_STRAY_REFUSE,
	};
}

static void note_opened(struct worker *w)
{
	stat_add(&w->stats, STAT_SESSIONS, 1);
	stat_add(&w->stats, STAT_SESSIONS_OPEN, 1);
	uint64_t open = stat_get(&w->stats, STAT_SESSIONS_OPEN);
	if (open > stat_get(&w->stats, STAT_SESSIONS_PEAK))
		stat_add(&w->stats, STAT_SESSIONS_PEAK, open - stat_get(&w->stats, STAT_SESSIONS_PEAK));
}

/* For client.age: that it was here is remembered only where a rule asks. */
static void meet(const struct session *s)
{
	struct worker *w = s->worker;
	if (!score_rules_read(s->generation->rules, SCORE_HAS_AGE))
		return;
	struct score_key key = door_client_key(w->app, &s->peer.ip);
	score_record_touch(w->app->store, &key, s->generation->settings->score.half_life_ms,
		score_origin(w->app->store, &s->peer.ip), w->wall_ms);
}

/* What is known of the client is looked up, and it is counted as a session. */
void arrive_get_to_know(struct session *s, bool allowed)
{
	struct worker *w = s->worker;
	door_standing(w->app, s->generation, &s->peer.ip, w->wall_ms, &s->standing);
	s->standing.allowed = allowed;
	meet(s);
	note_opened(w);
}

void arrive_welcome(struct session *s)
{
	s->greeted = true;
	if (retell_wanted(s->worker))
		retell_connect(s);
	replay_trace(s);
	judge_event(s, SCORE_EV_CONNECTIONS, 1);
	talk_greet(s);
}

static void begin_tls(struct session *s)
{
	if (!s->generation->tls || !net_tls_accept(&s->conn, s->generation->tls)) {
		session_close(s);
		return;
	}
	s->awaiting = AWAIT_TLS;
	deadline_after(s, SESSION_HANDSHAKE_MS);
	session_on_io(s, 0); /* behind a PROXY header its first bytes may be here already */
}

/* The client is in. */
static void begin(struct session *s, bool allowed)
{
	const struct settings_listener *l = listener_of(s);
	s->awaiting = AWAIT_CLIENT;
	s->trusted = ip_prefixes_have(l->xclient_from.items, l->xclient_from.count, &s->peer.ip);
	arrive_get_to_know(s, allowed);
	s->announced = arrive_config(s);
	smtp_server_init(&s->smtp, &s->announced, &s->conn.out);
	if (l->tls == SETTINGS_TLS_IMPLICIT) {
		begin_tls(s);
		return;
	}
	if (s->via && s->via->tls) {
		s->handshaken = true;
		smtp_server_tls_started(&s->smtp);
	}
	arrive_welcome(s);
	session_pump(s);
}

/* ---- the door ---- */

static bool is_let_in(struct worker *w, int fd, const struct peer *peer, bool *allowed_r)
{
	struct score_hold hold;
	enum door door = door_of_client(w->app, w->generation, &peer->ip, w->wall_ms, &hold);
	*allowed_r = door == DOOR_ALLOWED;
	if (door != DOOR_BLOCKED)
		return true;
	away_blocked(w, fd, peer, &hold);
	return false;
}

/* Who is known good is looked up only when the places of all are taken. */
static bool take_place(struct worker *w, const struct ip *ip, bool allowed)
{
	if (seats_take(w->app, allowed))
		return true;
	if (!allowed && !door_is_known_good(w->app, w->generation, ip)) {
		uint32_t limit = atomic_load_explicit(&w->app->sessions_limit, memory_order_relaxed);
		bool kept = atomic_load_explicit(&w->app->sessions, memory_order_relaxed) < limit;
		stat_add(&w->stats, STAT_SHED, kept);
		return false;
	}
	return seats_take(w->app, true) || (ending_make_room(w) && seats_take(w->app, true));
}

static const struct clients_limits NO_LIMITS = { UINT32_MAX, UINT32_MAX };

/* None: it is counted. */
static struct slice words_of(enum clients_room room)
{
	switch (room) {
	case CLIENTS_ROOM:
		break;
	case CLIENTS_FULL:
		return SLICE(TOO_MANY_OF_YOU);
	case CLIENTS_NET_FULL:
		return SLICE(TOO_MANY_OF_NET);
	}
	return SLICE("");
}

/* Who is known good is not kept out by its neighbours. Where single clients have no limit their nets have none. */
struct slice arrive_enter(struct worker *w, const struct ip *client, const struct generation *g, bool allowed)
{
	uint32_t each = g->settings->limits.sessions_per_client;
	uint32_t net = each ? g->settings->limits.sessions_per_net : 0;
	struct clients_limits limits = { each ? each : UINT32_MAX, net ? net : UINT32_MAX };
	enum clients_room room = clients_enter(w->app->clients, client, &limits);
	if (room == CLIENTS_NET_FULL && (allowed || door_is_known_good(w->app, g, client))) {
		limits.net = UINT32_MAX;
		room = clients_enter(w->app->clients, client, &limits);
	}
	return words_of(room);
}

static void open_straight(struct worker *w, int fd, const struct peer *peer)
{
	bool allowed;
	if (!is_let_in(w, fd, peer, &allowed))
		return;
	if (!take_place(w, &peer->ip, allowed)) {
		away_over_limit(w, fd, peer, SLICE(TOO_MANY));
		return;
	}
	struct slice full = arrive_enter(w, &peer->ip, w->generation, allowed);
	if (full.n) {
		seats_leave(w->app);
		away_over_limit(w, fd, peer, full);
		return;
	}
	struct session *s = session_new(w, fd, peer);
	if (s) {
		begin(s, allowed);
		return;
	}
	clients_leave(w->app->clients, &peer->ip);
	seats_leave(w->app);
}

/* ---- PROXY ---- */

static void await_header(struct worker *w, int fd, const struct peer *peer)
{
	if (!seats_take(w->app, true)) { /* its client may be known good */
		away_over_limit(w, fd, peer, SLICE(TOO_MANY));
		return;
	}
	struct session *s = session_new(w, fd, peer);
	if (!s) {
		seats_leave(w->app);
		return;
	}
	s->awaiting = AWAIT_PROXY;
	deadline_after(s, PROXY_HEADER_MS);
}

/* Takes the seat and the place of a session that did not begin; its socket, if it is still there, is closed. */
static void vanish(struct session *s)
{
	struct worker *w = s->worker;
	s->awaiting = AWAIT_CLIENT;
	net_conn_close(&s->conn, w->loop);
	net_wheel_cancel(&w->wheel, &s->timer);
	arrive_forget_via(s);
	if (!s->placeless)
		seats_leave(w->app);
	worker_unseat(w, s, s->index);
}

void arrive_turn_away(struct session *s, struct slice why)
{
	stat_add(&s->worker->stats, STAT_PROXY_REFUSED, 1);
	if (why.n)
		away_silently(s->worker, &s->peer, SLICE("proxy"), why);
	vanish(s);
}

struct via *arrive_via_new(enum via_kind kind, const struct ip *proxy)
{
	struct via *v = mem_zalloc(sizeof *v);
	if (!v)
		return NULL;
	v->kind = kind;
	v->proxy = *proxy;
	return v;
}

void arrive_via_free(struct via **v)
{
	if (!*v)
		return;
	mem_free(&(*v)->cipher);
	mem_free(&(*v)->name);
	mem_free(&(*v)->login);
	mem_free(&(*v)->server_name);
	mem_free(v);
}

void arrive_forget_via(struct session *s)
{
	arrive_via_free(&s->via);
}

/* Only printable ASCII: it goes into Received:, journal and rules. */
static bool is_plain(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] <= ' ' || text.p[i] > '~' || text.p[i] == '(' || text.p[i] == ')')
			return false;
	return text.n > 0;
}

static bool believe_proxy(struct session *s, const struct net_proxy *p)
{
	struct via *v = s->via = arrive_via_new(VIA_PROXY_PROTOCOL, &s->peer.ip);
	if (!v)
		return false;
	s->peer.ip = p->src;
	s->peer.port = p->src_port;
	v->dest = p->dst;
	v->dest_port = p->dst_port;
	v->tls = p->tls;
	if (is_plain(p->authority))
		v->server_name = mem_strndup(p->authority.p, p->authority.n);
	if (is_plain(p->version) && p->version.n < sizeof v->version)
		memcpy(v->version, p->version.p, p->version.n);
	if (is_plain(p->cipher))
		v->cipher = mem_strndup(p->cipher.p, p->cipher.n);
	return true;
}

/* The place that it has from the header on is given back for one of its client's own. */
static bool takes_place(struct session *s, bool allowed)
{
	seats_leave(s->worker->app);
	s->placeless = !take_place(s->worker, &s->peer.ip, allowed);
	return !s->placeless;
}

/* False: turned away, `fd` is closed. The proxy's own check (LOCAL) is let in whoever is blocked: it would take all
 * clients for dead. */
static bool admit_behind_proxy(struct session *s, int fd, bool local, bool *allowed_r)
{
	struct worker *w = s->worker;
	*allowed_r = false;
	if (!local && !is_let_in(w, fd, &s->peer, allowed_r))
		return false;
	if (!local && !takes_place(s, *allowed_r)) {
		away_over_limit(w, fd, &s->peer, SLICE(TOO_MANY));
		return false;
	}
	struct slice full = local ? words_of(clients_enter(w->app->clients, &s->peer.ip, &NO_LIMITS))
				  : arrive_enter(w, &s->peer.ip, s->generation, *allowed_r);
	if (full.n)
		away_over_limit(w, fd, &s->peer, full);
	return !full.n;
}

static void let_in_behind_proxy(struct session *s, bool local)
{
	bool allowed;
	int fd = s->conn.io.fd;
	s->conn.io.fd = -1; /* who is turned away is told by its socket alone */
	if (!admit_behind_proxy(s, fd, local, &allowed)) {
		vanish(s);
		return;
	}
	s->conn.io.fd = fd;
	s->conn.readable = true; /* more may be behind the header, and no other edge comes for it */
	begin(s, allowed);
}

static void take_header(struct session *s, size_t used, const struct net_proxy *p)
{
	char taken[NET_PROXY_MAX];
	bool known = p->local || believe_proxy(s, p); /* copies what points into the header */
	if (known && recv(s->conn.io.fd, taken, used, MSG_DONTWAIT) == (ssize_t)used)
		let_in_behind_proxy(s, p->local);
	else
		arrive_turn_away(s, SLICE("out of memory"));
}

void arrive_read_proxy(struct session *s)
{
	struct net_proxy p;
	size_t used;
	char header[NET_PROXY_MAX];
	if (!net_conn_is_open(&s->conn))
		return;
	ssize_t n = recv(s->conn.io.fd, header, sizeof header, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		arrive_turn_away(s, SLICE("")); /* a look whether we are here: not worth a line */
		return;
	}
	switch (net_proxy_parse(slice_of(header, (size_t)n), &used, &p)) {
	case NET_PROXY_OK:
		take_header(s, used, &p);
		return;
	case NET_PROXY_MORE:
		if (s->conn.hup)
			arrive_turn_away(s, SLICE("left within its PROXY header"));
		return;
	case NET_PROXY_BAD:
		arrive_turn_away(s, SLICE("no valid PROXY header (see listeners[].proxy_protocol_from)"));
	}
}

void session_open(struct worker *w, int fd, const struct ip *ip, uint16_t port, uint32_t listener)
{
	const struct peer peer = { .ip = *ip, .port = port, .listener = (uint16_t)listener };
	const struct settings_prefixes *proxies = &app_listener(w->app, listener)->proxy_protocol_from;
	if (app_listener(w->app, listener)->protocol == SETTINGS_PROTOCOL_POLICY)
		policy_open(w, fd, &peer);
	else if (ip_prefixes_have(proxies->items, proxies->count, ip))
		await_header(w, fd, &peer);
	else
		open_straight(w, fd, &peer);
}
