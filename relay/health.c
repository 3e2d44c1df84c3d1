/* Is a backend in order, and what does it take? See relay/backend.h. */
#include "base/hash.h"
#include "relay/backend.h"

#include <stdio.h>

bool relay_backend_out(const struct relay_backend *b, uint64_t now_ms)
{
	int state = atomic_load_explicit(&b->state, memory_order_relaxed);
	return (state == RELAY_DOWN || state == RELAY_UNHEALTHY) && now_ms < atomic_load(&b->retry_ms);
}

enum relay_use relay_backend_use(struct relay_backend *b, uint64_t now_ms)
{
	int state = atomic_load_explicit(&b->state, memory_order_relaxed);
	if (state == RELAY_UNTRIED || state == RELAY_UP)
		return RELAY_USE;
	unsigned long long due = atomic_load(&b->retry_ms);
	if (now_ms < due)
		return RELAY_USE_NOT;
	/* who moves the time on is the one that tries; should he never report, the next may after that time */
	bool mine = atomic_compare_exchange_strong(&b->retry_ms, &due, now_ms + RELAY_BACKOFF_MAX_MS);
	return mine ? RELAY_USE_TRY : RELAY_USE_NOT;
}

bool relay_backend_up(struct relay_backend *b)
{
	if (atomic_load_explicit(&b->state, memory_order_relaxed) == RELAY_UP)
		return false;
	int before = atomic_exchange(&b->state, RELAY_UP);
	atomic_store(&b->backoff_ms, 0);
	return before == RELAY_DOWN || before == RELAY_UNHEALTHY;
}

static unsigned chance(unsigned below)
{
	uint32_t n;
	rand_bytes(&n, sizeof n);
	return n % (below + 1);
}

bool relay_backend_down(struct relay_backend *b, enum relay_state state, struct slice why, uint64_t now_ms)
{
	atomic_fetch_add(&b->n.failures, 1);
	unsigned wait = atomic_load(&b->backoff_ms);
	if (!relay_backend_out(b, now_ms) || wait == 0) /* ten connections that fail together are one failure */
		wait = wait == 0 ? RELAY_BACKOFF_MIN_MS : wait * 2;
	if (wait > RELAY_BACKOFF_MAX_MS)
		wait = RELAY_BACKOFF_MAX_MS;
	atomic_store(&b->backoff_ms, wait);
	atomic_store(&b->retry_ms, now_ms + wait - chance(wait / 4));
	int before = atomic_exchange(&b->state, (int)state);
	pthread_mutex_lock(&b->lock);
	bool same = before == (int)state && slice_eq(slice_str(b->error), why);
	snprintf(b->error, sizeof b->error, "%.*s", SLICE_ARG(why));
	pthread_mutex_unlock(&b->lock);
	return !same;
}

bool relay_backend_stuck(struct relay_backend *b, uint64_t now_ms)
{
	return atomic_exchange(&b->stuck_until_ms, now_ms + RELAY_STUCK_MS) <= now_ms;
}

/* ---- its own limits ---- */

unsigned relay_backend_limit(const struct relay_backend *b, unsigned limit, uint64_t now_ms)
{
	unsigned ceiling = atomic_load_explicit(&b->ceiling, memory_order_relaxed);
	bool counts = ceiling && ceiling < limit && now_ms < atomic_load(&b->ceiling_until_ms);
	return counts ? ceiling : limit;
}

void relay_backend_settle(struct relay_backend *b)
{
	unsigned works = atomic_fetch_add(&b->settled, 1) + 1;
	/* one that was under way when another was turned away: it takes more than was thought */
	if (works > atomic_load(&b->ceiling))
		atomic_store(&b->ceiling, works);
}

bool relay_backend_full(struct relay_backend *b, uint64_t now_ms, bool *news_r)
{
	unsigned works = atomic_load(&b->settled);
	TRY(works);
	*news_r = atomic_exchange(&b->ceiling_until_ms, now_ms + RELAY_CEILING_MS) <= now_ms;
	atomic_store(&b->ceiling, works);
	return true;
}

unsigned relay_backend_rcpts(const struct relay_backend *b, uint64_t now_ms)
{
	unsigned most = atomic_load_explicit(&b->rcpt_said, memory_order_relaxed);
	unsigned found = atomic_load_explicit(&b->rcpt_found, memory_order_relaxed);
	if (!most)
		most = UINT32_MAX;
	return found && found < most && now_ms < atomic_load(&b->rcpt_until_ms) ? found : most;
}

bool relay_backend_rcpt_again(struct relay_backend *b, uint64_t rcpt)
{
	return atomic_exchange(&b->rcpt_doubted[rcpt % RELAY_RCPT_DOUBTS], rcpt) == rcpt;
}

void relay_backend_rcpts_found(struct relay_backend *b, unsigned n, uint64_t now_ms)
{
	atomic_store(&b->rcpt_until_ms, now_ms + RELAY_RCPT_MAX_MS);
	atomic_store(&b->rcpt_found, n);
}
