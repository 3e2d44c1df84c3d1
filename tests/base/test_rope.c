#include "tests/base/cmocka_setup.h"

#include "base/mem.h"
#include "base/rope.h"

#include <stdlib.h>
#include <string.h>

static void fill(char *p, size_t n, unsigned seed)
{
	for (size_t i = 0; i < n; i++)
		p[i] = (char)(seed + i * 7 + i / 251);
}

static void assert_holds(const struct rope *r, struct slice wanted)
{
	char *got = malloc(wanted.n + 1);
	assert_int_equal(r->n, wanted.n);
	assert_int_equal(rope_size(r->first), wanted.n);
	assert_int_equal(rope_copy(r->first, 0, got, wanted.n + 1), wanted.n);
	assert_memory_equal(got, wanted.p, wanted.n);
	free(got);
}

/* The end of a test: all blocks are back. */
static void let_go(struct rope_stock *k)
{
	rope_stock_release(k);
	assert_null(k->pool.open);
	assert_int_equal(k->pool.free_n, 0);
}

static void small_pieces_share_a_small_block(void **state)
{
	(void)state;
	struct rope_stock k = { 0 };
	struct rope r = { 0 };
	assert_true(rope_put(&r, &k, SLICE("one ")));
	assert_int_equal(r.memory, ROPE_LEAST);
	assert_int_equal(rope_cost(&r, &k, SLICE("two")), 0);
	assert_true(rope_put(&r, &k, SLICE("two")));
	assert_true(rope_put(&r, &k, SLICE("")));
	assert_ptr_equal(r.first, r.last);
	assert_int_equal(r.memory, ROPE_LEAST);
	assert_holds(&r, SLICE("one two"));
	rope_clear(&r, &k);
	assert_int_equal(r.memory, 0);
	assert_int_equal(k.pool.warm_n, 0); /* small ones are not of the pool */
	let_go(&k);
}

static void what_was_read_is_taken_over(void **state)
{
	(void)state;
	struct rope_stock k = { 0 };
	struct rope r = { 0 };
	char *to = rope_reading(&k), *all = malloc(2 * ROPE_BLOCK);
	fill(to, ROPE_BLOCK, 1);
	memcpy(all, to + 10, ROPE_BLOCK - 10);
	assert_true(rope_put(&r, &k, slice_of(to + 10, ROPE_BLOCK - 10)));
	assert_ptr_equal(r.first->bytes.p, to + 10);
	char *again = rope_reading(&k);
	assert_ptr_not_equal(again, to); /* it is the rope's now */
	assert_ptr_equal(rope_reading(&k), again);
	fill(again, 100, 2);
	memcpy(all + ROPE_BLOCK - 10, again, 100);
	assert_true(rope_put(&r, &k, slice_of(again, 100)));
	assert_ptr_not_equal(r.last->bytes.p, again); /* too little: copied, and not into the block before */
	assert_ptr_equal(rope_reading(&k), again);
	assert_holds(&r, slice_of(all, ROPE_BLOCK + 90));
	rope_clear(&r, &k);
	let_go(&k);
	free(all);
}

/* Nearly every body that is taken over has its end copied, since the dot behind it wants a closer look. */
static void the_end_of_what_was_taken_over_costs_little(void **state)
{
	(void)state;
	enum { HALF = ROPE_BLOCK / 2 + 1, TIMES = 20 };
	struct rope_stock k = { 0 };
	struct rope r = { 0 };
	for (unsigned i = 0; i < TIMES; i++) {
		char *to = rope_reading(&k);
		fill(to, HALF + 60, i);
		assert_true(rope_put(&r, &k, slice_of(to, HALF)));
		assert_true(rope_put(&r, &k, slice_of(to + HALF, 60)));
		assert_true(r.memory <= (i + 1) * (POOL_BLOCK + ROPE_LEAST));
	}
	rope_clear(&r, &k);
	let_go(&k);
}

/* The rope may go while the reader is not through with the block. */
static void a_block_outlives_its_rope_while_it_is_read(void **state)
{
	(void)state;
	struct rope_stock k = { 0 };
	struct rope a = { 0 }, b = { 0 };
	char *to = rope_reading(&k);
	fill(to, ROPE_BLOCK, 3);
	assert_true(rope_put(&a, &k, slice_of(to, ROPE_BLOCK - 1000)));
	rope_clear(&a, &k);
	assert_int_equal(k.pool.free_n, POOL_SLAB_BLOCKS - 1);
	assert_true(rope_put(&b, &k, slice_of(to + ROPE_BLOCK - 1000, 1000)));
	assert_memory_equal(b.first->bytes.p, to + ROPE_BLOCK - 1000, 1000);
	assert_ptr_equal(rope_reading(&k), to); /* nobody else has it */
	rope_clear(&b, &k);
	let_go(&k);
}

/* What it was behind in the rope before must not come along. */
static void a_block_goes_from_rope_to_rope(void **state)
{
	(void)state;
	struct rope_stock k = { 0 };
	struct rope a = { 0 }, b = { 0 };
	char *to = rope_reading(&k);
	fill(to, ROPE_BLOCK, 5);
	assert_true(rope_put(&a, &k, slice_of(to, ROPE_BLOCK - 100)));
	assert_true(rope_put(&a, &k, SLICE("and behind it")));
	rope_clear(&a, &k);
	assert_ptr_equal(rope_reading(&k), to);
	assert_true(rope_put(&b, &k, slice_of(to, ROPE_BLOCK)));
	assert_null(b.first->next);
	assert_holds(&b, slice_of(to, ROPE_BLOCK));
	rope_clear(&b, &k);
	let_go(&k);
}

static void a_rope_outlives_the_stock_s_reading(void **state)
{
	(void)state;
	struct rope_stock k = { 0 };
	struct rope r = { 0 };
	char *to = rope_reading(&k);
	assert_true(rope_put(&r, &k, slice_of(to, ROPE_BLOCK)));
	rope_stock_release(&k);
	rope_clear(&r, &k);
	let_go(&k);
}

/* Any pieces, from anywhere: the bytes are what was put, and the cost is what was said before. */
static void random_pieces(void **state)
{
	(void)state;
	enum { MOST = 1 << 20 };
	struct rope_stock k = { 0 };
	char *all = malloc(MOST + 2 * ROPE_BLOCK), *other = malloc(2 * ROPE_BLOCK);
	srandom(11);
	for (unsigned round = 0; round < 30; round++) {
		struct rope r = { 0 };
		size_t n = 0;
		while (n < MOST) {
			bool read = random() % 2;
			char *from = read ? rope_reading(&k) : other;
			size_t most = read ? ROPE_BLOCK : 2 * ROPE_BLOCK, size = (size_t)random() % most;
			size = random() % 3 ? size : size / 500;
			size_t at = (size_t)random() % (most - size);
			fill(from + at, size, (unsigned)random());
			memcpy(all + n, from + at, size);
			uint64_t memory = r.memory + rope_cost(&r, &k, slice_of(from + at, size));
			assert_true(rope_put(&r, &k, slice_of(from + at, size)));
			assert_int_equal(r.memory, memory);
			n += size;
		}
		assert_holds(&r, slice_of(all, n));
		char some[1000];
		for (unsigned i = 0; i < 50; i++) {
			size_t at = (size_t)random() % n, left = n - at, want = left < 1000 ? left : 1000;
			assert_int_equal(rope_copy(r.first, at, some, sizeof some), want);
			assert_memory_equal(some, all + at, want);
		}
		assert_true(r.memory < 3 * r.n + ROPE_LEAST);
		rope_clear(&r, &k);
	}
	let_go(&k);
	free(all);
	free(other);
}

static void without_memory_it_stays_as_it_was(void **state)
{
	(void)state;
	struct rope_stock k = { 0 };
	struct rope r = { 0 };
	mem_fail_after(0);
	assert_null(rope_reading(&k));
	assert_true(rope_put(&r, &k, SLICE("abc")));
	static char much[ROPE_LEAST];
	mem_fail_after(0);
	assert_false(rope_put(&r, &k, slice_of(much, sizeof much)));
	assert_holds(&r, SLICE("abc"));
	mem_fail_after(-1);
	rope_clear(&r, &k);
	let_go(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_pieces_share_a_small_block),
		cmocka_unit_test(what_was_read_is_taken_over),
		cmocka_unit_test(the_end_of_what_was_taken_over_costs_little),
		cmocka_unit_test(a_block_outlives_its_rope_while_it_is_read),
		cmocka_unit_test(a_block_goes_from_rope_to_rope),
		cmocka_unit_test(a_rope_outlives_the_stock_s_reading),
		cmocka_unit_test(random_pieces),
		cmocka_unit_test(without_memory_it_stays_as_it_was),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
