/* Has the client had our 250? It stands between two fates: a mail whose client has not heard comes again.
 *
 * That a client has heard is known when its kernel has acknowledged the bytes of the reply; its next command alone does
 * not prove it, it may be pipelined. Until then its mail stays whole, so that nothing is computed for the many that are
 * heard within a round trip: only a loss costs a digest of the content. What is not heard within LATE_MS is taken for
 * lost and remembered, which is taken back should it be heard after all: meanwhile the client may come again, and an
 * idle session keeps no body.
 */
#include "base/log.h"
#include "base/mem.h"
#include "server/talk.h"

enum { LATE_MS = 1000 };
/* How soon it is looked whether a silent client has heard, then again and again: its body may lie in a file, and of
 * those there are few. */
enum { LOOK_MS = 100 };
/* Replies of one session on their way: who acknowledges none while it pipelines mails (BDAT) gets no more memory. What
 * is beyond stays remembered. */
enum { UNHEARD_MAX = 8 };

static void remember(struct session *s, struct mail *m, bool for_now)
{
	m->taken_for_lost = true;
	struct relay_save *undo = NULL;
	relay_reply_lost(s->worker->relay, &m->out, for_now ? &undo : NULL);
	relay_save_free(&m->kept); /* the same mail may wait until here, */
	relay_watch_end(&m->watch); /* or look until here */
	m->kept = undo;
	mail_forget(m, &s->worker->app->spool);
}

static void drop(struct session *s, struct mail **at)
{
	struct mail *m = *at;
	*at = m->next;
	mail_free(&m, &s->worker->app->spool);
}

static struct mail **find_whole(struct session *s)
{
	struct mail **at = &s->unheard;
	while (*at && (*at)->taken_for_lost)
		at = &(*at)->next;
	return at;
}

static void set_timer(struct session *s)
{
	uint64_t due_ms = s->worker->now_ms + LOOK_MS;
	if (!net_timer_armed(&s->timer) || s->timer.due_ms > due_ms)
		net_wheel_arm(&s->worker->wheel, &s->timer, due_ms);
}

/* The bodies of one session's mails are kept one at a time, beside that of the mail which is under way. */
static void make_room(struct session *s)
{
	unsigned n = 1;
	receipt_look(s);
	if (*find_whole(s))
		remember(s, *find_whole(s), true);
	for (struct mail **at = &s->unheard; *at; n++)
		if (n >= UNHEARD_MAX)
			drop(s, at);
		else
			at = &(*at)->next;
}

void receipt_doubt(struct session *s)
{
	struct mail *m = s->mail;
	if (!s->conn.hup || !m || !m->out.rcpts_n || m->kept)
		return;
	m->kept = relay_reply_doubted(s->worker->relay, &m->out);
	if (m->kept)
		relay_watch_end(&m->watch); /* its digests say more; without them its retry goes on looking */
}

void receipt_await(struct session *s)
{
	struct mail *m = s->mail;
	if (!relay_remembers(s->worker->relay) || !m->out.rcpts_n)
		return;
	if (s->unheard)
		make_room(s);
	m->replied_ms = s->worker->now_ms;
	m->next = s->unheard;
	s->unheard = m;
	s->mail = NULL;
	set_timer(s);
}

void receipt_flushed(struct session *s)
{
	bool in_file = false;
	for (struct mail *m = s->unheard; m; m = m->next) {
		in_file |= m->spool.fd >= 0;
		if (!m->reply_end)
			m->reply_end = s->conn.sent;
	}
	if (in_file)
		receipt_look(s);
}

void receipt_look(struct session *s)
{
	uint64_t acked = net_conn_acked(&s->conn);
	for (struct mail **at = &s->unheard; *at;) {
		if (!(*at)->reply_end || (*at)->reply_end > acked) {
			at = &(*at)->next;
			continue;
		}
		if ((*at)->taken_for_lost)
			relay_reply_heard(s->worker->relay, &(*at)->kept);
		drop(s, at);
	}
}

bool receipt_is_awaited(struct session *s)
{
	if (s->unheard)
		receipt_look(s);
	return *find_whole(s) != NULL;
}

void receipt_on_time(struct session *s)
{
	if (!receipt_is_awaited(s))
		return;
	struct mail *m = *find_whole(s);
	if (s->worker->now_ms >= m->replied_ms + LATE_MS)
		remember(s, m, true);
	else
		set_timer(s);
}

void receipt_settle(struct session *s)
{
	char id[ID_TEXT];
	if (receipt_is_awaited(s)) {
		struct mail *m = *find_whole(s);
		id_format(m->id, id);
		log_info("mail %s: the connection ended before its client had heard that it was taken; its retry is "
			 "answered from relay.state",
			id);
		remember(s, m, false);
	}
	while (s->unheard)
		drop(s, &s->unheard);
}
