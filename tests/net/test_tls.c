/* net/tls.h over a socket pair, against OpenSSL's own client. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/net/certs.h"

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* A handshake takes three flights; what is not through after so many is stuck. */
enum { ROUNDS = 50 };

static struct certs certs;

/* ---- a server's connection and its client ---- */

struct pair {
	struct net_loop *loop;
	struct net_conn conn;
	SSL_CTX *client_ctx;
	SSL *client;
	int peer;
	enum net_result shaken; /* how the server's handshake ended */
};

/* Both certificates, or with n = 1 the first alone. */
static struct net_tls_ctx *server_ctx(size_t n, bool tls13_only)
{
	char why[256];
	struct net_tls_files files[2] = { certs_files(&certs, 0), certs_files(&certs, 1) };
	struct net_tls_ctx *ctx = net_tls_server_ctx(files, n, tls13_only, why);
	assert_non_null(ctx);
	return ctx;
}

static void open_pair(struct pair *p, struct net_tls_ctx *ctx)
{
	int fd[2];
	*p = (struct pair){ .shaken = NET_AGAIN };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	p->peer = fd[1];
	p->loop = net_loop_new();
	assert_non_null(p->loop);
	assert_true(net_conn_init(&p->conn, p->loop, fd[0], NET_OWNER_SESSION, false));
	assert_true(net_tls_accept(&p->conn, ctx));
	p->client_ctx = SSL_CTX_new(TLS_client_method());
	p->client = SSL_new(p->client_ctx);
	assert_int_equal(SSL_set_fd(p->client, p->peer), 1);
	SSL_set_connect_state(p->client);
}

static void close_peer(struct pair *p)
{
	if (p->peer >= 0)
		close(p->peer);
	p->peer = -1;
}

static void close_pair(struct pair *p)
{
	net_conn_close(&p->conn, p->loop);
	SSL_free(p->client);
	SSL_CTX_free(p->client_ctx);
	close_peer(p);
	net_loop_free(&p->loop);
	ERR_clear_error();
}

/* One turn of the server's loop. */
static void turn(struct pair *p)
{
	unsigned events = 0, got;
	net_loop_wait(p->loop, 0);
	while (net_loop_next(p->loop, &got) == &p->conn.io)
		events |= got;
	net_conn_events(&p->conn, events);
}

/* Turn by turn until both are through, or the server gives up. */
static void shake(struct pair *p)
{
	bool client_done = false;
	for (int i = 0; i < ROUNDS && p->shaken != NET_FAILED && !(client_done && p->shaken == NET_OK); i++) {
		client_done = SSL_do_handshake(p->client) == 1;
		turn(p);
		if (p->shaken == NET_AGAIN)
			p->shaken = net_tls_handshake(&p->conn, p->loop);
	}
}

/* A pair that has shaken hands. The context is the pair's alone from then on. */
static void open_shaken(struct pair *p)
{
	struct net_tls_ctx *ctx = server_ctx(1, false);
	open_pair(p, ctx);
	assert_int_equal(SSL_set_tlsext_host_name(p->client, "one.test"), 1);
	net_tls_ctx_unref(&ctx);
	shake(p);
	assert_int_equal(p->shaken, NET_OK);
	assert_true(SSL_is_init_finished(p->client));
}

static void wants_text(struct pair *p, const char *text)
{
	char in[64];
	size_t n = 0;
	turn(p);
	assert_int_equal(net_conn_read(&p->conn, in, sizeof in, &n), NET_OK);
	assert_int_equal(n, strlen(text));
	assert_memory_equal(in, text, n);
}

/* ---- data ---- */

static void data_goes_both_ways(void **state)
{
	(void)state;
	struct pair p;
	char in[64];
	size_t n;
	open_shaken(&p);
	assert_int_equal(SSL_write(p.client, "EHLO x\r\n", 8), 8);
	wants_text(&p, "EHLO x\r\n");
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_AGAIN);
	assert_true(buf_put(&p.conn.out, SLICE("250 mx\r\n")));
	assert_int_equal(net_conn_flush(&p.conn, p.loop), NET_OK);
	assert_int_equal(SSL_read(p.client, in, sizeof in), 8);
	assert_memory_equal(in, "250 mx\r\n", 8);
	close_pair(&p);
}

/* A record is decrypted whole: what the caller had no room for is handed out without another edge. */
static void a_record_is_read_in_parts(void **state)
{
	(void)state;
	struct pair p;
	char sent[10000], got[sizeof sent];
	size_t n, all = 0;
	open_shaken(&p);
	memset(sent, 'x', sizeof sent);
	sent[sizeof sent - 1] = 'y';
	assert_int_equal(SSL_write(p.client, sent, sizeof sent), sizeof sent);
	turn(&p);
	while (net_conn_read(&p.conn, got + all, all + 700 < sizeof got ? 700 : sizeof got - all, &n) == NET_OK)
		if ((all += n) == sizeof got)
			break;
	assert_int_equal(all, sizeof got);
	assert_memory_equal(got, sent, sizeof got);
	close_pair(&p);
}

/* A client that talks on behind the last of its handshake: one call takes both from the socket. */
static void what_came_with_the_handshake_is_not_lost(void **state)
{
	(void)state;
	struct pair p;
	struct net_tls_ctx *ctx = server_ctx(1, false);
	open_pair(&p, ctx);
	while (SSL_do_handshake(p.client) != 1) {
		turn(&p);
		assert_int_equal(net_tls_handshake(&p.conn, p.loop), NET_AGAIN);
		assert_false(net_conn_has_more(&p.conn));
	}
	assert_int_equal(SSL_write(p.client, "EHLO x\r\n", 8), 8);
	assert_int_equal(SSL_write(p.client, "NOOP\r\n", 6), 6);
	turn(&p);
	assert_int_equal(net_tls_handshake(&p.conn, p.loop), NET_OK);
	assert_true(p.conn.dry && net_conn_has_more(&p.conn));
	wants_text(&p, "EHLO x\r\n");
	assert_true(p.conn.readable);
	wants_text(&p, "NOOP\r\n");
	assert_false(p.conn.readable || net_conn_has_more(&p.conn)); /* dry, without another system call */
	close_pair(&p);
	net_tls_ctx_unref(&ctx);
}

/* Records without data take no more of one read than others can wait for, and the data behind them comes. */
static void key_updates_do_not_hold_a_read(void **state)
{
	(void)state;
	struct pair p;
	char in[64], *said;
	size_t n;
	unsigned empty = 0;
	open_shaken(&p);
	BIO *wire = BIO_new(BIO_s_mem());
	SSL_set0_wbio(p.client, wire);
	for (int i = 0; i < 4000; i++) {
		assert_int_equal(SSL_key_update(p.client, SSL_KEY_UPDATE_NOT_REQUESTED), 1);
		assert_int_equal(SSL_do_handshake(p.client), 1);
	}
	assert_int_equal(SSL_write(p.client, "NOOP\r\n", 6), 6);
	long all = BIO_get_mem_data(wire, &said);
	assert_int_equal(write(p.peer, said, (size_t)all), all);
	turn(&p);
	while (net_conn_read(&p.conn, in, sizeof in, &n) == NET_OK && n == 0)
		empty += p.conn.readable;
	assert_int_equal(n, 6);
	assert_in_range(empty, 2, 10);
	close_pair(&p);
}

static void put_pattern(struct pair *p, unsigned from, unsigned to)
{
	for (unsigned i = from; i < to; i++)
		assert_true(buf_put(&p->conn.out, slice_of(&(char){ (char)(i * 7 % 251) }, 1)));
}

static void a_peer_that_does_not_read_is_waited_for(void **state)
{
	(void)state;
	enum { BIG = 4 * 1024 * 1024 };
	static char sink[65536];
	struct pair p;
	size_t got = 0;
	open_shaken(&p);
	put_pattern(&p, 0, BIG / 4);
	assert_int_equal(net_conn_flush(&p.conn, p.loop), NET_AGAIN);
	assert_true(p.conn.watching_write);
	const char *before = p.conn.out.data;
	put_pattern(&p, BIG / 4, BIG);
	assert_ptr_not_equal(p.conn.out.data, before); /* what is sent again may lie elsewhere */
	for (int i = 0; i < 10000 && got < BIG; i++) {
		int n = SSL_read(p.client, sink, sizeof sink);
		for (int k = 0; k < n; k++, got++)
			assert_int_equal((uint8_t)sink[k], got * 7 % 251);
		turn(&p);
		assert_int_not_equal(net_conn_flush(&p.conn, p.loop), NET_FAILED);
	}
	assert_int_equal(got, BIG);
	close_pair(&p);
}

/* ---- the end ---- */

static void a_close_in_good_order_is_the_end(void **state)
{
	(void)state;
	struct pair p;
	char in[8];
	size_t n;
	open_shaken(&p);
	assert_int_equal(SSL_write(p.client, "bye", 3), 3);
	assert_int_equal(SSL_shutdown(p.client), 0);
	close_peer(&p);
	wants_text(&p, "bye");
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_EOF);
	close_pair(&p);
}

/* Who cuts the line must not be able to make half a mail look whole. */
static void a_cut_connection_is_a_failure(void **state)
{
	(void)state;
	struct pair p;
	char in[8];
	size_t n;
	open_shaken(&p);
	assert_int_equal(SSL_write(p.client, "half", 4), 4);
	close_peer(&p);
	wants_text(&p, "half");
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_FAILED);
	assert_string_not_equal(net_tls_error(), "");
	close_pair(&p);
}

static void a_changed_record_is_a_failure(void **state)
{
	(void)state;
	struct pair p;
	static const char FORGED[] = "\x17\x03\x03\0\x20 thirty-two bytes of no ciphertext";
	char in[8];
	size_t n;
	open_shaken(&p);
	assert_int_equal(write(p.peer, FORGED, 5 + 32), 5 + 32);
	turn(&p);
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_FAILED);
	assert_non_null(strstr(net_tls_error(), "bad record mac"));
	close_pair(&p);
}

static void a_peer_that_left_sends_no_signal(void **state)
{
	(void)state;
	struct pair p;
	open_shaken(&p);
	signal(SIGPIPE, SIG_DFL);
	close_peer(&p);
	assert_true(buf_put(&p.conn.out, SLICE("250 mx\r\n")));
	assert_int_equal(net_conn_flush(&p.conn, p.loop), NET_FAILED);
	net_conn_close(&p.conn, p.loop);
	signal(SIGPIPE, SIG_IGN);
	close_pair(&p);
}

static void our_close_is_in_good_order(void **state)
{
	(void)state;
	struct pair p;
	char in[8];
	open_shaken(&p);
	net_conn_close(&p.conn, p.loop);
	int n = SSL_read(p.client, in, sizeof in);
	assert_int_equal(SSL_get_error(p.client, n), SSL_ERROR_ZERO_RETURN);
	close_pair(&p);
}

/* ---- the handshake ---- */

static void what_was_agreed_has_a_name(void **state)
{
	(void)state;
	struct pair p;
	struct net_tls_ctx *ctx = server_ctx(1, false);
	open_pair(&p, ctx);
	assert_string_equal(net_tls_version(p.conn.tls), "");
	assert_string_equal(net_tls_cipher(p.conn.tls), "");
	assert_string_equal(net_tls_version(NULL), "");
	shake(&p);
	assert_string_equal(net_tls_version(p.conn.tls), "TLSv1.3");
	assert_string_equal(net_tls_cipher(p.conn.tls), SSL_get_cipher_name(p.client));
	close_pair(&p);
	net_tls_ctx_unref(&ctx);
	assert_null(ctx);
}

static void the_name_chooses_the_certificate(void **state)
{
	(void)state;
	static const struct {
		const char *asked, *served;
	} CASES[] = { { NULL, "one.test" }, { "one.test", "one.test" }, { "two.test", "two.test" },
		{ "TWO.test", "two.test" }, { "three.test", "one.test" } };
	struct net_tls_ctx *ctx = server_ctx(2, false);
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		struct pair p;
		open_pair(&p, ctx);
		if (CASES[i].asked)
			assert_int_equal(SSL_set_tlsext_host_name(p.client, CASES[i].asked), 1);
		shake(&p);
		assert_int_equal(p.shaken, NET_OK);
		X509 *x = SSL_get0_peer_certificate(p.client);
		assert_non_null(x);
		assert_int_equal(X509_check_host(x, CASES[i].served, 0, 0, NULL), 1);
		close_pair(&p);
	}
	net_tls_ctx_unref(&ctx);
}

static void versions_below_the_least_are_refused(void **state)
{
	(void)state;
	static const struct {
		bool tls13_only;
		int client_max;
		enum net_result wanted;
	} CASES[] = { { false, TLS1_1_VERSION, NET_FAILED }, { false, TLS1_2_VERSION, NET_OK },
		{ true, TLS1_2_VERSION, NET_FAILED }, { true, TLS1_3_VERSION, NET_OK } };
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		struct pair p;
		struct net_tls_ctx *ctx = server_ctx(1, CASES[i].tls13_only);
		open_pair(&p, ctx);
		SSL_set_security_level(p.client, 0); /* a client as old as it says */
		assert_int_equal(SSL_set_min_proto_version(p.client, TLS1_VERSION), 1);
		assert_int_equal(SSL_set_max_proto_version(p.client, CASES[i].client_max), 1);
		shake(&p);
		assert_int_equal(p.shaken, CASES[i].wanted);
		if (CASES[i].wanted == NET_FAILED)
			assert_non_null(strstr(net_tls_error(), "unsupported protocol"));
		close_pair(&p);
		net_tls_ctx_unref(&ctx);
	}
}

static void old_ciphers_are_refused(void **state)
{
	(void)state;
	static const char *const BAD[] = { "ECDHE-ECDSA-AES128-SHA", "ECDHE-ECDSA-AES256-SHA384", "AES128-SHA" };
	for (size_t i = 0; i < sizeof BAD / sizeof BAD[0]; i++) {
		struct pair p;
		struct net_tls_ctx *ctx = server_ctx(1, false);
		open_pair(&p, ctx);
		assert_int_equal(SSL_set_max_proto_version(p.client, TLS1_2_VERSION), 1);
		assert_int_equal(SSL_set_cipher_list(p.client, BAD[i]), 1);
		shake(&p);
		assert_int_equal(p.shaken, NET_FAILED);
		assert_non_null(strstr(net_tls_error(), "no shared cipher"));
		close_pair(&p);
		net_tls_ctx_unref(&ctx);
	}
}

static void what_is_no_handshake_fails(void **state)
{
	(void)state;
	struct pair p;
	struct net_tls_ctx *ctx = server_ctx(1, false);
	open_pair(&p, ctx);
	assert_int_equal(write(p.peer, "EHLO client.test\r\n", 18), 18);
	turn(&p);
	assert_int_equal(net_tls_handshake(&p.conn, p.loop), NET_FAILED);
	assert_string_not_equal(net_tls_error(), "");
	close_pair(&p);
	open_pair(&p, ctx);
	close_peer(&p);
	turn(&p);
	assert_int_equal(net_tls_handshake(&p.conn, p.loop), NET_FAILED);
	close_pair(&p);
	net_tls_ctx_unref(&ctx);
}

/* A client may ask for it at no cost of its own: it hears no, and the connection goes on. */
static void nothing_is_negotiated_twice(void **state)
{
	(void)state;
	struct pair p;
	char in[8];
	size_t n;
	struct net_tls_ctx *ctx = server_ctx(1, false);
	open_pair(&p, ctx);
	assert_int_equal(SSL_set_max_proto_version(p.client, TLS1_2_VERSION), 1);
	shake(&p);
	assert_int_equal(p.shaken, NET_OK);
	assert_int_equal(SSL_renegotiate(p.client), 1);
	(void)SSL_do_handshake(p.client);
	turn(&p);
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_AGAIN);
	assert_int_not_equal(SSL_do_handshake(p.client), 1);
	assert_int_equal(ERR_GET_REASON(ERR_peek_error()), SSL_R_NO_RENEGOTIATION);
	close_pair(&p);
	net_tls_ctx_unref(&ctx);
}

/* ---- the files ---- */

static void bad_files_are_told(void **state)
{
	(void)state;
	const struct net_tls_files one = certs_files(&certs, 0), two = certs_files(&certs, 1);
	const struct {
		struct net_tls_files files;
		const char *file, *reason;
	} CASES[] = {
		{ { certs.missing, one.key }, certs.missing, "certificate /" },
		{ { certs.missing, one.key }, certs.missing, "No such file or directory" },
		{ { certs.garbage, one.key }, certs.garbage, "no start line" },
		{ { one.cert, certs.missing }, certs.missing, "key /" },
		{ { one.cert, certs.missing }, certs.missing, "No such file or directory" },
		{ { one.cert, certs.garbage }, certs.garbage, "key /" },
		{ { one.cert, two.key }, two.key, "mismatch" },
	};
	for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
		char why[256] = "";
		struct net_tls_files files[] = { two, CASES[i].files }; /* not the first alone is looked at */
		assert_null(net_tls_server_ctx(files, 2, false, why));
		assert_non_null(strstr(why, CASES[i].file));
		assert_non_null(strstr(why, CASES[i].reason));
		assert_int_equal(ERR_peek_error(), 0); /* nothing is left for another connection to stumble on */
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(data_goes_both_ways),
		cmocka_unit_test(a_record_is_read_in_parts),
		cmocka_unit_test(what_came_with_the_handshake_is_not_lost),
		cmocka_unit_test(key_updates_do_not_hold_a_read),
		cmocka_unit_test(a_peer_that_does_not_read_is_waited_for),
		cmocka_unit_test(a_close_in_good_order_is_the_end),
		cmocka_unit_test(a_cut_connection_is_a_failure),
		cmocka_unit_test(a_changed_record_is_a_failure),
		cmocka_unit_test(a_peer_that_left_sends_no_signal),
		cmocka_unit_test(our_close_is_in_good_order),
		cmocka_unit_test(what_was_agreed_has_a_name),
		cmocka_unit_test(the_name_chooses_the_certificate),
		cmocka_unit_test(versions_below_the_least_are_refused),
		cmocka_unit_test(old_ciphers_are_refused),
		cmocka_unit_test(what_is_no_handshake_fails),
		cmocka_unit_test(nothing_is_negotiated_twice),
		cmocka_unit_test(bad_files_are_told),
	};
	(void)signal(SIGPIPE, SIG_IGN); /* as the server does: OpenSSL writes without MSG_NOSIGNAL */
	if (!certs_make(&certs))
		return 2;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	certs_remove(&certs);
	return failed;
}
