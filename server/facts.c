#include "server/lookup.h"
#include "server/talk.h"

/* Only what `tls.version` is compared with: "1.3" of "TLSv1.3". */
static struct slice version_number(const struct session *s)
{
	struct slice v = session_tls_version(s);
	return slice_starts(v, SLICE("TLSv")) ? slice_skip(v, 4) : v;
}

static void about_session(const struct session *s, struct score_facts *f)
{
	struct worker *w = s->worker;
	score_facts_client(f, &s->peer.ip, slice_str(app_listener(w->app, s->peer.listener)->name));
	score_facts_port(f, s->peer.port);
	score_facts_known_good(f, s->standing.known_good || (s->mail && s->mail->known_good));
	score_facts_age(
		f, s->standing.first_ms && s->standing.first_ms < w->wall_ms ? w->wall_ms - s->standing.first_ms : 0);
	score_facts_connections(f, clients_count(w->app->clients, &s->peer.ip));
	score_facts_pressure(
		f, atomic_load_explicit(&w->app->sessions, memory_order_relaxed), w->pressure.stress, w->pressure.load);
	if (s->asked != ASKED_GREETING)
		score_facts_early_talker(f, s->early_talker);
	score_facts_tls(f, s->handshaken);
	if (s->handshaken)
		score_facts_tls_version(f, version_number(s));
	f->offences = s->tally.offences;
	if (!s->helo)
		return;
	score_facts_helo(f, session_helo(s));
	score_facts_helo_ours(f, s->helo_ours);
}

static void about_mail(const struct session *s, struct score_facts *f)
{
	const struct mail *m = s->mail;
	if (!m)
		return;
	score_facts_sender(f, m->sender);
	score_facts_sender_local(f, m->sender_local);
	if (s->asked == ASKED_RCPT)
		score_facts_recipient(f, m->rcpts[m->rcpts_n - 1].address);
	f->recipients = m->rcpts_n;
	f->bad_recipients = m->bad;
	if (s->asked == ASKED_HEADER || s->asked == ASKED_MESSAGE) {
		score_facts_headers(f, m->headers, m->headers_n);
		score_facts_size(f, m->body_bytes);
	}
}

struct score_facts facts_of(const struct session *s)
{
	struct score_facts f = { 0 };
	about_session(s, &f);
	about_mail(s, &f);
	lookup_put_facts(s->lookups, &f);
	return f;
}
