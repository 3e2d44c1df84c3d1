/* config/write.h - the struct back into the text of a settings file */
#ifndef CONFIG_WRITE_H
#define CONFIG_WRITE_H

#include "config/table.h"

/* The value of one row as it stands behind `NAME = `, of any shape. `indent` is how deep. */
bool write_row_value(const struct row *row, const void *slot, unsigned indent, struct buf *out) MUST_USE;

/* `text` as a quoted string of libconfig. */
bool write_quoted(struct slice text, struct buf *out) MUST_USE;

#endif
