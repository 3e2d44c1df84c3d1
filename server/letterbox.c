/* What other threads leave for a worker; worker.c opens its letterbox when the bell has rung. */
#include "server/session.h"

#include <time.h>

void worker_take_generation(struct worker *w, struct generation *g)
{
	struct generation *fresh = generation_ref(g);
	pthread_mutex_lock(&w->letterbox.lock);
	struct generation *unread = w->letterbox.generation;
	w->letterbox.generation = fresh;
	pthread_mutex_unlock(&w->letterbox.lock);
	generation_unref(&unread);
	net_wake_up(&w->wake);
}

void worker_drain(struct worker *w)
{
	pthread_mutex_lock(&w->letterbox.lock);
	w->letterbox.drain = true;
	pthread_mutex_unlock(&w->letterbox.lock);
	net_wake_up(&w->wake);
}

void worker_stop(struct worker *w)
{
	pthread_mutex_lock(&w->letterbox.lock);
	w->letterbox.stop = true;
	pthread_mutex_unlock(&w->letterbox.lock);
	net_wake_up(&w->wake);
}

bool worker_has_turned(struct worker *w)
{
	unsigned turns = atomic_load_explicit(&w->turns, memory_order_relaxed);
	bool turned = turns != w->turns_seen;
	w->turns_seen = turns;
	net_wake_up(&w->wake);
	return turned;
}

bool worker_list_sessions(struct worker *w, struct session_list *list, unsigned timeout_ms)
{
	pthread_mutex_init(&list->lock, NULL);
	pthread_cond_init(&list->listed, NULL);
	list->done = false;
	pthread_mutex_lock(&w->letterbox.lock);
	w->letterbox.list = list;
	pthread_mutex_unlock(&w->letterbox.lock);
	net_wake_up(&w->wake);
	struct timespec until;
	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += timeout_ms / 1000;
	pthread_mutex_lock(&list->lock);
	while (!list->done && pthread_cond_timedwait(&list->listed, &list->lock, &until) == 0)
		;
	bool done = list->done;
	pthread_mutex_unlock(&list->lock);
	pthread_mutex_lock(&w->letterbox.lock);
	w->letterbox.list = NULL; /* a worker fills it under this lock: from here on it cannot */
	pthread_mutex_unlock(&w->letterbox.lock);
	pthread_cond_destroy(&list->listed);
	pthread_mutex_destroy(&list->lock);
	return done;
}
