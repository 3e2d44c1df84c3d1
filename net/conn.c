#include "net/conn.h"

#include "net/tls.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

/* An output buffer up to this size stays with its connection between two groups of replies. */
enum { KEEP_OUT = 4096 };

bool net_conn_init(struct net_conn *c, struct net_loop *l, int fd, enum net_owner owner, bool writing)
{
	*c = (struct net_conn){ .io = { .fd = fd, .owner = owner }, .watching_write = writing };
	if (net_loop_add(l, &c->io, writing ? NET_READ | NET_WRITE : NET_READ))
		return true;
	int saved = errno;
	close(fd);
	c->io.fd = -1;
	errno = saved;
	return false;
}

void net_conn_close(struct net_conn *c, struct net_loop *l)
{
	int fd = c->io.fd;
	if (c->tls && fd >= 0)
		net_tls_close_notify(c->tls);
	net_tls_free(&c->tls);
	buf_release(&c->out);
	(void)l; /* closing takes the descriptor out of the epoll set: nobody else holds a copy of it */
	c->io.fd = -1;
	if (fd >= 0)
		close(fd);
}

void net_conn_events(struct net_conn *c, unsigned events)
{
	if (events & NET_READ) {
		c->readable = true;
		c->dry = false;
	}
	if (events & NET_HUP)
		c->hup = true;
}

/* A short read has drained the socket (epoll(7)), unless the peer's end has been announced: that comes without another
 * edge. */
enum net_result net_conn_receive(struct net_conn *c, char *p, size_t cap, size_t *n_r)
{
	ssize_t n;
	*n_r = 0;
	do
		n = recv(c->io.fd, p, cap, 0);
	while (n < 0 && errno == EINTR);
	c->dry = n < 0 ? errno == EAGAIN : n > 0 && (size_t)n < cap && !c->hup;
	if (n < 0)
		return c->dry ? NET_AGAIN : NET_FAILED;
	*n_r = (size_t)n;
	return n == 0 ? NET_EOF : NET_OK;
}

enum net_result net_conn_read(struct net_conn *c, char *p, size_t cap, size_t *n_r)
{
	*n_r = 0;
	if (!c->readable)
		return NET_AGAIN;
	enum net_result r = c->tls ? net_tls_read(c->tls, p, cap, n_r) : net_conn_receive(c, p, cap, n_r);
	if (r == NET_AGAIN || (r == NET_OK && c->dry && !net_tls_holds(c->tls)))
		c->readable = false;
	return r;
}

bool net_conn_has_more(const struct net_conn *c)
{
	char first;
	return net_tls_holds(c->tls) || recv(c->io.fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

/* With one call, of which the usual one, with one part, is the cheaper. */
static enum net_result send_parts(struct net_conn *c, struct slice a, struct slice b, bool more, size_t *n_r)
{
	struct iovec parts[] = { { (void *)(uintptr_t)a.p, a.n }, { (void *)(uintptr_t)b.p, b.n } };
	struct msghdr both = { .msg_iov = parts, .msg_iovlen = 2 };
	/* last words are held back until the close, to leave in one packet with its FIN */
	int flags = MSG_NOSIGNAL | (c->last_words || more ? MSG_MORE : 0);
	ssize_t n;
	do
		n = a.n && b.n ? sendmsg(c->io.fd, &both, flags) : send(c->io.fd, a.n ? a.p : b.p, a.n + b.n, flags);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return errno == EAGAIN ? NET_AGAIN : NET_FAILED;
	*n_r = (size_t)n;
	c->sent += (size_t)n;
	return NET_OK;
}

enum net_result net_conn_send(struct net_conn *c, struct slice s, bool more, size_t *n_r)
{
	return send_parts(c, s, slice_of(NULL, 0), more, n_r);
}

static enum net_result flush_plain(struct net_conn *c, struct slice *direct, bool more)
{
	size_t n;
	struct slice out = buf_slice(&c->out);
	enum net_result r = send_parts(c, out, *direct, more, &n);
	if (r != NET_OK)
		return r;
	size_t of_out = n < out.n ? n : out.n;
	buf_consume(&c->out, of_out);
	*direct = slice_skip(*direct, n - of_out);
	/* A socket that took less than all will say when it has room again (epoll(7)): it need not be asked. */
	return buf_len(&c->out) || direct->n ? NET_AGAIN : NET_OK;
}

static enum net_result flush_tls(struct net_conn *c, struct slice *direct)
{
	enum net_result r = NET_OK;
	while (r == NET_OK && (buf_len(&c->out) || direct->n)) {
		size_t n = 0;
		struct slice out = buf_slice(&c->out);
		r = net_tls_write(c->tls, out.n ? out : *direct, &n);
		if (out.n)
			buf_consume(&c->out, n);
		else
			*direct = slice_skip(*direct, n);
	}
	return r;
}

enum net_result net_conn_flush_with(struct net_conn *c, struct net_loop *l, struct slice *direct, bool more)
{
	if (buf_len(&c->out) || direct->n) {
		enum net_result r = c->tls ? flush_tls(c, direct) : flush_plain(c, direct, more);
		if (r == NET_AGAIN && !c->watching_write) {
			c->watching_write = true;
			net_loop_watch(l, &c->io, NET_READ | NET_WRITE);
		}
		if (r != NET_OK)
			return r;
	}
	if (c->out.cap > KEEP_OUT)
		buf_release(&c->out);
	return NET_OK;
}

enum net_result net_conn_flush(struct net_conn *c, struct net_loop *l)
{
	struct slice nothing = slice_of(NULL, 0);
	return net_conn_flush_with(c, l, &nothing, false);
}

void net_conn_remind(struct net_conn *c, struct net_loop *l)
{
	/* a socket that can be written is reported at once; TLS may hold what was read: reading alone would not do */
	c->watching_write = true;
	net_loop_watch(l, &c->io, NET_READ | NET_WRITE);
}

uint64_t net_conn_acked(const struct net_conn *c)
{
	int waiting = 0; /* SIOCOUTQ of tcp(7), a FIN counted; a reset leaves it as it was */
	if (ioctl(c->io.fd, TIOCOUTQ, &waiting) != 0 || waiting < 0)
		return c->sent;
	return (uint64_t)waiting < c->sent ? c->sent - (uint64_t)waiting : 0;
}

bool net_conn_end(struct net_conn *c)
{
	if (c->tls)
		net_tls_close_notify(c->tls);
	return shutdown(c->io.fd, SHUT_WR) == 0;
}

void net_conn_idle(struct net_conn *c)
{
	if (buf_len(&c->out) == 0)
		buf_release(&c->out);
}

int net_connect(const struct ip *ip, uint16_t port)
{
	struct sockaddr_storage sa;
	unsigned len = ip_to_sockaddr(ip, port, &sa);
	int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
	if (fd < 0)
		return -1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	if (connect(fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int net_connect_unix(const char *path)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	size_t n = strlen(path);
	if (n >= sizeof sa.sun_path) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(sa.sun_path, path, n);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&sa, sizeof sa) == 0)
		return fd;
	int saved = errno;
	close(fd);
	errno = saved;
	return -1;
}

int net_connect_error(int fd)
{
	int err = 0;
	socklen_t n = sizeof err;
	return getsockopt(fd, SOL_SOCKET, SO_ERROR, &err, &n) < 0 ? errno : err;
}

bool net_local_address(int fd, struct ip *ip_r, uint16_t *port_r)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	if (getsockname(fd, (struct sockaddr *)&sa, &n) < 0 || (sa.ss_family != AF_INET && sa.ss_family != AF_INET6))
		return false;
	ip_from_sockaddr(&sa, ip_r, port_r);
	return true;
}
