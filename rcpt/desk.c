#include "base/mem.h"
#include "rcpt/inside.h"

#include <pthread.h>
#include <stdatomic.h>

enum { TICKETS = 1024 };

struct rcpt_desk {
	struct net_wheel wheel;
	struct rcpt_ask *tickets[TICKETS];
	atomic_uint refs; /* the worker, and each ask that is not back yet: the last one frees the desk */
	atomic_bool full; /* looked at without the lock: something lies in `done` */
	pthread_mutex_t lock; /* guards what is below; a leaf */
	struct net_wake *wake; /* NULL: the worker has gone */
	struct rcpt_ask *done, **done_last;
};

static void unref(struct rcpt_desk *d)
{
	if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) != 1)
		return;
	for (struct rcpt_ask *a = d->done, *next; a; a = next) {
		next = a->next;
		mem_free(&a);
	}
	pthread_mutex_destroy(&d->lock);
	mem_free(&d);
}

struct rcpt_desk *rcpt_desk_new(struct net_wake *wake, uint64_t now_ms)
{
	struct rcpt_desk *d = mem_zalloc(sizeof *d);
	if (!d)
		return NULL;
	net_wheel_init(&d->wheel, now_ms);
	atomic_init(&d->refs, 1);
	pthread_mutex_init(&d->lock, NULL);
	d->wake = wake;
	d->done_last = &d->done;
	return d;
}

void rcpt_desk_hand(struct rcpt_ask *ask)
{
	struct rcpt_desk *d = ask->desk;
	pthread_mutex_lock(&d->lock);
	bool ring = !d->done && d->wake;
	ask->next = NULL;
	*d->done_last = ask;
	d->done_last = &ask->next;
	atomic_store(&d->full, true);
	if (ring)
		net_wake_up(d->wake); /* under the lock: then the worker has not gone */
	pthread_mutex_unlock(&d->lock);
	unref(d);
}

/* ---- the worker's side ---- */

static void forget(struct rcpt_desk *d, struct rcpt_ask *a)
{
	net_wheel_cancel(&d->wheel, &a->timer);
	*a->ticket_link = a->ticket_next;
	if (a->ticket_next)
		a->ticket_next->ticket_link = a->ticket_link;
	a->ticket_link = NULL;
}

/* Nobody waits for it any more; if it is under way already, it is freed when it comes. */
static void give_up(struct rcpt_desk *d, struct rcpt_ask *a)
{
	forget(d, a);
	if (!rcpt_source_withdraw(a->source, a))
		return;
	mem_free(&a);
	unref(d);
}

void rcpt_desk_free(struct rcpt_desk **dp)
{
	struct rcpt_desk *d = *dp;
	*dp = NULL;
	if (!d)
		return;
	for (size_t i = 0; i < TICKETS; i++)
		while (d->tickets[i])
			give_up(d, d->tickets[i]);
	pthread_mutex_lock(&d->lock);
	d->wake = NULL;
	pthread_mutex_unlock(&d->lock);
	unref(d);
}

static struct rcpt_ask **bucket(struct rcpt_desk *d, uint64_t ticket)
{
	return &d->tickets[(ticket ^ ticket >> 40) % TICKETS];
}

bool rcpt_desk_ask(struct rcpt_desk *d, struct rcpt_source *s, struct slice rcpt, uint64_t ticket, uint64_t now_ms)
{
	struct rcpt_ask *a = mem_zalloc(sizeof *a), **at = bucket(d, ticket);
	if (!a)
		return false;
	a->desk = d;
	a->source = s;
	a->ticket = ticket;
	a->asked_ms = now_ms;
	a->ticket_next = *at;
	a->ticket_link = at;
	if (*at)
		(*at)->ticket_link = &a->ticket_next;
	*at = a;
	net_wheel_arm(&d->wheel, &a->timer, now_ms + rcpt_source_config(s)->timeout_ms);
	atomic_fetch_add(&d->refs, 1);
	if (rcpt_source_put(s, a, rcpt, now_ms))
		return true;
	forget(d, a);
	mem_free(&a);
	unref(d);
	return false;
}

void rcpt_desk_cancel(struct rcpt_desk *d, uint64_t ticket)
{
	for (struct rcpt_ask *a = *bucket(d, ticket), *next; a; a = next) {
		next = a->ticket_next;
		if (a->ticket == ticket)
			give_up(d, a);
	}
}

static struct rcpt_ask *collect(struct rcpt_desk *d)
{
	if (!atomic_load(&d->full))
		return NULL;
	pthread_mutex_lock(&d->lock);
	struct rcpt_ask *a = d->done;
	if (a) {
		d->done = a->next;
		if (!d->done)
			d->done_last = &d->done;
	}
	atomic_store(&d->full, d->done != NULL);
	pthread_mutex_unlock(&d->lock);
	return a;
}

static void fill(const struct rcpt_ask *a, enum rcpt_answer answer, uint64_t now_ms, struct rcpt_done *done_r)
{
	*done_r = (struct rcpt_done){ a->ticket, answer, (uint32_t)(now_ms - a->asked_ms) };
}

bool rcpt_desk_pop(struct rcpt_desk *d, uint64_t now_ms, struct rcpt_done *done_r)
{
	for (struct rcpt_ask *a; (a = collect(d));) {
		bool wanted = a->ticket_link;
		if (wanted) {
			forget(d, a);
			fill(a, a->answer, now_ms, done_r);
		}
		mem_free(&a);
		if (wanted)
			return true;
	}
	struct net_timer *late = net_wheel_pop(&d->wheel, now_ms);
	if (!late)
		return false;
	struct rcpt_ask *a = container_of(late, struct rcpt_ask, timer);
	fill(a, RCPT_FAILED, now_ms, done_r);
	give_up(d, a);
	return true;
}

int rcpt_desk_sleep_ms(const struct rcpt_desk *d, uint64_t now_ms)
{
	return net_wheel_sleep_ms(&d->wheel, now_ms);
}
