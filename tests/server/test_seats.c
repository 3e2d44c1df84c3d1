/* server/seats.h: how many sessions the descriptors leave, and who gets the last of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/seats.h"

static struct settings_address addresses[2];
static struct settings_listener listeners[1] = { { .address = { addresses, 2 } } };
static struct settings_backend backends[2];

static struct settings plain(void)
{
	struct settings s = { .server.workers = 2, .limits.sessions = 20000 };
	s.listeners.items = listeners;
	s.listeners.count = 1;
	s.relay.backends.items = backends;
	s.relay.backends.count = 2;
	s.relay.connections = 20;
	s.relay.open_bodies = 2000;
	return s;
}

static void enough_descriptors_give_what_is_set(void **state)
{
	(void)state;
	struct settings s = plain();
	struct seats_plan plan = seats_plan(&s, 524288);
	assert_int_equal(plan.sessions, 20000);
	assert_int_equal(plan.bodies, 2000);
	s.limits.sessions = 0; /* no limit but the descriptors */
	assert_in_range(seats_plan(&s, 524288).sessions, 500000, 524288);
}

/* Whatever is set, all of it together never needs more than there are. */
static void few_descriptors_are_never_overdrawn(void **state)
{
	(void)state;
	struct settings s = plain();
	uint32_t before = 0;
	for (uint64_t n = 256; n <= 65536; n *= 2) {
		struct seats_plan plan = seats_plan(&s, n);
		uint64_t taken = plan.sessions + plan.bodies + 2ull * 20 + 2ull * 2;
		assert_true(taken <= n);
		assert_true(plan.sessions >= before && plan.sessions >= SEATS_MIN);
		assert_true(plan.bodies >= 1 && plan.bodies <= n / 8);
		before = plan.sessions;
	}
	struct settings more = s;
	more.relay.connections = 200;
	assert_int_equal(seats_plan(&s, 4096).sessions - seats_plan(&more, 4096).sessions, 2 * 180);
	assert_int_equal(seats_plan(&s, 16).sessions, SEATS_MIN);
}

static void the_last_of_twenty_are_for_the_favoured(void **state)
{
	(void)state;
	struct app app = { .sessions_limit = 100 };
	for (int i = 0; i < 95; i++)
		assert_true(seats_take(&app, false));
	assert_false(seats_take(&app, false));
	for (int i = 0; i < 5; i++)
		assert_true(seats_take(&app, true));
	assert_false(seats_take(&app, true));
	assert_int_equal(atomic_load(&app.sessions), 100); /* who was refused is not counted */
	seats_leave(&app);
	assert_false(seats_take(&app, false));
	assert_true(seats_take(&app, true));
	for (int i = 0; i < 6; i++)
		seats_leave(&app);
	assert_true(seats_take(&app, false));
}

static void a_small_limit_keeps_none(void **state)
{
	(void)state;
	struct app app = { .sessions_limit = 3 };
	for (int i = 0; i < 3; i++)
		assert_true(seats_take(&app, false));
	assert_false(seats_take(&app, true));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(enough_descriptors_give_what_is_set),
		cmocka_unit_test(few_descriptors_are_never_overdrawn),
		cmocka_unit_test(the_last_of_twenty_are_for_the_favoured),
		cmocka_unit_test(a_small_limit_keeps_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
