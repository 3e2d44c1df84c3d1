/* net/loop.h - one thread's epoll set
 *
 * No callbacks: net_loop_wait() collects what is ready, net_loop_next() hands it out one by one, and
 * the thread that owns the loop decides by `owner` whose it is. Edge-triggered: who is told of
 * NET_READ reads until it would block (or a read comes back short), see net/conn.h.
 * An io that is removed while its event still waits in the batch is skipped. Its memory may be
 * freed only after the batch: net_loop_next() has returned NULL.
 * Threads: a loop belongs to one thread; only net_wake_up() may be called from others.
 */
#ifndef NET_LOOP_H
#define NET_LOOP_H

#include "base/result.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { NET_READ = 1, NET_WRITE = 2, NET_HUP = 4 };

/* Who an io belongs to: the thread's switch over what came out of net_loop_next(). */
enum net_owner {
	NET_OWNER_WAKE,
	NET_OWNER_LISTENER,
	NET_OWNER_SESSION,
	NET_OWNER_RELAY,
	NET_OWNER_DNS,
	NET_OWNER_SIGNAL
};

/* Lives inside its owner; container_of gets back. */
struct net_io {
	int fd; /* -1: not in the loop */
	enum net_owner owner;
};

#define container_of(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

struct net_loop;
struct net_loop *net_loop_new(void) MUST_USE;
void net_loop_free(struct net_loop **l);

/* Edge-triggered for `events` (NET_READ | NET_WRITE). False: errno says why (ENOSPC, ENOMEM). */
bool net_loop_add(struct net_loop *l, struct net_io *io, unsigned events) MUST_USE;
/* Another set of events; an edge that is already there is reported anew. */
void net_loop_watch(struct net_loop *l, struct net_io *io, unsigned events);
/* Out of the loop; the descriptor stays open and is the caller's to close; io->fd becomes -1. */
void net_loop_remove(struct net_loop *l, struct net_io *io);

/* Waits up to timeout_ms (-1: for ever). */
void net_loop_wait(struct net_loop *l, int timeout_ms);
/* The next ready io of this batch, or NULL. NET_HUP: the peer has ended its side, or the socket failed. */
struct net_io *net_loop_next(struct net_loop *l, unsigned *events_r);

/* A way for other threads to end this loop's wait. */
struct net_wake {
	struct net_io io;
};
bool net_wake_init(struct net_wake *w, struct net_loop *l) MUST_USE;
void net_wake_up(struct net_wake *w); /* from any thread */
void net_wake_clear(struct net_wake *w);
void net_wake_close(struct net_wake *w, struct net_loop *l);

#endif
