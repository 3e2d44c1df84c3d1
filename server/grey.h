/* server/grey.h - what the action `greylist` does (score/grey.h)
 *
 * On the session's worker.
 */
#ifndef SERVER_GREY_H
#define SERVER_GREY_H

#include "score/grey.h"

struct app;
struct generation;
struct lookups;
struct session;

/* Who tries, by all that is proven of it. */
struct score_grey_who grey_who(const struct score_store *store, const struct ip *client, const struct lookups *l);
/* Is this identity known good? Empty: no. */
bool grey_knows(const struct app *app, const struct generation *g, struct slice identity);
/* The identity of the mail is known now: it may be known good, whatever address it comes from. */
void grey_meet(struct session *s);

/* Whether the recipient in question, or the mail with all its recipients, must try again: so many ms; 0: it may pass.
 */
uint64_t grey_left_ms(struct session *s);

#endif
