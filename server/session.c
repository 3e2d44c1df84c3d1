#include "server/session.h"

#include "base/mem.h"
#include "server/lookup.h"
#include "server/held.h"
#include "server/policy.h"
#include "server/replay_log.h"
#include "server/seats.h"
#include "server/talk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

/* What a client that does not read may leave unsent with us; then its input is not read either. */
enum { OUT_MAX = 64 * 1024 };
/* Commands are read in small portions: what cannot be used yet must be kept, for each of 20,000 sessions. */
enum { COMMAND_READ = 4096 };

/* Reads of one session before the others get their turn: 64 KB of commands, 1 MB of a body. A client that sends as
 * fast as we read would have the worker for itself otherwise. */
enum { READS_A_TURN = 16 };

#define NO_MEMORY "4.3.0 Out of memory, try again later"

/* ---- life ---- */

struct session *session_new(struct worker *w, int fd, const struct peer *peer)
{
	struct session *s = mem_zalloc(sizeof *s);
	if (!s || !worker_seat(w, s, &s->index)) {
		mem_free(&s);
		away_over_limit(w, fd, peer, SLICE(NO_MEMORY));
		return NULL;
	}
	s->worker = w;
	s->peer = *peer;
	if (!net_conn_init(&s->conn, w->loop, fd, NET_OWNER_SESSION, false)) {
		worker_unseat(w, s, s->index);
		return NULL;
	}
	s->generation = generation_ref(w->generation);
	s->id = id_next(&w->ids);
	s->opened_ms = s->heard_ms = w->now_ms;
	s->would.rule = SCORE_NO_RULE;
	return s;
}

enum net_result session_flush(struct session *s)
{
	if (retell_wanted(s->worker))
		retell_out(s);
	enum net_result r = net_conn_flush(&s->conn, s->worker->loop);
	s->told = (uint32_t)buf_len(&s->conn.out);
	if (s->unheard && r == NET_OK)
		receipt_flushed(s);
	return r;
}

void session_free(struct session *s)
{
	generation_unref(&s->generation);
	mem_free(&s);
}

void session_keep_why(struct session *s, struct slice reply)
{
	mem_free(&s->why);
	s->why = mem_strndup(reply.p, reply.n);
	s->tally.why = slice_of(s->why, s->why ? reply.n : 0);
}

void session_close(struct session *s)
{
	struct worker *w = s->worker;
	if (!net_conn_is_open(&s->conn))
		return;
	if (policy_is_vacant(s)) {
		policy_close_vacant(s);
		return;
	}
	transfer_cancel(s);
	if (s->mail)
		journal_mail(s);
	journal_session(s);
	if (retell_wanted(w))
		retell_end(s);
	receipt_settle(s);
	ending_read_rest(s);
	net_conn_close(&s->conn, w->loop);
	net_wheel_cancel(&w->wheel, &s->timer);
	judge_release(s);
	lookup_release(&s->lookups);
	buf_release(&s->in);
	held_release(s);
	mem_free(&s->helo);
	mem_free(&s->why);
	arrive_forget_via(s);
	mem_free(&s->policy);
	clients_leave(w->app->clients, &s->peer.ip);
	seats_leave(w->app);
	stat_sub(&w->stats, STAT_SESSIONS_OPEN, 1);
	worker_unseat(w, s, s->index);
}

/* ---- bytes ---- */

/* Behind what was kept, or where the worker reads. NULL: no memory. */
static char *place_for_input(struct session *s, size_t n)
{
	if (buf_len(&s->in) == 0)
		return rope_reading(&s->worker->stock);
	return buf_reserve(&s->in, n) ? s->in.data + s->in.end : NULL;
}

/* The next input for the core: what was kept, with new bytes behind it when `more` is wanted. */
static enum net_result take_input(struct session *s, struct slice *in)
{
	size_t n, most = throttle_allows(&s->throttle, s->in_body ? ROPE_BLOCK : COMMAND_READ, s->worker->now_ms);
	bool kept = buf_len(&s->in) > 0;
	if (most == 0) {
		deadline_throttle(s);
		return NET_AGAIN;
	}
	char *to = place_for_input(s, most);
	if (!to) {
		session_end(s, "limit", SLICE(NO_MEMORY));
		return NET_AGAIN;
	}
	enum net_result r = net_conn_read(&s->conn, to, most, &n);
	if (r != NET_OK)
		return r;
	if (n == 0) {
		net_conn_remind(&s->conn, s->worker->loop);
		return NET_AGAIN;
	}
	s->tally.bytes += n;
	throttle_took(&s->throttle, n);
	if (s->unheard)
		receipt_look(s);
	if (kept)
		buf_grew(&s->in, n);
	*in = kept ? buf_slice(&s->in) : slice_of(to, n);
	return NET_OK;
}

/* What the core left of its input is kept until it can go on. */
static bool keep_input(struct session *s, struct slice rest)
{
	if (s->in.data && rest.p >= s->in.data && rest.p <= s->in.data + s->in.cap)
		buf_consume(&s->in, buf_len(&s->in) - rest.n);
	else if (rest.n)
		return buf_put(&s->in, rest);
	if (rest.n == 0)
		buf_release(&s->in);
	return true;
}

static bool too_far_behind(struct session *s)
{
	if (buf_len(&s->conn.out) < OUT_MAX)
		return false;
	return session_flush(s) != NET_OK;
}

/* What the client said, and what the core has answered to it by itself. */
static void retell_used(
	struct session *s, struct slice used, uint32_t chunk, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	retell_in(s, used, chunk, kind, ev);
	retell_out(s);
}

/* Lets the core work on `in` until it wants more or a question stays open. */
static enum smtp_event_kind work(struct session *s, struct slice *in)
{
	for (;;) {
		struct smtp_event *ev = s->worker->event;
		size_t said = buf_len(&s->conn.out);
		struct slice before = *in;
		uint32_t chunk = smtp_server_chunk_left(&s->smtp);
		enum smtp_event_kind kind = s->policy ? policy_next(s, in, ev) : smtp_server_next(&s->smtp, in, ev);
		if (retell_wanted(s->worker))
			retell_used(s, slice_of(before.p, before.n - in->n), chunk, kind, ev);
		if (buf_len(&s->conn.out) != said) /* NOOP and the like are answered without an event */
			s->heard_ms = s->worker->now_ms;
		if (kind == SMTP_EV_MORE || kind == SMTP_EV_WAIT || kind == SMTP_EV_CLOSE)
			return kind;
		s->heard_ms = s->worker->now_ms;
		if (s->policy)
			policy_event(s, kind, ev);
		else
			talk_event(s, kind, ev);
		if (retell_wanted(s->worker))
			retell_out(s);
		if (too_far_behind(s))
			return SMTP_EV_WAIT;
	}
}

static void client_gone(struct session *s, enum net_result r)
{
	if (!s->tally.by.n)
		s->tally.by = r == NET_EOF ? SLICE("client") : SLICE("connection");
	if (s->mail && s->mail->outcome.verdict == MAIL_QUIT && !s->policy)
		s->mail->outcome.verdict = MAIL_LOST;
	if (r == NET_EOF)
		ending_finish(s, false); /* it may have ended its own side only, and still awaits our answers */
	else
		session_close(s);
}

/* The core ends a session of itself when the client breaks the rules of the protocol too often or too badly. */
static void note_fault(struct session *s)
{
	if (s->said_quit || s->tally.code || s->policy)
		return;
	s->tally.code = 421;
	s->tally.by = SLICE("protocol");
}

void session_pump(struct session *s)
{
	struct slice in = buf_slice(&s->in);
	for (unsigned reads = 0; s->awaiting == AWAIT_CLIENT && net_conn_is_open(&s->conn); reads++) {
		enum smtp_event_kind kind = work(s, &in);
		if (!keep_input(s, in)) {
			session_close(s);
			return;
		}
		if (kind == SMTP_EV_CLOSE) {
			note_fault(s);
			ending_finish(s, s->said_quit);
			return;
		}
		in = buf_slice(&s->in);
		if (kind == SMTP_EV_WAIT || too_far_behind(s))
			break;
		if (reads == READS_A_TURN) {
			net_conn_remind(&s->conn, s->worker->loop);
			break;
		}
		enum net_result r = take_input(s, &in);
		if (r == NET_AGAIN)
			break;
		if (r != NET_OK) {
			client_gone(s, r);
			return;
		}
	}
	if (!net_conn_is_open(&s->conn) || s->awaiting == AWAIT_FLUSH)
		return;
	if (s->awaiting != AWAIT_TLS && session_flush(s) == NET_FAILED) {
		client_gone(s, NET_FAILED);
		return;
	}
	if (!held_fits(s)) {
		session_end(s, "limit", SLICE("4.3.1 Insufficient memory, try again later"));
		if (net_conn_is_open(&s->conn)) /* what it holds is needed now */
			session_close(s);
		return;
	}
	if (s->awaiting == AWAIT_CLIENT) {
		net_conn_idle(&s->conn);
		deadline_client(s);
	}
}

static void shake_hands(struct session *s)
{
	struct worker *w = s->worker;
	switch (net_tls_handshake(&s->conn, w->loop)) {
	case NET_OK:
		stat_add(&w->stats, STAT_TLS_HANDSHAKES, 1);
		s->handshaken = true;
		s->awaiting = AWAIT_CLIENT;
		s->heard_ms = w->now_ms;
		smtp_server_tls_started(&s->smtp);
		if (retell_wanted(w))
			retell_tls(s, NULL);
		if (!s->greeted)
			arrive_welcome(s);
		session_pump(s);
		return;
	case NET_AGAIN:
		return;
	case NET_EOF:
	case NET_FAILED:
		stat_add(&w->stats, STAT_TLS_FAILED, 1);
		s->tally.by = SLICE("tls");
		s->tally.why = slice_str(net_tls_error());
		if (retell_wanted(w))
			retell_tls(s, net_tls_error());
		session_close(s);
	}
}

/* A client that ended its side while it has to wait: gone when nothing of it is left to be read. A
 * half-closed one that has sent its whole mail still wants the answer, and so does who has asked for nothing else. */
static bool is_gone(struct session *s)
{
	char c;
	if (!s->conn.hup || net_tls_holds(s->conn.tls))
		return false;
	ssize_t n = recv(s->conn.io.fd, &c, 1, MSG_PEEK | MSG_DONTWAIT);
	if (n < 0)
		return errno != EAGAIN && errno != EINTR;
	bool waits = s->awaiting == AWAIT_DELAY || s->awaiting == AWAIT_DNS;
	return n == 0 && !s->policy && waits && buf_len(&s->in) == 0 && s->asked < ASKED_HEADER;
}

void session_on_io(struct session *s, unsigned events)
{
	net_conn_events(&s->conn, events);
	switch (s->awaiting) {
	case AWAIT_CLIENT:
		session_pump(s);
		return;
	case AWAIT_PROXY:
		arrive_read_proxy(s);
		return;
	case AWAIT_TLS:
		shake_hands(s);
		return;
	case AWAIT_FLUSH:
		ending_go_on(s);
		return;
	case AWAIT_DELAY:
	case AWAIT_DNS:
	case AWAIT_RATE:
	case AWAIT_BACKEND:
		if (is_gone(s))
			client_gone(s, NET_EOF);
		else if (session_flush(s) == NET_FAILED)
			client_gone(s, NET_FAILED);
		else
			receipt_doubt(s);
	}
}

void session_on_timer(struct session *s)
{
	if (s->worker->now_ms < s->deadline_ms)
		net_wheel_arm(&s->worker->wheel, &s->timer, s->deadline_ms);
	else if (s->awaiting == AWAIT_DELAY)
		stage_resume(s);
	else if (s->awaiting == AWAIT_DNS)
		stage_give_up(s);
	else
		deadline_passed(s);
	if (s->unheard)
		receipt_on_time(s);
}

void session_on_relay(struct session *s, const struct relay_done *done)
{
	if (s->awaiting != AWAIT_BACKEND)
		return;
	transfer_answer(s, done);
}
