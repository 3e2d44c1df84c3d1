/* server/arrive.c: who a session's client is, whether it comes in, and that no place or count is lost on any way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "score/block.h"
#include "tests/net/certs.h"
#include "tests/server/rig.h"

#include <stdio.h>
#include <sys/socket.h>

#define PROXY_IP "192.0.2.9"
#define TRUSTED_IP "192.0.2.8"
#define OTHER_IP "192.0.2.7"
#define CLIENT_IP "198.51.100.7"
#define HEADER "PROXY TCP4 " CLIENT_IP " 192.0.2.1 4321 25\r\n"
#define V2_LOCAL "\r\n\r\n\0\r\nQUIT\n\x20\0\0\0"

static const char BEHIND[] =
	"listeners = ( { name = \"mx\"; address = [\"127.0.0.1:2525\"]; tls = \"off\";\n"
	"  proxy_protocol_from = [\"" PROXY_IP "/32\"]; xclient_from = [\"" TRUSTED_IP "/32\"]; } );\n"
	"limits = { sessions_per_client = 2; sessions_per_net = 3; };\n";

static struct ip address(const char *text)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(text), &ip));
	return ip;
}

static unsigned counted(struct rig *g, const char *text)
{
	struct ip ip = address(text);
	return clients_count(g->app.clients, &ip);
}

static void assert_client(struct rig *g, const char *text)
{
	char ip[IP_TEXT];
	ip_format(&rig_session(g)->peer.ip, ip);
	assert_string_equal(ip, text);
}

static void say_bytes(struct client *c, const char *p, size_t n)
{
	assert_int_equal(send(c->fd, p, n, MSG_NOSIGNAL), n);
	rig_turn(c->g, 0);
}

/* All places are free and nobody is counted: whatever way the clients have gone. */
static void nothing_is_left(struct rig *g)
{
	for (int i = 0; i < 1500 && g->worker.sessions_open; i++)
		rig_turn(g, 1);
	assert_int_equal(g->worker.sessions_open, 0);
	assert_int_equal(atomic_load(&g->app.sessions), 0);
	static const char *const ALL[] = { PROXY_IP, TRUSTED_IP, OTHER_IP, CLIENT_IP };
	for (size_t i = 0; i < sizeof ALL / sizeof *ALL; i++)
		assert_int_equal(counted(g, ALL[i]), 0);
}

/* A server with BEHIND for a test, which closes its clients itself. */
static int open_behind(void **state)
{
	static struct rig g;
	rig_open(&g, BEHIND, NULL, 0);
	*state = &g;
	return 0;
}

static int close_empty(void **state)
{
	nothing_is_left(*state);
	rig_close(*state);
	return 0;
}

/* ---- PROXY ---- */

static void a_header_byte_by_byte_names_the_client(void **state)
{
	struct rig *g = *state;
	struct client c;
	client_open(&c, g, PROXY_IP);
	for (const char *p = HEADER; *p; p++) {
		assert_int_equal(rig_session(g)->awaiting, AWAIT_PROXY);
		assert_int_equal(stat_get(&g->worker.stats, STAT_SESSIONS), 0);
		say_bytes(&c, p, 1);
	}
	assert_int_equal(client_reply(&c), 220);
	assert_client(g, CLIENT_IP);
	assert_int_equal(rig_session(g)->peer.port, 4321);
	assert_int_equal(counted(g, CLIENT_IP), 1);
	assert_int_equal(counted(g, PROXY_IP), 0);
	assert_int_equal(client_cmd(&c, "QUIT\r\n"), 221);
	client_close(&c);
	nothing_is_left(g);
	assert_true(rig_journaled(g, "\"client\":\"" CLIENT_IP "\"", "\"proxy\":\"" PROXY_IP "\""));
}

static void what_stands_behind_the_header_is_used(void **state)
{
	struct rig *g = *state;
	struct client c;
	client_open(&c, g, PROXY_IP);
	client_say(&c, HEADER "EHLO client.test\r\nQUIT\r\n");
	assert_int_equal(client_reply(&c), 220);
	assert_int_equal(client_reply(&c), 250);
	assert_int_equal(client_reply(&c), 221);
	client_close(&c);
}

static void without_a_good_header_it_ends_without_a_word(void **state)
{
	static const char *const BAD[] = { "EHLO client.test\r\n", "PROXY TCP4 198.51.100.7\r\n", "\x16\x03\x01",
		"PROXY" };
	struct rig *g = *state;
	struct client c;
	for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++) {
		client_open(&c, g, PROXY_IP);
		client_say(&c, BAD[i]);
		if (i == 3) /* it may be one still */
			assert_int_equal(shutdown(c.fd, SHUT_WR), 0);
		assert_int_equal(client_reply(&c), 0);
		assert_int_equal(c.n, 0);
		client_close(&c);
		nothing_is_left(g);
		assert_int_equal(stat_get(&g->worker.stats, STAT_PROXY_REFUSED), i + 1);
	}
	assert_int_equal(stat_get(&g->worker.stats, STAT_SESSIONS), 0);
}

static void a_header_has_five_seconds_in_all(void **state)
{
	struct rig *g = *state;
	struct client c;
	client_open(&c, g, PROXY_IP);
	rig_pass(g, rig_session(g), 1500);
	say_bytes(&c, "PROXY", 5);
	rig_pass(g, rig_session(g), 1500);
	assert_int_equal(g->worker.sessions_open, 1);
	rig_pass(g, rig_session(g), 2100);
	assert_int_equal(client_reply(&c), 0);
	client_close(&c);
	nothing_is_left(g);
	assert_true(rig_journaled(g, "\"by\":\"proxy\"", "no PROXY header in time"));
}

static void others_are_not_believed(void **state)
{
	struct rig *g = *state;
	struct client c;
	client_open(&c, g, OTHER_IP);
	assert_int_equal(client_reply(&c), 220);
	assert_int_equal(client_cmd(&c, HEADER), 500);
	assert_client(g, OTHER_IP);
	client_close(&c);
}

/* Who holds the proxy's client back is told to it, and its place comes back; its net counts as well. */
static void limits_are_the_real_clients(void **state)
{
	struct rig *g = *state;
	struct client c[3], neighbour[2];
	for (int i = 0; i < 3; i++) {
		client_open(&c[i], g, PROXY_IP);
		client_say(&c[i], HEADER);
		assert_int_equal(client_reply(&c[i]), i < 2 ? 220 : 421);
	}
	assert_non_null(strstr(client_words(&c[2]), "from your address"));
	for (int i = 0; i < 2; i++) {
		client_open(&neighbour[i], g, PROXY_IP);
		client_say(&neighbour[i], "PROXY TCP4 198.51.100.8 192.0.2.1 4321 25\r\n");
		assert_int_equal(client_reply(&neighbour[i]), i < 1 ? 220 : 421);
	}
	assert_non_null(strstr(client_words(&neighbour[1]), "from your network"));
	assert_int_equal(g->worker.sessions_open, 3);
	assert_int_equal(atomic_load(&g->app.sessions), 3);
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
	for (int i = 0; i < 2; i++)
		client_close(&neighbour[i]);
}

static void the_proxys_own_check_is_let_in_whatever_the_limits_say(void **state)
{
	struct rig *g = *state;
	struct client c[4];
	for (int i = 0; i < 4; i++) {
		client_open(&c[i], g, PROXY_IP);
		say_bytes(&c[i], V2_LOCAL, sizeof V2_LOCAL - 1);
		assert_int_equal(client_reply(&c[i]), 220);
	}
	assert_int_equal(counted(g, PROXY_IP), 4);
	for (int i = 0; i < 4; i++)
		client_close(&c[i]);
}

/* A newcomer behind a proxy does not get one of the places kept for clients known good, though its header came in on
 * one. */
static void a_header_does_not_win_a_kept_place(void **state)
{
	struct rig *g = *state;
	struct client c[2];
	atomic_store(&g->app.sessions_limit, 20);
	atomic_store(&g->app.sessions, 19);
	client_open(&c[0], g, PROXY_IP);
	client_say(&c[0], HEADER);
	assert_int_equal(client_reply(&c[0]), 421);
	assert_non_null(strstr(client_words(&c[0]), "4.3.2"));
	assert_int_equal(atomic_load(&g->app.sessions), 19);
	assert_int_equal(stat_get(&g->worker.stats, STAT_SHED), 1);
	atomic_store(&g->app.sessions, 20); /* nor is there a place for a header */
	client_open(&c[1], g, PROXY_IP);
	assert_int_equal(client_reply(&c[1]), 421);
	atomic_store(&g->app.sessions, 0);
	client_close(&c[0]);
	client_close(&c[1]);
}

/* ---- XCLIENT ---- */

#define XCLIENT "XCLIENT ADDR=" CLIENT_IP " PORT=4321 NAME=client.example HELO=h.test\r\n"

static void xclient_begins_another_session(void **state)
{
	struct rig *g = *state;
	struct client c;
	client_open(&c, g, TRUSTED_IP);
	assert_int_equal(client_reply(&c), 220);
	uint64_t first = rig_session(g)->id;
	assert_int_equal(counted(g, TRUSTED_IP), 1);
	assert_int_equal(client_cmd(&c, XCLIENT), 220);
	assert_client(g, CLIENT_IP);
	assert_int_not_equal(rig_session(g)->id, first);
	assert_int_equal(counted(g, TRUSTED_IP), 0);
	assert_int_equal(counted(g, CLIENT_IP), 1);
	assert_int_equal(stat_get(&g->worker.stats, STAT_SESSIONS_OPEN), 1);
	assert_int_equal(client_cmd(&c, "EHLO x.test\r\n"), 250);
	assert_int_equal(client_cmd(&c, "QUIT\r\n"), 221);
	client_close(&c);
	nothing_is_left(g);
	assert_true(rig_journaled(g, "\"client\":\"" TRUSTED_IP "\"", "\"by\":\"xclient\""));
	assert_true(rig_journaled(g, "\"client\":\"" CLIENT_IP "\"", "\"name\":\"client.example\""));
}

static void xclient_of_others_changes_nobody(void **state)
{
	struct rig *g = *state;
	struct client c;
	client_open(&c, g, OTHER_IP);
	assert_int_equal(client_reply(&c), 220);
	assert_true(client_cmd(&c, XCLIENT) / 100 == 5);
	assert_client(g, OTHER_IP);
	client_close(&c);
}

static void xclient_beyond_a_limit_is_the_end(void **state)
{
	struct rig *g = *state;
	struct client c[3];
	for (int i = 0; i < 3; i++) {
		client_open(&c[i], g, TRUSTED_IP);
		if (i < 2)
			assert_int_equal(client_reply(&c[i]), 220);
		if (i < 2)
			assert_int_equal(client_cmd(&c[i], XCLIENT), 220);
	}
	assert_int_equal(client_reply(&c[2]), 220);
	assert_int_equal(client_cmd(&c[2], XCLIENT), 421);
	assert_non_null(strstr(client_words(&c[2]), "from your address"));
	for (int i = 0; i < 3; i++)
		client_close(&c[i]);
}

static void xclient_without_an_address_is_refused(void **state)
{
	struct rig *g = *state;
	struct client c;
	client_open(&c, g, TRUSTED_IP);
	assert_int_equal(client_reply(&c), 220);
	assert_int_equal(client_cmd(&c, "XCLIENT ADDR=[UNAVAILABLE]\r\n"), 501);
	assert_client(g, TRUSTED_IP);
	client_close(&c);
}

/* ---- handshakes that are never ended ---- */

static void half_open_handshakes_count_for_their_client(void **state)
{
	(void)state;
	struct rig g;
	struct client c[3], other;
	struct certs certs;
	char more[700];
	assert_true(certs_make(&certs));
	(void)snprintf(more, sizeof more,
		"listeners = ( { name = \"mx\"; address = [\"127.0.0.1:2525\"]; tls = \"implicit\"; } );\n"
		"limits = { sessions_per_client = 2; };\n"
		"tls = { certificates = ( { cert = \"%s\"; key = \"%s\"; } ); };\n",
		certs.of[0].cert, certs.of[0].key);
	rig_open(&g, more, NULL, 0);
	for (int i = 0; i < 3; i++)
		client_open(&c[i], &g, OTHER_IP);
	assert_int_equal(client_reply(&c[2]), 0); /* nothing is said in the clear */
	assert_int_equal(c[2].n, 0);
	assert_int_equal(counted(&g, OTHER_IP), 2);
	client_open(&other, &g, CLIENT_IP);
	assert_int_equal(g.worker.sessions_open, 3);
	client_close(&other);
	client_close(&c[1]);
	client_close(&c[2]);
	for (int i = 0; i < 100 && g.worker.sessions_open > 1; i++)
		rig_turn(&g, 1);
	rig_pass(&g, rig_session(&g), 12000);
	say_bytes(&c[0], "\x16\x03\x01", 3); /* a byte now and then does not put the end off */
	assert_int_equal(g.worker.sessions_open, 1);
	rig_pass(&g, rig_session(&g), 3100);
	assert_int_equal(client_reply(&c[0]), 0);
	client_close(&c[0]);
	nothing_is_left(&g);
	rig_close(&g);
	certs_remove(&certs);
}

#define BEHIND_TEST(test) cmocka_unit_test_setup_teardown(test, open_behind, close_empty)

int main(void)
{
	const struct CMUnitTest tests[] = {
		BEHIND_TEST(a_header_byte_by_byte_names_the_client),
		BEHIND_TEST(what_stands_behind_the_header_is_used),
		BEHIND_TEST(without_a_good_header_it_ends_without_a_word),
		BEHIND_TEST(a_header_has_five_seconds_in_all),
		BEHIND_TEST(others_are_not_believed),
		BEHIND_TEST(limits_are_the_real_clients),
		BEHIND_TEST(the_proxys_own_check_is_let_in_whatever_the_limits_say),
		BEHIND_TEST(a_header_does_not_win_a_kept_place),
		BEHIND_TEST(xclient_begins_another_session),
		BEHIND_TEST(xclient_of_others_changes_nobody),
		BEHIND_TEST(xclient_beyond_a_limit_is_the_end),
		BEHIND_TEST(xclient_without_an_address_is_refused),
		cmocka_unit_test(half_open_handshakes_count_for_their_client),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
