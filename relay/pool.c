#include "relay/pool.h"

#include "base/log.h"
#include "relay/identity.h"
#include "relay/link.h"

#include <errno.h>

/* Out of descriptors or memory: how long until one more connection is tried, and how often that is told. */
enum { REST_MS = 100, REST_TOLD_MS = 10000 };

static void push_idle(struct relay *r, struct relay_pool *p, struct relay_link *link)
{
	link->idle_prev = NULL;
	link->idle_next = p->idle;
	if (p->idle)
		p->idle->idle_prev = link;
	p->idle = link;
	p->idle_n++;
	atomic_store_explicit(&p->backend->share[r->worker].idle, p->idle_n, memory_order_relaxed);
}

void relay_pool_unidle(struct relay *r, struct relay_link *link)
{
	struct relay_pool *p = link->pool;
	if (p->idle != link && !link->idle_prev)
		return;
	if (link->idle_prev)
		link->idle_prev->idle_next = link->idle_next;
	else
		p->idle = link->idle_next;
	if (link->idle_next)
		link->idle_next->idle_prev = link->idle_prev;
	link->idle_next = link->idle_prev = NULL;
	p->idle_n--;
	atomic_store_explicit(&p->backend->share[r->worker].idle, p->idle_n, memory_order_relaxed);
}

/* ---- opening ---- */

/* May it ask other workers for a permit already? Not while one of our own connections may come free in time. */
static bool patience_is_over(struct relay *r, const struct relay_pool *p, const struct relay_job *job, uint64_t now_ms)
{
	if (!job)
		return false;
	if (p->links_n == p->quitting_n || now_ms - job->asked_ms >= RELAY_PATIENCE_MS)
		return true;
	relay_look_at(r, job->asked_ms + RELAY_PATIENCE_MS);
	return false;
}

static unsigned limit_of(const struct relay *r, const struct relay_pool *p)
{
	return relay_backend_limit(p->backend, p->group->settings->c.connections, r->now_ms);
}

static bool permit(struct relay *r, struct relay_pool *p, const struct relay_job *job, uint64_t now_ms)
{
	struct relay_backend *b = p->backend;
	unsigned limit = limit_of(r, p);
	if (relay_permit_take(b, r->worker, limit))
		return true;
	TRY(patience_is_over(r, p, job, now_ms));
	/* say so first, then look again: whoever gives back in between sees either the hunger or nobody */
	relay_permit_hunger(b, r->worker, true);
	if (relay_permit_take(b, r->worker, limit)) {
		relay_permit_hunger(b, r->worker, false);
		return true;
	}
	relay_shared_wake(r->shared, relay_permit_idler(b, r->worker));
	return false;
}

static void give_permit(struct relay *r, struct relay_pool *p)
{
	relay_shared_wake(r->shared, relay_permit_give(p->backend, r->worker, limit_of(r, p)));
}

/* The kernel gave us no descriptor, port or memory: that says nothing about the backend. */
static bool is_our_own(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM || error == ENOBUFS || error == EADDRNOTAVAIL ||
	       error == ENOSPC || error == EAGAIN /* a Unix socket whose queue is full: not long */;
}

static void not_opened(struct relay *r, struct relay_pool *p, int error, uint64_t now_ms)
{
	struct relay_backend *b = p->backend;
	if (!is_our_own(error)) {
		if (relay_backend_down(b, RELAY_DOWN, slice_str(strerror(error)), now_ms))
			log_warn("backend %s: cannot connect: %s", b->name, strerror(error));
		r->pump = true;
		return;
	}
	if (now_ms - p->rest_until_ms >= REST_TOLD_MS)
		log_warn("backend %s: no connection can be made, for lack of our own: %s", b->name, strerror(error));
	p->rest_until_ms = now_ms + REST_MS;
	relay_look_at(r, p->rest_until_ms);
}

static bool is_proven(const struct relay_pool *p)
{
	return atomic_load_explicit(&p->backend->state, memory_order_relaxed) == RELAY_UP;
}

/* `job`: as in relay_pool_open(); `client`: as in relay_link_open(). */
static struct relay_link *open_link(struct relay *r, struct relay_pool *p, const struct relay_job *job,
	const struct relay_job *client, uint64_t now_ms)
{
	/* until the backend has shown that it works, one try at a time */
	if (!is_proven(p) && p->opening_n)
		return NULL;
	if (now_ms < p->rest_until_ms) {
		relay_look_at(r, p->rest_until_ms);
		return NULL;
	}
	if (relay_backend_out(p->backend, now_ms) || !permit(r, p, job, now_ms))
		return NULL;
	if (relay_backend_use(p->backend, now_ms) == RELAY_USE_NOT) {
		give_permit(r, p);
		return NULL;
	}
	struct relay_link *link = relay_link_open(r, p, client, now_ms);
	if (!link) {
		int error = errno;
		give_permit(r, p);
		not_opened(r, p, error, now_ms);
		return NULL;
	}
	link->next = p->links;
	link->prev = NULL;
	if (p->links)
		p->links->prev = link;
	p->links = link;
	p->links_n++;
	p->opening_n++;
	return link;
}

bool relay_pool_open(struct relay *r, struct relay_pool *p, const struct relay_job *job, uint64_t now_ms)
{
	return open_link(r, p, job, NULL, now_ms) != NULL;
}

void relay_pool_forget(struct relay *r, struct relay_link *link)
{
	struct relay_pool *p = link->pool;
	relay_pool_unidle(r, link);
	if (link->prev)
		link->prev->next = link->next;
	else
		p->links = link->next;
	if (link->next)
		link->next->prev = link->prev;
	p->links_n--;
	give_permit(r, p);
	r->pump = true;
}

/* ---- choosing ---- */

static bool fits(const struct relay *r, const struct relay_link *link, const struct relay_job *job, bool same_client)
{
	/* a second try wants a new connection, unless none can be had */
	const struct relay_backend *b = link->pool->backend;
	bool elsewhere = job->lost_at && job->lost_at != b;
	bool fresh = !job->needs_fresh || link->uses == 0 || elsewhere || relay_backend_out(b, r->now_ms);
	const struct relay_settings *now = link->pool->group->settings;
	if (link->settings != now || !fresh)
		return false;
	if (now->c.identity == RELAY_PROXY) {
		struct relay_whom its = relay_proxy_whom(r->shared, job);
		return link->whom.key == its.key && link->whom.port == its.port;
	}
	if (now->c.identity != RELAY_XCLIENT)
		return true;
	struct relay_whom whom = relay_identity_of(r->shared, job);
	if (link->whom.key == whom.key && (link->whom.port == whom.port || !link->takes_xclient))
		return true;
	return !same_client && link->takes_xclient;
}

static struct relay_link *idle_for(const struct relay *r, const struct relay_pool *p, const struct relay_job *job)
{
	if (p->group->settings->c.identity == RELAY_XCLIENT)
		for (struct relay_link *link = p->idle; link; link = link->idle_next)
			if (fits(r, link, job, true))
				return link;
	for (struct relay_link *link = p->idle; link; link = link->idle_next)
		if (fits(r, link, job, false))
			return link;
	return NULL;
}

/* The idle link that was used longest ago. */
static struct relay_link *oldest_idle(const struct relay_pool *p)
{
	struct relay_link *link = p->idle;
	while (link && link->idle_next)
		link = link->idle_next;
	return link;
}

/* Where each connection serves one client only, some are kept ready for the next. */
static void restock(struct relay *r, struct relay_pool *p, uint64_t now_ms)
{
	const struct relay_backend *b = p->backend;
	bool needed = atomic_load_explicit(&b->reuse, memory_order_relaxed) == RELAY_REUSE_ONE_CLIENT;
	if (p->group->settings->c.identity != RELAY_XCLIENT || !needed)
		return;
	unsigned fresh = p->opening_n;
	for (const struct relay_link *link = p->idle; link; link = link->idle_next)
		fresh += link->uses == 0;
	/* not the last permits: a stock of fresh ones must not keep a waiting mail of another worker out */
	for (; fresh < RELAY_STOCK && !r->draining; fresh++)
		if (atomic_load(&b->open) + RELAY_STOCK > limit_of(r, p) || !relay_pool_open(r, p, NULL, now_ms))
			return;
}

/* A new connection for this client alone. Where all permits are out one that another client leaves idle gives way. */
static struct relay_link *open_named(
	struct relay *r, struct relay_pool *p, const struct relay_job *job, uint64_t now_ms)
{
	if (!is_proven(p)) {
		relay_pool_open(r, p, job, now_ms);
		return NULL;
	}
	struct relay_link *link = open_link(r, p, job, job, now_ms), *idle = oldest_idle(p);
	if (!link && idle && p->quitting_n < relay_group_waiting(p->group))
		relay_link_quit(r, idle, now_ms);
	return link;
}

enum relay_borrow relay_pool_borrow(
	struct relay *r, struct relay_pool *p, const struct relay_job *job, uint64_t now_ms, struct relay_link **link_r)
{
	struct relay_link *link = *link_r = idle_for(r, p, job);
	if (link) {
		relay_pool_unidle(r, link);
		if (link->uses == 0)
			restock(r, p, now_ms);
		return RELAY_BORROWED;
	}
	unsigned waiting = relay_group_waiting(p->group);
	if (p->group->settings->c.identity == RELAY_PROXY) {
		*link_r = open_named(r, p, job, now_ms);
		if (*link_r)
			return RELAY_BORROWED;
	} else if (p->opening_n < waiting && !relay_pool_open(r, p, job, now_ms) && !p->opening_n) {
		/* all permits are out; an idle connection that cannot serve this job gives way to one that can */
		link = oldest_idle(p);
		if (link && p->quitting_n < waiting)
			relay_link_quit(r, link, now_ms);
	}
	return relay_pool_usable(p, now_ms) ? RELAY_BORROW_WAIT : RELAY_BORROW_NONE;
}

bool relay_pool_usable(const struct relay_pool *p, uint64_t now_ms)
{
	return p->links_n || !relay_backend_out(p->backend, now_ms);
}

enum relay_fit relay_pool_fit(const struct relay_pool *p, uint64_t now_ms)
{
	const struct relay_backend *b = p->backend;
	int state = atomic_load_explicit(&b->state, memory_order_relaxed);
	if (b->kind == RELAY_MAILDIR ? !relay_backend_out(b, now_ms) : state == RELAY_UP)
		return RELAY_FIT_READY;
	return relay_pool_usable(p, now_ms) ? RELAY_FIT_TRIAL : RELAY_FIT_OUT;
}

bool relay_pool_other(struct relay *r, const struct relay_pool *p, uint64_t now_ms)
{
	const struct relay_settings *s = p->group->settings;
	for (size_t i = 0; i < s->c.backends_n; i++) {
		const struct relay_pool *other = relay_pool_of(r, p->group, s->backends[i]);
		if (other && other != p && relay_pool_fit(other, now_ms) == RELAY_FIT_READY)
			return true;
	}
	return false;
}

/* ---- giving back ---- */

/* Opened under settings that hold no more. A group that is gone still has what waits in its queue. */
static bool is_old(const struct relay_link *link)
{
	const struct relay_group *g = link->pool->group;
	return link->settings != g->settings || (g->gone && relay_group_waiting(g) == 0);
}

static bool worn(const struct relay_link *link, uint64_t now_ms)
{
	return link->retire || is_old(link) || link->refusals >= RELAY_RETIRE_REFUSALS ||
	       link->rsets >= RELAY_RETIRE_RSETS || link->uses >= RELAY_RETIRE_USES ||
	       now_ms - link->opened_ms >= RELAY_RETIRE_AGE_MS;
}

void relay_pool_return(struct relay *r, struct relay_link *link, uint64_t now_ms)
{
	struct relay_pool *p = link->pool;
	struct relay_backend *b = p->backend;
	link->turns = atomic_load_explicit(&b->hungry_n, memory_order_relaxed) ? link->turns + 1 : 0;
	r->pump = true;
	if (worn(link, now_ms) ||
		relay_permit_owed(b, r->worker, relay_group_waiting(p->group) != 0, link->turns) == RELAY_OWED) {
		relay_link_quit(r, link, now_ms);
		return;
	}
	link->idle_ms = now_ms;
	push_idle(r, p, link);
	uint64_t idle_ms = p->group->settings->c.idle_ms;
	if (link->named && idle_ms > RELAY_NAMED_IDLE_MS)
		idle_ms = RELAY_NAMED_IDLE_MS;
	net_wheel_arm(&r->wheel, &link->timer, now_ms + idle_ms);
}

/* A backend that does not greet would hold up the server's end. */
static void close_unneeded(struct relay *r, struct relay_pool *p, uint64_t now_ms)
{
	relay_pool_retire(r, p, true, now_ms);
	for (struct relay_link *link = p->links, *next; link; link = next) {
		next = link->next;
		if (link->state < RELAY_LINK_IDLE && !link->job)
			relay_link_close(r, link);
	}
}

void relay_pool_share(struct relay *r, struct relay_pool *p, uint64_t now_ms)
{
	struct relay_backend *b = p->backend;
	if (r->draining && relay_group_waiting(p->group) == 0)
		close_unneeded(r, p, now_ms);
	if (relay_group_waiting(p->group) == 0) {
		relay_permit_hunger(b, r->worker, false);
		while (atomic_load(&b->share[r->worker].granted) && relay_permit_take(b, r->worker, limit_of(r, p)))
			give_permit(r, p);
	}
	/* one for each that hungers, no more: the rest of the idle ones may be needed in a moment */
	unsigned hungry = atomic_load(&b->hungry_n);
	for (struct relay_link *link; hungry && (link = oldest_idle(p)); hungry--) {
		enum relay_owed owed = relay_permit_owed(b, r->worker, relay_group_waiting(p->group) != 0, 0);
		bool soon = owed == RELAY_OWED_IF_IDLE && now_ms - link->idle_ms < RELAY_LULL_MS;
		if (soon)
			relay_look_at(r, link->idle_ms + RELAY_LULL_MS);
		if (soon || owed == RELAY_OWED_NOT)
			return;
		relay_link_quit(r, link, now_ms);
	}
}

void relay_pool_retire(struct relay *r, struct relay_pool *p, bool all, uint64_t now_ms)
{
	for (struct relay_link *link = p->idle, *next; link; link = next) {
		next = link->idle_next;
		if (all || is_old(link))
			relay_link_quit(r, link, now_ms);
	}
}
