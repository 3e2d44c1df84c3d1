#include "tests/score/snapshot_help.h"

#include <stdio.h>

#include "score/block.h"
#include "score/distinct.h"
#include "score/known.h"
#include "score/usual.h"

static const struct hash_key secret = { 11, 12 };
static const struct score_window ten_minutes = { 77, 150000 };
static const struct score_known_limits proven = { 1, 0, 1 };

static struct score_key named(const struct score_store *s, const char *name)
{
	return score_key_text(s, SCORE_KEY_SENDER, slice_str(name));
}

struct score_key numbered(const struct score_store *s, unsigned n)
{
	char text[24];
	snprintf(text, sizeof text, "k%u", n);
	return named(s, text);
}

struct score_store *empty(uint64_t memory)
{
	struct score_store *s = score_store_new(memory, &secret);
	assert_non_null(s);
	return s;
}

/* One entry of each kind. */
struct score_store *filled(void)
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
void is_as_filled(struct score_store *s)
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

struct buf written(struct score_store *s)
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
struct score_snapshot_reader read_in_pieces(struct slice file, size_t piece, struct score_store *s)
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

struct score_snapshot_reader read_all(struct slice file, struct score_store *s)
{
	return read_in_pieces(file, file.n + 1, s);
}

/* 4,000 records with points 0..3999 */
struct score_store *full_of_records(uint64_t memory)
{
	struct score_store *s = empty(memory);
	for (unsigned i = 0; i < 4000; i++) {
		struct score_key k = numbered(s, i);
		score_record_charge(s, &k, i, HOUR, i, T0);
	}
	return s;
}

unsigned records_right(struct score_store *s)
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

/* Where the nth block begins; the end counts. */
size_t block_at(const struct buf *file, unsigned nth)
{
	struct snapshot_block b;
	size_t at = SCORE_SNAPSHOT_HEAD;
	for (unsigned i = 0; i < nth; i++) {
		memcpy(&b, file->data + file->start + at, sizeof b);
		at += sizeof b + b.bytes;
	}
	return at;
}
