/* tools/text.c - see tools/text.h */
#include "tools/text.h"

#include "base/escape.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

__attribute__((format(printf, 2, 0))) static bool put_formatted(struct buf *b, const char *fmt, va_list ap)
{
	va_list again;
	va_copy(again, ap);
	int n = vsnprintf(NULL, 0, fmt, again);
	va_end(again);
	if (n < 0 || !buf_reserve(b, (size_t)n + 1))
		return false;
	vsnprintf(b->data + b->end, (size_t)n + 1, fmt, ap);
	buf_grew(b, (size_t)n);
	return true;
}

void tools_print(struct tools_out *o, const char *fmt, ...)
{
	va_list ap;
	va_start(ap, fmt);
	o->failed |= !put_formatted(&o->text, fmt, ap);
	va_end(ap);
}

void tools_print_value(struct tools_out *o, struct slice s, size_t max)
{
	o->failed |= !escape_plain(&o->text, s, max);
}

void tools_print_lines(struct tools_out *o, struct slice s)
{
	while (s.n) {
		struct slice line = slice_cut(&s, '\n');
		size_t tabs = 0;
		while (tabs < line.n && line.p[tabs] == '\t')
			tabs++;
		o->failed |= !buf_put(&o->text, slice_of(line.p, tabs));
		tools_print_value(o, slice_skip(line, tabs), line.n);
		tools_print(o, "\n");
	}
}

const char *tools_duration(int64_t ms, char text_r[TOOLS_UNIT_TEXT])
{
	static const struct {
		const char *name, *sub;
		int64_t s, sub_s;
	} units[] = { { "d", "h", 86400, 3600 }, { "h", "m", 3600, 60 }, { "m", "s", 60, 1 } };
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		int64_t whole = ms / 1000 / units[i].s;
		int64_t rest = ms / 1000 % units[i].s / units[i].sub_s;
		if (whole == 0)
			continue;
		snprintf(text_r, TOOLS_UNIT_TEXT, "%" PRId64 " %s %" PRId64 " %s", whole, units[i].name, rest,
			units[i].sub);
		return text_r;
	}
	if (ms < 1000)
		snprintf(text_r, TOOLS_UNIT_TEXT, "%" PRId64 " ms", ms);
	else
		snprintf(text_r, TOOLS_UNIT_TEXT, "%" PRId64 " s", ms / 1000);
	return text_r;
}

const char *tools_size(int64_t bytes, char text_r[TOOLS_UNIT_TEXT])
{
	static const char *const units[] = { "KB", "MB", "GB", "TB" };
	double v = (double)bytes / 1024;
	size_t unit = 0;
	if (bytes < 1024) {
		snprintf(text_r, TOOLS_UNIT_TEXT, "%" PRId64 " B", bytes);
		return text_r;
	}
	for (; v >= 1024 && unit + 1 < sizeof(units) / sizeof(*units); unit++)
		v /= 1024;
	snprintf(text_r, TOOLS_UNIT_TEXT, "%.1f %s", v, units[unit]);
	return text_r;
}
