/* score/snapshot_form.h - head and block of a snapshot as they lie in the file (for score/snapshot*.c and their tests)
 *
 * score/snapshot.h says what they are for.
 */
#ifndef SCORE_SNAPSHOT_FORM_H
#define SCORE_SNAPSHOT_FORM_H

#include "base/crc32c.h"
#include "score/snapshot.h"
#include "score/store.h"

#define SNAPSHOT_MAGIC "SmtpGuardState\n" /* with its NUL */
static const uint32_t SNAPSHOT_MARK = 0x6b427353;
enum { SNAPSHOT_TABLE_END = 0 }; /* no table has this id */

/* What a file calls a table. An id is never used for another table; the layout gets another number whenever the bytes
 * of the table's slots change their meaning. */
struct snapshot_table {
	uint16_t id, layout;
};
static const struct snapshot_table SNAPSHOT_TABLES[STORE_TABLES] = {
	[STORE_MAIN] = { 1, 1 },
	[STORE_DISTINCT] = { 2, 1 },
	[STORE_USUAL] = { 3, 1 },
	[STORE_KNOWN] = { 4, 1 },
	[STORE_HOLDS] = { 5, 1 },
	[STORE_GREYLIST] = { 6, 1 },
	[STORE_IDENTITIES] = { 7, 1 },
};

struct snapshot_head {
	char magic[16];
	uint32_t version, spare;
	uint64_t written_ms;
	uint64_t k0, k1;
	uint8_t spare_too[12];
	uint32_t crc; /* of all before it */
};
_Static_assert(sizeof(struct snapshot_head) == SCORE_SNAPSHOT_HEAD, "a head has no holes");

struct snapshot_block {
	uint32_t mark, number;
	uint16_t table, layout;
	uint32_t slot_bytes, bytes; /* of one slot; of all slots that follow */
	uint32_t slots_crc, spare;
	uint32_t crc; /* of all before it */
};
_Static_assert(sizeof(struct snapshot_block) == 32, "a block's header has no holes");

static inline uint32_t snapshot_head_crc(const struct snapshot_head *h)
{
	return crc32c(0, slice_of((const char *)h, offsetof(struct snapshot_head, crc)));
}

static inline uint32_t snapshot_block_crc(const struct snapshot_block *b, uint32_t seed)
{
	return crc32c(seed, slice_of((const char *)b, offsetof(struct snapshot_block, crc)));
}

#endif
