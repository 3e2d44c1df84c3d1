/* The keys of session tickets (net/tls.c): a key seals for 12 hours, opens for 12 more, and is forgotten then. Both
 * ends are net/tls.h's; the clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/net/certs.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

enum { ROUNDS = 50, HOURS = 3600 };

static struct certs certs;
static time_t later_s; /* than it is */

/* In place of the C library's, for base/clock.c. */
int clock_gettime(clockid_t id, struct timespec *t)
{
	int r = (int)syscall(SYS_clock_gettime, id, t);
	if (id == CLOCK_MONOTONIC)
		t->tv_sec += later_s;
	return r;
}

static int make_certs(void **state)
{
	(void)state;
	signal(SIGPIPE, SIG_IGN);
	return certs_make(&certs) ? 0 : -1;
}

static int remove_certs(void **state)
{
	(void)state;
	certs_remove(&certs);
	return 0;
}

static bool advance(struct net_conn *c, struct net_loop *l, bool done)
{
	net_conn_events(c, NET_READ);
	enum net_result r = done ? NET_OK : net_tls_handshake(c, l);
	assert_true(r == NET_OK || r == NET_AGAIN);
	return r == NET_OK;
}

/* TLS 1.3 gives tickets behind the handshake. */
static void take_tickets(struct net_conn *client)
{
	char in[16];
	size_t n;
	net_conn_events(client, NET_READ);
	assert_int_equal(net_conn_read(client, in, sizeof in, &n), NET_AGAIN);
}

/* A connection to a server that was started anew; *session goes with it and is replaced by what it was given. True: it
 * was resumed. */
static bool connects(struct net_tls_session **session)
{
	char why[256];
	int fd[2];
	struct net_tls_files files = certs_files(&certs, 0);
	struct net_tls_ctx *server = net_tls_server_ctx(&files, 1, false, why);
	struct net_tls_ctx *client = net_tls_client_ctx(false, NULL, why);
	struct net_loop *l = net_loop_new();
	struct net_conn s, c;
	assert_true(server && client && l);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_true(net_conn_init(&s, l, fd[0], NET_OWNER_SESSION, false));
	assert_true(net_conn_init(&c, l, fd[1], NET_OWNER_SESSION, false));
	assert_true(net_tls_accept(&s, server) && net_tls_connect(&c, client, "one.test", *session));
	bool there = false, here = false;
	for (int i = 0; i < ROUNDS && !(there && here); i++) {
		there = advance(&c, l, there);
		here = advance(&s, l, here);
	}
	assert_true(there && here);
	take_tickets(&c);
	assert_int_equal(net_tls_resumed(c.tls), net_tls_resumed(s.tls));
	bool resumed = net_tls_resumed(s.tls);
	net_tls_session_free(session);
	*session = net_tls_session_take(c.tls);
	assert_non_null(*session);
	net_conn_close(&c, l);
	net_conn_close(&s, l);
	net_loop_free(&l);
	net_tls_ctx_unref(&server);
	net_tls_ctx_unref(&client);
	return resumed;
}

static struct net_tls_session *fresh(void)
{
	struct net_tls_session *s = NULL;
	assert_false(connects(&s));
	return s;
}

/* Each case begins with a key that was made just now: what was before is out of reach of any ticket. */
static void begin(void)
{
	later_s += 100 * HOURS;
}

static void resumes_within_12_hours(void **state)
{
	(void)state;
	begin();
	struct net_tls_session *s = fresh();
	later_s += 11 * HOURS;
	assert_true(connects(&s));
	net_tls_session_free(&s);
}

/* Its ticket is given anew then, sealed by the key of now: who comes back each day resumes for ever. */
static void the_key_before_opens_and_a_new_ticket_is_given(void **state)
{
	(void)state;
	begin();
	struct net_tls_session *s = fresh();
	for (int i = 0; i < 4; i++) {
		later_s += 13 * HOURS;
		assert_true(connects(&s));
	}
	net_tls_session_free(&s);
}

static void an_older_key_opens_nothing(void **state)
{
	(void)state;
	begin();
	struct net_tls_session *old = fresh();
	later_s += 13 * HOURS;
	struct net_tls_session *young = fresh(); /* turns the keys */
	later_s += 12 * HOURS;
	assert_false(connects(&old)); /* turns them again; a whole handshake instead */
	assert_true(connects(&young));
	assert_true(connects(&old));
	net_tls_session_free(&old);
	net_tls_session_free(&young);
}

/* No handshake in between has turned the keys. */
static void a_quiet_day_makes_a_key_old_as_well(void **state)
{
	(void)state;
	begin();
	struct net_tls_session *s = fresh();
	later_s += 25 * HOURS;
	assert_false(connects(&s));
	net_tls_session_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(resumes_within_12_hours),
		cmocka_unit_test(the_key_before_opens_and_a_new_ticket_is_given),
		cmocka_unit_test(an_older_key_opens_nothing),
		cmocka_unit_test(a_quiet_day_makes_a_key_old_as_well),
	};
	return cmocka_run_group_tests(tests, make_certs, remove_certs);
}
