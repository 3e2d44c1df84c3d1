/* The ring of decision records: newest first over all workers, oldest out first, bounded, whole under load. */
#include "server/decisions.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>

/* A record of `size` bytes that tells its number again and again. */
static void fill(struct buf *b, uint64_t number, size_t size)
{
	buf_clear(b);
	assert_true(decision_number(b, DECISION_TIME, number));
	while (buf_len(b) + 11 <= size)
		assert_true(decision_number(b, DECISION_SIZE, number));
}

static bool is_whole(struct slice record, uint64_t number)
{
	struct decision_field f;
	while (decision_field(&record, &f))
		if (f.number != number)
			return false;
	return record.n == 0;
}

static void put(struct decisions *d, unsigned worker, uint64_t number, size_t size)
{
	struct buf b = { 0 };
	fill(&b, number, size);
	decisions_put(d, worker, number, number, buf_slice(&b));
	buf_release(&b);
}

static void expect_walk(struct decisions *d, const uint64_t *id, uint64_t newest, uint64_t step, size_t n)
{
	struct decisions_walk walk;
	struct buf record = { 0 };
	assert_true(decisions_walk_begin(d, id, &walk));
	for (size_t i = 0; i < n; i++) {
		assert_true(decisions_next(d, &walk, &record));
		assert_true(is_whole(buf_slice(&record), newest - i * step));
	}
	assert_false(decisions_next(d, &walk, &record));
	decisions_walk_end(&walk);
	buf_release(&record);
}

static void newest_first_over_all_workers(void **state)
{
	(void)state;
	struct decisions *d = decisions_new(300, 3);
	struct decisions_info info;
	expect_walk(d, NULL, 0, 1, 0);
	for (uint64_t i = 1; i <= 120; i++)
		put(d, (unsigned)(i * 7 % 3), i, 100 + i);
	expect_walk(d, NULL, 120, 1, 120);
	decisions_info(d, &info);
	assert_int_equal(info.kept, 120);
	assert_int_equal(info.oldest_ms, 1);
	decisions_free(&d);
	assert_null(d);
}

static void by_id(void **state)
{
	(void)state;
	struct decisions *d = decisions_new(10000, 2);
	static const uint64_t zero = 0, wanted = 17, none = 99999;
	for (uint64_t i = 1; i <= 8000; i++)
		put(d, i % 2, i, 60);
	expect_walk(d, &wanted, 17, 1, 1);
	expect_walk(d, &none, 0, 1, 0);
	expect_walk(d, &zero, 0, 1, 0);
	decisions_free(&d);
}

static void the_oldest_go_first_by_number_and_by_bytes(void **state)
{
	(void)state;
	struct decisions *d = decisions_new(100, 1);
	struct decisions_info info;
	for (uint64_t i = 1; i <= 1000; i++)
		put(d, 0, i, 50);
	expect_walk(d, NULL, 1000, 1, 100);
	for (uint64_t i = 1001; i <= 2000; i++)
		put(d, 0, i, 3000); /* the bytes are the bound now: 51,200 */
	decisions_info(d, &info);
	assert_in_range(info.kept, 15, 17);
	expect_walk(d, NULL, 2000, 1, info.kept);
	put(d, 0, 2001, DECISION_MAX);
	put(d, 0, 2002, DECISION_MAX);
	expect_walk(d, NULL, 2002, 1, 3);
	decisions_free(&d);
}

static void none_are_kept(void **state)
{
	(void)state;
	struct decisions *d = decisions_new(0, 4);
	put(d, 3, 1, 50);
	expect_walk(d, NULL, 0, 1, 0);
	decisions_free(&d);
	decisions_free(&d);
}

static void fields_come_back(void **state)
{
	(void)state;
	struct buf b = { 0 };
	struct decision_field f;
	static char large[DECISION_MAX];
	assert_true(decision_text(&b, DECISION_HELO, SLICE("a\0b")) && decision_number(&b, DECISION_CODE, 450) &&
		    decision_decimal(&b, DECISION_SCORE, -1.5) && decision_text(&b, DECISION_NOTE, SLICE("")));
	assert_false(decision_text(&b, DECISION_REPLY, slice_of(large, sizeof large)));
	struct slice s = buf_slice(&b);
	assert_true(decision_field(&s, &f) && f.key == DECISION_HELO && slice_eq(f.text, SLICE("a\0b")));
	assert_true(decision_field(&s, &f) && f.key == DECISION_CODE && f.number == 450);
	assert_true(decision_field(&s, &f) && f.key == DECISION_SCORE && !(f.decimal < -1.5) && !(f.decimal > -1.5));
	assert_true(decision_field(&s, &f) && f.key == DECISION_NOTE && f.text.n == 0);
	assert_false(decision_field(&s, &f));
	buf_release(&b);
}

static void memory_ends(void **state)
{
	(void)state;
	struct decisions_walk walk;
	struct buf record = { 0 };
	struct decisions *d = decisions_new(10, 1);
	put(d, 0, 1, 50);
	mem_fail_after(0);
	assert_false(decisions_walk_begin(d, NULL, &walk));
	mem_fail_after(-1);
	assert_true(decisions_walk_begin(d, NULL, &walk));
	mem_fail_after(0);
	assert_false(decisions_next(d, &walk, &record));
	mem_fail_after(-1);
	decisions_walk_end(&walk);
	buf_release(&record);
	decisions_free(&d);
}

/* ---- writers and a reader at once ---- */

static struct decisions *shared;
static _Atomic bool over;

static void *write_all(void *arg)
{
	unsigned worker = *(unsigned *)arg;
	struct buf b = { 0 };
	for (uint64_t i = 1; i <= 20000; i++) {
		fill(&b, i, 30 + i * 37 % 1500);
		decisions_put(shared, worker, i, i, buf_slice(&b));
	}
	buf_release(&b);
	return NULL;
}

static void *read_all(void *arg)
{
	size_t *seen = arg;
	struct buf record = { 0 };
	while (!atomic_load(&over)) {
		struct decisions_walk walk;
		if (!decisions_walk_begin(shared, NULL, &walk))
			continue;
		while (decisions_next(shared, &walk, &record)) {
			struct slice s = buf_slice(&record);
			struct decision_field f = { 0 };
			(void)decision_field(&s, &f);
			if (!is_whole(buf_slice(&record), f.number))
				return NULL;
			++*seen;
		}
		decisions_walk_end(&walk);
	}
	buf_release(&record);
	return seen;
}

static void a_reader_sees_whole_records(void **state)
{
	(void)state;
	pthread_t writers[2], reader;
	static unsigned numbers[] = { 0, 1 };
	size_t seen = 0;
	void *whole;
	shared = decisions_new(200, 2);
	assert_int_equal(pthread_create(&reader, NULL, read_all, &seen), 0);
	for (unsigned i = 0; i < 2; i++)
		assert_int_equal(pthread_create(&writers[i], NULL, write_all, &numbers[i]), 0);
	for (unsigned i = 0; i < 2; i++)
		pthread_join(writers[i], NULL);
	atomic_store(&over, true);
	pthread_join(reader, &whole);
	assert_non_null(whole);
	decisions_free(&shared);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(newest_first_over_all_workers),
		cmocka_unit_test(by_id),
		cmocka_unit_test(the_oldest_go_first_by_number_and_by_bytes),
		cmocka_unit_test(none_are_kept),
		cmocka_unit_test(fields_come_back),
		cmocka_unit_test(memory_ends),
		cmocka_unit_test(a_reader_sees_whole_records),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
