#include "server/pressure.h"

#include <stdlib.h>
#include <unistd.h>

/* Questions that wait for a backend connection, for each connection there may be: the queue counts as full
 * where the last of them would wait for so many others, seconds away from its answer. */
enum { QUEUE_EACH = 20 };

static double share(double used, double limit)
{
	double s = limit > 0 ? used / limit : 0;
	return s > 1 ? 1 : s;
}

static double larger(double a, double b)
{
	return a > b ? a : b;
}

static double stress_of(struct app *app, uint32_t waiting_limit)
{
	struct score_store_stats store;
	unsigned queued, open, limit;
	score_store_stats(app->store, &store);
	relay_shared_load(app->relay, &queued, &open, &limit);
	double stress = share(atomic_load_explicit(&app->sessions, memory_order_relaxed),
		atomic_load_explicit(&app->sessions_limit, memory_order_relaxed));
	stress = larger(stress, share(atomic_load_explicit(&app->waiting, memory_order_relaxed), waiting_limit));
	stress = larger(stress, share((double)store.used, (double)store.slots));
	return larger(stress, share(queued, (double)limit * QUEUE_EACH));
}

void pressure_look(struct pressure *p, struct app *app, uint32_t waiting_limit, uint64_t now_ms)
{
	double load;
	if (now_ms < p->due_ms)
		return;
	p->due_ms = now_ms + PRESSURE_EVERY_MS;
	p->stress = stress_of(app, waiting_limit);
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	if (getloadavg(&load, 1) == 1)
		p->load = load / (double)(cores > 0 ? cores : 1);
}
