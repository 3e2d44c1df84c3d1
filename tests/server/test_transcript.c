/* server/transcript.h: whose lines are kept, how many, for how long; workers and a reader at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "base/mem.h"
#include "server/transcript.h"

#include <stdio.h>

static struct transcript_line lines[TRANSCRIPT_TAKE];
static struct transcript_taken got;

static struct ip_prefix prefix(const char *text)
{
	struct ip_prefix p;
	assert_true(ip_prefix_parse(slice_str(text), &p));
	return p;
}

static void say_long(struct transcripts *t, const char *client, struct slice text, uint64_t now_ms)
{
	struct ip ip;
	assert_true(ip_parse(slice_str(client), &ip));
	transcripts_put(t, &ip, 7, TRANSCRIPT_IN, text, 1000, now_ms);
}

static void say(struct transcripts *t, const char *client, const char *text)
{
	say_long(t, client, slice_str(text), 0);
}

static void only_its_own_clients(void **state)
{
	(void)state;
	struct transcripts *t = transcripts_new();
	struct ip_prefix net = prefix("192.0.2.0/24"), one = prefix("192.0.2.7");
	say(t, "192.0.2.7", "before");
	assert_false(transcripts_on(t));
	uint32_t a = transcripts_begin(t, &net, 0), b = transcripts_begin(t, &one, 0);
	assert_true(a && b && a != b && transcripts_on(t));
	say(t, "192.0.2.7", "x");
	say(t, "192.0.2.8", "y");
	say(t, "192.0.3.7", "z");
	assert_true(transcripts_take(t, a, 0, 0, lines, &got));
	assert_int_equal(got.n, 2);
	assert_true(slice_eq(slice_of(lines[1].text, lines[1].n), SLICE("y")));
	assert_int_equal(lines[1].time_ms, 1000);
	assert_int_equal(lines[1].session, 7);
	assert_true(transcripts_take(t, a, got.next, 0, lines, &got));
	assert_int_equal(got.n, 0);
	assert_true(transcripts_take(t, b, 0, 0, lines, &got));
	assert_int_equal(got.n, 1);
	assert_true(transcripts_end(t, a) && !transcripts_end(t, a));
	assert_false(transcripts_take(t, a, 0, 0, lines, &got));
	assert_true(transcripts_on(t) && transcripts_end(t, b) && !transcripts_on(t));
	transcripts_free(&t);
}

static void a_slow_reader_loses_the_oldest_and_is_told(void **state)
{
	(void)state;
	struct transcripts *t = transcripts_new();
	struct ip_prefix all = prefix("0.0.0.0/0");
	uint32_t id = transcripts_begin(t, &all, 0);
	char text[32];
	for (int i = 0; i < TRANSCRIPT_LINES + 100; i++) {
		snprintf(text, sizeof text, "%d", i);
		say(t, "192.0.2.7", text);
	}
	assert_true(transcripts_take(t, id, 0, 0, lines, &got));
	assert_int_equal(got.lost, 100);
	assert_int_equal(got.n, TRANSCRIPT_TAKE);
	assert_true(slice_eq(slice_of(lines[0].text, lines[0].n), SLICE("100")));
	size_t all_n = got.n;
	while (got.n) {
		assert_true(transcripts_take(t, id, got.next, 0, lines, &got));
		assert_int_equal(got.lost, 0);
		all_n += got.n;
	}
	assert_int_equal(all_n, TRANSCRIPT_LINES);
	assert_true(transcripts_take(t, id, UINT64_MAX, 0, lines, &got)); /* a number that never was */
	assert_int_equal(got.n, 0);
	assert_int_equal(got.lost, 0);
	assert_int_equal(got.next, TRANSCRIPT_LINES + 100);
	transcripts_free(&t);
}

static void a_long_line_is_cut(void **state)
{
	(void)state;
	static char text[100000];
	struct transcripts *t = transcripts_new();
	struct ip_prefix all = prefix("::/0");
	uint32_t id = transcripts_begin(t, &all, 0);
	say_long(t, "2001:db8::1", slice_of(text, TRANSCRIPT_TEXT + 3), 0);
	say_long(t, "2001:db8::1", slice_of(text, sizeof text), 0);
	say_long(t, "2001:db8::1", slice_of(NULL, 0), 0);
	assert_true(transcripts_take(t, id, 0, 0, lines, &got));
	assert_int_equal(got.n, 3);
	assert_int_equal(lines[0].n, TRANSCRIPT_TEXT);
	assert_int_equal(lines[0].cut, 3);
	assert_int_equal(lines[1].cut, UINT16_MAX);
	assert_int_equal(lines[2].n + lines[2].cut, 0);
	transcripts_free(&t);
}

static void who_does_not_ask_is_forgotten(void **state)
{
	(void)state;
	struct transcripts *t = transcripts_new();
	struct ip_prefix all = prefix("0.0.0.0/0");
	uint32_t id = transcripts_begin(t, &all, 1000);
	say_long(t, "192.0.2.7", SLICE("x"), 900); /* a worker's clock, a little behind */
	assert_true(transcripts_take(t, id, 0, 5000, lines, &got) && got.n == 1);
	say_long(t, "192.0.2.7", SLICE("x"), 5000 + TRANSCRIPT_IDLE_MS);
	assert_true(transcripts_on(t));
	say_long(t, "192.0.2.7", SLICE("x"), 5001 + TRANSCRIPT_IDLE_MS);
	assert_false(transcripts_on(t));
	assert_false(transcripts_take(t, id, 0, 5002 + TRANSCRIPT_IDLE_MS, lines, &got));
	for (int i = 0; i < TRANSCRIPTS_MAX; i++)
		assert_true(transcripts_begin(t, &all, 1000));
	assert_int_equal(transcripts_begin(t, &all, 1000 + TRANSCRIPT_IDLE_MS), 0);
	assert_true(transcripts_begin(t, &all, 1001 + TRANSCRIPT_IDLE_MS)); /* one has gone by itself */
	transcripts_free(&t);
	transcripts_free(&t);
}

static void memory_ends(void **state)
{
	(void)state;
	struct transcripts *t = NULL;
	struct ip_prefix all = prefix("0.0.0.0/0");
	for (long n = 0; !t; n++) {
		mem_fail_after(n);
		t = transcripts_new();
		mem_fail_after(-1);
	}
	mem_fail_after(0);
	uint32_t id = transcripts_begin(t, &all, 0);
	mem_fail_after(-1);
	assert_true(id || transcripts_on(t) == false);
	transcripts_free(&t);
}

/* ---- all at once ---- */

enum { WRITERS = 3, LINES_EACH = 3000 };
static struct transcripts *shared;
static _Atomic unsigned writing;

static void *write_lines(void *arg)
{
	for (int i = 0; i < LINES_EACH; i++)
		say(shared, i % 2 ? "192.0.2.7" : "198.51.100.1",
			"a line of some length, of this client or of another");
	atomic_fetch_sub(&writing, 1);
	return arg;
}

static uint64_t read_all(uint32_t id)
{
	uint64_t n = 0;
	bool last;
	got = (struct transcript_taken){ 0 };
	do {
		last = atomic_load(&writing) == 0;
		assert_true(transcripts_take(shared, id, got.next, 0, lines, &got));
		n += got.n + got.lost;
		for (size_t i = 0; i < got.n; i++)
			assert_true(slice_starts(slice_of(lines[i].text, lines[i].n), SLICE("a line of some")));
		struct ip_prefix other = prefix("198.51.100.0/24");
		uint32_t another = transcripts_begin(shared, &other, 0);
		assert_true(another && transcripts_end(shared, another));
	} while (!last || got.n);
	return n;
}

static void workers_and_a_reader(void **state)
{
	(void)state;
	pthread_t threads[WRITERS];
	struct ip_prefix one = prefix("192.0.2.7");
	shared = transcripts_new();
	uint32_t id = transcripts_begin(shared, &one, 0);
	atomic_store(&writing, WRITERS);
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, write_lines, NULL), 0);
	uint64_t n = read_all(id);
	for (int i = 0; i < WRITERS; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(n, WRITERS * LINES_EACH / 2);
	transcripts_free(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(only_its_own_clients),
		cmocka_unit_test(a_slow_reader_loses_the_oldest_and_is_told),
		cmocka_unit_test(a_long_line_is_cut),
		cmocka_unit_test(who_does_not_ask_is_forgotten),
		cmocka_unit_test(memory_ends),
		cmocka_unit_test(workers_and_a_reader),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
