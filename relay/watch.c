#include "relay/watch.h"

#include "net/ended.h"

void relay_watches_init(struct relay_watches *w)
{
	for (size_t i = 0; i < RELAY_WATCH_STRIPES; i++)
		pthread_mutex_init(&w->stripes[i].lock, NULL);
}

void relay_watches_clear(struct relay_watches *w)
{
	for (size_t i = 0; i < RELAY_WATCH_STRIPES; i++)
		pthread_mutex_destroy(&w->stripes[i].lock);
}

void relay_watch_begin(struct relay_watches *all, struct relay_watch *w, uint64_t key, uint64_t turn)
{
	struct relay_watch_stripe *s = &all->stripes[key % RELAY_WATCH_STRIPES];
	w->key = key;
	w->turn = turn;
	w->in = s;
	pthread_mutex_lock(&s->lock);
	w->next = s->first;
	w->link = &s->first;
	if (w->next)
		w->next->link = &w->next;
	s->first = w;
	pthread_mutex_unlock(&s->lock);
}

void relay_watch_end(struct relay_watch *w)
{
	struct relay_watch_stripe *s = w->in;
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	*w->link = w->next;
	if (w->next)
		w->next->link = w->link;
	pthread_mutex_unlock(&s->lock);
	w->in = NULL;
}

bool relay_watch_sees_gone(struct relay_watches *all, const struct relay_watch *w)
{
	struct relay_watch_stripe *s = &all->stripes[w->key % RELAY_WATCH_STRIPES];
	int fds[NET_ENDED_MAX];
	size_t n = 0;
	pthread_mutex_lock(&s->lock);
	for (const struct relay_watch *o = s->first; o && n < NET_ENDED_MAX; o = o->next)
		if (o->key == w->key && o->turn < w->turn && o->fd != w->fd)
			fds[n++] = o->fd;
	pthread_mutex_unlock(&s->lock);
	return net_any_ended(fds, n);
}
