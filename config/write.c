#include "config/write.h"

#include "config/kinds.h"

static bool rows_write(const struct row *rows, const void *base, unsigned indent, struct buf *out);

static const void *row_slot(const struct row *row, const void *base)
{
	return (const char *)base + row->offset;
}

static bool indent_write(unsigned indent, struct buf *out)
{
	while (indent--)
		TRY(buf_put(out, SLICE("    ")));
	return true;
}

bool write_quoted(struct slice text, struct buf *out)
{
	TRY(buf_put(out, SLICE("\"")));
	for (size_t i = 0; i < text.n; i++) {
		if (text.p[i] == '"' || text.p[i] == '\\')
			TRY(buf_put(out, SLICE("\\")));
		TRY(buf_put(out, slice_of(text.p + i, 1)));
	}
	return buf_put(out, SLICE("\""));
}

static bool value_write(const struct row *row, const void *slot, struct buf *out)
{
	struct buf text = { 0 };
	bool ok;

	if (kind_literal(row->kind) != NODE_TEXT)
		return kind_write(row, slot, out);
	ok = kind_write(row, slot, &text) && write_quoted(buf_slice(&text), out);
	buf_release(&text);
	return ok;
}

static bool many_write(const struct row *row, const struct many *m, struct buf *out)
{
	size_t size = kind_size(row->kind);

	TRY(buf_put(out, SLICE("[")));
	for (size_t i = 0; i < m->count; i++) {
		TRY(buf_put(out, slice_str(i ? ", " : "")));
		TRY(value_write(row, (const char *)m->items + i * size, out));
	}
	return buf_put(out, SLICE("]"));
}

static bool group_write(const struct row *rows, const void *base, unsigned indent, struct buf *out)
{
	TRY(buf_put(out, SLICE("{\n")));
	TRY(rows_write(rows, base, indent + 1, out));
	TRY(indent_write(indent, out));
	return buf_put(out, SLICE("}"));
}

static bool list_write(const struct row *row, const struct many *m, unsigned indent, struct buf *out)
{
	TRY(buf_put(out, SLICE("(")));
	for (size_t i = 0; i < m->count; i++) {
		TRY(buf_put(out, slice_str(i ? ",\n" : "\n")));
		TRY(indent_write(indent + 1, out));
		TRY(group_write(row->rows, (const char *)m->items + i * row->size, indent + 1, out));
	}
	if (m->count)
		TRY(buf_put(out, SLICE("\n")) && indent_write(indent, out));
	return buf_put(out, SLICE(")"));
}

static bool map_write(const struct row *row, const struct settings_lists *lists, unsigned indent, struct buf *out)
{
	TRY(buf_put(out, SLICE("{\n")));
	for (size_t i = 0; i < lists->count; i++) {
		TRY(indent_write(indent + 1, out));
		TRY(buf_printf(out, "%s = ", lists->items[i].name));
		TRY(value_write(row, &lists->items[i].path, out) && buf_put(out, SLICE(";\n")));
	}
	TRY(indent_write(indent, out));
	return buf_put(out, SLICE("}"));
}

bool write_row_value(const struct row *row, const void *slot, unsigned indent, struct buf *out)
{
	switch (row->shape) {
	case SHAPE_ONE:
		return value_write(row, slot, out);
	case SHAPE_MANY:
		return many_write(row, slot, out);
	case SHAPE_GROUP:
		return group_write(row->rows, slot, indent, out);
	case SHAPE_LIST:
		return list_write(row, slot, indent, out);
	case SHAPE_MAP:
		return map_write(row, slot, indent, out);
	}
	return false;
}

/* Rules have many members and mostly use few: those at their default are left out. */
static bool is_preset(const struct row *row, const void *slot, bool *is_r)
{
	struct buf text = { 0 };
	bool ok = kind_write(row, slot, &text);

	*is_r = ok && slice_eq(buf_slice(&text), slice_str(row->preset));
	buf_release(&text);
	return ok;
}

static bool rows_write(const struct row *rows, const void *base, unsigned indent, struct buf *out)
{
	for (const struct row *row = rows; row->name; row++) {
		bool skip = false;
		if (row->flags & ROW_SPARSE)
			TRY(is_preset(row, row_slot(row, base), &skip));
		if (skip)
			continue;
		TRY(indent_write(indent, out));
		TRY(buf_printf(out, "%s = ", row->name));
		TRY(write_row_value(row, row_slot(row, base), indent, out));
		TRY(buf_put(out, SLICE(";\n")));
	}
	return true;
}

bool settings_dump(const struct settings *s, struct buf *out)
{
	return rows_write(settings_table, s, 0, out);
}
