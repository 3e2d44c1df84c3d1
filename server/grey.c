#include "server/grey.h"

#include "server/lookup.h"
#include "server/spf_desk.h"
#include "server/talk.h"

/* ---- known good by who it is ---- */

static bool identity_key(const struct session *s, struct score_key *key_r)
{
	struct slice who = lookup_identity(s->lookups);
	if (who.n)
		*key_r = score_key_text(s->worker->app->store, SCORE_KEY_IDENTITY, who);
	return who.n > 0;
}

void grey_meet(struct session *s)
{
	struct score_key key;
	struct score_known known;
	struct score_known_limits limits = door_limits(s->generation);
	if (!identity_key(s, &key))
		return;
	score_known_get(s->worker->app->store, &key, &limits, &known);
	s->mail->known_good = known.good;
}

void grey_remember(struct session *s, enum deed deed)
{
	struct score_key key;
	if (s->mail && identity_key(s, &key))
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

uint64_t grey_left_ms(struct session *s)
{
	struct score_grey_who who = score_grey_who(
		s->worker->app->store, &s->peer.ip, lookup_proven(s->lookups), lookup_organisation(s->lookups));
	return s->asked == ASKED_RCPT ? try(s, &who, mail_last_rcpt(s->mail)->address) : try_all(s, &who);
}
