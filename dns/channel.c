#include "dns/channel.h"

#include "base/hash.h"
#include "base/mem.h"
#include "dns/book.h"
#include "dns/message.h"
#include "net/loop.h"

#include <ares.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	OLD_MAX = 16, /* channels that end their queries; beyond it the one in use stays */
	RECEIVE_BYTES =
		1 << 20, /* for answers that come while the worker does other things; the kernel may give less */
	PACKETS = 256,	 /* read of a socket in one go: others get their turn */
	TRIES_MAX = 10,
	TRY_MS = 100,	    /* the least time that a server is given */
	TICK_LEAST_MS = 16, /* how exactly c-ares' own timeouts are kept */
	TICK_MOST_MS = 100,
	IDS = 64,      /* taken from the kernel at once */
	REFUSALS = 256 /* remembered of a channel */
};

struct sock {
	struct net_io io;
	struct sock *next;
	struct channel *channel;
	size_t server;
	unsigned left; /* packets that may still be read in this go */
	bool dry;      /* the last read found nothing */
};

/* 1.18 tells "the server cannot answer" and "there is no server" alike; so what the packets said is looked at. */
struct refusal {
	uint16_t id;
	uint8_t rcode;
};

struct channel {
	struct channel *next;
	struct dns_channels *all;
	ares_channel ares;
	struct sock *socks;
	uint64_t born_ms;
	unsigned sent, open, order;
	struct refusal refusals[REFUSALS]; /* at the place of their id */
};

/* A query on its way through c-ares, then its reply. */
struct flight {
	struct flight *next;
	struct channel *channel;
	struct dns_query *query;
	uint16_t id;
	enum dns_failure failure;
	unsigned char *message;
	size_t n;
};

struct dns_channels {
	struct net_loop *loop;
	struct dns_channel_settings settings;
	struct dns_servers servers;
	struct channel *current, *old;
	unsigned old_n, open;
	struct sock *closed; /* freed when no event can name them */
	struct flight *done, **done_end, *popped;
	uint64_t now_ms, tcp;
	uint16_t ids[IDS];
	unsigned ids_left;
};

/* ---- sockets, as c-ares asks for them ---------------------------------------------------------- */

static struct sock *sock_of(const struct channel *c, int fd)
{
	struct sock *s = c->socks;
	while (s && s->io.fd != fd)
		s = s->next;
	return s;
}

static ares_socket_t make_socket(int family, int type, int protocol, void *data)
{
	struct channel *c = data;
	struct sock *s = mem_zalloc(sizeof *s);
	int one = 1, room = RECEIVE_BYTES, fd = s ? socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol) : -1;
	if (fd < 0) {
		mem_free(&s);
		return -1;
	}
	if (type == SOCK_STREAM) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		c->all->tcp++;
	} else {
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
	}
	*s = (struct sock){ .io = { .fd = fd, .owner = NET_OWNER_DNS }, .next = c->socks, .channel = c };
	c->socks = s;
	return fd;
}

/* Into the loop once it is connected or connecting: before, it would be told as hung up. */
static int connect_socket(ares_socket_t fd, const struct sockaddr *to, ares_socklen_t n, void *data)
{
	struct channel *c = data;
	struct sock *s = sock_of(c, fd);
	struct sockaddr_storage address = { 0 };
	struct ip ip;
	uint16_t port;
	int result = connect(fd, to, n), error = errno;
	if (result < 0 && error != EINPROGRESS)
		return -1;
	memcpy(&address, to, n < sizeof address ? n : sizeof address);
	ip_from_sockaddr(&address, &ip, &port);
	s->server = dns_servers_find(&c->all->servers, &ip, port);
	if (!net_loop_add(c->all->loop, &s->io, NET_READ | NET_WRITE))
		return -1;
	errno = error;
	return result;
}

static int close_socket(ares_socket_t fd, void *data)
{
	struct channel *c = data;
	struct sock **at = &c->socks, *s;
	while ((*at)->io.fd != fd)
		at = &(*at)->next;
	s = *at;
	*at = s->next;
	s->next = c->all->closed;
	c->all->closed = s;
	s->dry = true;
	net_loop_remove(c->all->loop, &s->io);
	return close(fd);
}

static struct refusal *refusal_of(struct channel *c, uint16_t id)
{
	return &c->refusals[id % REFUSALS];
}

static void note_refusal(struct channel *c, const uint8_t *packet, size_t n)
{
	if (n < DNS_HEADER || !(packet[3] & 15))
		return;
	uint16_t id = (uint16_t)(packet[0] << 8 | packet[1]);
	*refusal_of(c, id) = (struct refusal){ id, packet[3] & 15 };
}

static ares_ssize_t receive(
	ares_socket_t fd, void *to, size_t room, int flags, struct sockaddr *from, ares_socklen_t *from_n, void *data)
{
	struct channel *c = data;
	struct sock *s = sock_of(c, fd);
	if (s->left == 0) {
		errno = EAGAIN;
		return -1;
	}
	s->left--;
	ares_ssize_t n = recvfrom(fd, to, room, flags, from, from_n);
	s->dry = n <= 0;
	if (n > 0) {
		dns_servers_heard(&c->all->servers, s->server);
		note_refusal(c, to, (size_t)n);
	}
	return n;
}

static ares_ssize_t send_parts(ares_socket_t fd, const struct iovec *parts, int n, void *data)
{
	struct channel *c = data;
	struct msghdr m = { .msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n };
	dns_servers_sent(&c->all->servers, sock_of(c, fd)->server, c->all->now_ms);
	return sendmsg(fd, &m, MSG_NOSIGNAL);
}

static const struct ares_socket_functions SOCKETS = { make_socket, close_socket, connect_socket, receive, send_parts };

/* ---- channels ---------------------------------------------------------------------------------- */

/* How long all tries take when the first waits `ms` and each round over the servers twice the one before. */
static uint64_t all_tries_ms(size_t servers, unsigned tries, uint64_t ms)
{
	return servers * ms * (((uint64_t)1 << tries) - 1);
}

/* Tries that fit into the time. */
static unsigned tries_of(const struct dns_channel_settings *s)
{
	unsigned tries = s->tries < 1 ? 1 : s->tries > TRIES_MAX ? TRIES_MAX : s->tries;
	while (tries > 1 && all_tries_ms(s->servers_n, tries, TRY_MS) > s->timeout_ms)
		tries--;
	return tries;
}

static uint64_t try_ms_of(const struct dns_channel_settings *s)
{
	uint64_t rounds = all_tries_ms(s->servers_n, tries_of(s), 1), ms = rounds ? s->timeout_ms / rounds : 0;
	return ms < TRY_MS ? TRY_MS : ms;
}

static bool set_servers(const struct dns_channels *all, ares_channel ares)
{
	struct dns_server list[DNS_SERVERS_MAX];
	struct ares_addr_port_node nodes[DNS_SERVERS_MAX] = { 0 };
	dns_servers_in_order(&all->servers, list);
	for (size_t i = 0; i < all->servers.n; i++) {
		struct ares_addr_port_node *n = &nodes[i];
		n->next = i + 1 < all->servers.n ? n + 1 : NULL;
		n->family = ip_is_v4(&list[i].ip) ? AF_INET : AF_INET6;
		if (n->family == AF_INET)
			memcpy(&n->addr.addr4, list[i].ip.b + 12, 4);
		else
			memcpy(&n->addr.addr6, list[i].ip.b, 16);
		n->udp_port = n->tcp_port = list[i].port;
	}
	return ares_set_servers_ports(ares, nodes) == ARES_SUCCESS;
}

/* With all of these set c-ares reads neither resolv.conf nor any other file. */
static bool init_ares(struct channel *c)
{
	const struct dns_channel_settings *s = &c->all->settings;
	char lookups[] = "b";
	struct ares_options o = { .flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOALIASES,
		.timeout = (int)try_ms_of(s),
		.tries = (int)tries_of(s),
		.ndots = 1,
		.lookups = lookups,
		.ednspsz = DNS_UDP_SIZE };
	int given = ARES_OPT_FLAGS | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_NDOTS | ARES_OPT_LOOKUPS |
		    ARES_OPT_EDNSPSZ | ARES_OPT_SERVERS | ARES_OPT_DOMAINS | ARES_OPT_SORTLIST;
	if (ares_init_options(&c->ares, &o, given) != ARES_SUCCESS)
		return false;
	ares_set_socket_functions(c->ares, &SOCKETS, c);
	if (set_servers(c->all, c->ares))
		return true;
	ares_destroy(c->ares);
	return false;
}

static struct channel *channel_new(struct dns_channels *all)
{
	struct channel *c = mem_zalloc(sizeof *c);
	if (!c)
		return NULL;
	c->all = all;
	c->born_ms = all->now_ms;
	c->order = all->servers.order;
	if (!init_ares(c))
		mem_free(&c);
	return c;
}

static void retire(struct dns_channels *all)
{
	struct channel *c = all->current;
	if (!c)
		return;
	c->next = all->old;
	all->old = c;
	all->old_n++;
	all->current = NULL;
}

static bool is_worn(struct dns_channels *all)
{
	const struct channel *c = all->current;
	unsigned order = dns_servers_look(&all->servers, all->now_ms);
	return c && all->old_n < OLD_MAX &&
	       (c->sent >= DNS_CHANNEL_QUERIES || all->now_ms - c->born_ms >= DNS_CHANNEL_MS || c->order != order);
}

void dns_channels_sweep(struct dns_channels *all)
{
	for (struct channel **at = &all->old, *c; (c = *at);) {
		if (c->open) {
			at = &c->next;
			continue;
		}
		*at = c->next;
		all->old_n--;
		ares_destroy(c->ares);
		mem_free(&c);
	}
	while (all->closed) {
		struct sock *s = all->closed;
		all->closed = s->next;
		mem_free(&s);
	}
}

/* ---- queries ----------------------------------------------------------------------------------- */

static enum dns_failure refused_by(const struct flight *f)
{
	const struct refusal *r = refusal_of(f->channel, f->id);
	if (r->id != f->id || !r->rcode)
		return DNS_UNREACHABLE;
	return r->rcode == DNS_RCODE_REFUSED || r->rcode == DNS_RCODE_NOTIMP ? DNS_REFUSED : DNS_SERVFAIL;
}

static enum dns_failure failure_of(const struct flight *f, int status)
{
	switch (status) {
	case ARES_SUCCESS:
		return DNS_NO_FAILURE;
	case ARES_ETIMEOUT:
		return DNS_TIMEOUT;
	case ARES_ECONNREFUSED:
		return refused_by(f);
	case ARES_EREFUSED:
	case ARES_ENOTIMP:
		return DNS_REFUSED;
	case ARES_ENOMEM:
		return DNS_NO_MEMORY;
	default:
		return DNS_SERVFAIL;
	}
}

static void on_answer(void *arg, int status, int timeouts, unsigned char *message, int n)
{
	struct flight *f = arg;
	struct dns_channels *all = f->channel->all;
	(void)timeouts;
	f->failure = failure_of(f, status);
	if (!f->failure && (!message || n <= 0))
		f->failure = DNS_MALFORMED;
	if (!f->failure && !(f->message = mem_alloc((size_t)n)))
		f->failure = DNS_NO_MEMORY;
	if (!f->failure) {
		f->n = (size_t)n;
		memcpy(f->message, message, f->n);
	}
	f->channel->open--;
	all->open--;
	*all->done_end = f;
	all->done_end = &f->next;
}

static uint16_t next_id(struct dns_channels *all)
{
	if (!all->ids_left) {
		rand_bytes(all->ids, sizeof all->ids);
		all->ids_left = IDS;
	}
	return all->ids[--all->ids_left];
}

bool dns_channels_send(struct dns_channels *all, struct dns_query *query, uint64_t now_ms)
{
	uint8_t message[DNS_QUERY_MAX];
	all->now_ms = now_ms;
	if (is_worn(all))
		retire(all);
	if (!all->current)
		all->current = channel_new(all);
	struct flight *f = all->current ? mem_zalloc(sizeof *f) : NULL;
	if (!f)
		return false;
	f->channel = all->current;
	f->query = query;
	f->id = next_id(all);
	refusal_of(f->channel, f->id)->rcode = 0;
	f->channel->sent++;
	f->channel->open++;
	all->open++;
	int n = (int)dns_message_write(&query->question, f->id, message);
	ares_send(f->channel->ares, message, n, on_answer, f);
	return true;
}

static void free_popped(struct dns_channels *all)
{
	if (all->popped)
		mem_free(&all->popped->message);
	mem_free(&all->popped);
}

bool dns_channels_pop(struct dns_channels *all, struct dns_reply *reply_r)
{
	struct flight *f = all->done;
	free_popped(all);
	if (!f)
		return false;
	all->done = f->next;
	if (!all->done)
		all->done_end = &all->done;
	all->popped = f;
	*reply_r = (struct dns_reply){ f->query, f->failure, slice_of((const char *)f->message, f->n) };
	return true;
}

/* Edge-triggered: c-ares reads a TCP connection piece by piece, so it is called until nothing is left. */
void dns_channels_on_io(struct dns_channels *all, struct net_io *io, unsigned events, uint64_t now_ms)
{
	struct sock *s = container_of(io, struct sock, io);
	ares_socket_t fd = io->fd, reading = events & NET_READ ? fd : ARES_SOCKET_BAD,
		      writing = events & NET_WRITE ? fd : ARES_SOCKET_BAD;
	all->now_ms = now_ms;
	s->left = PACKETS;
	do {
		s->dry = true;
		ares_process_fd(s->channel->ares, reading, writing);
		writing = ARES_SOCKET_BAD;
	} while (!s->dry && s->left);
	if (s->left == 0 && io->fd == fd)
		net_loop_watch(all->loop, io, NET_READ | NET_WRITE);
}

void dns_channels_on_tick(struct dns_channels *all, uint64_t now_ms)
{
	all->now_ms = now_ms;
	for (struct channel *c = all->old; c; c = c->next)
		ares_process_fd(c->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
	if (all->current)
		ares_process_fd(all->current->ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
}

uint64_t dns_channels_tick_ms(const struct dns_channels *all)
{
	uint64_t ms = try_ms_of(&all->settings) / 4;
	return ms < TICK_LEAST_MS ? TICK_LEAST_MS : ms > TICK_MOST_MS ? TICK_MOST_MS : ms;
}

unsigned dns_channels_open(const struct dns_channels *all)
{
	return all->open;
}

uint64_t dns_channels_tcp(const struct dns_channels *all)
{
	return all->tcp;
}

/* ---- from beginning to end --------------------------------------------------------------------- */

static void init_library(void)
{
	/* a failure shows when a channel is made */
	if (ares_library_init_mem(ARES_LIB_INIT_ALL, mem_hook_malloc, mem_hook_free, mem_hook_realloc))
		return;
}

struct dns_channels *dns_channels_new(struct net_loop *l)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct dns_channels *all = mem_zalloc(sizeof *all);
	pthread_once(&once, init_library);
	if (!all)
		return NULL;
	all->loop = l;
	all->done_end = &all->done;
	return all;
}

void dns_channels_configure(struct dns_channels *all, const struct dns_channel_settings *s, uint64_t now_ms)
{
	all->now_ms = now_ms;
	retire(all);
	for (struct channel *c = all->old; c; c = c->next)
		for (struct sock *sock = c->socks; sock; sock = sock->next)
			sock->server = DNS_SERVERS_MAX; /* no one's, under the new settings */
	all->settings = *s;
	dns_servers_init(&all->servers, all->settings.servers, s->servers_n, 2 * try_ms_of(s), s->retest_ms);
}

void dns_channels_abandon(struct dns_channels *all)
{
	retire(all);
	for (struct channel *c = all->old; c; c = c->next)
		ares_cancel(c->ares);
}

void dns_channels_free(struct dns_channels **allp)
{
	struct dns_channels *all = *allp;
	struct dns_reply lost;
	if (!all)
		return;
	dns_channels_abandon(all);
	while (dns_channels_pop(all, &lost))
		;
	dns_channels_sweep(all);
	mem_free(allp);
}
