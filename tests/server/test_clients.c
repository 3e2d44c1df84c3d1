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

static void the_limit_holds_for_each_client(void **state)
{
	(void)state;
	struct clients *c = clients_new();
	struct ip a = nth(1), b = nth(2);
	for (int i = 0; i < 3; i++)
		assert_true(clients_enter(c, &a, 3));
	assert_false(clients_enter(c, &a, 3));
	assert_true(clients_enter(c, &b, 3));
	clients_leave(c, &a);
	assert_true(clients_enter(c, &a, 3));
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
	assert_true(clients_enter(c, &a, 1));
	assert_false(clients_enter(c, &b, 1));
	assert_true(clients_enter(c, &other, 1));
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
			assert_int_equal(clients_enter(c, &ip, 5), want[i] < 5);
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
		if (clients_enter(arg, &ip, 1000))
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
		cmocka_unit_test(counts_stay_exact_under_churn),
		cmocka_unit_test(threads_leave_nothing_behind),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
