/* net/listen.h - listening sockets
 *
 * Each worker has its own socket for each address (SO_REUSEPORT), so the kernel spreads the clients
 * and no worker waits for another's accept. IPv6 sockets are IPV6_V6ONLY: "[::]:25" and "0.0.0.0:25"
 * can both be named.
 */
#ifndef NET_LISTEN_H
#define NET_LISTEN_H

#include "base/ip.h"
#include "net/loop.h"

/* Bound and listening, non-blocking, TCP_NODELAY (inherited by what it accepts). -1: errno. */
int net_listen(const struct ip *ip, uint16_t port) MUST_USE;

enum net_accept {
	NET_ACCEPT_OK,
	NET_ACCEPT_NONE,   /* no more waiting */
	NET_ACCEPT_GONE,   /* that client left before we took it: go on */
	NET_ACCEPT_NO_FILE /* out of descriptors or memory: pause the listener, do not spin */
};
/* *fd_r is non-blocking and close-on-exec. */
enum net_accept net_accept(int listen_fd, int *fd_r, struct ip *ip_r, uint16_t *port_r) MUST_USE;
/* Is somebody waiting? Much cheaper than to accept in vain, for which the kernel makes a socket first. */
bool net_accept_would(int listen_fd) MUST_USE;

#endif
