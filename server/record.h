/* server/record.h - builds one journal line, field by field, as logfmt or JSON
 *
 * Every value from outside passes base/escape.h, so an event is always one line. Nothing has to be
 * checked step by step: when memory runs out, the line is marked broken and record_end() drops it.
 */
#ifndef SERVER_RECORD_H
#define SERVER_RECORD_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/log.h"
#include "config/settings.h"

struct record {
	struct buf line; /* kept from one line to the next */
	enum log_format format;
	enum settings_log_addresses addresses;
	const struct hash_key *key; /* of log.addresses = "hash" */
	bool broken, first_item;
};

void record_begin(struct record *r, uint64_t wall_ms, const char *event);
void record_text(struct record *r, const char *name, struct slice value);
/* An address of a client, sender or recipient: shown, hashed or left out, as log.addresses says. */
void record_address(struct record *r, const char *name, struct slice value);
/* Text from outside, or of ours about it, that may hold addresses: a reply, a HELO. They are treated as above. */
void record_words(struct record *r, const char *name, struct slice text);
void record_number(struct record *r, const char *name, uint64_t value);
void record_decimal(struct record *r, const char *name, double value);
/* A list of texts. */
void record_list_begin(struct record *r, const char *name);
void record_item(struct record *r, struct slice value);
void record_list_end(struct record *r);
/* The same treatment of an address, for a part of an item. */
bool record_format_address(const struct record *r, struct buf *out, struct slice value);
/* Of a whole text: whatever looks like an address in it. */
bool record_format_words(const struct record *r, struct buf *out, struct slice text);
/* Hands the line to the log. */
void record_end(struct record *r);

#endif
