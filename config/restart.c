/* What differs between two settings, and what of it a reload cannot take on. */
#include "config/write.h"

/* Two values are the same when they are written alike. */
static bool row_differs(const struct row *row, const void *old, const void *new_, bool *differs_r)
{
	struct buf a = { 0 }, b = { 0 };
	bool ok = write_row_value(row, old, 0, &a) && write_row_value(row, new_, 0, &b);

	*differs_r = ok && !slice_eq(buf_slice(&a), buf_slice(&b));
	buf_release(&a);
	buf_release(&b);
	return ok;
}

static bool name_put(struct buf *out, size_t start, const char *group, const char *name)
{
	const char *comma = buf_len(out) > start ? ", " : "";

	return group ? buf_printf(out, "%s%s.%s", comma, group, name) : buf_printf(out, "%s%s", comma, name);
}

/* Of rows with ROW_RESTART (`restart`), or of all others. */
static bool rows_compare(const struct row *rows, const char *group, const char *old, const char *new_, bool restart,
	size_t start, struct buf *out)
{
	for (const struct row *row = rows; row->name; row++) {
		bool differs = false;
		const char *a = old + row->offset, *b = new_ + row->offset;
		if (row->shape == SHAPE_GROUP)
			TRY(rows_compare(row->rows, row->name, a, b, restart, start, out));
		else if (!!(row->flags & ROW_RESTART) == restart)
			TRY(row_differs(row, a, b, &differs));
		if (differs)
			TRY(name_put(out, start, group, row->name));
	}
	return true;
}

bool settings_needs_restart(const struct settings *old, const struct settings *new_, struct buf *out)
{
	return rows_compare(settings_table, NULL, (const char *)old, (const char *)new_, true, buf_len(out), out);
}

bool settings_changed(const struct settings *old, const struct settings *new_, struct buf *out)
{
	return rows_compare(settings_table, NULL, (const char *)old, (const char *)new_, false, buf_len(out), out);
}
