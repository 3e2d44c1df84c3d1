/* tools/text.h - text for people: escaped values, units, aligned columns
 *
 * All of it appends. Functions that append return nothing: when memory runs out, `failed` says so at
 * the end.
 */
#ifndef TOOLS_TEXT_H
#define TOOLS_TEXT_H

#include "base/buf.h"

struct tools_out {
	struct buf text;
	bool failed; /* memory ran out: what is there is not all */
};

void tools_print(struct tools_out *o, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
/* A value from outside on one line: control and non-ASCII bytes as \xHH, at most `max` bytes shown. */
void tools_print_value(struct tools_out *o, struct slice s, size_t max);
/* Text of several lines: escaped in the same way, but its line ends stay; ends with one. */
void tools_print_lines(struct tools_out *o, struct slice s);

enum { TOOLS_UNIT_TEXT = 48 };
/* The two largest units: "350 ms", "12 s", "3 m 20 s", "2 d 4 h". */
const char *tools_duration(int64_t ms, char text_r[TOOLS_UNIT_TEXT]);
/* "512 B", "1.5 KB", "256.0 MB": powers of 1024. */
const char *tools_size(int64_t bytes, char text_r[TOOLS_UNIT_TEXT]);

/* Rows of cells, written when all widths are known. Name the columns first, or only set how many they are (1..16),
 * fill row by row, left to right; a row that ends early is closed with tools_table_end_row(). */
enum { TOOLS_COLUMNS = 16, TOOLS_CELL = 60 };
struct tools_table {
	unsigned columns;
	uint32_t right;	 /* bit i: column i is aligned to the right */
	struct buf text; /* all cells, one behind the other */
	struct buf ends; /* uint32_t for each cell: where it ends in text */
	unsigned in_row;
	bool failed;
};

/* A first row of names, e.g. "KEY|>POINTS": as many columns, those behind a '>' aligned to the right. */
void tools_table_heads(struct tools_table *t, const char *names);
/* A value from outside, escaped; at most TOOLS_CELL bytes of it. "-" where there is none. */
void tools_table_value(struct tools_table *t, struct slice s);
void tools_table_print(struct tools_table *t, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
void tools_table_end_row(struct tools_table *t);
/* Appends the rows, each behind `indent`, columns two blanks apart; the table is empty afterwards. */
void tools_table_write(struct tools_table *t, const char *indent, struct tools_out *o);

#endif
