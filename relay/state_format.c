#include "relay/state_format.h"

#include "base/crc32c.h"

#include <string.h>

static const char MAGIC[8] = { 'S', 'G', 'R', 'E', 'L', 'A', 'Y', '1' };

static void put32(char *at, uint32_t n)
{
	for (size_t i = 0; i < 4; i++)
		at[i] = (char)(n >> 8 * i);
}

static void put64(char *at, uint64_t n)
{
	put32(at, (uint32_t)n);
	put32(at + 4, (uint32_t)(n >> 32));
}

static uint32_t get32(const char *at)
{
	uint32_t n = 0;
	for (size_t i = 0; i < 4; i++)
		n |= (uint32_t)(uint8_t)at[i] << 8 * i;
	return n;
}

static uint64_t get64(const char *at)
{
	return get32(at) | (uint64_t)get32(at + 4) << 32;
}

static uint32_t head_crc(const char *head)
{
	return crc32c(0, slice_of(head, RELAY_STATE_HEAD - 4));
}

static uint32_t record_crc(const struct relay_state_head *head, const char *record)
{
	return crc32c(head->crc, slice_of(record + 4, RELAY_STATE_RECORD - 4));
}

void relay_state_write_head(struct relay_state_head *head, char out_r[RELAY_STATE_HEAD])
{
	memset(out_r, 0, RELAY_STATE_HEAD);
	memcpy(out_r, MAGIC, sizeof MAGIC);
	for (size_t i = 0; i < 2; i++) {
		put64(out_r + 8 + 16 * i, head->keys[i].k0);
		put64(out_r + 16 + 16 * i, head->keys[i].k1);
	}
	head->crc = head_crc(out_r);
	put32(out_r + RELAY_STATE_HEAD - 4, head->crc);
}

bool relay_state_read_head(struct slice bytes, struct relay_state_head *head_r)
{
	TRY(bytes.n >= RELAY_STATE_HEAD && memcmp(bytes.p, MAGIC, sizeof MAGIC) == 0);
	head_r->crc = get32(bytes.p + RELAY_STATE_HEAD - 4);
	TRY(head_r->crc == head_crc(bytes.p));
	for (size_t i = 0; i < 2; i++) {
		head_r->keys[i].k0 = get64(bytes.p + 8 + 16 * i);
		head_r->keys[i].k1 = get64(bytes.p + 16 + 16 * i);
	}
	return true;
}

void relay_state_write(
	const struct relay_state_head *head, const struct relay_state_record *rec, char out_r[RELAY_STATE_RECORD])
{
	put32(out_r + 4, (uint32_t)rec->kind);
	put64(out_r + 8, rec->until_s);
	put64(out_r + 16, rec->about);
	put64(out_r + 24, rec->id[0]);
	put64(out_r + 32, rec->id[1]);
	put32(out_r, record_crc(head, out_r));
}

bool relay_state_read(const struct relay_state_head *head, struct slice *bytes, struct relay_state_record *rec_r)
{
	const char *at = bytes->p;
	TRY(bytes->n >= RELAY_STATE_RECORD && get32(at) == record_crc(head, at));
	uint32_t kind = get32(at + 4);
	TRY(kind >= RELAY_STATE_HAS && kind <= RELAY_STATE_UNHEARD);
	*rec_r = (struct relay_state_record){ .kind = (enum relay_state_kind)kind,
		.until_s = get64(at + 8),
		.about = get64(at + 16),
		.id = { get64(at + 24), get64(at + 32) } };
	*bytes = slice_skip(*bytes, RELAY_STATE_RECORD);
	return true;
}
