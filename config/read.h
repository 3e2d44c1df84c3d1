/* config/read.h - the tree into the struct, row by row */
#ifndef CONFIG_READ_H
#define CONFIG_READ_H

#include "config/kinds.h"

/* Fills the members that the rows name from the group, with defaults for what it has not; `group`
 * NULL: defaults only. Faults go to the reader's list, and reading goes on behind each. */
void read_rows(struct reader *r, const struct row *rows, const struct node *group, void *base);

#endif
