/* relay/memory.h without a file: which digest is which, and the list of what is undecided. */
#include "base/mem.h"
#include "relay/memory.h"
#include "relay/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
/* cmocka.h needs the above */
#include <cmocka.h>

enum { NOW = 2000000000 }; /* later than any clock of today */

static struct relay_state_record rec(uint64_t about, uint64_t one, uint64_t other)
{
	return (struct relay_state_record){ RELAY_STATE_UNHEARD, NOW + 100, about, { one, other } };
}

static struct relay_save *saved(struct relay_state_record r)
{
	struct relay_save *s = relay_save_new(2);
	assert_non_null(s);
	s->records[0] = rec(900, 1, 1);
	s->records[1] = r;
	return s;
}

static bool has(struct relay_memory *m, struct relay_state_record r)
{
	return relay_memory_has(m, &r, NOW);
}

static bool undecided(struct relay_memory *m, struct relay_state_record r, uint64_t turn)
{
	return relay_memory_undecided(m, &r, turn);
}

/* One bit of a digest makes another mail, whichever half it is in, and also in the same chain. */
static void every_part_of_a_digest_counts(void **state)
{
	(void)state;
	struct relay_memory *m = relay_memory_new(10);
	relay_memory_submit(m, saved(rec(5, 6, 7)));
	assert_true(has(m, rec(5, 6, 7)));
	assert_false(has(m, rec(5, 6, 8)));
	assert_false(has(m, rec(5, 8, 7)));
	assert_false(has(m, rec(5 + 64, 6, 7)));
	assert_false(relay_memory_has(m, &(struct relay_state_record){ 0, 0, 5, { 6, 7 } }, NOW + 100));
	assert_true(relay_memory_about(m, 5, 0, NOW));
	assert_false(relay_memory_about(m, 5, 0, NOW + 100));
	assert_false(relay_memory_about(m, 5 + 64, 0, NOW));
	relay_memory_free(&m);
}

static void what_is_undecided_is_only_for_later_ones(void **state)
{
	(void)state;
	struct relay_memory *m = relay_memory_new(10);
	uint64_t first = relay_memory_turn(m), second = relay_memory_turn(m), third = relay_memory_turn(m);
	assert_true(first < second && second < third);
	assert_false(undecided(m, rec(5, 6, 7), third));
	assert_true(relay_memory_is_empty(m));
	struct relay_save *a = saved(rec(5, 6, 7)), *b = saved(rec(5, 60, 70)), *c = saved(rec(50, 6, 7));
	relay_memory_leave_undecided(m, a, first);
	relay_memory_leave_undecided(m, b, second);
	relay_memory_leave_undecided(m, c, first);
	assert_false(relay_memory_is_empty(m));
	assert_int_equal(relay_memory_count(m), 0);
	assert_false(undecided(m, rec(5, 6, 7), first));
	assert_true(undecided(m, rec(5, 6, 7), second));
	assert_false(undecided(m, rec(5, 60, 70), second));
	assert_true(undecided(m, rec(5, 60, 70), third));
	assert_false(undecided(m, rec(5, 6, 70), third));
	assert_true(relay_memory_about(m, 50, second, NOW));
	assert_false(relay_memory_about(m, 51, second, NOW));
	relay_save_free(&a); /* the last of the list */
	assert_false(undecided(m, rec(5, 6, 7), third));
	relay_memory_submit(m, b); /* its fate: it was taken */
	assert_false(undecided(m, rec(5, 60, 70), third));
	assert_true(has(m, rec(5, 60, 70)));
	relay_save_free(&c);
	relay_save_free(&c);
	assert_false(undecided(m, rec(50, 6, 7), third));
	relay_memory_free(&m);
}

/* ---- while it is decided ---- */

enum { ROUNDS = 100, RECORDS = 64 };

struct onlooker {
	struct relay_memory *m;
	atomic_bool looks, over;
	bool missed;
};

/* A retry of the last recipient, again and again. */
static void *look(void *arg)
{
	struct onlooker *o = arg;
	struct relay_state_record r = rec(RECORDS, 1, 1);
	for (bool over = false; !over && !o->missed;) {
		over = atomic_load(&o->over);
		o->missed = relay_memory_is_empty(o->m) || !relay_memory_about(o->m, r.about, 1, NOW) ||
			    (!relay_memory_undecided(o->m, &r, 1) && !relay_memory_has(o->m, &r, NOW));
		atomic_store(&o->looks, true);
	}
	return NULL;
}

static bool is_missed(void)
{
	struct onlooker o = { .m = relay_memory_new(RECORDS) };
	struct relay_save *s = relay_save_new(RECORDS);
	bool took[RECORDS];
	pthread_t thread;
	for (unsigned i = 0; i < RECORDS; i++) {
		took[i] = i % 2;
		s->records[i] = rec(i + 1, 1, 1);
	}
	relay_memory_leave_undecided(o.m, s, 0);
	assert_int_equal(pthread_create(&thread, NULL, look, &o), 0);
	while (!atomic_load(&o.looks))
		;
	relay_memory_narrow(o.m, s, took);
	assert_false(undecided(o.m, rec(1, 1, 1), 1));
	assert_true(undecided(o.m, rec(2, 1, 1), 1));
	relay_memory_submit(o.m, s);
	atomic_store(&o.over, true);
	pthread_join(thread, NULL);
	assert_int_equal(relay_memory_count(o.m), RECORDS / 2);
	relay_memory_free(&o.m);
	return o.missed;
}

static void a_retry_in_the_moment_of_its_fate_sees_it(void **state)
{
	(void)state;
	for (int i = 0; i < ROUNDS; i++)
		assert_false(is_missed());
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_part_of_a_digest_counts),
		cmocka_unit_test(what_is_undecided_is_only_for_later_ones),
		cmocka_unit_test(a_retry_in_the_moment_of_its_fate_sees_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
