/* server/grey.h - what the action `greylist` does (score/grey.h)
 *
 * On the session's worker.
 */
#ifndef SERVER_GREY_H
#define SERVER_GREY_H

#include "score/grey.h"

struct session;

/* The identity of the mail is known now: it may be known good, whatever address it comes from. */
void grey_meet(struct session *s);

/* Whether the recipient in question, or the mail with all its recipients, must try again: so many ms; 0: it may pass.
 */
uint64_t grey_left_ms(struct session *s);

#endif
