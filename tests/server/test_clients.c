/* server/clients.h: exact counts, also after many have come and gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/clients.h"

#include <pthread.h>
#include <stdlib.h>

enum { ADDRESSES = 3000, STEPS = 200000, THREADS = 4 };

static struct ip nth(unsigned i)
{
	struct ip ip = { .b = { [10] = 0xff,
				 [11] = 0xff,
				 [12] = 127,
				 [13] = (uint8_t)(i >> 16),
				 [14] = (uint8_t)(i >> 8),
				 [15] = (uint8_t)i } };
	return ip;
}

static bool enters(struct clients *c, const struct ip *ip, uint32_t limit)
{
	return clients_enter(c, ip, &(struct clients_limits){ limit, UINT32_MAX }) == CLIENTS_ROOM;
}

static enum clients_room enters_net(struct clients *c, const char *text, uint32_t each, uint32_t net)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(text), &ip));
	return clients_enter(c, &ip, &(struct clients_limits){ each, net });
}

static void leaves(struct clients *c, const char *text)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(text), &ip));
	clients_leave(c, &ip);
}

static void the_limit_holds_for_each_client(void **state)
{
	(void)state;
	struct clients *c = clients_new();
	struct ip a = nth(1), b = nth(2);
	for (int i = 0; i < 3; i++)
		assert_true(enters(c, &a, 3));
	assert_false(enters(c, &a, 3));
	assert_true(enters(c, &b, 3));
	clients_leave(c, &a);
	assert_true(enters(c, &a, 3));
	assert_int_equal(clients_count(c, &a), 3);
	clients_free(&c);
}

static void an_ipv6_client_is_its_64(void **state)
{
	(void)state;
	struct clients *c = clients_new();
	struct ip a, b, other;
	assert_true(ip_parse(SLICE("2001:db8:1:2::1"), &a));
	assert_true(ip_parse(SLICE("2001:db8:1:2:ffff::9"), &b));
	assert_true(ip_parse(SLICE("2001:db8:1:3::1"), &other));
	assert_true(enters(c, &a, 1));
	assert_false(enters(c, &b, 1));
	assert_true(enters(c, &other, 1));
	clients_free(&c);
}

static void a_net_is_a_24_or_a_48(void **state)
{
	(void)state;
	struct clients *c = clients_new();
	assert_int_equal(enters_net(c, "192.0.2.1", 9, 2), CLIENTS_ROOM);
	assert_int_equal(enters_net(c, "192.0.2.200", 9, 2), CLIENTS_ROOM);
	assert_int_equal(enters_net(c, "192.0.2.1", 9, 2), CLIENTS_NET_FULL);
	assert_int_equal(enters_net(c, "192.0.3.1", 9, 2), CLIENTS_ROOM);
	/* a net's own address is not the net; and who was never in leaves no place */
	assert_int_equal(enters_net(c, "192.0.2.0", 9, 2), CLIENTS_NET_FULL);
	leaves(c, "192.0.2.0");
	assert_int_equal(enters_net(c, "192.0.2.3", 9, 2), CLIENTS_NET_FULL);
	leaves(c, "192.0.2.200");
	assert_int_equal(enters_net(c, "192.0.2.3", 9, 2), CLIENTS_ROOM);
	assert_int_equal(enters_net(c, "2001:db8:1:1::1", 9, 1), CLIENTS_ROOM);
	assert_int_equal(enters_net(c, "2001:db8:1:2::1", 9, 1), CLIENTS_NET_FULL);
	assert_int_equal(enters_net(c, "2001:db8:2:1::1", 9, 1), CLIENTS_ROOM);
	clients_free(&c);
}

static void who_is_refused_is_not_counted(void **state)
{
	(void)state;
	struct clients *c = clients_new();
	struct ip ip;
	assert_true(ip_parse(SLICE("192.0.2.1"), &ip));
	assert_int_equal(enters_net(c, "192.0.2.1", 1, 2), CLIENTS_ROOM);
	for (int i = 0; i < 3; i++)
		assert_int_equal(enters_net(c, "192.0.2.1", 1, 2), CLIENTS_FULL);
	assert_int_equal(enters_net(c, "192.0.2.2", 1, 2), CLIENTS_ROOM);
	for (int i = 0; i < 3; i++)
		assert_int_equal(enters_net(c, "192.0.2.3", 1, 2), CLIENTS_NET_FULL);
	assert_int_equal(clients_count(c, &ip), 1);
	assert_true(ip_parse(SLICE("192.0.2.3"), &ip));
	assert_int_equal(clients_count(c, &ip), 0);
	clients_free(&c);
}

static void counts_stay_exact_under_churn(void **state)
{
	(void)state;
	static uint32_t want[ADDRESSES];
	struct clients *c = clients_new();
	srandom(5);
	for (int step = 0; step < STEPS; step++) {
		unsigned i = (unsigned)random() % ADDRESSES;
		struct ip ip = nth(i);
		if (random() % 2) {
			assert_int_equal(enters(c, &ip, 5), want[i] < 5);
			want[i] += want[i] < 5;
		} else {
			clients_leave(c, &ip);
			want[i] -= want[i] > 0;
		}
	}
	for (unsigned i = 0; i < ADDRESSES; i++) {
		struct ip ip = nth(i);
		assert_int_equal(clients_count(c, &ip), want[i]);
	}
	clients_free(&c);
}

static void *come_and_go(void *arg)
{
	for (unsigned i = 0; i < 20000; i++) {
		struct ip ip = nth(i % 97);
		if (enters(arg, &ip, 1000))
			clients_leave(arg, &ip);
	}
	return NULL;
}

static void threads_leave_nothing_behind(void **state)
{
	(void)state;
	struct clients *c = clients_new();
	pthread_t t[THREADS];
	for (int i = 0; i < THREADS; i++)
		assert_int_equal(pthread_create(&t[i], NULL, come_and_go, c), 0);
	for (int i = 0; i < THREADS; i++)
		pthread_join(t[i], NULL);
	for (unsigned i = 0; i < 97; i++) {
		struct ip ip = nth(i);
		assert_int_equal(clients_count(c, &ip), 0);
	}
	clients_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_limit_holds_for_each_client),
		cmocka_unit_test(an_ipv6_client_is_its_64),
		cmocka_unit_test(a_net_is_a_24_or_a_48),
		cmocka_unit_test(who_is_refused_is_not_counted),
		cmocka_unit_test(counts_stay_exact_under_churn),
		cmocka_unit_test(threads_leave_nothing_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
