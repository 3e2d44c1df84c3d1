#include "net/tls.h"

#include "base/clock.h"
#include "base/mem.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/rand.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>

/* Mozilla "intermediate", version 5.7: the TLS 1.2 part; TLS 1.3 keeps OpenSSL's own three. */
static const char CIPHERS[] = "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
			      "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305:"
			      "DHE-RSA-AES128-GCM-SHA256:DHE-RSA-AES256-GCM-SHA384:DHE-RSA-CHACHA20-POLY1305";

/* Bytes off the wire for one read. A whole record is among them, so data comes on; of records without any (key updates:
 * a peer may send nothing else) so many cost some milliseconds, then others get their turn. */
enum { WIRE_A_READ = 32 * 1024 };

struct net_tls_ctx {
	atomic_uint refs;
	BIO_METHOD *wire; /* between OpenSSL and the socket */
	size_t n;
	SSL_CTX *ssl_ctx[]; /* one for each certificate; every session begins with the first */
};

struct net_tls {
	SSL *ssl;
	struct net_conn *conn;
	struct net_tls_ctx *ctx;
	bool broken; /* nothing more may be said in it */
	size_t budget; /* bytes that this call may still take off the wire */
};

static _Thread_local char last_error[160];

const char *net_tls_error(void)
{
	return last_error;
}

static void note_error(const char *otherwise)
{
	unsigned long e = ERR_peek_error(); /* the first is the cause; behind it are the calls that it passed through */
	const char *reason = ERR_SYSTEM_ERROR(e) ? strerror(ERR_GET_REASON(e)) : e ? ERR_reason_error_string(e) : NULL;
	snprintf(last_error, sizeof last_error, "%s", reason ? reason : otherwise);
	ERR_clear_error();
}

static bool fault(char error_r[256], const char *what, const char *file)
{
	note_error("unreadable");
	snprintf(error_r, 256, "%s %s: %s", what, file, last_error);
	return false;
}

static bool load(SSL_CTX *c, const char *cert, const char *key, char error_r[256])
{
	if (SSL_CTX_use_certificate_chain_file(c, cert) != 1)
		return fault(error_r, "certificate", cert);
	if (SSL_CTX_use_PrivateKey_file(c, key, SSL_FILETYPE_PEM) != 1)
		return fault(error_r, "key", key);
	if (SSL_CTX_check_private_key(c) != 1)
		return fault(error_r, "the key does not belong to certificate", cert);
	return true;
}

static void harden(SSL_CTX *c, bool tls13_only)
{
	SSL_CTX_set_min_proto_version(c, tls13_only ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_cipher_list(c, CIPHERS);
	SSL_CTX_set_dh_auto(c, 1);
	SSL_CTX_set_options(c, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_read_ahead(c, 1); /* a flight, or a record with its head, in one call */
	/* tickets carry the session: no cache that a flood could fill */
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_mode(
		c, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
}

/* ---- resumption ----
 *
 * Stateless: a ticket holds the session, sealed with a key of ours; there is no cache that a flood could fill. The keys
 * are the process's, so a ticket is good at every worker and after a reload. A key seals for 12 hours and opens for 12
 * more; what it sealed is forgotten with it. */
enum { TICKET_NAME = 16, TICKET_KEY = 32 };
#define TICKET_KEY_MS (12ull * 60 * 60 * 1000)

struct ticket_key {
	unsigned char name[TICKET_NAME], cipher[TICKET_KEY], mac[TICKET_KEY];
	uint64_t made_ms; /* 0: none */
};

static struct {
	pthread_mutex_t lock;
	struct ticket_key now, before;
} ticket_keys = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Called under the lock. False: no random bytes. */
static bool turn_keys(uint64_t now_ms)
{
	struct ticket_key fresh = { .made_ms = now_ms ? now_ms : 1 };
	if (ticket_keys.now.made_ms && now_ms - ticket_keys.now.made_ms < TICKET_KEY_MS)
		return true;
	if (RAND_bytes(fresh.name, TICKET_NAME) != 1 || RAND_bytes(fresh.cipher, TICKET_KEY) != 1 ||
		RAND_bytes(fresh.mac, TICKET_KEY) != 1)
		return false;
	bool aged = now_ms - ticket_keys.now.made_ms >= 2 * TICKET_KEY_MS;
	ticket_keys.before = aged ? (struct ticket_key){ .made_ms = 0 } : ticket_keys.now;
	ticket_keys.now = fresh;
	return true;
}

/* The key to seal with, or the one of this name. False: none. */
static bool find_key(const unsigned char *name, bool seal, struct ticket_key *k_r, bool *old_r)
{
	pthread_mutex_lock(&ticket_keys.lock);
	bool found = turn_keys(clock_mono_ms());
	*k_r = ticket_keys.now;
	*old_r = !seal && memcmp(name, k_r->name, TICKET_NAME) != 0;
	if (*old_r) {
		*k_r = ticket_keys.before;
		found = found && k_r->made_ms && memcmp(name, k_r->name, TICKET_NAME) == 0;
	}
	pthread_mutex_unlock(&ticket_keys.lock);
	return found;
}

/* As SSL_CTX_set_tlsext_ticket_key_evp_cb(3) wants it: -1 failed, 0 unknown (a full handshake), 1 good, 2 good, and a
 * new one is to be given. */
static int on_ticket(
	SSL *ssl, unsigned char *name, unsigned char *iv, EVP_CIPHER_CTX *cipher, EVP_MAC_CTX *mac, int seal)
{
	struct ticket_key k;
	bool old;
	char digest[] = "SHA256";
	(void)ssl;
	if (!find_key(name, seal, &k, &old))
		return seal ? -1 : 0;
	OSSL_PARAM params[] = { OSSL_PARAM_construct_octet_string(OSSL_MAC_PARAM_KEY, k.mac, TICKET_KEY),
		OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, digest, 0), OSSL_PARAM_construct_end() };
	if (seal && RAND_bytes(iv, EVP_MAX_IV_LENGTH) != 1)
		return -1;
	if (seal)
		memcpy(name, k.name, TICKET_NAME);
	if (EVP_CipherInit_ex(cipher, EVP_aes_256_cbc(), NULL, k.cipher, iv, seal) != 1 ||
		EVP_MAC_CTX_set_params(mac, params) != 1)
		return -1;
	return old ? 2 : 1;
}

static void offer_tickets(SSL_CTX *c)
{
	SSL_CTX_set_tlsext_ticket_key_evp_cb(c, on_ticket);
	SSL_CTX_set_num_tickets(c, 1); /* of TLS 1.3, with each handshake */
}

static SSL_CTX *open_one(const struct net_tls_files *f, bool tls13_only, char error_r[256])
{
	SSL_CTX *c = SSL_CTX_new(TLS_server_method());
	if (!c) {
		snprintf(error_r, 256, "out of memory for TLS");
		return NULL;
	}
	harden(c, tls13_only);
	offer_tickets(c);
	if (load(c, f->cert, f->key, error_r))
		return c;
	SSL_CTX_free(c);
	return NULL;
}

/* Chooses the certificate by the name that the client asked for. */
static int choose(SSL *ssl, int *alert, void *arg)
{
	const struct net_tls_ctx *ctx = arg;
	const char *name = SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name);
	(void)alert;
	for (size_t i = 0; name && i < ctx->n; i++) {
		X509 *cert = SSL_CTX_get0_certificate(ctx->ssl_ctx[i]);
		if (cert && X509_check_host(cert, name, 0, 0, NULL) == 1) {
			SSL_set_SSL_CTX(ssl, ctx->ssl_ctx[i]);
			return SSL_TLSEXT_ERR_OK;
		}
	}
	return SSL_TLSEXT_ERR_NOACK;
}

/* ---- the wire ----
 *
 * What OpenSSL's own socket BIO cannot: a socket that is known to be dry is not asked, nobody is sent SIGPIPE, and what
 * is followed by more at once does not leave alone. */
static int wire_read(BIO *b, char *p, size_t cap, size_t *n_r)
{
	struct net_tls *t = BIO_get_data(b);
	BIO_clear_retry_flags(b);
	switch (t->conn->dry || t->budget == 0 ? NET_AGAIN : net_conn_receive(t->conn, p, cap, n_r)) {
	case NET_OK:
		t->budget -= *n_r < t->budget ? *n_r : t->budget;
		return 1;
	case NET_EOF:
		BIO_set_flags(b, BIO_FLAGS_IN_EOF);
		return 0;
	case NET_AGAIN:
		BIO_set_retry_read(b);
		return -1;
	case NET_FAILED:
		break;
	}
	return -1;
}

/* A ticket of TLS 1.3 stands behind the handshake and nobody waits for it: it leaves with our next words. */
static int wire_write(BIO *b, const char *p, size_t n, size_t *n_r)
{
	const struct net_tls *t = BIO_get_data(b);
	bool ticket = SSL_get_state(t->ssl) == TLS_ST_SW_SESSION_TICKET;
	BIO_clear_retry_flags(b);
	enum net_result r = net_conn_send(t->conn, slice_of(p, n), ticket, n_r);
	if (r == NET_AGAIN)
		BIO_set_retry_write(b);
	return r == NET_OK ? 1 : -1;
}

static long wire_ctrl(BIO *b, int what, long n, void *p)
{
	(void)n;
	(void)p;
	return what == BIO_CTRL_FLUSH || (what == BIO_CTRL_EOF && BIO_test_flags(b, BIO_FLAGS_IN_EOF));
}

static BIO_METHOD *wire_method(void)
{
	BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "connection");
	if (m && BIO_meth_set_read_ex(m, wire_read) && BIO_meth_set_write_ex(m, wire_write) &&
		BIO_meth_set_ctrl(m, wire_ctrl))
		return m;
	BIO_meth_free(m);
	return NULL;
}

/* ---- contexts and connections ---- */

static void ctx_free(struct net_tls_ctx *ctx)
{
	for (size_t i = 0; i < ctx->n; i++)
		SSL_CTX_free(ctx->ssl_ctx[i]);
	BIO_meth_free(ctx->wire);
	mem_free(&ctx);
}

static struct net_tls_ctx *ctx_new(size_t n, char error_r[256])
{
	struct net_tls_ctx *ctx = mem_zalloc(sizeof *ctx + n * sizeof ctx->ssl_ctx[0]);
	if (ctx && (ctx->wire = wire_method())) {
		atomic_init(&ctx->refs, 1);
		return ctx;
	}
	snprintf(error_r, 256, "out of memory for TLS");
	mem_free(&ctx);
	return NULL;
}

/* NULL: memory. */
static struct net_tls *begin(struct net_conn *c, struct net_tls_ctx *ctx)
{
	struct net_tls *t = mem_zalloc(sizeof *t);
	BIO *wire = t ? BIO_new(ctx->wire) : NULL;
	SSL *ssl = wire ? SSL_new(ctx->ssl_ctx[0]) : NULL;
	if (!ssl) {
		BIO_free(wire);
		mem_free(&t);
		ERR_clear_error();
		return NULL;
	}
	*t = (struct net_tls){ .ssl = ssl, .conn = c, .ctx = net_tls_ctx_ref(ctx) };
	BIO_set_data(wire, t);
	SSL_set_bio(ssl, wire, wire);
	c->readable = true; /* the peer's first bytes may be there already */
	c->dry = false;
	return t;
}

struct net_tls_ctx *net_tls_server_ctx(const struct net_tls_files *files, size_t n, bool tls13_only, char error_r[256])
{
	struct net_tls_ctx *ctx = ctx_new(n, error_r);
	if (!ctx)
		return NULL;
	for (; ctx->n < n; ctx->n++) {
		SSL_CTX *c = ctx->ssl_ctx[ctx->n] = open_one(&files[ctx->n], tls13_only, error_r);
		if (!c) {
			ctx_free(ctx);
			return NULL;
		}
		SSL_CTX_set_tlsext_servername_callback(c, choose);
		SSL_CTX_set_tlsext_servername_arg(c, ctx);
	}
	return ctx;
}

struct net_tls_ctx *net_tls_ctx_ref(struct net_tls_ctx *ctx)
{
	if (ctx)
		atomic_fetch_add_explicit(&ctx->refs, 1, memory_order_relaxed);
	return ctx;
}

void net_tls_ctx_unref(struct net_tls_ctx **ctx)
{
	struct net_tls_ctx *c = *ctx;
	*ctx = NULL;
	if (!c || atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) != 1)
		return;
	ctx_free(c);
}

bool net_tls_accept(struct net_conn *c, struct net_tls_ctx *ctx)
{
	c->tls = begin(c, ctx);
	if (c->tls)
		SSL_set_accept_state(c->tls->ssl);
	return c->tls;
}

/* ---- toward a server ---- */

struct net_tls_ctx *net_tls_client_ctx(bool verify, const char *ca, char error_r[256])
{
	struct net_tls_ctx *ctx = ctx_new(1, error_r);
	if (!ctx)
		return NULL;
	SSL_CTX *c = ctx->ssl_ctx[0] = SSL_CTX_new(TLS_client_method());
	if (!c) {
		snprintf(error_r, 256, "out of memory for TLS");
		ctx_free(ctx);
		return NULL;
	}
	ctx->n = 1;
	harden(c, false);
	SSL_CTX_set_verify(c, verify ? SSL_VERIFY_PEER : SSL_VERIFY_NONE, NULL);
	bool loaded =
		!verify || (ca ? SSL_CTX_load_verify_locations(c, ca, NULL) : SSL_CTX_set_default_verify_paths(c));
	if (loaded)
		return ctx;
	(void)fault(error_r, "certificates of authorities", ca ? ca : "of the system");
	ctx_free(ctx);
	return NULL;
}

static bool is_for(SSL *ssl, const char *name)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	if (X509_VERIFY_PARAM_set1_ip_asc(param, name) == 1)
		return true;
	/* SSL_set_tlsext_host_name() by hand: it only reads the name, but its cast is one that warnings are on for */
	void *sni = (void *)(uintptr_t)name;
	return SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME, TLSEXT_NAMETYPE_host_name, sni) == 1 &&
	       SSL_set1_host(ssl, name) == 1;
}

bool net_tls_connect(struct net_conn *c, struct net_tls_ctx *ctx, const char *name, struct net_tls_session *session)
{
	c->tls = begin(c, ctx);
	if (c->tls && !is_for(c->tls->ssl, name)) {
		net_tls_free(&c->tls);
		ERR_clear_error();
	}
	if (!c->tls)
		return false;
	if (session)
		SSL_set_session(c->tls->ssl, (SSL_SESSION *)session);
	SSL_set_connect_state(c->tls->ssl);
	return true;
}

struct net_tls_session *net_tls_session_take(struct net_tls *t)
{
	SSL_SESSION *s = t && SSL_is_init_finished(t->ssl) ? SSL_get1_session(t->ssl) : NULL;
	if (s && !SSL_SESSION_is_resumable(s)) {
		SSL_SESSION_free(s);
		s = NULL;
	}
	return (struct net_tls_session *)s;
}

void net_tls_session_free(struct net_tls_session **s)
{
	SSL_SESSION_free((SSL_SESSION *)*s);
	*s = NULL;
}

bool net_tls_resumed(const struct net_tls *t)
{
	return t && SSL_session_reused(t->ssl) == 1;
}

void net_tls_free(struct net_tls **t)
{
	if (!*t)
		return;
	SSL_free((*t)->ssl);
	net_tls_ctx_unref(&(*t)->ctx);
	mem_free(t);
}

/* What an SSL_* call that did not succeed means. */
static enum net_result why(struct net_tls *t, int ret)
{
	switch (SSL_get_error(t->ssl, ret)) {
	case SSL_ERROR_WANT_READ:
	case SSL_ERROR_WANT_WRITE:
		return NET_AGAIN;
	case SSL_ERROR_ZERO_RETURN:
		return NET_EOF;
	default:
		t->broken = true;
		note_error("connection ended without a TLS close");
		return NET_FAILED;
	}
}

enum net_result net_tls_handshake(struct net_conn *c, struct net_loop *l)
{
	ERR_clear_error();
	c->tls->budget = SIZE_MAX; /* OpenSSL bounds a handshake, and nobody would go on with half of one */
	int ret = SSL_do_handshake(c->tls->ssl);
	if (ret == 1)
		return NET_OK;
	enum net_result r = why(c->tls, ret);
	if (r == NET_AGAIN && SSL_want_write(c->tls->ssl) && !c->watching_write) {
		c->watching_write = true;
		net_loop_watch(l, &c->io, NET_READ | NET_WRITE);
	}
	return r == NET_EOF ? NET_FAILED : r;
}

enum net_result net_tls_read(struct net_tls *t, char *p, size_t cap, size_t *n_r)
{
	ERR_clear_error();
	t->budget = WIRE_A_READ;
	int ret = SSL_read_ex(t->ssl, p, cap, n_r);
	if (ret == 1)
		return NET_OK;
	*n_r = 0;
	enum net_result r = why(t, ret);
	return r == NET_AGAIN && t->budget == 0 && !t->conn->dry ? NET_OK : r;
}

enum net_result net_tls_write(struct net_tls *t, struct slice s, size_t *n_r)
{
	ERR_clear_error();
	int ret = SSL_write_ex(t->ssl, s.p, s.n, n_r);
	return ret == 1 ? NET_OK : why(t, ret);
}

void net_tls_close_notify(struct net_tls *t)
{
	bool said = t->broken || (SSL_get_shutdown(t->ssl) & SSL_SENT_SHUTDOWN);
	ERR_clear_error();
	if (!said && SSL_is_init_finished(t->ssl) && SSL_shutdown(t->ssl) < 0)
		ERR_clear_error(); /* the peer is gone: nobody is left to hear it */
}

bool net_tls_holds(const struct net_tls *t)
{
	return t && SSL_has_pending(t->ssl);
}

const char *net_tls_version(const struct net_tls *t)
{
	return t && SSL_is_init_finished(t->ssl) ? SSL_get_version(t->ssl) : "";
}

const char *net_tls_cipher(const struct net_tls *t)
{
	return t && SSL_is_init_finished(t->ssl) ? SSL_get_cipher_name(t->ssl) : "";
}

const char *net_tls_server_name(const struct net_tls *t)
{
	const char *name = t ? SSL_get_servername(t->ssl, TLSEXT_NAMETYPE_host_name) : NULL;
	return name ? name : "";
}
