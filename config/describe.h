/* config/describe.h - what both manuals say of one row (for this room's files only)
 *
 * In Markdown: values stand in backticks.
 */
#ifndef CONFIG_DESCRIBE_H
#define CONFIG_DESCRIBE_H

#include "config/kinds.h"

/* "a whole number", "`\"off\"`, `\"starttls\"`" */
bool describe_form(const struct row *row, struct buf *out) MUST_USE;
/* "`20000`", "none", "must be given" */
bool describe_preset(const struct row *row, struct buf *out) MUST_USE;
/* "1 to 100"; nothing where there is no range. */
bool describe_range(const struct row *row, struct buf *out) MUST_USE;

/* For each table of settings, in the order of the manuals: its title ("limits", "listeners (each)"), what it is for,
 * its rows. *at begins at 0. False at the end. */
struct describe_table {
	char title[64];
	const char *help;
	const struct row *rows;
};
bool describe_next(unsigned *at, struct describe_table *table_r) MUST_USE;

#endif
