/* score/known.h - clients (later identities too) that have proven good ("Known good" of CONFIG.md)
 *
 * What the promise made milder (a 5xx or block of a client known good that became a 4xx) does not count among the
 * refused: a wrong rule and a few retries would end the very standing that is to protect from wrong rules. But who for
 * KNOWN_PATIENCE_S, and for `over`, has shown nothing that could be accepted, while such refusals went on, is another
 * than it was: it is a stranger again. That is longer than a mail stays in its sender's queue, so no mail that was
 * deferred for a standing is refused for its loss.
 *
 * A table of its own, so that no flood of other keys can touch it. An entry begins with the first accepted mail; what
 * was refused before that does not count. An entry that has become known good never goes for a new one; it is
 * forgotten when it was not seen for about a year.
 * Threads and time: as score/store.h.
 */
#ifndef SCORE_KNOWN_H
#define SCORE_KNOWN_H

#include "score/store.h"

enum { KNOWN_PATIENCE_S = 7 * 86400 };

/* The settings known_good. */
struct score_known_limits {
	uint32_t messages;    /* accepted mails at least */
	uint64_t over_ms;     /* first to last accepted at least so far apart */
	double refused_share; /* of accepted + refused at most */
};

struct score_known {
	uint32_t accepted, refused; /* refused: by rules, since the first accepted one */
	uint32_t first_s, last_s;   /* of the accepted ones; 0: none */
	bool good;
};

/* A mail of this key got 250 after the body. Returns whether it is known good now. */
bool score_known_accepted(struct score_store *s, const struct score_key *key, const struct score_known_limits *limits,
	uint64_t origin, uint64_t now_ms);
/* A rule refused it for good (5xx or a block). Returns whether it is still known good. */
bool score_known_refused(struct score_store *s, const struct score_key *key, const struct score_known_limits *limits);
/* A rule would have, but for the promise. Returns whether it is still known good. */
bool score_known_spared(
	struct score_store *s, const struct score_key *key, const struct score_known_limits *limits, uint64_t now_ms);
void score_known_get(struct score_store *s, const struct score_key *key, const struct score_known_limits *limits,
	struct score_known *known_r);
/* False: there was nothing to forget. */
bool score_known_delete(struct score_store *s, const struct score_key *key);

#endif
