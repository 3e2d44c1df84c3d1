/* score/snapshot.h - the store as bytes that outlive the process
 *
 * A snapshot is a head and blocks. Each part carries its length and a CRC-32C, so a reader knows what is whole:
 *
 *   head   magic "SmtpGuardState\n" NUL, version, time written, the store's secret key, CRC. If it is damaged nothing
 *          is believed: without the key no entry can be found again.
 *   block  mark, number (from 0), table, layout, slot size, length, CRC of the slots, CRC of this header; then the
 *          slots in use of one stretch of a shard, as they lie in memory. Both CRCs begin with the head's, so a block
 *          of another snapshot (an old sector that a disk gave back) is not taken for one of this.
 *   end    a block of table 0, without slots; its number says how many blocks came before it.
 *
 * Numbers are written as they lie in memory: to a machine of the other byte order the version looks newer, and it
 * refuses the file. The secret key travels in it, so it is a file that nobody else may read.
 *
 * Older versions: SCORE_SNAPSHOT_VERSION says how head and blocks are written; a newer one is refused whole. The
 * `layout` of a block says how the slots of its table are laid out; a block of a table or layout that this version
 * does not know is passed over and counted, so a change of one table costs that table alone.
 *
 * Restoring does not depend on the sizes of today: each entry goes to its place by its tag (which is why nothing
 * is hashed again). Into a smaller store the most valuable ones go, as far as their neighbourhoods hold them.
 *
 * Pure: bytes go into and come out of memory; who writes and reads files is server/keeper.h.
 * Threads: writing may go on while others use the store; a shard is locked while at most 64 KB of it are copied.
 * An entry is as it was at one moment, the snapshot as a whole is not one moment. Restoring likewise locks.
 */
#ifndef SCORE_SNAPSHOT_H
#define SCORE_SNAPSHOT_H

#include "base/buf.h"
#include "score/store.h"

enum { SCORE_SNAPSHOT_VERSION = 1 };
/* Of the head, in every version to come. */
enum { SCORE_SNAPSHOT_HEAD = 64 };
/* A block with its header is never larger: who reads keeps this much in memory. */
enum { SCORE_SNAPSHOT_BLOCK_MAX = 128 * 1024 };

/* --- writing --- */

struct score_snapshot_writer {
	struct score_store *store;
	uint64_t now_ms;
	size_t table, shard, slot; /* the next stretch: its table, shard and first slot */
	uint32_t blocks;
	uint32_t seed;	  /* CRC of the head */
	uint64_t entries; /* written so far */
	bool begun;
};

/* `now_ms` is written into the head. The store must outlive the writer, which owns nothing. */
void score_snapshot_begin(struct score_snapshot_writer *w, struct score_store *store, uint64_t now_ms);

enum score_snapshot_step {
	SCORE_SNAPSHOT_MORE,	  /* something was appended (now and then nothing: an empty stretch), call again */
	SCORE_SNAPSHOT_DONE,	  /* the end was appended: the bytes since begin are a snapshot */
	SCORE_SNAPSHOT_NO_MEMORY, /* nothing was appended; the same step may be tried again */
};
/* Appends the next part to `out`, at most SCORE_SNAPSHOT_BLOCK_MAX bytes. */
enum score_snapshot_step score_snapshot_next(struct score_snapshot_writer *w, struct buf *out) MUST_USE;

/* --- reading --- */

enum score_snapshot_verdict {
	SCORE_SNAPSHOT_GOOD,
	SCORE_SNAPSHOT_FOREIGN, /* it does not begin like a snapshot, or is shorter than a head */
	SCORE_SNAPSHOT_DAMAGED, /* it does, but its checksum does not hold */
	SCORE_SNAPSHOT_NEWER,	/* whole, but of a version (or byte order) that is not read here */
};

struct score_snapshot_head {
	uint32_t version;
	uint64_t written_ms;
	struct hash_key key;
	uint32_t crc;
};

/* Reads the head at the beginning of `file`; *head_r is filled in for GOOD, its version also for NEWER. */
enum score_snapshot_verdict score_snapshot_read_head(struct slice file, struct score_snapshot_head *head_r) MUST_USE;

struct score_snapshot_reader {
	struct score_store *store;
	uint64_t now_ms;
	uint32_t seed;		   /* CRC of the head */
	uint32_t next;		   /* the number that the next block should have */
	bool ended;		   /* the end was seen: nothing is missing behind */
	/* what was found */
	uint64_t blocks;	/* whole ones, the end not counted */
	uint64_t entries;	/* of them: restored */
	uint64_t not_kept;	/* their time is over, there is no room in the store of today, or they make no sense */
	uint64_t unknown;	/* blocks of a table or layout that this version does not know */
	uint64_t missing;	/* blocks that should have been there by the numbers of the others */
	uint64_t damaged_bytes; /* bytes that belong to no whole block */
};

/* For what follows the head. `store` was made with the head's key. */
void score_snapshot_restore(struct score_snapshot_reader *r, struct score_store *store,
	const struct score_snapshot_head *head, uint64_t now_ms);
/* Takes from `bytes` all it can judge and returns how many bytes that was: what is left must come again, with more
 * behind it. With `last` nothing follows and all is taken. Over damaged bytes it looks for the next whole block. Give
 * it at least SCORE_SNAPSHOT_BLOCK_MAX bytes, or all that is left; then it always takes some. */
size_t score_snapshot_feed(struct score_snapshot_reader *r, struct slice bytes, bool last) MUST_USE;
/* After the last: every block that was written has been read. (Entries that were not kept are no damage.) */
bool score_snapshot_is_whole(const struct score_snapshot_reader *r);

#endif
