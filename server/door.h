/* server/door.h - what the stores say about a client: blocked, allowed, known good, since when
 *
 * Asked at the accept before any other work, and again at MAIL and RCPT: the administrator may have typed a block
 * meanwhile. Any thread; costs a few loads while nothing is blocked.
 */
#ifndef SERVER_DOOR_H
#define SERVER_DOOR_H

#include "score/block.h"
#include "score/grey.h"
#include "score/known.h"
#include "server/app.h"

/* What is known of a client when it comes. */
struct standing {
	bool known_good;
	bool allowed;	   /* the administrator's `allow`: an `ok` above all rules */
	uint64_t first_ms; /* first accepted or charged; 0: never */
};

struct score_key door_client_key(const struct app *app, const struct ip *client);
struct score_known_limits door_limits(const struct generation *g);
/* The settings greylist. */
struct score_grey_limits door_grey_limits(const struct generation *g);
void door_standing(const struct app *app, const struct generation *g, const struct ip *client, uint64_t now_ms,
	struct standing *standing_r);

bool door_is_known_good(const struct app *app, const struct generation *g, const struct ip *client);

enum door { DOOR_OPEN, DOOR_ALLOWED, DOOR_BLOCKED };

/* *hold_r: what made it blocked or allowed. A rule's block of a client that is known good by now is let through: the
 * rules judge it, under the promise. */
enum door door_of_client(const struct app *app, const struct generation *g, const struct ip *client, uint64_t now_ms,
	struct score_hold *hold_r);
/* Of a sender's or a recipient's address; only the administrator blocks those. */
enum door door_of_address(const struct app *app, struct slice address, uint64_t now_ms);

#endif
