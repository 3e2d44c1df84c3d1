/* config/kinds.h - one value: from the tree into the struct, and from the struct into text
 *
 * Reading reports its own faults (what was found, what is allowed) and returns false for them.
 */
#ifndef CONFIG_KINDS_H
#define CONFIG_KINDS_H

#include "config/node.h"
#include "config/table.h"

/* What is needed while a tree is read. */
struct reader {
	struct arena *arena; /* of the settings */
	struct settings_faults *faults;
	const char *folder; /* where relative paths start; NULL: they stay as they are */
	struct buf path;    /* "relay.backends": where we are, for messages */
};

/* "PATH = VALUE: message" at the node's line. Always false, so that callers can return it. */
bool reader_fault(struct reader *r, const struct node *n, const char *fmt, ...) __attribute__((format(printf, 3, 4)));
/* Memory ran out: the settings cannot be used. Always false. */
bool reader_no_memory(struct reader *r);

size_t kind_size(enum kind kind);
/* "a duration": for messages and the manual. */
const char *kind_noun(enum kind kind);
/* How the value stands in a file: NODE_BOOL, NODE_INT, NODE_REAL or NODE_TEXT. */
enum node_type kind_literal(enum kind kind);

/* What stands in a slot that could not be read: zero, and "" for texts. */
void kind_clear(enum kind kind, void *slot);
bool kind_read(struct reader *r, const struct row *row, const struct node *n, void *slot) MUST_USE;
/* As it stands in a file, without quotes. */
bool kind_write(const struct row *row, const void *slot, struct buf *out) MUST_USE;
/* A number of the row's kind: its smallest and largest are written with this. */
bool kind_write_number(enum kind kind, double value, struct buf *out) MUST_USE;
/* Has this kind a smallest and a largest value? */
bool kind_has_range(enum kind kind);

#endif
