#include "relay/link.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/link_inside.h"

#include <errno.h>
#include <stdio.h>

enum { SECOND = 1000, MINUTE = 60 * SECOND };

static void on_reset(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms);
static void on_quit(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms);

/* How long a state may last (RFC 5321 4.5.3.2), how long when another backend works that the mail could go to, and who
 * reads its replies (NULL: none is due). Before the dot the job's own time is shorter than most of these. The idle time
 * is the settings'. */
static const struct phase {
	const char *name;
	uint32_t limit_ms, patience_ms;
	void (*on_reply)(struct relay *, struct relay_link *, const struct smtp_client_reply *, uint64_t);
} PHASES[] = {
	[RELAY_LINK_CONNECTING] = { "connecting", 30 * SECOND, 10 * SECOND, NULL },
	[RELAY_LINK_GREETING] = { "waiting for the greeting", 5 * MINUTE, 10 * SECOND, relay_opening_greeting },
	[RELAY_LINK_HELLO] = { "waiting for the reply to EHLO", 5 * MINUTE, 10 * SECOND, relay_opening_hello },
	[RELAY_LINK_STARTTLS] = { "waiting for the reply to STARTTLS", 5 * MINUTE, 10 * SECOND, relay_tls_reply },
	[RELAY_LINK_HANDSHAKE] = { "TLS handshake", 15 * SECOND, 10 * SECOND, NULL },
	[RELAY_LINK_IDLE] = { "idle", 0, 0, NULL },
	[RELAY_LINK_IDENTIFY] = { "waiting for the reply to XCLIENT", 5 * MINUTE, MINUTE, relay_xclient_reply },
	[RELAY_LINK_REHELLO] = { "waiting for the reply to EHLO", 5 * MINUTE, MINUTE, relay_xclient_rehello },
	[RELAY_LINK_ENVELOPE] = { "waiting for MAIL and RCPT", 5 * MINUTE, MINUTE, relay_envelope_reply },
	[RELAY_LINK_DATA] = { "waiting for the reply to DATA", 2 * MINUTE, MINUTE, relay_envelope_data },
	[RELAY_LINK_BODY] = { "sending the body", 3 * MINUTE, 0, relay_body_early },
	[RELAY_LINK_DOT] = { "waiting for the reply to the body", 10 * MINUTE, 0, relay_body_reply },
	[RELAY_LINK_RESET] = { "waiting for the reply to RSET", 30 * SECOND, 0, on_reset },
	[RELAY_LINK_QUIT] = { "waiting for the reply to QUIT", 2 * SECOND, 0, on_quit },
	[RELAY_LINK_GONE] = { "gone", 0, 0, NULL },
};

/* A recipient question on a connection that has met refusals is slow when Postfix holds each command for a second
 * (smtpd_error_sleep_time): no ordinary answer takes this long there, and a fresh connection is not slowed. */
enum { SLOW_MS = 900, SLOW_RSETS = 20 };
/* Of its 20 s a recipient question spends no more with a backend while another one could answer it. */
enum { QUESTION_PATIENCE_MS = 7 * SECOND };

static uint64_t patience(const struct relay_link *l)
{
	uint64_t ms = PHASES[l->state].patience_ms;
	bool question = l->job && l->job->done.question == RELAY_RCPT;
	return question && ms > QUESTION_PATIENCE_MS ? QUESTION_PATIENCE_MS : ms;
}

/* The timer looks up when patience ends, and again and again after that: another backend may have come up. */
static void watch(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	uint64_t patience_ms = now_ms + patience(l);
	bool sooner = patience_ms > now_ms && patience_ms < l->due_ms;
	net_wheel_arm(&r->wheel, &l->timer, sooner ? patience_ms : l->due_ms);
}

void relay_link_enter(struct relay *r, struct relay_link *l, enum relay_link_state state, uint64_t now_ms)
{
	l->state = state;
	uint64_t limit = PHASES[state].limit_ms;
	bool suspicious = l->refusals || l->rsets >= SLOW_RSETS;
	if (state == RELAY_LINK_ENVELOPE && l->job->done.question == RELAY_RCPT && suspicious && !l->job->tries)
		limit = SLOW_MS;
	l->due_ms = now_ms + limit;
	watch(r, l, now_ms);
}

/* ---- life ---- */

struct relay_link *relay_link_open(
	struct relay *r, struct relay_pool *p, const struct relay_job *client, uint64_t now_ms)
{
	struct relay_link *l = mem_zalloc(sizeof *l);
	if (!l)
		return NULL;
	const struct relay_backend *b = p->backend;
	int fd = b->path[0] ? net_connect_unix(b->path) : net_connect(&b->ip, b->port);
	if (fd < 0 || !net_conn_init(&l->conn, r->loop, fd, NET_OWNER_RELAY, true)) {
		mem_free(&l);
		return NULL;
	}
	l->pool = p;
	if (p->group->settings->c.identity == RELAY_PROXY && !relay_proxy_head(r, l, client)) {
		net_conn_close(&l->conn, r->loop);
		mem_free(&l);
		errno = ENOMEM;
		return NULL;
	}
	smtp_client_init(&l->client, &l->conn.out);
	if (p->backend->kind == RELAY_LMTP)
		smtp_client_speak_lmtp(&l->client);
	l->settings = relay_settings_ref(p->group->settings);
	l->opened_ms = l->idle_ms = now_ms;
	l->timer.kind = RELAY_TIMER_LINK;
	relay_link_enter(r, l, RELAY_LINK_CONNECTING, now_ms);
	return l;
}

void relay_link_close(struct relay *r, struct relay_link *l)
{
	struct relay_pool *p = l->pool;
	relay_lmtp_end(r, l);
	if (l->state < RELAY_LINK_IDLE)
		p->opening_n--;
	if (l->state == RELAY_LINK_QUIT)
		p->quitting_n--;
	if (l->settled)
		atomic_fetch_sub(&p->backend->settled, 1);
	net_wheel_cancel(&r->wheel, &l->timer);
	/* made under other settings it proves nothing: another name or authority may be wanted now */
	bool proves = l->settled && l->settings == p->group->settings;
	struct net_tls_session *session = proves ? net_tls_session_take(l->conn.tls) : NULL;
	if (session) {
		net_tls_session_free(&p->tls);
		p->tls = session;
	}
	net_conn_close(&l->conn, r->loop);
	relay_pool_forget(r, l);
	l->state = RELAY_LINK_GONE;
	l->next = r->dead;
	r->dead = l;
}

void relay_link_free(struct relay_link *l)
{
	smtp_client_release(&l->client);
	mem_free(&l->took);
	relay_settings_unref(&l->settings);
	mem_free(&l);
}

bool relay_link_dot_is_out(const struct relay_link *l)
{
	return l->feed.done && buf_len(&l->conn.out) == 0;
}

/* ---- ends ---- */

void relay_link_turned_away(
	struct relay *r, struct relay_link *l, enum relay_state state, struct slice why, uint64_t now_ms)
{
	struct relay_backend *b = l->pool->backend;
	if (l->named && l->state != RELAY_LINK_CONNECTING) {
		relay_proxy_dropped(r, l, why, now_ms);
		return;
	}
	if (relay_backend_down(b, state, why, now_ms))
		log_msg(state == RELAY_UNHEALTHY ? LOG_LEVEL_ERROR : LOG_LEVEL_WARN, "backend %s: %.*s", b->name,
			SLICE_ARG(why));
	if (l->named)
		relay_finish_unopened(r, l->job, now_ms);
	relay_link_close(r, l);
}

void relay_link_give_up(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (l->job)
		relay_finish_again(r, l->job, now_ms);
	relay_link_close(r, l);
}

void relay_link_lost(struct relay *r, struct relay_link *l, const char *why, uint64_t now_ms)
{
	if (l->state < RELAY_LINK_IDLE) {
		char text[160];
		int n = snprintf(text, sizeof text, "%s: %s", PHASES[l->state].name, why);
		relay_link_turned_away(r, l, RELAY_DOWN,
			slice_of(text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1), now_ms);
		return;
	}
	struct relay_job *job = l->job;
	if (job) {
		log_info("backend %s: connection lost %s: %s", l->pool->backend->name, PHASES[l->state].name, why);
		if (l->took_n)
			relay_finish_partly_taken(r, job, l->took, true, now_ms);
		else
			relay_finish_lost(r, job, l->rested, l->heard, relay_link_dot_is_out(l), now_ms);
	}
	relay_link_close(r, l);
}

void relay_link_unhealthy(struct relay *r, struct relay_link *l, struct slice why, uint64_t now_ms)
{
	struct relay_job *job = l->job;
	relay_link_turned_away(r, l, RELAY_UNHEALTHY, why, now_ms);
	if (job) {
		l->job = NULL;
		job->link = NULL;
		relay_finish_unreachable(r, job, now_ms);
	}
}

static void garbage(struct relay *r, struct relay_link *l, struct slice what, uint64_t now_ms)
{
	if (l->state < RELAY_LINK_IDLE) {
		relay_link_turned_away(r, l, RELAY_DOWN, what, now_ms);
		return;
	}
	if (l->job) {
		log_warn("backend %s: %s: %.*s", l->pool->backend->name, PHASES[l->state].name, SLICE_ARG(what));
		if (l->took_n)
			relay_finish_partly_taken(r, l->job, l->took, true, now_ms);
		else
			relay_finish_garbage(r, l->job, relay_link_dot_is_out(l), now_ms);
	}
	relay_link_close(r, l);
}

void relay_link_nonsense(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	relay_finish_garbage(r, l->job, false, now_ms);
	relay_link_close(r, l);
}

void relay_link_keep(struct relay_link *l, const struct smtp_client_reply *reply, unsigned rcpt)
{
	struct relay_done *d = &l->job->done;
	const uint16_t *at = l->job->rcpts_at;
	relay_answer(d, RELAY_FROM_BACKEND, reply->code, reply->text);
	d->failed_rcpt = at && rcpt != UINT16_MAX ? at[rcpt] : (uint16_t)rcpt;
}

void relay_link_unsayable(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (l->job)
		relay_finish_unsayable(r, l->job, now_ms);
	relay_link_close(r, l);
}

static void read_all(struct relay *r, struct relay_link *l, uint64_t now_ms);

void relay_link_listen(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	net_conn_events(&l->conn, NET_READ);
	read_all(r, l, now_ms);
}

void relay_link_broke(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	relay_link_listen(r, l, now_ms);
	if (l->state != RELAY_LINK_GONE)
		relay_link_lost(r, l, "the connection broke", now_ms);
}

static void flush(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (l->state == RELAY_LINK_BODY)
		relay_body_go_on(r, l, now_ms);
	else if (l->state != RELAY_LINK_GONE && l->state != RELAY_LINK_HANDSHAKE &&
		 net_conn_flush(&l->conn, r->loop) == NET_FAILED)
		relay_link_broke(r, l, now_ms);
}

void relay_link_quit(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	relay_pool_unidle(r, l);
	if (!smtp_client_quit(&l->client)) {
		relay_link_close(r, l);
		return;
	}
	l->pool->quitting_n++;
	relay_link_enter(r, l, RELAY_LINK_QUIT, now_ms);
	flush(r, l, now_ms);
}

void relay_link_release(struct relay *r, struct relay_link *l, bool reset, uint64_t now_ms)
{
	if (reset && !l->retire) {
		l->rsets++;
		if (!smtp_client_rset(&l->client)) {
			relay_link_close(r, l);
			return;
		}
		relay_link_enter(r, l, RELAY_LINK_RESET, now_ms);
		return;
	}
	l->state = RELAY_LINK_IDLE;
	relay_pool_return(r, l, now_ms);
}

/* ---- replies of the resting and closing states ---- */

static void on_reset(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	if (relay_is_2xx(reply->code))
		relay_link_release(r, l, false, now_ms);
	else
		relay_link_close(r, l);
}

static void on_quit(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	(void)reply;
	(void)now_ms;
	relay_link_close(r, l);
}

/* ---- events ---- */

/* One that nobody has used yet may be as stale as any other: a stock or the connection of a refresh waits for long. */
enum { RESTED_MS = SECOND };

void relay_link_begin(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	l->rested = l->uses > 0 || now_ms - l->idle_ms >= RESTED_MS;
	l->uses++;
	l->heard = false;
	l->feed = (struct relay_feed){ .fd = -1 };
	if (!l->job->began_ms)
		l->job->began_ms = now_ms;
	relay_xclient_begin(r, l, now_ms);
}

void relay_link_start(struct relay *r, struct relay_link *l, struct relay_job *job, uint64_t now_ms)
{
	l->job = job;
	job->link = l;
	job->state = RELAY_JOB_RUNNING;
	relay_answer_of(&job->done, l->pool->backend);
	if (l->state != RELAY_LINK_IDLE)
		return; /* it begins behind its EHLO */
	relay_link_begin(r, l, now_ms);
	flush(r, l, now_ms);
}

static void take_reply(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	const struct phase *phase = &PHASES[l->state];
	/* 421 may answer anything (RFC 5321 3.8): the server is about to close. After the dot it is an answer like
	 * others */
	bool leaving = reply->code == 421 && l->state > RELAY_LINK_IDLE && l->state != RELAY_LINK_DOT;
	if (reply->to == SMTP_TO_NOTHING || leaving || !phase->on_reply) {
		relay_link_lost(r, l, "421, the backend closes", now_ms);
		return;
	}
	l->heard = true;
	phase->on_reply(r, l, reply, now_ms);
}

static void take_bytes(struct relay *r, struct relay_link *l, struct slice in, uint64_t now_ms)
{
	while (l->state != RELAY_LINK_GONE) {
		struct smtp_client_reply reply;
		if (l->state == RELAY_LINK_BODY && in.n)
			relay_body_hears(l);
		switch (smtp_client_next(&l->client, &in, &reply)) {
		case SMTP_CLIENT_MORE:
			return;
		case SMTP_CLIENT_REPLY:
			take_reply(r, l, &reply, now_ms);
			break;
		case SMTP_CLIENT_GARBAGE:
			garbage(r, l, reply.text, now_ms);
			return;
		case SMTP_CLIENT_NO_MEMORY:
			relay_link_lost(r, l, "out of memory", now_ms);
			return;
		}
	}
}

static void read_all(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	while (l->state != RELAY_LINK_GONE && l->state != RELAY_LINK_HANDSHAKE) {
		size_t n;
		switch (net_conn_read(&l->conn, r->scratch, sizeof r->scratch, &n)) {
		case NET_OK:
			take_bytes(r, l, slice_of(r->scratch, n), now_ms);
			break;
		case NET_AGAIN:
			return;
		case NET_EOF:
			relay_link_lost(r, l, "the backend closed it", now_ms);
			return;
		case NET_FAILED:
			relay_link_lost(r, l, "the connection broke", now_ms);
			return;
		}
	}
}

void relay_link_on_io(struct relay *r, struct relay_link *l, unsigned events, uint64_t now_ms)
{
	net_conn_events(&l->conn, events);
	if (l->state == RELAY_LINK_CONNECTING) {
		if (!(events & (NET_WRITE | NET_HUP)))
			return;
		int failed = net_connect_error(l->conn.io.fd);
		if (failed) {
			relay_link_lost(r, l, strerror(failed), now_ms);
			return;
		}
		relay_link_enter(r, l, RELAY_LINK_GREETING, now_ms);
	}
	if (l->state != RELAY_LINK_HANDSHAKE)
		read_all(r, l, now_ms);
	if (l->state == RELAY_LINK_HANDSHAKE)
		relay_tls_shake(r, l, now_ms);
	flush(r, l, now_ms);
}

/* Its time is not over, but others answer: who comes next goes there at once. */
static void left_for_another(struct relay_link *l, uint64_t now_ms)
{
	struct relay_backend *b = l->pool->backend;
	l->job->lost_at = b;
	if (relay_backend_stuck(b, now_ms))
		log_warn("backend %s: no answer, %s; for a minute others come first", b->name, PHASES[l->state].name);
}

void relay_link_on_time(struct relay *r, struct relay_link *l, uint64_t now_ms)
{
	if (l->state == RELAY_LINK_IDLE) {
		relay_link_quit(r, l, now_ms);
		return;
	}
	if (now_ms < l->due_ms && !relay_pool_other(r, l->pool, now_ms)) {
		watch(r, l, now_ms);
		return;
	}
	if (l->state == RELAY_LINK_HANDSHAKE) {
		relay_tls_late(r, l, now_ms);
		return;
	}
	struct relay_job *job = l->job;
	bool of_client = l->named && l->state < RELAY_LINK_IDLE; /* its greeting may wait for the client's DNS */
	if (job && now_ms < l->due_ms && !of_client)
		left_for_another(l, now_ms);
	bool slow = l->state == RELAY_LINK_ENVELOPE && job && job->done.question == RELAY_RCPT;
	if (slow)
		relay_finish_again(r, job, now_ms);
	l->heard = true; /* it was not stale: it was slow */
	if (slow)
		relay_link_close(r, l);
	else
		relay_link_lost(r, l, "no answer in time", now_ms);
}
