/* server/seats.h - how many sessions there may be, and who gets the last of them
 *
 * The number follows from limits.sessions and from what the file descriptors leave. The last places are kept for
 * clients that are known good, or that the administrator allowed: a flood of newcomers that fills the rest does not
 * shut them out. A newcomer then gets 421 (sessions.shed in `smtpguardctl stats`). When all places are taken, a client
 * known good gets that of a newcomer who says nothing (sessions.gave_way).
 * Who is known good is asked only when places are short. An address cannot be forged here: a place is asked for with a
 * connection that stands, so its owner has answered from that address.
 * Threads: seats_take() and seats_leave() any; the rest the main thread.
 */
#ifndef SERVER_SEATS_H
#define SERVER_SEATS_H

#include "server/app.h"
#include "server/pressure.h"

/* One place in so many is kept. Fewer than pressure_is_high() leaves free: newcomers alone bring limits.stress_timeout
 * about, so that silent ones among them make room for others. */
enum { SEATS_KEPT_ONE_IN = 20 };
_Static_assert(SEATS_KEPT_ONE_IN > 10, "at nine of ten used the stress timeout begins, before the kept places");

static inline uint32_t seats_kept(uint32_t limit)
{
	return limit / SEATS_KEPT_ONE_IN;
}

/* What the descriptors are for. */
struct seats_plan {
	uint32_t sessions; /* in effect; at least SEATS_MIN */
	uint32_t bodies;   /* files of bodies in effect */
};
/* A server that cannot hold even this many sessions is not worth starting. */
enum { SEATS_MIN = 16 };

struct seats_plan seats_plan(const struct settings *s, uint64_t descriptors);
/* One warning when it is less than what is set. */
void seats_tell(const struct settings *s, uint64_t descriptors);
/* Puts the plan into effect, at the start and at a reload, and tells it. */
void seats_apply(struct app *app, const struct settings *s);
/* server.workers, or one for each core. */
unsigned seats_workers(const struct settings *s);

/* Takes a place. `favoured`: one of those that are kept will do. False: none is free. */
bool seats_take(struct app *app, bool favoured) MUST_USE;
void seats_leave(struct app *app);

#endif
