/* net/wheel.h against a plain list of deadlines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "net/wheel.h"

enum { TIMERS = 400, STEPS = 20000 };

static struct net_timer timer[TIMERS];
static uint64_t due[TIMERS]; /* 0: not armed */

static void pop_all(struct net_wheel *w, uint64_t now)
{
	for (struct net_timer *t; (t = net_wheel_pop(w, now));) {
		size_t i = (size_t)(t - timer);
		assert_int_not_equal(due[i], 0);
		assert_true(due[i] < now); /* never early: `now` may be due[i] and not all of it over */
		assert_false(net_timer_armed(t));
		due[i] = 0;
	}
	for (size_t i = 0; i < TIMERS; i++)
		assert_true(due[i] == 0 || due[i] + NET_WHEEL_TICK_MS >= now); /* at most one tick late */
}

static uint64_t random_span(void)
{
	static const uint64_t SCALE[] = { 1, 20, 1000, 70000, 5000000, 400000000, 20000000000 };
	return (uint64_t)random() % SCALE[random() % 7] + 1;
}

static void fires_as_a_list_would(void **state)
{
	(void)state;
	struct net_wheel w;
	uint64_t now = 123456789;
	srandom(7);
	net_wheel_init(&w, now);
	for (int step = 0; step < STEPS; step++) {
		size_t i = (size_t)random() % TIMERS;
		if (random() % 3 == 0) {
			net_wheel_cancel(&w, &timer[i]);
			due[i] = 0;
		} else {
			due[i] = now + random_span();
			net_wheel_arm(&w, &timer[i], due[i]);
		}
		if (random() % 4 == 0)
			now += random_span();
		pop_all(&w, now);
	}
}

static void sleeps_no_longer_than_the_next_deadline(void **state)
{
	(void)state;
	srandom(11);
	for (int round = 0; round < 2000; round++) {
		struct net_wheel w;
		struct net_timer t = { 0 };
		uint64_t now = (uint64_t)random(), end = now + random_span() % 3000000;
		net_wheel_init(&w, now);
		assert_int_equal(net_wheel_sleep_ms(&w, now), -1);
		net_wheel_arm(&w, &t, end);
		unsigned turns = 0;
		while (!net_wheel_pop(&w, now)) {
			int ms = net_wheel_sleep_ms(&w, now);
			assert_true(ms >= 0);
			assert_true(now + (uint64_t)ms <= end + NET_WHEEL_TICK_MS);
			now += (uint64_t)ms + (ms == 0);
			assert_true(++turns < 100); /* it sleeps, it does not spin */
		}
		assert_true(now > end);
	}
}

static void moving_a_timer_leaves_one(void **state)
{
	(void)state;
	struct net_wheel w;
	struct net_timer t = { 0 };
	net_wheel_init(&w, 1000);
	net_wheel_arm(&w, &t, 5000);
	net_wheel_arm(&w, &t, 2000);
	assert_null(net_wheel_pop(&w, 1999));
	assert_ptr_equal(net_wheel_pop(&w, 2016), &t);
	assert_null(net_wheel_pop(&w, 100000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fires_as_a_list_would),
		cmocka_unit_test(sleeps_no_longer_than_the_next_deadline),
		cmocka_unit_test(moving_a_timer_leaves_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
