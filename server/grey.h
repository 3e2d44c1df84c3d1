/* server/grey.h - what the action `greylist` does (score/grey.h)
 *
 * On the session's worker.
 */
#ifndef SERVER_GREY_H
#define SERVER_GREY_H

#include "score/grey.h"

struct session;
struct spf_run;
struct worker;

/* The organisation that the client's confirmed name proves; empty: none, or the name of an end-user line. */
struct slice grey_organisation(const struct session *s);
/* Who is proven to send this mail: the domain that SPF passed, else the organisation; p NULL: nobody. */
struct slice grey_identity(const struct session *s);

/* The identity of the mail is known now: it may be known good, whatever address it comes from. */
void grey_meet(struct session *s);

/* Whether the recipient in question, or the mail with all its recipients, must try again: so many ms; 0: it may pass.
 */
uint64_t grey_left_ms(struct session *s);

/* An evaluation has ended: what was tried before is found under its rung, too. */
void grey_learned(struct worker *w, const struct ip *client, const struct spf_run *r, struct slice organisation,
	const struct score_grey_limits *limits, struct slice sender, struct slice recipient);

#endif
