#include "server/seats.h"

#include "base/log.h"
#include "server/worker.h"

#include <unistd.h>

/* Descriptors that are neither sessions, backends nor bodies: the log, control clients, files of the state and of
 * settings that are read anew. For each worker come its loop, its bell, its listeners, and its DNS: over UDP and TCP to
 * two name servers, of the channel in use and of the one before. */
enum { OWN = 64, OWN_OF_A_WORKER = 4 + 8 };
/* Files of bodies take at most this share of the descriptors: they are for sessions in the first place. */
enum { BODIES_ONE_IN = 8 };

unsigned seats_workers(const struct settings *s)
{
	long cores = sysconf(_SC_NPROCESSORS_ONLN);
	unsigned n = s->server.workers ? s->server.workers : (unsigned)(cores > 0 ? cores : 1);
	return n > RELAY_WORKERS_MAX ? RELAY_WORKERS_MAX : n;
}

static uint64_t listening(const struct settings *s)
{
	uint64_t n = 0;
	for (size_t i = 0; i < s->listeners.count; i++)
		n += s->listeners.items[i].address.count;
	return n;
}

static uint64_t backends(const struct settings *s)
{
	uint64_t n = (uint64_t)s->relay.backends.count * s->relay.connections;
	for (size_t i = 0; i < s->relay.groups.count; i++)
		n += (uint64_t)s->relay.groups.items[i].backends.count * s->relay.groups.items[i].connections;
	return n;
}

struct seats_plan seats_plan(const struct settings *s, uint64_t descriptors)
{
	uint64_t most = descriptors / BODIES_ONE_IN;
	uint64_t bodies = s->relay.open_bodies < most ? s->relay.open_bodies : most;
	uint64_t taken = OWN + seats_workers(s) * (OWN_OF_A_WORKER + listening(s)) + backends(s) + bodies;
	uint64_t left = descriptors > taken + SEATS_MIN ? descriptors - taken : SEATS_MIN;
	uint64_t wanted = s->limits.sessions ? s->limits.sessions : UINT32_MAX;
	return (struct seats_plan){
		.sessions = (uint32_t)(left < wanted ? left : wanted),
		.bodies = (uint32_t)(bodies ? bodies : 1),
	};
}

void seats_tell(const struct settings *s, uint64_t descriptors)
{
	struct seats_plan plan = seats_plan(s, descriptors);
	bool fewer_bodies = plan.bodies < s->relay.open_bodies;
	if (plan.sessions >= s->limits.sessions && !fewer_bodies)
		return;
	log_warn("%llu file descriptors leave room for %u sessions (limits.sessions = %u) and %u bodies in files "
		 "(relay.open_bodies = %u); raise LimitNOFILE",
		(unsigned long long)descriptors, plan.sessions, s->limits.sessions, plan.bodies, s->relay.open_bodies);
}

void seats_apply(struct app *app, const struct settings *s)
{
	struct seats_plan plan = seats_plan(s, app->descriptors);
	seats_tell(s, app->descriptors);
	atomic_store(&app->sessions_limit, plan.sessions);
	atomic_store(&app->spool.max_files, plan.bodies);
	atomic_store(&app->spool.max_memory, s->relay.memory);
	atomic_store(&app->held_max, s->limits.memory);
}

/* A worker that has nothing to do would not see it for minutes. */
static void tell_workers(struct app *app)
{
	for (unsigned i = 0; i < app->workers_n; i++)
		net_wake_up(&app->workers[i].wake);
}

bool seats_take(struct app *app, bool favoured)
{
	uint32_t limit = atomic_load_explicit(&app->sessions_limit, memory_order_relaxed);
	uint32_t open = favoured ? limit : limit - seats_kept(limit);
	uint32_t before = atomic_fetch_add_explicit(&app->sessions, 1, memory_order_relaxed);
	if (before >= open) {
		seats_leave(app);
		return false;
	}
	if (pressure_is_high_at(before + 1, limit) && !pressure_is_high_at(before, limit))
		tell_workers(app);
	return true;
}

void seats_leave(struct app *app)
{
	atomic_fetch_sub_explicit(&app->sessions, 1, memory_order_relaxed);
}
