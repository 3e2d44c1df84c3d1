#include "tests/base/cmocka_setup.h"

#include "base/mem.h"
#include "base/pool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { SLABS = 3, MANY = SLABS * POOL_SLAB_BLOCKS, ADDRESS = sizeof(char *) };

static void take(struct pool *p, char **blocks, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		blocks[i] = pool_take(p);
		assert_non_null(blocks[i]);
		memset(blocks[i], (int)i, POOL_BLOCK);
	}
}

static void give(struct pool *p, char **blocks, unsigned n)
{
	for (unsigned i = 0; i < n; i++)
		pool_give(p, blocks[i]);
}

/* Pages of the block that are there; its ends may lie in pages of its neighbours. */
static unsigned resident(char *block)
{
	size_t page = (size_t)sysconf(_SC_PAGESIZE);
	char *from = block + -(uintptr_t)block % page;
	unsigned char there[POOL_BLOCK / 4096 + 1];
	size_t pages = (size_t)(block + POOL_BLOCK - from) / page;
	assert_int_equal(mincore(from, pages * page, there), 0);
	unsigned n = 0;
	for (size_t i = 0; i < pages; i++)
		n += there[i] & 1;
	return n;
}

static void is_mapped(const void *p, bool wanted)
{
	unsigned char there;
	char *page = (char *)p - (uintptr_t)p % (size_t)sysconf(_SC_PAGESIZE);
	assert_int_equal(mincore(page, 1, &there) == 0, wanted);
}

static void blocks_are_apart_and_hold_what_they_are_given(void **state)
{
	(void)state;
	struct pool p = { 0 };
	char *blocks[MANY], wanted[POOL_BLOCK];
	take(&p, blocks, MANY);
	assert_int_equal(p.free_n, 0);
	for (unsigned i = 0; i < MANY; i++) {
		assert_int_equal((uintptr_t)blocks[i] % 64, 0);
		memset(wanted, (int)i, sizeof wanted);
		assert_memory_equal(blocks[i], wanted, sizeof wanted);
	}
	give(&p, blocks, MANY);
	assert_int_equal(p.free_n, MANY);
	pool_release(&p);
	assert_null(p.open);
	assert_int_equal(p.free_n, 0);
	assert_int_equal(p.warm_n, 0);
}

static void a_free_block_is_taken_before_new_memory(void **state)
{
	(void)state;
	struct pool p = { 0 };
	char *blocks[MANY];
	take(&p, blocks, MANY);
	char *one = blocks[POOL_SLAB_BLOCKS + 7];
	pool_give(&p, one);
	assert_ptr_equal(pool_take(&p), one);
	give(&p, blocks, MANY);
	pool_release(&p);
}

static void slabs_that_nobody_needs_go(void **state)
{
	(void)state;
	struct pool p = { 0 };
	char *blocks[MANY];
	take(&p, blocks, MANY);
	give(&p, blocks, MANY);
	pool_trim(&p);
	assert_int_equal(p.free_n, MANY); /* they were needed a moment ago */
	take(&p, blocks, 4);
	give(&p, blocks, 4);
	pool_trim(&p);
	assert_int_equal(p.free_n, POOL_SLAB_BLOCKS); /* the one that was needed since */
	pool_trim(&p);
	assert_int_equal(p.free_n, 0);
	is_mapped(blocks[0], false);
	assert_int_equal(p.warm_n, 0); /* nothing left to trim */
}

static void a_block_that_stays_keeps_no_slab(void **state)
{
	(void)state;
	struct pool p = { 0 };
	char *blocks[POOL_SLAB_BLOCKS], *kept;
	take(&p, blocks, POOL_SLAB_BLOCKS);
	kept = blocks[5];
	for (unsigned i = 0; i < POOL_SLAB_BLOCKS; i++)
		if (blocks[i] != kept)
			pool_give(&p, blocks[i]);
	pool_trim(&p);
	assert_true(resident(blocks[9]) > 0);
	assert_int_equal(p.warm_n, 1);
	pool_trim(&p);
	assert_int_equal(resident(blocks[9]), 0);
	assert_true(resident(kept) > 0);
	assert_int_equal(kept[POOL_BLOCK / 2], 5);
	assert_int_equal(p.warm_n, 0);
	char *again = pool_take(&p); /* of the same slab */
	assert_int_equal(p.free_n, POOL_SLAB_BLOCKS - 2);
	memset(again, 'x', POOL_BLOCK);
	pool_give(&p, again);
	assert_int_equal(p.warm_n, 1);
	pool_give(&p, kept);
	pool_release(&p);
}

/* What the kernel was told about the page that holds p: "hg" or "nh" among the flags in smaps. */
static bool is_flagged(const void *p, const char *flag)
{
	char line[512];
	unsigned long a, b, from = 0, to = 0;
	bool found = false;
	FILE *f = fopen("/proc/self/smaps", "r");
	assert_non_null(f);
	while (fgets(line, sizeof line, f)) {
		if (sscanf(line, "%lx-%lx", &a, &b) == 2) {
			from = a;
			to = b;
		}
		if (strncmp(line, "VmFlags:", 8) == 0 && from <= (uintptr_t)p && (uintptr_t)p < to)
			found = strstr(line, flag) != NULL;
	}
	fclose(f);
	return found;
}

/* One page of a slab is enough for the kernel to make a huge one of it again. */
static void what_was_given_back_stays_so(void **state)
{
	(void)state;
	struct pool p = { 0 };
	char *kept = pool_take(&p);
	if (access("/sys/kernel/mm/transparent_hugepage", F_OK) != 0) {
		pool_give(&p, kept);
		pool_release(&p);
		skip(); /* this kernel has no huge pages */
	}
	assert_true(is_flagged(kept, " hg"));
	pool_trim(&p);
	assert_true(is_flagged(kept, " hg"));
	pool_trim(&p);
	assert_true(is_flagged(kept, " nh"));
	char *more = pool_take(&p);
	assert_true(is_flagged(more, " hg"));
	pool_trim(&p);
	pool_trim(&p); /* what was taken stays out, what is free is given up once more */
	assert_int_equal(p.warm_n, 0);
	assert_true(is_flagged(more, " nh"));
	pool_give(&p, more);
	pool_give(&p, kept);
	pool_release(&p);
}

static void no_more_free_blocks_are_kept_than_wanted(void **state)
{
	(void)state;
	struct pool p = { .most = POOL_SLAB_BLOCKS + 1 };
	char *blocks[MANY];
	take(&p, blocks, MANY);
	give(&p, blocks, MANY);
	assert_int_equal(p.free_n, POOL_SLAB_BLOCKS);
	pool_release(&p);
}

/* Each block holds its own address; none is given out twice. */
static void random_takes_and_gives(void **state)
{
	(void)state;
	struct pool p = { .most = POOL_SLAB_BLOCKS };
	char *blocks[MANY];
	unsigned n = 0;
	srandom(1);
	for (unsigned i = 0; i < 20000; i++) {
		if (n < MANY && random() % 2) {
			blocks[n] = pool_take(&p);
			memcpy(blocks[n], &blocks[n], ADDRESS);
			n++;
		} else if (n) {
			unsigned which = (unsigned)random() % n;
			assert_memory_equal(blocks[which], &blocks[which], ADDRESS);
			pool_give(&p, blocks[which]);
			blocks[which] = blocks[--n];
		}
		if (random() % 500 == 0)
			pool_trim(&p);
	}
	give(&p, blocks, n);
	pool_release(&p);
	assert_int_equal(p.free_n, 0);
}

static void without_memory_there_is_none(void **state)
{
	(void)state;
	struct pool p = { 0 };
	mem_fail_after(0);
	assert_null(pool_take(&p));
	mem_fail_after(-1);
	char *block = pool_take(&p);
	assert_non_null(block);
	pool_give(&p, block);
	pool_release(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_apart_and_hold_what_they_are_given),
		cmocka_unit_test(a_free_block_is_taken_before_new_memory),
		cmocka_unit_test(slabs_that_nobody_needs_go),
		cmocka_unit_test(a_block_that_stays_keeps_no_slab),
		cmocka_unit_test(what_was_given_back_stays_so),
		cmocka_unit_test(no_more_free_blocks_are_kept_than_wanted),
		cmocka_unit_test(random_takes_and_gives),
		cmocka_unit_test(without_memory_there_is_none),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
