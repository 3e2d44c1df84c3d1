/* relay/known.h - what the recipient cache is told and asked, with this room's times
 *
 * The cache itself: relay/rcpt_cache.h.
 */
#ifndef RELAY_KNOWN_H
#define RELAY_KNOWN_H

#include "relay/internal.h"

/* `g`: whose backends have said it. */
void relay_known_ok(struct relay *r, const struct relay_group *g, struct slice rcpt);
void relay_known_bad(struct relay *r, const struct relay_group *g, struct slice rcpt, unsigned code, struct slice text);
/* A delivery has seen it refused: it must be asked for again, whatever the settings say. */
void relay_known_suspect(struct relay *r, const struct relay_group *g, struct slice rcpt);

enum relay_known { RELAY_KNOWN_NOT, RELAY_KNOWN_OK, RELAY_KNOWN_BAD, RELAY_KNOWN_SUSPECT };
/* RELAY_KNOWN_BAD: *answer_r holds the backend's words. */
enum relay_known relay_known_get(
	struct relay *r, const struct relay_group *g, struct slice rcpt, struct relay_done *answer_r) MUST_USE;

#endif
