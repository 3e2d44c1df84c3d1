#include "net/listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

/* Clients that knock in one burst wait here; the kernel caps it at net.core.somaxconn. */
enum { BACKLOG = 8192 };

static bool set_up(int fd, const struct ip *ip, uint16_t port)
{
	struct sockaddr_storage sa;
	unsigned len = ip_to_sockaddr(ip, port, &sa);
	int one = 1;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) < 0 ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0 ||
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one) < 0)
		return false;
	if (sa.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one) < 0)
		return false;
	return bind(fd, (struct sockaddr *)&sa, len) == 0 && listen(fd, BACKLOG) == 0;
}

int net_listen(const struct ip *ip, uint16_t port)
{
	int family = ip_is_v4(ip) ? AF_INET : AF_INET6;
	int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || set_up(fd, ip, port))
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

enum net_accept net_accept(int listen_fd, int *fd_r, struct ip *ip_r, uint16_t *port_r)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof sa;
	int fd = accept4(listen_fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
	if (fd >= 0) {
		ip_from_sockaddr(&sa, ip_r, port_r);
		*fd_r = fd;
		return NET_ACCEPT_OK;
	}
	if (errno == EAGAIN)
		return NET_ACCEPT_NONE;
	bool no_file = errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
	return no_file ? NET_ACCEPT_NO_FILE : NET_ACCEPT_GONE;
}

bool net_accept_would(int listen_fd)
{
	struct pollfd p = { .fd = listen_fd, .events = POLLIN };
	return poll(&p, 1, 0) != 0;
}
