/* A snapshot is read as it was written, found out when it is not, and kept as far as it is whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "base/mem.h"
#include "score/block.h"
#include "score/distinct.h"
#include "score/known.h"
#include "score/snapshot_form.h"
#include "score/usual.h"

#define T0 ((uint64_t)1767225600000u)
enum { HOUR = 3600000, MB = 1 << 20 };

static const struct hash_key secret = { 11, 12 };
static const struct score_window ten_minutes = { 77, 150000 };
static const struct score_known_limits proven = { 1, 0, 1 };

static struct score_key named(const struct score_store *s, const char *name)
{
	return score_key_text(s, SCORE_KEY_SENDER, slice_str(name));
}

static struct score_key numbered(const struct score_store *s, unsigned n)
{
	char text[24];
	snprintf(text, sizeof text, "k%u", n);
	return named(s, text);
}

static struct score_store *empty(uint64_t memory)
{
	struct score_store *s = score_store_new(memory, &secret);
	assert_non_null(s);
	return s;
}

/* One entry of each kind. */
static struct score_store *filled(void)
{
	struct score_store *s = empty(MB);
	struct score_key a = named(s, "a@x.test"), b = named(s, "b@x.test");
	struct score_hold hold = { .kind = SCORE_HOLD_BLOCK, .until_ms = T0 + HOUR, .reason = "enough" };
	score_record_charge(s, &a, 80, HOUR, 1, T0);
	score_count_add(s, &a, &ten_minutes, 7, 1, T0);
	for (unsigned i = 0; i < 5; i++) {
		struct score_key value = numbered(s, i);
		score_distinct_add(s, &a, &ten_minutes, &value, 1, T0);
	}
	score_usual_add(s, &a, &ten_minutes, 3, 1, T0);
	score_known_accepted(s, &b, &proven, 1, T0);
	assert_true(score_hold_set(s, &a, &hold, 1, T0));
	return s;
}
enum { FILLED = 6 };

static void is_as_filled(struct score_store *s)
{
	struct score_key a = named(s, "A@x.test"), b = named(s, "b@x.test");
	struct score_usual usual;
	struct score_known known;
	struct score_hold hold;
	assert_float_equal(score_record_get(s, &a, HOUR, T0 + HOUR).points, 40, 1e-9);
	assert_int_equal(score_count_get(s, &a, &ten_minutes, T0), 7);
	assert_float_equal(score_distinct_get(s, &a, &ten_minutes, T0), 5, 0);
	score_usual_get(s, &a, &ten_minutes, T0, &usual);
	assert_float_equal(usual.rate, 3, 0);
	score_known_get(s, &b, &proven, &known);
	assert_true(known.good);
	assert_true(score_hold_get(s, &a, T0, &hold));
	assert_int_equal(hold.kind, SCORE_HOLD_BLOCK);
	assert_string_equal(hold.reason, "enough");
}

static struct buf written(struct score_store *s)
{
	struct score_snapshot_writer w;
	struct buf out = { 0 };
	enum score_snapshot_step step;
	score_snapshot_begin(&w, s, T0);
	do {
		size_t was = buf_len(&out);
		step = score_snapshot_next(&w, &out);
		assert_in_range(buf_len(&out) - was, 0, SCORE_SNAPSHOT_BLOCK_MAX);
	} while (step == SCORE_SNAPSHOT_MORE);
	assert_int_equal(step, SCORE_SNAPSHOT_DONE);
	return out;
}

/* Reads as a file is read: pieces are added to what was left. */
static struct score_snapshot_reader read_in_pieces(struct slice file, size_t piece, struct score_store *s)
{
	struct score_snapshot_head head;
	struct score_snapshot_reader r;
	size_t at = SCORE_SNAPSHOT_HEAD, end = at;
	assert_int_equal(score_snapshot_read_head(file, &head), SCORE_SNAPSHOT_GOOD);
	assert_int_equal(head.written_ms, T0);
	assert_true(head.key.k0 == secret.k0 && head.key.k1 == secret.k1);
	score_snapshot_restore(&r, s, &head, T0);
	while (end < file.n) {
		end = file.n - end < piece ? file.n : end + piece;
		at += score_snapshot_feed(&r, slice_of(file.p + at, end - at), end == file.n);
	}
	assert_int_equal(at, file.n);
	return r;
}

static struct score_snapshot_reader read_all(struct slice file, struct score_store *s)
{
	return read_in_pieces(file, file.n + 1, s);
}

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

/* 4,000 records with points 0..3999 */
static struct score_store *full_of_records(uint64_t memory)
{
	struct score_store *s = empty(memory);
	for (unsigned i = 0; i < 4000; i++) {
		struct score_key k = numbered(s, i);
		score_record_charge(s, &k, i, HOUR, i, T0);
	}
	return s;
}

static unsigned records_right(struct score_store *s)
{
	unsigned right = 0;
	for (unsigned i = 1; i < 4000; i++) {
		struct score_key k = numbered(s, i);
		double points = score_record_get(s, &k, HOUR, T0).points;
		assert_true(points == 0 || points == i);
		right += points == i;
	}
	return right;
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

/* ---- damage ---- */

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

/* Where the nth block begins; the end counts. */
static size_t block_at(const struct buf *file, unsigned nth)
{
	struct snapshot_block b;
	size_t at = SCORE_SNAPSHOT_HEAD;
	for (unsigned i = 0; i < nth; i++) {
		memcpy(&b, file->data + file->start + at, sizeof b);
		at += sizeof b + b.bytes;
	}
	return at;
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

/* ---- versions ---- */

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
		cmocka_unit_test(every_cut_is_found_out),
		cmocka_unit_test(every_flipped_bit_is_found_out),
		cmocka_unit_test(what_follows_the_end_is_damage),
		cmocka_unit_test(whole_blocks_beside_damage_are_kept),
		cmocka_unit_test(a_block_that_is_not_there_is_missed),
		cmocka_unit_test(a_block_of_another_snapshot_is_not_taken),
		cmocka_unit_test(a_block_that_comes_twice_is_not_taken_twice),
		cmocka_unit_test(heads_are_told_apart),
		cmocka_unit_test(a_table_or_layout_from_elsewhere_is_passed_over),
		cmocka_unit_test(nonsense_in_a_slot_is_survived),
		cmocka_unit_test(without_memory_the_step_can_be_repeated),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
