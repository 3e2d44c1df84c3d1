/* tools/table.c - aligned columns; see tools/text.h */
#include "tools/text.h"

#include "base/escape.h"

#include <stdarg.h>
#include <stdio.h>

static void end_cell(struct tools_table *t)
{
	uint32_t end = t->text.end;
	t->failed |= !buf_put(&t->ends, slice_of((const char *)&end, sizeof(end)));
	t->in_row = (t->in_row + 1) % t->columns;
}

void tools_table_heads(struct tools_table *t, const char *names)
{
	t->columns = 1;
	for (const char *p = names; *p; p++)
		t->columns += *p == '|';
	for (unsigned i = 0; i < t->columns; i++) {
		if (*names == '>') {
			t->right |= 1u << i;
			names++;
		}
		size_t n = strcspn(names, "|");
		tools_table_value(t, slice_of(names, n));
		names += n + 1;
	}
}

void tools_table_value(struct tools_table *t, struct slice s)
{
	t->failed |= !escape_plain(&t->text, s.n ? s : SLICE("-"), TOOLS_CELL);
	end_cell(t);
}

void tools_table_print(struct tools_table *t, const char *fmt, ...)
{
	char text[128];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	t->failed |= n < 0 || (size_t)n >= sizeof(text) || !buf_put(&t->text, slice_str(text));
	end_cell(t);
}

void tools_table_end_row(struct tools_table *t)
{
	while (t->in_row)
		end_cell(t);
}

static size_t cells(const struct tools_table *t)
{
	return buf_len(&t->ends) / sizeof(uint32_t);
}

static uint32_t end_of(const struct tools_table *t, size_t i)
{
	uint32_t end;
	memcpy(&end, buf_slice(&t->ends).p + i * sizeof(end), sizeof(end));
	return end;
}

static struct slice cell(const struct tools_table *t, size_t i)
{
	uint32_t start = i ? end_of(t, i - 1) : 0;
	return slice_of(t->text.data + start, end_of(t, i) - start);
}

static void write_row(const struct tools_table *t, size_t first, const int width[], struct tools_out *o)
{
	unsigned last = t->columns;
	while (last && cell(t, first + last - 1).n == 0)
		last--; /* no blanks at a line's end */
	for (unsigned i = 0; i < last; i++) {
		struct slice c = cell(t, first + i);
		int pad = width[i] - (int)c.n;
		bool right = t->right >> i & 1;
		tools_print(o, "%s%*s", i ? "  " : "", right ? pad : 0, "");
		o->failed |= !buf_put(&o->text, c); /* escaped when the cell was filled */
		tools_print(o, "%*s", !right && i + 1 < last ? pad : 0, "");
	}
	tools_print(o, "\n");
}

void tools_table_write(struct tools_table *t, const char *indent, struct tools_out *o)
{
	int width[TOOLS_COLUMNS] = { 0 };
	size_t n = t->failed ? 0 : cells(t);
	for (size_t i = 0; i < n; i++)
		if ((int)cell(t, i).n > width[i % t->columns])
			width[i % t->columns] = (int)cell(t, i).n;
	for (size_t i = 0; i < n && i + t->columns <= n; i += t->columns) {
		tools_print(o, "%s", indent);
		write_row(t, i, width, o);
	}
	o->failed |= t->failed;
	buf_release(&t->text);
	buf_release(&t->ends);
	t->in_row = 0;
}
