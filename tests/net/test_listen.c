/* net/listen.h and net_connect() on loopback. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/conn.h"
#include "net/listen.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

static uint16_t port_of(int fd)
{
	struct sockaddr_storage sa;
	socklen_t n = sizeof sa;
	struct ip ip;
	uint16_t port;
	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &n), 0);
	ip_from_sockaddr(&sa, &ip, &port);
	return port;
}

static void check_family(const char *text)
{
	struct ip ip, client;
	uint16_t client_port;
	int fd = -1, one = 0;
	socklen_t n = sizeof one;
	assert_true(ip_parse(slice_str(text), &ip));
	int l = net_listen(&ip, 0);
	assert_true(l >= 0);
	uint16_t port = port_of(l);
	int second = net_listen(&ip, port); /* another worker's, same port */
	assert_true(second >= 0);
	close(second);
	assert_int_equal(net_accept(l, &fd, &client, &client_port), NET_ACCEPT_NONE);
	assert_false(net_accept_would(l));
	int c = net_connect(&ip, port);
	assert_true(c >= 0);
	struct pollfd p = { .fd = l, .events = POLLIN };
	assert_int_equal(poll(&p, 1, 5000), 1);
	assert_true(net_accept_would(l));
	assert_int_equal(net_accept(l, &fd, &client, &client_port), NET_ACCEPT_OK);
	assert_false(net_accept_would(l));
	assert_int_equal(net_connect_error(c), 0);
	assert_memory_equal(&client, &ip, sizeof ip);
	assert_int_equal(client_port, port_of(c));
	assert_int_equal(getsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, &n), 0);
	assert_int_equal(one, 1); /* inherited from the listener */
	close(c);
	close(fd);
	close(l);
}

static void accepts_over_ipv4(void **state)
{
	(void)state;
	check_family("127.0.0.1");
}

static void accepts_over_ipv6(void **state)
{
	(void)state;
	check_family("::1");
}

static void a_refused_connect_is_told(void **state)
{
	(void)state;
	struct ip ip;
	assert_true(ip_parse(SLICE("127.0.0.1"), &ip));
	int l = net_listen(&ip, 0);
	uint16_t port = port_of(l);
	close(l);
	int c = net_connect(&ip, port);
	if (c >= 0) { /* in progress when the loopback answers later */
		struct pollfd p = { .fd = c, .events = POLLOUT };
		assert_int_equal(poll(&p, 1, 5000), 1);
		assert_int_not_equal(net_connect_error(c), 0);
		close(c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(accepts_over_ipv4),
		cmocka_unit_test(accepts_over_ipv6),
		cmocka_unit_test(a_refused_connect_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
