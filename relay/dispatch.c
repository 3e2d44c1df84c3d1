/* Brings waiting jobs and connections together. */
#include "relay/finish.h"
#include "relay/internal.h"
#include "relay/link.h"
#include "relay/local.h"

/* How soon a worker looks again when only other workers' recipient questions stand in the way. */
enum { POLL_MS = 10 };

enum outcome { RAN, WAITS };

/* ---- the share of connections that recipient questions may use ---- */

static bool up_to(atomic_uint *n, unsigned limit)
{
	if (atomic_fetch_add(n, 1) < limit)
		return true;
	atomic_fetch_sub(n, 1);
	return false;
}

static bool probe_permit(struct relay *r, struct relay_backend *b, struct relay_job *job)
{
	atomic_uchar *own = &r->shared->probes_of[job->probe_slot];
	if (atomic_fetch_add(own, 1) >= RELAY_PROBES_PER_CLIENT) {
		atomic_fetch_sub(own, 1);
		return false;
	}
	unsigned quarter = job->group->settings->c.connections / RELAY_PROBE_SHARE;
	if (up_to(&b->probes, quarter ? quarter : 1)) {
		job->probing = b;
		job->group->probes++;
		return true;
	}
	atomic_fetch_sub(own, 1);
	return false;
}

void relay_probe_over(struct relay *r, struct relay_job *job)
{
	if (!job->probing)
		return;
	atomic_fetch_sub(&job->probing->probes, 1);
	atomic_fetch_sub(&r->shared->probes_of[job->probe_slot], 1);
	job->probing = NULL;
	job->group->probes--;
	r->pump = true;
}

/* ---- one job ---- */

/* A backend that nobody has heard yet has a moment, so that at the start the preferred one is used. */
static bool is_worth_waiting_for(struct relay *r, struct relay_backend *b, uint64_t now_ms)
{
	unsigned long long first = 0;
	if (atomic_load(&b->state) != RELAY_UNTRIED)
		return false;
	if (atomic_compare_exchange_strong(&b->first_ms, &first, now_ms))
		first = now_ms;
	if (now_ms >= first + RELAY_FIRST_MS)
		return false;
	relay_look_at(r, first + RELAY_FIRST_MS);
	return true;
}

/* One that has just lost this job's connection, or let a mail wait. */
static bool comes_last(const struct relay_job *job, const struct relay_backend *b, uint64_t now_ms)
{
	return b == job->lost_at || now_ms < atomic_load_explicit(&b->stuck_until_ms, memory_order_relaxed);
}

/* The first that works. One that may work again is tried by one connection of its own meanwhile; only where none
 * works does the job wait for that. */
static struct relay_pool *choose(struct relay *r, const struct relay_job *job, uint64_t now_ms)
{
	struct relay_pool *may = NULL, *last = NULL;
	const struct relay_settings *s = job->group->settings;
	for (size_t i = 0; i < s->c.backends_n; i++) {
		struct relay_pool *p = relay_pool_of(r, job->group, s->backends[i]);
		enum relay_fit fit = p ? relay_pool_fit(p, now_ms) : RELAY_FIT_OUT;
		if (fit == RELAY_FIT_OUT)
			continue;
		if (comes_last(job, p->backend, now_ms))
			last = last && last->backend != job->lost_at ? last : p;
		else if (fit == RELAY_FIT_READY || is_worth_waiting_for(r, p->backend, now_ms))
			return p;
		else if (!may)
			may = p;
		if (fit == RELAY_FIT_TRIAL && !p->links_n)
			relay_pool_open(r, p, NULL, now_ms);
	}
	return last ? last : may;
}

static enum outcome on_link(struct relay *r, struct relay_queue *q, struct relay_pool *p, uint64_t now_ms)
{
	struct relay_job *job = relay_queue_head(q);
	bool probe = job->done.question == RELAY_RCPT;
	if (probe && !probe_permit(r, p->backend, job))
		return WAITS;
	struct relay_link *link;
	if (relay_pool_borrow(r, p, job, now_ms, &link) != RELAY_BORROWED) {
		bool pump = r->pump;
		relay_probe_over(r, job);
		r->pump = pump; /* it did not run: nothing came free */
		return WAITS;
	}
	relay_link_start(r, link, relay_queue_take(q), now_ms);
	return RAN;
}

static enum outcome run(struct relay *r, struct relay_queue *q, uint64_t now_ms)
{
	struct relay_pool *p = choose(r, relay_queue_head(q), now_ms);
	if (!p) {
		relay_finish_unreachable(r, relay_queue_take(q), now_ms);
		return RAN;
	}
	if (p->backend->kind != RELAY_MAILDIR)
		return on_link(r, q, p, now_ms);
	relay_local_start(r, p, relay_queue_take(q), now_ms);
	return RAN;
}

/* Runs one job of the queue, if any can: the first lane's whose turn it is, or one of the next few when that
 * one waits for something of its own. */
static bool run_one(struct relay *r, struct relay_queue *q, uint64_t now_ms)
{
	struct relay_lane *turn = q->turn;
	unsigned look = q->lanes < RELAY_POOL_LOOK ? q->lanes : RELAY_POOL_LOOK;
	for (; look; look--) {
		if (run(r, q, now_ms) == RAN)
			return true;
		relay_queue_turn(q);
	}
	q->turn = turn;
	return false;
}

static bool step(struct relay *r, uint64_t now_ms)
{
	bool ran = false, probe_first = r->probe_turn;
	r->probe_turn = !probe_first;
	for (struct relay_group *g = r->groups; g; g = g->next) {
		struct relay_queue *a = probe_first ? &g->probe_queue : &g->deliveries;
		struct relay_queue *b = probe_first ? &g->deliveries : &g->probe_queue;
		ran |= run_one(r, a, now_ms) || run_one(r, b, now_ms);
	}
	return ran;
}

static void publish(struct relay *r)
{
	unsigned waiting = 0;
	for (const struct relay_group *g = r->groups; g; g = g->next)
		waiting += relay_group_waiting(g);
	if (waiting == r->published)
		return;
	atomic_fetch_add_explicit(&r->shared->waiting, waiting - r->published, memory_order_relaxed);
	r->published = waiting;
}

void relay_look_at(struct relay *r, uint64_t due_ms)
{
	if (!r->look_ms || due_ms < r->look_ms)
		r->look_ms = due_ms;
}

void relay_dispatch(struct relay *r, uint64_t now_ms)
{
	if (!r->pump)
		return;
	while (r->pump) {
		r->pump = false;
		while (step(r, now_ms))
			;
	}
	for (struct relay_pool *p = r->pools; p; p = p->next)
		relay_pool_share(r, p, now_ms);
	for (const struct relay_group *g = r->groups; g; g = g->next)
		if (g->probe_queue.jobs && !g->probes)
			relay_look_at(r, now_ms + POLL_MS);
	publish(r);
}
