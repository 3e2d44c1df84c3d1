/* The end of a session: the last reply leaves, also to who goes on talking. */
#include "server/policy.h"
#include "server/talk.h"

/* How long the last reply may take to leave. */
enum { FLUSH_MS = 10000 };
/* How long a client that was still talking may take to hear it and end its side. */
enum { LINGER_MS = 1000 };
/* Reads before the others get their turn. */
enum { DROPS_A_TURN = 16 };

/* What the client sent and nobody read would make the kernel answer the close with a reset, which
 * can destroy our last reply on its way. */
void ending_read_rest(struct session *s)
{
	size_t n;
	char *to = rope_reading(&s->worker->stock);
	if (to && s->conn.io.fd >= 0 && s->conn.readable && !s->conn.tls &&
		net_conn_read(&s->conn, to, ROPE_BLOCK, &n) == NET_OK)
		s->tally.bytes += n;
}

/* NET_EOF, NET_FAILED: the client has ended its side too, or is gone. */
static enum net_result drop_input(struct session *s)
{
	size_t n;
	char *to = rope_reading(&s->worker->stock);
	enum net_result r = to ? NET_OK : NET_FAILED;
	for (unsigned reads = 0; r == NET_OK && reads < DROPS_A_TURN; reads++) {
		r = net_conn_read(&s->conn, to, ROPE_BLOCK, &n);
		s->tally.bytes += n;
	}
	if (r == NET_OK)
		net_conn_remind(&s->conn, s->worker->loop);
	return r;
}

/* The last reply has been handed to the kernel. Who is still talking would make the close a reset, which drops a reply
 * that has not left yet (a client that does not read): so only our side is shut, until the client ends its own. False:
 * nothing to wait for. */
static bool linger(struct session *s)
{
	bool talks = s->conn.readable || (s->tally.bytes && s->worker->now_ms - s->heard_ms < LINGER_MS);
	if (!talks || s->conn.tls || !net_conn_end(&s->conn))
		return false;
	s->conn.readable = true; /* whatever the last edge said */
	s->lingers = true;
	enum net_result r = drop_input(s);
	return r == NET_OK || r == NET_AGAIN;
}

static void close_softly(struct session *s)
{
	if (!linger(s)) {
		session_close(s);
		return;
	}
	s->awaiting = AWAIT_FLUSH;
	deadline_after(s, LINGER_MS);
}

/* Our side is shut: until the client has heard all, or has ended its own side. */
static void linger_on(struct session *s)
{
	bool had = s->unheard != NULL, awaited = receipt_is_awaited(s);
	enum net_result r = drop_input(s);
	if (r == NET_EOF && awaited && net_connect_error(s->conn.io.fd) == 0)
		r = NET_AGAIN; /* its own end has long come; what it acknowledges, or a reset, comes still */
	if ((r != NET_OK && r != NET_AGAIN) || (had && !receipt_is_awaited(s)))
		session_close(s);
}

/* The client has not had our 250 yet, as far as we know: our side is shut, and that it hears or breaks is awaited.
 * A mail whose client pipelines its QUIT always comes here. */
static void await_receipt(struct session *s)
{
	if (!net_conn_end(&s->conn)) {
		session_close(s);
		return;
	}
	s->conn.readable = true;
	s->lingers = true;
	s->awaiting = AWAIT_FLUSH;
	deadline_after(s, FLUSH_MS);
	linger_on(s);
}

static void close_flushed(struct session *s)
{
	if (receipt_is_awaited(s))
		await_receipt(s);
	else if (s->conn.last_words)
		session_close(s);
	else
		close_softly(s);
}

/* Nothing more is done for the client. `awaited`: it has said QUIT, so the last reply may leave in one packet with the
 * close; any other client may say more at this moment, and the close would be a reset, which drops what is held back.
 */
void ending_finish(struct session *s, bool awaited)
{
	judge_end_delay(s);
	transfer_cancel(s);
	ending_read_rest(s);
	s->conn.last_words = awaited && !s->conn.readable;
	switch (session_flush(s)) {
	case NET_OK:
		close_flushed(s);
		return;
	case NET_AGAIN:
		s->awaiting = AWAIT_FLUSH;
		deadline_after(s, FLUSH_MS);
		return;
	case NET_EOF:
	case NET_FAILED:
		session_close(s);
	}
}

/* The last reply is on its way; its deadline stands, however slowly the client reads. */
void ending_go_on(struct session *s)
{
	if (s->lingers) {
		linger_on(s);
		return;
	}
	enum net_result r = session_flush(s);
	if (r == NET_OK)
		close_flushed(s);
	else if (r != NET_AGAIN)
		session_close(s);
}

void session_end(struct session *s, const char *by, struct slice text)
{
	if (s->awaiting == AWAIT_PROXY) {
		arrive_turn_away(s, text);
		return;
	}
	if (s->policy) {
		policy_end(s, slice_str(by));
		return;
	}
	s->tally.code = 421;
	s->tally.by = slice_str(by);
	s->tally.why = text;
	if (s->mail && s->mail->outcome.verdict == MAIL_QUIT)
		s->mail->outcome =
			(struct mail_outcome){ MAIL_DEFERRED, .by = slice_str(by), .code = 421, .reply = text };
	if (s->awaiting == AWAIT_TLS) {
		session_close(s);
		return;
	}
	smtp_server_close(&s->smtp, 421, text);
	ending_finish(s, false);
}

/* ---- a place for a client that is known good ---- */

/* Seats looked at for one to be given: it must not cost more the more there are. */
enum { LOOKS = 256 };

/* A newcomer who could go on at any time and does not, between two mails or in a handshake. */
static bool says_nothing(const struct session *s)
{
	return !s->standing.known_good && !s->standing.allowed && !s->mail && !s->policy &&
	       (s->awaiting == AWAIT_CLIENT || s->awaiting == AWAIT_TLS);
}

static struct session *most_silent(struct worker *w)
{
	struct session *found = NULL;
	uint32_t looks = w->sessions_cap < LOOKS ? w->sessions_cap : LOOKS;
	for (; looks; looks--) {
		w->look_at = (w->look_at + 1) % w->sessions_cap;
		struct session *s = w->sessions[w->look_at];
		if (s && says_nothing(s) && (!found || s->heard_ms < found->heard_ms))
			found = s;
	}
	return found;
}

bool ending_make_room(struct worker *w)
{
	struct session *s = most_silent(w);
	if (!s)
		return false;
	session_end(s, "limit", SLICE("4.3.2 Too many connections, try again later"));
	if (net_conn_is_open(&s->conn)) /* its place is needed now: nobody waits for it to hear that */
		session_close(s);
	stat_add(&w->stats, STAT_GAVE_WAY, 1);
	return true;
}

/* ---- the server's end ---- */

void session_drain(struct session *s)
{
	s->leaving = true;
	bool rests = s->policy ? s->asked == ASKED_NOTHING : !s->mail;
	if (rests && s->awaiting != AWAIT_FLUSH)
		session_end(s, "shutdown", SLICE("4.3.2 Server is shutting down, try again"));
}

void session_stop(struct session *s)
{
	session_end(s, "shutdown", SLICE("4.3.2 Server is shutting down, try again"));
	if (net_conn_is_open(&s->conn))
		session_close(s);
}
