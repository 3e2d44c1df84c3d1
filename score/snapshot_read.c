#include "score/slots.h"
#include "score/snapshot_form.h"

enum score_snapshot_verdict score_snapshot_read_head(struct slice file, struct score_snapshot_head *head_r)
{
	struct snapshot_head h;
	*head_r = (struct score_snapshot_head){ 0 };
	if (file.n < sizeof h || memcmp(file.p, SNAPSHOT_MAGIC, sizeof h.magic) != 0)
		return SCORE_SNAPSHOT_FOREIGN;
	memcpy(&h, file.p, sizeof h);
	if (h.crc != snapshot_head_crc(&h))
		return SCORE_SNAPSHOT_DAMAGED;
	*head_r = (struct score_snapshot_head){ h.version, h.written_ms, { h.k0, h.k1 }, h.crc };
	return h.version > SCORE_SNAPSHOT_VERSION ? SCORE_SNAPSHOT_NEWER : SCORE_SNAPSHOT_GOOD;
}

void score_snapshot_restore(struct score_snapshot_reader *r, struct score_store *store,
	const struct score_snapshot_head *head, uint64_t now_ms)
{
	*r = (struct score_snapshot_reader){ .store = store, .now_ms = now_ms, .seed = head->crc };
}

bool score_snapshot_is_whole(const struct score_snapshot_reader *r)
{
	return r->ended && r->missing == 0 && r->damaged_bytes == 0;
}

/* The table of today that the block's slots belong to; STORE_TABLES: none. */
static enum score_table_name table_of(const struct score_snapshot_reader *r, const struct snapshot_block *b)
{
	enum score_table_name t = 0;
	while (t < STORE_TABLES && (SNAPSHOT_TABLES[t].id != b->table || SNAPSHOT_TABLES[t].layout != b->layout ||
					   r->store->tables[t].slot_bytes != b->slot_bytes))
		t++;
	return t;
}

static void take_slots(struct score_snapshot_reader *r, const struct snapshot_block *b, const char *slots)
{
	enum score_table_name t = table_of(r, b);
	if (t == STORE_TABLES) {
		r->unknown++;
		return;
	}
	uint64_t n = b->bytes / b->slot_bytes, kept = slot_put_all(r->store, t, slots, n, r->now_ms);
	r->entries += kept;
	r->not_kept += n - kept;
}

/* A whole block. False: it comes a second time, or behind one that follows it: not in the order of a snapshot. */
static bool take_block(struct score_snapshot_reader *r, const struct snapshot_block *b, const char *slots)
{
	if (r->ended || b->number < r->next)
		return false;
	r->missing += b->number - r->next;
	r->next = b->number + (b->table != SNAPSHOT_TABLE_END);
	r->ended = b->table == SNAPSHOT_TABLE_END;
	if (r->ended)
		return true;
	r->blocks++;
	take_slots(r, b, slots);
	return true;
}

static bool header_holds(const struct score_snapshot_reader *r, const struct snapshot_block *b)
{
	return b->mark == SNAPSHOT_MARK && b->crc == snapshot_block_crc(b, r->seed) &&
	       b->bytes <= SCORE_SNAPSHOT_BLOCK_MAX - sizeof *b &&
	       (b->table == SNAPSHOT_TABLE_END ? b->bytes == 0 : b->slot_bytes && b->bytes % b->slot_bytes == 0);
}

/* Where the next block may begin, from the second byte on: at a mark, or so near the end that one may be cut there. */
static size_t next_mark(struct slice in, bool last)
{
	const char *at = memmem(in.p + 1, in.n - 1, &SNAPSHOT_MARK, sizeof SNAPSHOT_MARK);
	if (at)
		return (size_t)(at - in.p);
	return last || in.n < sizeof SNAPSHOT_MARK ? in.n : in.n - (sizeof SNAPSHOT_MARK - 1);
}

enum judged { TAKEN, DAMAGED, NEEDS_MORE };

/* The block at the beginning of `in`. */
static enum judged judge(struct score_snapshot_reader *r, struct slice in, bool last, size_t *n_r)
{
	struct snapshot_block b;
	if (in.n < sizeof b)
		return last ? DAMAGED : NEEDS_MORE;
	memcpy(&b, in.p, sizeof b);
	if (!header_holds(r, &b))
		return DAMAGED;
	*n_r = sizeof b + b.bytes;
	if (in.n < *n_r)
		return last ? DAMAGED : NEEDS_MORE;
	if (crc32c(r->seed, slice_of(in.p + sizeof b, b.bytes)) != b.slots_crc)
		return DAMAGED;
	return take_block(r, &b, in.p + sizeof b) ? TAKEN : DAMAGED;
}

size_t score_snapshot_feed(struct score_snapshot_reader *r, struct slice bytes, bool last)
{
	struct slice in = bytes;
	while (in.n) {
		size_t n = 0;
		enum judged how = judge(r, in, last, &n);
		if (how == NEEDS_MORE)
			break;
		if (how == DAMAGED) {
			n = next_mark(in, last); /* its length is not believed either: what it skips may be whole */
			r->damaged_bytes += n;
		}
		in = slice_skip(in, n);
	}
	return bytes.n - in.n;
}
