/* net/tls.h - TLS over OpenSSL, for clients' STARTTLS now and for backends later
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
/* Goes on with the handshake: NET_OK it is done, NET_AGAIN, NET_FAILED (net_tls_error says why). */
enum net_result net_tls_handshake(struct net_conn *c, struct net_loop *l) MUST_USE;
void net_tls_free(struct net_tls **t);

/* "TLSv1.3" and "TLS_AES_256_GCM_SHA384"; static text, "" before the handshake. */
const char *net_tls_version(const struct net_tls *t);
const char *net_tls_cipher(const struct net_tls *t);
/* What went wrong in this thread's last handshake or read, in words. */
const char *net_tls_error(void);

/* for net/conn.c alone */
enum net_result net_tls_read(struct net_tls *t, char *p, size_t cap, size_t *n_r);
enum net_result net_tls_write(struct net_tls *t, struct slice s, size_t *n_r);
void net_tls_close_notify(struct net_tls *t);

#endif
