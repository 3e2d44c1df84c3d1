#include "net/loop.h"

#include "base/mem.h"

#include <errno.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* More than one wait's worth of events for a busy worker; the kernel keeps the rest for the next wait. */
enum { BATCH = 256 };

struct net_loop {
	int epoll;
	int n, at;
	struct epoll_event batch[BATCH];
};

struct net_loop *net_loop_new(void)
{
	struct net_loop *l = mem_zalloc(sizeof *l);
	if (!l)
		return NULL;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0)
		mem_free(&l);
	return l;
}

void net_loop_free(struct net_loop **l)
{
	if (!*l)
		return;
	close((*l)->epoll);
	mem_free(l);
}

static struct epoll_event interest(struct net_io *io, unsigned events)
{
	struct epoll_event e = { .events = EPOLLET | EPOLLRDHUP, .data.ptr = io };
	if (events & NET_READ)
		e.events |= EPOLLIN;
	if (events & NET_WRITE)
		e.events |= EPOLLOUT;
	return e;
}

bool net_loop_add(struct net_loop *l, struct net_io *io, unsigned events)
{
	struct epoll_event e = interest(io, events);
	return epoll_ctl(l->epoll, EPOLL_CTL_ADD, io->fd, &e) == 0;
}

void net_loop_watch(struct net_loop *l, struct net_io *io, unsigned events)
{
	struct epoll_event e = interest(io, events);
	epoll_ctl(l->epoll, EPOLL_CTL_MOD, io->fd, &e);
}

void net_loop_remove(struct net_loop *l, struct net_io *io)
{
	if (io->fd < 0)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, io->fd, &(struct epoll_event){ 0 });
	io->fd = -1;
}

void net_loop_wait(struct net_loop *l, int timeout_ms)
{
	l->at = 0;
	l->n = epoll_wait(l->epoll, l->batch, BATCH, timeout_ms);
	if (l->n < 0)
		l->n = 0; /* EINTR: the caller comes round again */
}

struct net_io *net_loop_next(struct net_loop *l, unsigned *events_r)
{
	while (l->at < l->n) {
		const struct epoll_event *e = &l->batch[l->at++];
		struct net_io *io = e->data.ptr;
		if (io->fd < 0)
			continue; /* removed while its event waited here */
		*events_r = (e->events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP) ? NET_READ : 0u) |
			    (e->events & (EPOLLOUT | EPOLLHUP | EPOLLERR) ? NET_WRITE : 0u) |
			    (e->events & (EPOLLHUP | EPOLLERR | EPOLLRDHUP) ? NET_HUP : 0u);
		return io;
	}
	return NULL;
}

bool net_wake_init(struct net_wake *w, struct net_loop *l)
{
	w->io = (struct net_io){ .fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC), .owner = NET_OWNER_WAKE };
	return w->io.fd >= 0 && net_loop_add(l, &w->io, NET_READ);
}

void net_wake_up(struct net_wake *w)
{
	uint64_t one = 1;
	/* it can only fail when 2^64-2 wake-ups wait already: then the loop is awake anyway */
	if (write(w->io.fd, &one, sizeof one) < 0)
		return;
}

void net_wake_clear(struct net_wake *w)
{
	uint64_t n;
	if (read(w->io.fd, &n, sizeof n) < 0)
		return; /* nobody called since: nothing to clear */
}

void net_wake_close(struct net_wake *w, struct net_loop *l)
{
	int fd = w->io.fd;
	if (fd < 0)
		return;
	net_loop_remove(l, &w->io);
	close(fd);
}
