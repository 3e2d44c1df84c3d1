/* net/conn.h - a buffered, non-blocking connection, in the clear or in TLS
 *
 * Reading goes straight into the caller's scratch memory; only what is to be sent is kept here, so
 * an idle connection owns no buffer. Writers append to `out` (buf_put and friends) and flush once
 * for a whole group of replies or commands: one write for each group, TCP_NODELAY set.
 * Back pressure: what is left in `out` after a flush says how far the peer is behind; who feeds
 * it stops above its limit and goes on when the loop reports NET_WRITE.
 * Thread: the loop's.
 */
#ifndef NET_CONN_H
#define NET_CONN_H

#include "base/buf.h"
#include "base/ip.h"
#include "net/loop.h"

enum net_result {
	NET_OK,	   /* bytes were moved */
	NET_AGAIN, /* would block; the loop will tell */
	NET_EOF,   /* the peer ended its side in good order */
	NET_FAILED /* reset, TLS failure, truncated TLS stream: close it */
};

struct net_tls;

struct net_conn {
	struct net_io io;
	bool readable; /* not yet read dry since the last edge */
	bool dry;      /* the socket is; in TLS what it gave may still be held, then it is readable */
	bool hup;      /* the peer's end was announced: read on until NET_EOF */
	bool watching_write;
	bool last_words;     /* set before the last flush: close follows as soon as it is through */
	struct net_tls *tls; /* owned; NULL in the clear */
	struct buf out;
	uint64_t sent; /* bytes that the kernel took, in TLS those of its records */
};

/* Takes over the connected (or connecting) socket. `writing`: also report when it can be written,
 * which a connect in progress needs. False: could not be added to the loop; fd is closed. */
bool net_conn_init(struct net_conn *c, struct net_loop *l, int fd, enum net_owner owner, bool writing) MUST_USE;
/* Closes the socket, frees TLS and buffers. Zeroed or closed connections are fine. */
void net_conn_close(struct net_conn *c, struct net_loop *l);
static inline bool net_conn_is_open(const struct net_conn *c)
{
	return c->io.fd >= 0;
}

/* Notes what the loop reported; call it first for every event. */
void net_conn_events(struct net_conn *c, unsigned events);

/* NET_OK with 1..cap bytes in *n_r, or NET_AGAIN, NET_EOF, NET_FAILED. NET_OK with none: much of what came in TLS was
 * no data, and more is here; who has others to serve asks for a reminder. When !c->readable it answers NET_AGAIN
 * without a system call. */
enum net_result net_conn_read(struct net_conn *c, char *p, size_t cap, size_t *n_r) MUST_USE;
/* Sends what is in `out`: NET_OK all gone (memory is kept up to 4 KB, else given back), NET_AGAIN some is
 * left and the loop will report NET_WRITE, NET_FAILED. */
enum net_result net_conn_flush(struct net_conn *c, struct net_loop *l) MUST_USE;
/* The same, and behind it *direct from where it lies, for bytes too many to be copied; what was sent is taken off its
 * front, and it must stay where it is until nothing is left of it. `more`: more follows at once, so that the kernel may
 * keep a last small packet back. */
enum net_result net_conn_flush_with(struct net_conn *c, struct net_loop *l, struct slice *direct, bool more) MUST_USE;
/* Has the loop report the connection once more, at its next wait: for a reader that stops before it is dry, so that
 * others get their turn. */
void net_conn_remind(struct net_conn *c, struct net_loop *l);
/* Something of the peer's is here that has not been read; it stays so. False also: its end, a reset. */
bool net_conn_has_more(const struct net_conn *c);
/* How many of the bytes `sent` the peer's kernel has acknowledged: also when the connection has been reset since. Where
 * that cannot be known it is all of them. */
uint64_t net_conn_acked(const struct net_conn *c);
/* Ends our side behind what was flushed; what the peer says may still be read. False: it is gone. */
bool net_conn_end(struct net_conn *c) MUST_USE;
/* Gives back buffer memory; for a connection that goes idle with nothing left to send. */
void net_conn_idle(struct net_conn *c);

/* For net/tls.c alone: the socket below the records. */
enum net_result net_conn_receive(struct net_conn *c, char *p, size_t cap, size_t *n_r);
/* `more`: held back for what follows at once. */
enum net_result net_conn_send(struct net_conn *c, struct slice s, bool more, size_t *n_r);

/* A non-blocking connect(2) with TCP_NODELAY. Returns the socket or -1 (errno). When it is done the
 * loop reports NET_WRITE; net_connect_error() then gives 0 or the errno. */
int net_connect(const struct ip *ip, uint16_t port) MUST_USE;
/* The same to a Unix socket. ENAMETOOLONG: the path does not fit. */
int net_connect_unix(const char *path) MUST_USE;
int net_connect_error(int fd);
/* Where the peer has connected to. False: the socket is no longer connected, or no TCP. */
bool net_local_address(int fd, struct ip *ip_r, uint16_t *port_r) MUST_USE;

#endif
