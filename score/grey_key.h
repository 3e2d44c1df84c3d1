/* score/grey_key.h - how tries are found (for score/grey*.c) */
#ifndef SCORE_GREY_KEY_H
#define SCORE_GREY_KEY_H

#include "score/grey.h"
#include "score/sender_key.h"
#include "score/slots.h"

/* Sender and recipient of a try. */
struct grey_pair {
	struct score_key sender, recipient;
};

static inline struct grey_pair grey_pair(const struct score_store *s, struct slice sender, struct slice recipient)
{
	char folded[SCORE_SENDER_KEY];
	size_t n = score_sender_fold(sender, folded);
	return (struct grey_pair){ score_key_text(s, SCORE_KEY_SENDER, slice_of(folded, n)),
		score_key_text(s, SCORE_KEY_RECIPIENT, recipient) };
}

/* Never 0. */
static inline uint32_t grey_digest(const struct score_key *key)
{
	return (uint32_t)key->hash ? (uint32_t)key->hash : 1;
}

/* The net that is a rung: IPv4 /24, IPv6 /64. */
static inline struct score_key grey_net(const struct score_store *s, const struct ip *client)
{
	return score_key_ip(s, SCORE_KEY_NET, client, ip_is_v4(client) ? 96 + 24 : 64);
}

/* Does the entry still mean something? */
static inline bool grey_try_holds(const struct score_slot *e, const struct score_grey_limits *limits, uint64_t now_ms)
{
	if (e->u.try.passed_s)
		return (uint64_t)e->head.last_s * 1000 + limits->keep_ms >= now_ms;
	return (uint64_t)e->head.first_s * 1000 <= now_ms &&
	       (uint64_t)e->head.first_s * 1000 + limits->window_ms >= now_ms;
}

/* An identity that is not allowed yet waits for its next pass. */
static inline bool grey_identity_holds(
	const struct score_slot *e, const struct score_grey_limits *limits, uint64_t now_ms)
{
	uint64_t from_s = e->u.identity.allowed ? e->head.last_s : e->u.identity.passed_s;
	return from_s * 1000 + (e->u.identity.allowed ? limits->keep_ms : GREY_ALLOW_MS) >= now_ms;
}

#endif
