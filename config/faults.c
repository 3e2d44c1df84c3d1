/* The list of what is wrong with a settings file. */
#include "config/settings.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/escape.h"
#include "base/mem.h"

/* Longest message that is kept: what is found in the file is quoted in it, and may be of any length. */
enum { FAULT_TEXT_MAX = 1000 };

static bool faults_room(struct settings_faults *f)
{
	size_t capacity = f->capacity ? f->capacity * 2 : 16;
	struct settings_fault *items;

	if (f->count < f->capacity)
		return true;
	items = mem_realloc(f->items, capacity * sizeof *items);
	TRY(items);
	f->items = items;
	f->capacity = capacity;
	return true;
}

static const char *fault_text(struct settings_faults *f, struct slice text)
{
	struct buf shown = { 0 };
	const char *kept = NULL;

	if (escape_plain(&shown, text, FAULT_TEXT_MAX))
		kept = arena_str(&f->arena, buf_slice(&shown));
	buf_release(&shown);
	return kept;
}

static bool fault_keep(struct settings_faults *f, struct settings_fault fault, struct slice text)
{
	TRY(faults_room(f));
	fault.text = fault_text(f, text);
	TRY(fault.text);
	fault.file = arena_str(&f->arena, slice_str(fault.file));
	TRY(fault.file);
	f->items[f->count++] = fault;
	return true;
}

void settings_fault_add(struct settings_faults *f, enum settings_severity severity, const char *file, uint32_t line,
			const char *fmt, ...)
{
	struct settings_fault fault = { .severity = severity, .file = file, .line = line };
	char text[FAULT_TEXT_MAX];
	va_list args;
	int n;

	f->errors += severity == SETTINGS_ERROR;
	if (f->count >= SETTINGS_FAULTS_MAX)
		return;
	va_start(args, fmt);
	n = vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (n < 0)
		n = 0;
	if (n >= (int)sizeof text)
		n = sizeof text - 1;
	if (!fault_keep(f, fault, slice_of(text, (size_t)n))) {
		f->out_of_memory = true;
		f->errors += severity != SETTINGS_ERROR;
	}
}

bool settings_fault_format(const struct settings_fault *fault, struct buf *out)
{
	static const char *const severities[] = { "", "warning: ", "note: " };

	TRY(buf_put(out, slice_str(fault->file)));
	if (fault->line)
		TRY(buf_printf(out, ":%u", fault->line));
	return buf_printf(out, ": %s%s", severities[fault->severity], fault->text);
}

void settings_faults_release(struct settings_faults *f)
{
	mem_free(&f->items);
	arena_release(&f->arena);
	*f = (struct settings_faults){ 0 };
}
