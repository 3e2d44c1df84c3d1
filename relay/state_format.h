/* relay/state_format.h - the bytes of relay.state
 *
 * A head with the keys of its digests, then records of one size, appended one behind the other. Numbers are little
 * endian.
 *
 *   head    8 "SGRELAY1", 32 keys, 20 zero, 4 CRC-32C of all before
 *   record  4 CRC-32C of the rest (begun with that of the head, so that none is taken from another file),
 *           4 kind, 8 until (seconds since 1970), 8 about, 16 id
 *
 * A reader stops at the first record that is not whole or whose checksum is wrong: what is behind it is not believed.
 * Both directions are pure: no I/O, no allocation.
 */
#ifndef RELAY_STATE_FORMAT_H
#define RELAY_STATE_FORMAT_H

#include "base/hash.h"
#include "base/result.h"

enum { RELAY_STATE_HEAD = 64, RELAY_STATE_RECORD = 40 };

enum relay_state_kind {
	RELAY_STATE_HAS = 1, /* delivered to some of its recipients, this one among them */
	RELAY_STATE_FORGET = 2,
	RELAY_STATE_UNHEARD = 3 /* delivered to all, and its client has not heard that */
};

struct relay_state_head {
	struct hash_key keys[2];
	uint32_t crc;
};

struct relay_state_record {
	enum relay_state_kind kind;
	uint64_t until_s;
	uint64_t about; /* of sender, recipient and size: whether the content needs to be looked at */
	uint64_t id[2]; /* of sender, content and recipient */
};

/* Sets head->crc as well. */
void relay_state_write_head(struct relay_state_head *head, char out_r[RELAY_STATE_HEAD]);
bool relay_state_read_head(struct slice bytes, struct relay_state_head *head_r) MUST_USE;
void relay_state_write(
	const struct relay_state_head *head, const struct relay_state_record *rec, char out_r[RELAY_STATE_RECORD]);
/* Takes one record off *bytes. False: they are used up, or (bytes->n > 0) what follows is no whole record. */
bool relay_state_read(
	const struct relay_state_head *head, struct slice *bytes, struct relay_state_record *rec_r) MUST_USE;

#endif
