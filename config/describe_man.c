/* The settings of smtpguardd.cfg(5), from the table. */
#include "config/describe.h"

/* Markdown's backticks mean nothing to mdoc; a backslash does. */
static bool plain(const struct buf *text, struct buf *out)
{
	struct slice s = buf_slice(text);

	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] == '\\')
			TRY(buf_put(out, SLICE("\\e")));
		else if (s.p[i] != '`')
			TRY(buf_put(out, slice_of(s.p + i, 1)));
	return true;
}

static bool flags_write(const struct row *row, struct buf *out)
{
	if (row->flags & ROW_RESTART)
		TRY(buf_put(out, SLICE("A change needs a restart.\n")));
	if (row->flags & ROW_NO_EFFECT)
		TRY(buf_put(out, SLICE("It has no effect in this version.\n")));
	if (row->flags & ROW_NOT_BUILT)
		TRY(buf_put(out, SLICE("It is not built in this version: anything but the default is refused.\n")));
	return true;
}

/* "Form: a whole number, 1 to 100.  Default: 100." */
static bool form_write(const struct row *row, struct buf *out)
{
	struct buf range = { 0 }, all = { 0 };
	bool ok = describe_range(row, &range) && buf_put(&all, SLICE("Form: ")) && describe_form(row, &all);
	if (ok && buf_len(&range))
		ok = buf_puts(&all, SLICE(", "), buf_slice(&range));
	ok = ok && buf_put(&all, SLICE(".\n"));
	if (ok && row->flags & ROW_REQUIRED)
		ok = buf_put(&all, SLICE("It must be given.\n"));
	else if (ok && row->preset)
		ok = buf_put(&all, SLICE("Default: ")) && describe_preset(row, &all) && buf_put(&all, SLICE(".\n"));
	ok = ok && plain(&all, out);
	buf_release(&range);
	buf_release(&all);
	return ok;
}

static bool row_write(const struct row *row, struct buf *out)
{
	struct buf help = { 0 };
	bool ok = buf_printf(out, ".It Cm %s\n", row->name) && buf_printf(&help, "%s.\n", row->help) &&
		  plain(&help, out) && form_write(row, out) && flags_write(row, out);
	buf_release(&help);
	return ok;
}

bool settings_describe_man(struct buf *out)
{
	struct describe_table table;

	for (unsigned at = 0; describe_next(&at, &table);) {
		TRY(buf_printf(out, ".Ss %s\n%s.\n.Bl -tag -width Ds\n", table.title, table.help));
		for (const struct row *row = table.rows; row->name; row++)
			if (row->shape != SHAPE_GROUP)
				TRY(row_write(row, out));
		TRY(buf_put(out, SLICE(".El\n")));
	}
	return true;
}
