/* A snapshot that is not as it was written is found out, and kept as far as it is whole. */
#include "tests/score/snapshot_help.h"

#include "base/mem.h"

/* Reads what may be no snapshot at all into a fresh store. Was it found whole? */
static bool looks_whole(struct slice file)
{
	struct score_snapshot_head head;
	struct score_snapshot_reader r;
	if (score_snapshot_read_head(file, &head) != SCORE_SNAPSHOT_GOOD)
		return false;
	struct score_store *t = empty(MB);
	score_snapshot_restore(&r, t, &head, T0);
	size_t rest = file.n - SCORE_SNAPSHOT_HEAD;
	assert_int_equal(score_snapshot_feed(&r, slice_of(file.p + SCORE_SNAPSHOT_HEAD, rest), true), rest);
	assert_in_range(r.entries, 0, FILLED);
	score_store_free(&t);
	return score_snapshot_is_whole(&r);
}

static void every_cut_is_found_out(void **state)
{
	(void)state;
	struct score_store *s = filled();
	struct buf file = written(s);
	size_t n = buf_len(&file);
	for (size_t cut = 0; cut < n; cut++) {
		char *exact = mem_strndup(file.data + file.start, cut); /* a sanitizer sees a read past its end */
		assert_false(looks_whole(slice_of(exact, cut)));
		mem_free(&exact);
	}
	assert_true(looks_whole(buf_slice(&file)));
	buf_release(&file);
	score_store_free(&s);
}

static void every_flipped_bit_is_found_out(void **state)
{
	(void)state;
	struct score_store *s = filled();
	struct buf file = written(s);
	char *p = file.data + file.start;
	for (size_t bit = 0; bit < 8 * buf_len(&file); bit++) {
		p[bit / 8] = (char)(p[bit / 8] ^ 1 << bit % 8);
		if (looks_whole(buf_slice(&file)))
			fail_msg("bit %zu of byte %zu", bit % 8, bit / 8);
		p[bit / 8] = (char)(p[bit / 8] ^ 1 << bit % 8);
	}
	assert_true(looks_whole(buf_slice(&file)));
	buf_release(&file);
	score_store_free(&s);
}

static void what_follows_the_end_is_damage(void **state)
{
	(void)state;
	struct score_store *s = filled();
	struct buf file = written(s);
	assert_true(buf_put(&file, SLICE("x")));
	assert_false(looks_whole(buf_slice(&file)));
	buf_release(&file);
	score_store_free(&s);
}

static void cut_out(struct buf *file, size_t from, size_t to)
{
	char *p = file->data + file->start;
	memmove(p + from, p + to, buf_len(file) - to);
	file->end -= (uint32_t)(to - from);
}

static void whole_blocks_beside_damage_are_kept(void **state)
{
	(void)state;
	struct score_store *s = full_of_records(MB), *t = empty(MB);
	struct buf file = written(s);
	size_t second = block_at(&file, 1), third = block_at(&file, 2);
	assert_true(third - second > 500);
	file.data[file.start + second + 400]++;
	struct score_snapshot_reader r = read_all(buf_slice(&file), t);
	assert_false(score_snapshot_is_whole(&r));
	assert_int_equal(r.damaged_bytes, third - second);
	assert_int_equal(r.missing, 1);
	assert_true(r.ended && r.entries > 0);
	assert_in_range(records_right(t), r.entries - 1, r.entries); /* the one with 0 points may be among them */
	buf_release(&file);
	score_store_free(&t);
	score_store_free(&s);
}

static void a_block_that_is_not_there_is_missed(void **state)
{
	(void)state;
	struct score_store *s = filled(), *t = empty(MB);
	struct buf file = written(s);
	cut_out(&file, block_at(&file, 1), block_at(&file, 2));
	struct score_snapshot_reader r = read_all(buf_slice(&file), t);
	assert_int_equal(r.missing, 1);
	assert_int_equal(r.damaged_bytes, 0);
	assert_false(score_snapshot_is_whole(&r));
	assert_true(r.entries > 0 && r.entries < FILLED);
	buf_release(&file);
	score_store_free(&t);
	score_store_free(&s);
}

/* A disk that gives back an old sector: a block, whole in itself, of another snapshot. */
static void a_block_of_another_snapshot_is_not_taken(void **state)
{
	(void)state;
	struct score_store *s = filled(), *t = empty(MB);
	struct score_snapshot_writer w;
	struct buf file = written(s), other = { 0 };
	score_snapshot_begin(&w, s, T0 + 1);
	while (score_snapshot_next(&w, &other) == SCORE_SNAPSHOT_MORE)
		;
	assert_int_equal(buf_len(&file), buf_len(&other));
	size_t from = block_at(&file, 0), to = block_at(&file, 1);
	memcpy(file.data + file.start + from, other.data + other.start + from, to - from);
	struct score_snapshot_reader r = read_all(buf_slice(&file), t);
	assert_int_equal(r.damaged_bytes, to - from);
	assert_int_equal(r.missing, 1);
	buf_release(&other);
	buf_release(&file);
	score_store_free(&t);
	score_store_free(&s);
}

static void a_block_that_comes_twice_is_not_taken_twice(void **state)
{
	(void)state;
	struct score_store *s = filled(), *t = empty(MB);
	struct buf file = written(s), twice = { 0 };
	size_t first = block_at(&file, 0), second = block_at(&file, 1);
	struct slice all = buf_slice(&file);
	assert_true(buf_put(&twice, slice_of(all.p, second)));
	assert_true(buf_put(&twice, slice_skip(all, first)));
	struct score_snapshot_reader r = read_all(buf_slice(&twice), t);
	assert_int_equal(r.damaged_bytes, second - first);
	assert_int_equal(r.entries, FILLED);
	is_as_filled(t);
	buf_release(&twice);
	buf_release(&file);
	score_store_free(&t);
	score_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_is_found_out),
		cmocka_unit_test(every_flipped_bit_is_found_out),
		cmocka_unit_test(what_follows_the_end_is_damage),
		cmocka_unit_test(whole_blocks_beside_damage_are_kept),
		cmocka_unit_test(a_block_that_is_not_there_is_missed),
		cmocka_unit_test(a_block_of_another_snapshot_is_not_taken),
		cmocka_unit_test(a_block_that_comes_twice_is_not_taken_twice),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
