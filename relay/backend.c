#include "relay/backend.h"

#include "base/mem.h"
#include "relay/maildir.h"

#include <stdio.h>
#include <stdlib.h>

/* A connection that has done so many jobs in a row while another worker hungered goes to it: soon when that one has
 * none or this one has no more work; late when this one merely has more, since the other's few may be stuck. */
enum { TURNS_SOON = 8, TURNS_LATE = 64 };

struct relay_backend *relay_backend_new(const struct relay_target *t, struct slice group)
{
	struct relay_backend *b = aligned_alloc(_Alignof(struct relay_backend), sizeof *b);
	if (!b)
		return NULL;
	memset(b, 0, sizeof *b);
	snprintf(b->name, sizeof b->name, "%.*s", SLICE_ARG(t->name));
	snprintf(b->group, sizeof b->group, "%.*s", SLICE_ARG(group));
	b->kind = t->kind;
	b->ip = t->ip;
	b->port = t->port;
	b->path = mem_strndup(t->path.n ? t->path.p : "", t->path.n);
	pthread_mutex_init(&b->lock, NULL);
	pthread_mutex_init(&b->opening, NULL);
	if (!b->path)
		relay_backend_free(&b);
	return b;
}

void relay_backend_free(struct relay_backend **b)
{
	if (!*b)
		return;
	struct relay_maildir *m = atomic_load(&(*b)->maildir);
	relay_maildir_free(&m);
	pthread_mutex_destroy(&(*b)->lock);
	pthread_mutex_destroy(&(*b)->opening);
	mem_free(&(*b)->path);
	free(*b);
	*b = NULL;
}

/* ---- permits ---- */

void relay_backend_join(struct relay_backend *b, unsigned worker)
{
	unsigned now = atomic_load(&b->workers);
	while (now <= worker && !atomic_compare_exchange_weak(&b->workers, &now, worker + 1))
		;
}

static bool take_one(atomic_uint *n, unsigned limit)
{
	unsigned now =
		atomic_load(n); /* not relaxed: a hungry worker looks here after it said so, see relay_permit_give */
	while (now < limit)
		if (atomic_compare_exchange_weak(n, &now, now + 1))
			return true;
	return false;
}

static bool drop_one(atomic_uint *n)
{
	unsigned now = atomic_load_explicit(n, memory_order_relaxed);
	while (now > 0)
		if (atomic_compare_exchange_weak_explicit(n, &now, now - 1, memory_order_acq_rel, memory_order_relaxed))
			return true;
	return false;
}

bool relay_permit_take(struct relay_backend *b, unsigned worker, unsigned limit)
{
	if (drop_one(&b->share[worker].granted))
		return true;
	TRY(take_one(&b->open, limit));
	atomic_fetch_add_explicit(&b->share[worker].open, 1, memory_order_relaxed);
	return true;
}

/* The hungry worker that has least. */
static int hungriest(const struct relay_backend *b, unsigned except)
{
	int best = -1;
	unsigned least = UINT32_MAX;
	for (unsigned w = 0; w < atomic_load_explicit(&b->workers, memory_order_relaxed); w++) {
		unsigned open = atomic_load_explicit(&b->share[w].open, memory_order_relaxed);
		if (w != except && open < least && atomic_load(&b->share[w].hungry)) {
			best = (int)w;
			least = open;
		}
	}
	return best;
}

int relay_permit_give(struct relay_backend *b, unsigned worker, unsigned limit)
{
	atomic_fetch_sub_explicit(&b->share[worker].open, 1, memory_order_relaxed);
	int to = -1;
	/* above the limit (it was lowered by a reload) nothing is handed on */
	if (atomic_load(&b->hungry_n) && atomic_load(&b->open) <= limit)
		to = hungriest(b, worker);
	if (to < 0) {
		atomic_fetch_sub(&b->open, 1);
		/* somebody may have become hungry just before the permit was back: he must hear of it */
		return atomic_load(&b->hungry_n) ? hungriest(b, worker) : -1;
	}
	atomic_fetch_add_explicit(&b->share[to].open, 1, memory_order_relaxed);
	atomic_fetch_add(&b->share[to].granted, 1);
	relay_permit_hunger(b, (unsigned)to, false);
	return to;
}

void relay_permit_hunger(struct relay_backend *b, unsigned worker, bool hungry)
{
	if (atomic_load_explicit(&b->share[worker].hungry, memory_order_relaxed) == hungry)
		return;
	if (atomic_exchange(&b->share[worker].hungry, hungry) == hungry)
		return;
	if (hungry)
		atomic_fetch_add(&b->hungry_n, 1);
	else
		atomic_fetch_sub(&b->hungry_n, 1);
}

enum relay_owed relay_permit_owed(const struct relay_backend *b, unsigned worker, bool wanted, unsigned turns)
{
	if (!atomic_load_explicit(&b->hungry_n, memory_order_relaxed))
		return RELAY_OWED_NOT;
	int to = hungriest(b, worker);
	if (to < 0)
		return RELAY_OWED_NOT;
	unsigned theirs = atomic_load_explicit(&b->share[to].open, memory_order_relaxed);
	unsigned ours = atomic_load_explicit(&b->share[worker].open, memory_order_relaxed);
	bool at_once = theirs + 1 < ours || (theirs == 0 && !wanted);
	bool soon = theirs == 0 || !wanted;
	if (at_once || (soon && turns >= TURNS_SOON) || (theirs < ours && turns >= TURNS_LATE))
		return RELAY_OWED;
	return wanted ? RELAY_OWED_NOT : RELAY_OWED_IF_IDLE;
}

int relay_permit_idler(const struct relay_backend *b, unsigned worker)
{
	for (unsigned w = 0; w < atomic_load_explicit(&b->workers, memory_order_relaxed); w++)
		if (w != worker && atomic_load_explicit(&b->share[w].idle, memory_order_relaxed))
			return (int)w;
	return -1;
}

/* ---- what is known of it ---- */

void relay_backend_reuse(struct relay_backend *b, bool any)
{
	int found = any ? RELAY_REUSE_ANY : RELAY_REUSE_ONE_CLIENT;
	if (atomic_load_explicit(&b->reuse, memory_order_relaxed) != found)
		atomic_store_explicit(&b->reuse, found, memory_order_relaxed);
}

void relay_backend_heard(struct relay_backend *b, const struct smtp_caps *caps)
{
	atomic_store_explicit(&b->exts, caps->ext, memory_order_relaxed);
	atomic_store_explicit(&b->size, caps->size, memory_order_relaxed);
	atomic_store_explicit(&b->rcpt_said, caps->rcpt_max, memory_order_relaxed);
	atomic_store_explicit(&b->heard, true, memory_order_release);
}

void relay_backend_info(struct relay_backend *b, unsigned limit, uint64_t now_ms, struct relay_backend_info *info_r)
{
	unsigned long long retry = atomic_load(&b->retry_ms);
	*info_r = (struct relay_backend_info){
		.state = (enum relay_state)atomic_load(&b->state),
		.open = atomic_load(&b->open),
		.limit = relay_backend_limit(b, limit, now_ms),
		.probes = atomic_load(&b->probes),
		.reusable = atomic_load(&b->reuse) == RELAY_REUSE_ANY,
		.exts = atomic_load(&b->exts),
		.size = atomic_load(&b->size),
		.connects = atomic_load(&b->n.connects),
		.failures = atomic_load(&b->n.failures),
		.delivered = atomic_load(&b->n.delivered),
		.refused = atomic_load(&b->n.refused),
		.probed = atomic_load(&b->n.probed),
		.doubtful = atomic_load(&b->n.doubtful),
	};
	unsigned rcpts = relay_backend_rcpts(b, now_ms);
	const char *tls = atomic_load(&b->tls_version);
	info_r->rcpt_max = rcpts == UINT32_MAX ? 0 : rcpts;
	info_r->tls_version = tls ? tls : "";
	info_r->tls_failed = now_ms < atomic_load(&b->plain_until_ms);
	bool waits = info_r->state == RELAY_DOWN || info_r->state == RELAY_UNHEALTHY;
	info_r->retry_in_ms = waits && retry > now_ms ? retry - now_ms : 0;
	memcpy(info_r->name, b->name, sizeof b->name);
	memcpy(info_r->group, b->group, sizeof b->group);
	pthread_mutex_lock(&b->lock);
	memcpy(info_r->error, b->error, sizeof b->error);
	pthread_mutex_unlock(&b->lock);
}

void relay_answer_of(struct relay_done *d, const struct relay_backend *b)
{
	memcpy(d->backend, b->name, sizeof d->backend);
	memcpy(d->group, b->group, sizeof d->group);
}
