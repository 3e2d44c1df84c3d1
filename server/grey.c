#include "server/grey.h"

#include "server/lookup.h"
#include "server/spf_desk.h"
#include "server/talk.h"

/* ---- known good by who it is ---- */

bool grey_knows(const struct app *app, const struct generation *g, struct slice identity)
{
	struct score_known known;
	struct score_known_limits limits = door_limits(g);
	if (!identity.n)
		return false;
	struct score_key key = score_key_text(app->store, SCORE_KEY_IDENTITY, identity);
	score_known_get(app->store, &key, &limits, &known);
	return known.good;
}

void grey_meet(struct session *s)
{
	s->mail->known_good = grey_knows(s->worker->app, s->generation, lookup_identity(s->lookups));
}

void grey_remember(struct session *s, enum deed deed)
{
	struct slice who = lookup_identity(s->lookups);
	if (!s->mail || !who.n)
		return;
	struct score_key key = score_key_text(s->worker->app->store, SCORE_KEY_IDENTITY, who);
	s->mail->known_good = act_note_deed(s, &key, deed);
}

/* ---- trying ---- */

static uint64_t try(struct session *s, const struct score_grey_who *who, struct slice recipient)
{
	struct worker *w = s->worker;
	const struct score_grey_limits limits = door_grey_limits(s->generation);
	struct spf_run *spf = lookup_spf(s->lookups);
	struct score_grey_answer a =
		score_grey_try(w->app->store, &limits, who, s->mail->sender, recipient, w->wall_ms);
	bool waits = a.verdict == SCORE_GREY_FIRST || a.verdict == SCORE_GREY_EARLY;
	stat_add(&w->stats, waits ? STAT_GREYLISTED : STAT_GREY_PASSED, 1);
	if (waits && spf && !spf_is_done(spf))
		spf_note_greylisted(spf, &limits, lookup_organisation(s->lookups), s->mail->sender, recipient);
	return waits ? a.left_ms : 0;
}

static uint64_t try_all(struct session *s, const struct score_grey_who *who)
{
	const struct mail *m = s->mail;
	uint64_t most = 0;
	for (uint32_t i = 0; i < m->rcpts_n; i++) {
		uint64_t left = m->rcpts[i].code / 100 == 2 ? try(s, who, m->rcpts[i].address) : 0;
		most = left > most ? left : most;
	}
	return most;
}

struct score_grey_who grey_who(const struct score_store *store, const struct ip *client, const struct lookups *l)
{
	return score_grey_who(store, client, lookup_proven(l), lookup_organisation(l));
}

uint64_t grey_left_ms(struct session *s)
{
	struct score_grey_who who = grey_who(s->worker->app->store, &s->peer.ip, s->lookups);
	return s->asked == ASKED_RCPT ? try(s, &who, mail_last_rcpt(s->mail)->address) : try_all(s, &who);
}
