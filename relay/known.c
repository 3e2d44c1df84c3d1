#include "relay/known.h"

#include "relay/rcpt_cache.h"

/* Longer than any sender waits between two tries of one mail at its start (RFC 5321 4.5.4.1: within hours). */
enum { SUSPECT_MS = 24 * 3600 * 1000 };

void relay_known_ok(struct relay *r, const struct relay_group *g, struct slice rcpt)
{
	relay_rcpt_cache_put_ok(
		r->shared->cache, g->settings->c.group, rcpt, r->now_ms, r->now_ms + r->settings->c.recipient_ok_ms);
}

void relay_known_bad(struct relay *r, const struct relay_group *g, struct slice rcpt, unsigned code, struct slice text)
{
	relay_rcpt_cache_put_bad(r->shared->cache, g->settings->c.group, rcpt, code, text, r->now_ms,
		r->now_ms + r->settings->c.recipient_bad_ms);
}

void relay_known_suspect(struct relay *r, const struct relay_group *g, struct slice rcpt)
{
	relay_rcpt_cache_put_suspect(r->shared->cache, g->settings->c.group, rcpt, r->now_ms, r->now_ms + SUSPECT_MS);
}

enum relay_known relay_known_get(
	struct relay *r, const struct relay_group *g, struct slice rcpt, struct relay_done *answer_r)
{
	struct relay_rcpt_known known;
	switch (relay_rcpt_cache_get(r->shared->cache, g->settings->c.group, rcpt, r->now_ms, &known)) {
	case RELAY_RCPT_UNKNOWN:
		break;
	case RELAY_RCPT_OK:
		return RELAY_KNOWN_OK;
	case RELAY_RCPT_SUSPECT:
		return RELAY_KNOWN_SUSPECT;
	case RELAY_RCPT_BAD:
		relay_answer(answer_r, RELAY_FROM_BACKEND, known.code, slice_of(known.text, known.text_n));
		answer_r->bad_recipient = true;
		return RELAY_KNOWN_BAD;
	}
	return RELAY_KNOWN_NOT;
}

enum relay_remembered relay_remembered_rcpt(
	struct relay *r, struct slice rcpt, uint64_t now_ms, struct relay_done *answer_r)
{
	r->now_ms = now_ms;
	*answer_r = (struct relay_done){ .question = RELAY_RCPT, .failed_rcpt = UINT16_MAX, .cached = true };
	const struct relay_group *g = relay_group_of(r, rcpt);
	if (!g)
		return RELAY_DOUBTED;
	switch (relay_known_get(r, g, rcpt, answer_r)) {
	case RELAY_KNOWN_NOT:
		break;
	case RELAY_KNOWN_OK:
		relay_answer_us(answer_r, 250, "2.1.5 Ok");
		return RELAY_REMEMBERED;
	case RELAY_KNOWN_BAD:
		return RELAY_REMEMBERED;
	case RELAY_KNOWN_SUSPECT:
		return RELAY_DOUBTED;
	}
	return RELAY_NOT_REMEMBERED;
}

void relay_learn_rcpt(struct relay *r, struct slice rcpt, bool known, struct slice words, uint64_t now_ms)
{
	const struct relay_group *g = relay_group_of(r, rcpt);
	r->now_ms = now_ms;
	if (g && known)
		relay_known_ok(r, g, rcpt);
	else if (g)
		relay_known_bad(r, g, rcpt, 550, words);
}
