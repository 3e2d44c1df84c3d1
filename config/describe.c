/* docs/SETTINGS.md, from the table. */
#include <stdio.h>

#include "config/describe.h"

bool describe_form(const struct row *row, struct buf *out)
{
	const char *separator = "";

	switch (row->shape) {
	case SHAPE_GROUP:
	case SHAPE_LIST:
		return buf_put(out, SLICE("list of groups, see below"));
	case SHAPE_MAP:
		return buf_put(out, SLICE("group of `NAME = \"PATH\"`"));
	case SHAPE_MANY:
		TRY(buf_put(out, SLICE("list of: ")));
		break;
	case SHAPE_ONE:
		break;
	}
	if (row->kind != KIND_WORD)
		return buf_put(out, slice_str(kind_noun(row->kind)));
	for (const struct word *w = row->words; w->text; w++) {
		if (!*w->text)
			continue;
		TRY(buf_printf(out, "%s`\"%s\"`%s", separator, w->text, w->not_built ? " (not built yet)" : ""));
		separator = ", ";
	}
	return true;
}

bool describe_preset(const struct row *row, struct buf *out)
{
	bool quoted = row->shape == SHAPE_ONE && kind_literal(row->kind) == NODE_TEXT;

	if (!row->preset)
		return buf_put(out, slice_str(row->flags & ROW_REQUIRED ? "must be given" : ""));
	if (row->flags & ROW_ONE_DEFAULT)
		return buf_put(out, SLICE("one, of defaults"));
	if (row->shape == SHAPE_MANY)
		return buf_printf(out, *row->preset ? "%s" : "none%s", row->preset);
	if (row->shape != SHAPE_ONE || (!*row->preset && quoted))
		return buf_put(out, SLICE("none"));
	return buf_printf(out, quoted ? "`\"%s\"`" : "`%s`", row->preset);
}

bool describe_range(const struct row *row, struct buf *out)
{
	if (row->shape > SHAPE_MANY || !kind_has_range(row->kind))
		return true;
	TRY(kind_write_number(row->kind, row->min, out));
	TRY(buf_put(out, SLICE(" to ")));
	return kind_write_number(row->kind, row->max, out);
}

static bool row_describe(const struct row *row, struct buf *out)
{
	TRY(buf_printf(out, "| `%s` | ", row->name));
	TRY(describe_form(row, out) && buf_put(out, SLICE(" | ")));
	TRY(describe_preset(row, out) && buf_put(out, SLICE(" | ")));
	TRY(describe_range(row, out));
	TRY(buf_printf(out, " | %s", row->help));
	if (row->flags & ROW_RESTART)
		TRY(buf_put(out, SLICE("; **restart**")));
	if (row->flags & ROW_NO_EFFECT)
		TRY(buf_put(out, SLICE("; *no effect yet*")));
	if (row->flags & ROW_NOT_BUILT)
		TRY(buf_put(out, SLICE("; *not built yet*")));
	return buf_put(out, SLICE(" |\n"));
}

static bool rows_describe(const struct describe_table *table, struct buf *out)
{
	TRY(buf_printf(
		out, "\n## %s\n\n%s\n\n| setting | form | default | range | meaning |\n", table->title, table->help));
	TRY(buf_put(out, SLICE("| --- | --- | --- | --- | --- |\n")));
	for (const struct row *row = table->rows; row->name; row++)
		if (row->shape != SHAPE_GROUP)
			TRY(row_describe(row, out));
	return true;
}

/* Groups and the groups in lists, each under its name. Counts *left down; true: it was reached. */
static bool find_deeper(const char *above, const struct row *rows, unsigned *left, struct describe_table *table_r)
{
	for (const struct row *row = rows; row->name; row++) {
		if (!row->rows)
			continue;
		if (--*left == 0) {
			table_r->help = row->help;
			table_r->rows = row->rows;
			snprintf(table_r->title, sizeof table_r->title, "%s%s%s%s", above, *above ? "." : "", row->name,
				row->shape == SHAPE_LIST ? " (each)" : "");
			return true;
		}
		if (find_deeper(row->name, row->rows, left, table_r))
			return true;
	}
	return false;
}

bool describe_next(unsigned *at, struct describe_table *table_r)
{
	unsigned left = (*at)++;

	*table_r = (struct describe_table){ "Top level", "Settings outside of all groups.", settings_table };
	return left == 0 || find_deeper("", settings_table, &left, table_r);
}

bool settings_describe(struct buf *out)
{
	struct describe_table table;
	unsigned at = 0;

	TRY(buf_put(out, SLICE("# Settings\n\n"
			       "This page is written from the table that the program reads settings by "
			       "(`config/table.c`).\n\n"
			       "The file has libconfig's syntax. Everything has a default. An unknown key, a wrong "
			       "type or a value out of range is\nan error with file and line. A list with one element "
			       "may be written as that element. Relative paths belong to the\nfolder of the settings "
			       "file, and so does `@include \"FILE\"`, which stands on a line of its own. In a string "
			       "a backslash is\nwritten `\\\\`. Sizes: `k` `M` `G` are steps of 1,024. Durations: "
			       "`ms` `s` `m` `h` `d`.\n\n"
			       "What is marked **restart** is named by a reload and waits for a restart. What has *no "
			       "effect yet* is read and checked only;\nwhat is *not built yet* is refused.\n")));
	while (describe_next(&at, &table))
		TRY(rows_describe(&table, out));
	return true;
}
