/* A snapshot is read as it was written, into a store of any size; what is of another version is told. */
#include "tests/score/snapshot_help.h"

#include "base/mem.h"

static void everything_comes_back(void **state)
{
	(void)state;
	struct score_store *s = filled(), *t = empty(MB);
	struct buf file = written(s);
	struct score_snapshot_reader r = read_all(buf_slice(&file), t);
	assert_true(score_snapshot_is_whole(&r));
	assert_int_equal(r.entries, FILLED);
	assert_int_equal(r.not_kept + r.unknown, 0);
	is_as_filled(s);
	is_as_filled(t);
	/* and what is written of that is the same again */
	struct buf again = written(t);
	assert_true(slice_eq(buf_slice(&file), buf_slice(&again)));
	buf_release(&again);
	buf_release(&file);
	score_store_free(&t);
	score_store_free(&s);
}

static void pieces_make_no_difference(void **state)
{
	(void)state;
	struct score_store *s = filled();
	struct buf file = written(s);
	for (size_t piece = 1; piece < 200; piece++) {
		struct score_store *t = empty(MB);
		struct score_snapshot_reader r = read_in_pieces(buf_slice(&file), piece, t);
		assert_true(score_snapshot_is_whole(&r));
		is_as_filled(t);
		score_store_free(&t);
	}
	buf_release(&file);
	score_store_free(&s);
}

static void a_larger_store_takes_all(void **state)
{
	(void)state;
	struct score_store *s = full_of_records(MB), *t = empty(16 * MB);
	struct buf file = written(s);
	struct score_snapshot_reader r = read_all(buf_slice(&file), t);
	assert_true(score_snapshot_is_whole(&r) && r.not_kept == 0);
	assert_int_equal(records_right(t), records_right(s));
	assert_in_range(records_right(t), 3990, 3999);
	buf_release(&file);
	score_store_free(&t);
	score_store_free(&s);
}

static void a_smaller_store_keeps_the_best(void **state)
{
	(void)state;
	struct score_store *s = empty(16 * MB), *t = empty(MB);
	enum { MANY = 60000 };
	for (unsigned i = 0; i < MANY; i++) {
		struct score_key k = numbered(s, i);
		score_record_charge(s, &k, i < MANY - 1000 ? 1 : 500, HOUR, i, T0);
	}
	struct buf file = written(s);
	struct score_snapshot_reader r = read_all(buf_slice(&file), t);
	struct score_store_stats stats;
	score_store_stats(t, &stats);
	assert_true(score_snapshot_is_whole(&r));
	assert_in_range(stats.used, 5000, stats.slots);
	unsigned best = 0;
	for (unsigned i = MANY - 1000; i < MANY; i++) {
		struct score_key k = numbered(t, i);
		best += score_record_get(t, &k, HOUR, T0).points == 500;
	}
	assert_in_range(best, 995, 1000);
	buf_release(&file);
	score_store_free(&t);
	score_store_free(&s);
}

static enum score_snapshot_verdict verdict_of(struct snapshot_head h, bool sealed)
{
	struct score_snapshot_head head;
	if (sealed)
		h.crc = snapshot_head_crc(&h);
	enum score_snapshot_verdict v = score_snapshot_read_head(slice_of((const char *)&h, sizeof h), &head);
	if (v == SCORE_SNAPSHOT_NEWER)
		assert_int_equal(head.version, h.version);
	return v;
}

static void heads_are_told_apart(void **state)
{
	(void)state;
	struct snapshot_head h = { .magic = SNAPSHOT_MAGIC, .version = SCORE_SNAPSHOT_VERSION, .written_ms = T0 };
	struct score_snapshot_head head;
	assert_int_equal(verdict_of(h, true), SCORE_SNAPSHOT_GOOD);
	assert_int_equal(verdict_of(h, false), SCORE_SNAPSHOT_DAMAGED);
	h.version++;
	assert_int_equal(verdict_of(h, true), SCORE_SNAPSHOT_NEWER);
	h.version = __builtin_bswap32(SCORE_SNAPSHOT_VERSION); /* of a machine of the other byte order */
	assert_int_equal(verdict_of(h, true), SCORE_SNAPSHOT_NEWER);
	h.magic[0]++;
	assert_int_equal(verdict_of(h, true), SCORE_SNAPSHOT_FOREIGN);
	assert_int_equal(score_snapshot_read_head(SLICE(""), &head), SCORE_SNAPSHOT_FOREIGN);
	assert_int_equal(score_snapshot_read_head(SLICE(SNAPSHOT_MAGIC), &head), SCORE_SNAPSHOT_FOREIGN);
}

/* Seals a block's header after a change to it. */
static void reseal(struct buf *file, size_t at, const struct snapshot_block *changed)
{
	struct snapshot_block b = *changed;
	struct score_snapshot_head head;
	assert_int_equal(score_snapshot_read_head(buf_slice(file), &head), SCORE_SNAPSHOT_GOOD);
	char *slots = file->data + file->start + at + sizeof b;
	b.slots_crc = crc32c(head.crc, slice_of(slots, b.bytes));
	b.crc = snapshot_block_crc(&b, head.crc);
	memcpy(slots - sizeof b, &b, sizeof b);
}

static void a_table_or_layout_from_elsewhere_is_passed_over(void **state)
{
	(void)state;
	for (unsigned change = 0; change < 3; change++) {
		struct score_store *s = filled(), *t = empty(MB);
		struct buf file = written(s);
		struct snapshot_block b;
		size_t at = block_at(&file, 0);
		memcpy(&b, file.data + file.start + at, sizeof b);
		unsigned entries = b.bytes / b.slot_bytes;
		b.table = change == 0 ? 999 : b.table;
		b.layout = change == 1 ? 999 : b.layout;
		b.slot_bytes /= change == 2 ? 2 : 1;
		reseal(&file, at, &b);
		struct score_snapshot_reader r = read_all(buf_slice(&file), t);
		assert_true(score_snapshot_is_whole(&r)); /* it is no damage */
		assert_int_equal(r.unknown, 1);
		assert_int_equal(r.entries, FILLED - entries);
		buf_release(&file);
		score_store_free(&t);
		score_store_free(&s);
	}
}

/* Checksums hold against rot, not against nonsense: whatever a sealed slot holds, the store stays usable. */
static void nonsense_in_a_slot_is_survived(void **state)
{
	(void)state;
	uint64_t random = 88172645463325252u;
	for (unsigned round = 0; round < 300; round++) {
		struct score_store *s = filled(), *t = empty(MB);
		struct buf file = written(s);
		struct snapshot_block b;
		size_t at = block_at(&file, round % 5);
		memcpy(&b, file.data + file.start + at, sizeof b);
		for (uint32_t i = 0; i < b.bytes; i++) {
			random ^= random << 13, random ^= random >> 7, random ^= random << 17;
			file.data[file.start + at + sizeof b + i] = (char)(round < 5 ? 0 : random);
		}
		reseal(&file, at, &b);
		struct score_snapshot_reader r = read_all(buf_slice(&file), t);
		assert_true(score_snapshot_is_whole(&r));
		assert_int_equal(r.entries + r.not_kept, FILLED);
		if (round < 5)
			assert_int_equal(r.not_kept, b.bytes / b.slot_bytes);
		struct buf again = written(t);
		buf_release(&again);
		buf_release(&file);
		score_store_free(&t);
		score_store_free(&s);
	}
}

static void without_memory_the_step_can_be_repeated(void **state)
{
	(void)state;
	struct score_store *s = filled(), *t = empty(MB);
	struct score_snapshot_writer w;
	struct buf out = { 0 };
	enum score_snapshot_step step = SCORE_SNAPSHOT_MORE;
	unsigned failures = 0;
	score_snapshot_begin(&w, s, T0);
	while (step != SCORE_SNAPSHOT_DONE) {
		size_t was = buf_len(&out);
		mem_fail_after(0);
		step = score_snapshot_next(&w, &out);
		mem_fail_after(-1);
		failures += step == SCORE_SNAPSHOT_NO_MEMORY;
		if (step == SCORE_SNAPSHOT_NO_MEMORY) {
			assert_int_equal(buf_len(&out), was);
			step = score_snapshot_next(&w, &out);
		}
	}
	assert_true(failures > 0);
	struct score_snapshot_reader r = read_all(buf_slice(&out), t);
	assert_true(score_snapshot_is_whole(&r));
	is_as_filled(t);
	buf_release(&out);
	score_store_free(&t);
	score_store_free(&s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_comes_back),
		cmocka_unit_test(pieces_make_no_difference),
		cmocka_unit_test(a_larger_store_takes_all),
		cmocka_unit_test(a_smaller_store_keeps_the_best),
		cmocka_unit_test(heads_are_told_apart),
		cmocka_unit_test(a_table_or_layout_from_elsewhere_is_passed_over),
		cmocka_unit_test(nonsense_in_a_slot_is_survived),
		cmocka_unit_test(without_memory_the_step_can_be_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
