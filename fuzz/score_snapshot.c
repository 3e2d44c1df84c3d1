/* A snapshot file of any bytes: the same however it is cut, and the store it went into can be used and written again.
 *
 * The first byte chooses: 0 takes the rest as a file; else it is what follows a good head, and checksums in it are put
 * right first (of each header and its slots), so that what lies behind them is reached too. */
#include <stdlib.h>

#include "base/mem.h"
#include "score/block.h"
#include "score/snapshot_form.h"

static const struct hash_key key = { 1, 2 };
static const uint64_t NOW = 1767225600000;
enum { MEMORY = 1 << 20 };

static void require(bool held)
{
	if (!held)
		abort();
}

static struct score_store *empty(void)
{
	struct score_store *s = score_store_new(MEMORY, &key);
	require(s != NULL);
	return s;
}

static void put_checksums_right(char *p, size_t n, uint32_t seed)
{
	struct snapshot_block b;
	for (size_t at = 0; n - at >= sizeof b;) {
		memcpy(&b, p + at, sizeof b);
		if (b.mark != SNAPSHOT_MARK || b.bytes > n - at - sizeof b) {
			at++;
			continue;
		}
		b.slots_crc = crc32c(seed, slice_of(p + at + sizeof b, b.bytes));
		b.crc = snapshot_block_crc(&b, seed);
		memcpy(p + at, &b, sizeof b);
		at += sizeof b + b.bytes;
	}
}

static struct score_snapshot_reader read_in_pieces(
	struct slice file, const struct score_snapshot_head *head, size_t piece, struct score_store *s)
{
	struct score_snapshot_reader r;
	size_t at = SCORE_SNAPSHOT_HEAD, end = at;
	score_snapshot_restore(&r, s, head, NOW);
	while (end < file.n) {
		end = file.n - end < piece ? file.n : end + piece;
		size_t took = score_snapshot_feed(&r, slice_of(file.p + at, end - at), end == file.n);
		require(took <= end - at);
		at += took;
	}
	require(at == file.n);
	return r;
}

static void use(struct score_store *s)
{
	struct score_snapshot_writer w;
	struct score_hold hold;
	struct ip client = { { 0 } };
	struct buf out = { 0 };
	score_snapshot_begin(&w, s, NOW);
	while (score_snapshot_next(&w, &out) == SCORE_SNAPSHOT_MORE)
		;
	(void)score_hold_client(s, &client, NOW, &hold);
	buf_release(&out);
}

static void read_file(struct slice file)
{
	struct score_snapshot_head head;
	if (score_snapshot_read_head(file, &head) != SCORE_SNAPSHOT_GOOD)
		return;
	struct score_store *s = empty(), *t = empty();
	struct score_snapshot_reader a = read_in_pieces(file, &head, file.n + 1, s);
	struct score_snapshot_reader b = read_in_pieces(file, &head, 7, t);
	require(a.blocks == b.blocks && a.entries == b.entries && a.not_kept == b.not_kept && a.missing == b.missing);
	require(a.damaged_bytes == b.damaged_bytes && a.ended == b.ended && a.unknown == b.unknown);
	require(score_snapshot_is_whole(&a) == score_snapshot_is_whole(&b));
	use(s);
	score_store_free(&s);
	score_store_free(&t);
}

static void read_behind_a_head(struct slice bytes)
{
	struct snapshot_head h = { .magic = SNAPSHOT_MAGIC, .version = 1, .written_ms = NOW, .k0 = 1, .k1 = 2 };
	size_t n = sizeof h + bytes.n;
	char *file = mem_alloc(n);
	require(file != NULL);
	h.crc = snapshot_head_crc(&h);
	memcpy(file, &h, sizeof h);
	if (bytes.n)
		memcpy(file + sizeof h, bytes.p, bytes.n);
	put_checksums_right(file + sizeof h, bytes.n, h.crc);
	read_file(slice_of(file, n));
	mem_free(&file);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	if (n == 0)
		return 0;
	struct slice bytes = slice_of((const char *)data + 1, n - 1);
	if (data[0] == 0)
		read_file(bytes);
	else
		read_behind_a_head(bytes);
	return 0;
}
