/* One value as text. */
#include <stdio.h>
#include <stdlib.h>

#include "config/kinds.h"
#include "config/types.h"
#include "config/words.h"

bool kind_write_number(enum kind kind, double value, struct buf *out)
{
	if (kind == KIND_DURATION)
		return duration_write((uint64_t)value, out);
	if (kind == KIND_SIZE)
		return size_write((uint64_t)value, out);
	return buf_printf(out, "%.15g", value);
}

/* The shortest text that reads back as the same number. */
static bool real_write(double value, struct buf *out)
{
	char text[40];

	for (int digits = 6; digits <= 17; digits++) {
		snprintf(text, sizeof text, "%.*g", digits, value);
		if (strtod(text, NULL) == value)
			break;
	}
	return buf_put(out, slice_str(text));
}

static bool write_number(const struct row *row, const void *slot, struct buf *out)
{
	uint32_t count;
	uint64_t wide;
	double real;

	if (row->kind == KIND_COUNT)
		return memcpy(&count, slot, sizeof count), buf_printf(out, "%u", count);
	if (row->kind == KIND_REAL)
		return memcpy(&real, slot, sizeof real), real_write(real, out);
	memcpy(&wide, slot, sizeof wide);
	return row->kind == KIND_DURATION ? duration_write(wide, out) : size_write(wide, out);
}

static bool write_text(const void *slot, struct buf *out)
{
	const char *text;

	memcpy(&text, slot, sizeof text);
	return buf_put(out, slice_str(text));
}

static bool write_word(const struct row *row, const void *slot, struct buf *out)
{
	unsigned value;

	memcpy(&value, slot, sizeof value);
	return buf_put(out, slice_str(word_text(row->words, value)));
}

bool kind_write(const struct row *row, const void *slot, struct buf *out)
{
	switch (row->kind) {
	case KIND_BOOL:
		return buf_put(out, slice_str(*(const bool *)slot ? "true" : "false"));
	case KIND_COUNT:
	case KIND_REAL:
	case KIND_DURATION:
	case KIND_SIZE:
		return write_number(row, slot, out);
	case KIND_WORD:
		return write_word(row, slot, out);
	case KIND_TEXT:
	case KIND_NAME:
	case KIND_HOST:
	case KIND_DOMAIN:
	case KIND_MAIL:
	case KIND_DATE:
	case KIND_PATH:
	case KIND_LOG_TO:
		return write_text(slot, out);
	case KIND_PREFIX:
		return prefix_write(slot, out);
	case KIND_ADDRESS:
	case KIND_RESOLVER:
		return address_write(slot, out);
	case KIND_BACKEND:
		return buf_put(out, slice_str(((const struct settings_backend *)slot)->text));
	case KIND_STEP:
		return step_write(slot, out);
	case KIND_ANSWER:
		return answer_write(slot, out);
	}
	return false;
}
