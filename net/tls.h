/* net/tls.h - TLS over OpenSSL, for clients and toward backends
 *
 * TLS 1.2 and up, Mozilla "intermediate" ciphers, no compression, no renegotiation (RFC 9325).
 * A context is immutable and reference-counted: sessions keep the one they began with over a reload.
 * Threads: a context may be shared by all; a net_tls belongs to its connection's thread.
 */
#ifndef NET_TLS_H
#define NET_TLS_H

#include "base/slice.h"
#include "net/conn.h"

struct net_tls_ctx;

/* PEM files: a certificate with its chain, and its key. */
struct net_tls_files {
	const char *cert, *key;
};
/* Of one certificate or more. A client that names a host (SNI, RFC 6066 3) gets the first certificate that is good for
 * it, all others the first. NULL: `error_r` holds a sentence for the administrator. */
struct net_tls_ctx *net_tls_server_ctx(
	const struct net_tls_files *files, size_t n, bool tls13_only, char error_r[256]) MUST_USE;
struct net_tls_ctx *net_tls_ctx_ref(struct net_tls_ctx *ctx);
void net_tls_ctx_unref(struct net_tls_ctx **ctx);

/* Begins a server handshake on the connection. False: memory. */
bool net_tls_accept(struct net_conn *c, struct net_tls_ctx *ctx) MUST_USE;
/* For connections that we make. `verify`: the peer's certificate must be signed by an authority in the PEM file `ca`
 * (NULL: by one of the system's) and be good for the name given to net_tls_connect(). NULL: as above. */
struct net_tls_ctx *net_tls_client_ctx(bool verify, const char *ca, char error_r[256]) MUST_USE;
/* What a later connection to the same peer may resume (RFC 8446 2.2). */
struct net_tls_session;
/* Begins a client handshake. `name`: a host name (sent as SNI) or an address. `session` may be NULL; it stays the
 * caller's. False: memory. */
bool net_tls_connect(
	struct net_conn *c, struct net_tls_ctx *ctx, const char *name, struct net_tls_session *session) MUST_USE;
/* Of a connection that is about to be closed; NULL: it cannot be resumed. */
struct net_tls_session *net_tls_session_take(struct net_tls *t);
void net_tls_session_free(struct net_tls_session **s);
/* The handshake resumed an earlier session. */
bool net_tls_resumed(const struct net_tls *t);

/* Goes on with the handshake: NET_OK it is done, NET_AGAIN, NET_FAILED (net_tls_error says why). */
enum net_result net_tls_handshake(struct net_conn *c, struct net_loop *l) MUST_USE;
void net_tls_free(struct net_tls **t);

/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; static text, "" before the handshake. */
const char *net_tls_version(const struct net_tls *t);
const char *net_tls_cipher(const struct net_tls *t);
/* The name that the client asked for (SNI), "": none; as long as the connection. */
const char *net_tls_server_name(const struct net_tls *t);
/* Bytes of the peer's were taken from the socket and are not read yet; NULL: none. */
bool net_tls_holds(const struct net_tls *t);
/* What went wrong in this thread's last handshake or read, in words. */
const char *net_tls_error(void);

/* for net/conn.c alone */
enum net_result net_tls_read(struct net_tls *t, char *p, size_t cap, size_t *n_r);
enum net_result net_tls_write(struct net_tls *t, struct slice s, size_t *n_r);
void net_tls_close_notify(struct net_tls *t);

#endif
