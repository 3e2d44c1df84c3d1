/* server/pressure.h - how hard-pressed the server is: `sessions`, `stress` and `load` of the rules
 *
 * Reckoned by each worker for itself, at most once in PRESSURE_EVERY_MS: the store's figures and the load
 * average cost some microseconds. Threads: belongs to its worker.
 */
#ifndef SERVER_PRESSURE_H
#define SERVER_PRESSURE_H

#include "server/app.h"

enum { PRESSURE_EVERY_MS = 500 };

struct pressure {
	uint64_t due_ms;
	double stress; /* the largest used share of sessions, waiting, store memory, backend queue: 0..1 */
	double load;   /* 1-minute load average for each core */
};

/* Brings *p up to date when it is older than that. `waiting_limit`: limits.waiting, 0: none. */
void pressure_look(struct pressure *p, struct app *app, uint32_t waiting_limit, uint64_t now_ms);

/* Nine of ten sessions are used: from here on nobody is held longer than needed. */
static inline bool pressure_is_high_at(uint64_t sessions, uint64_t limit)
{
	return sessions * 10 > limit * 9;
}

static inline bool pressure_is_high(const struct app *app)
{
	return pressure_is_high_at(atomic_load_explicit(&app->sessions, memory_order_relaxed),
		atomic_load_explicit(&app->sessions_limit, memory_order_relaxed));
}

#endif
