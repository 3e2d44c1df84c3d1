/* Every row of the table: its default, its type, its range. */
#include "tests/config/parse.h"

#include <stdio.h>

#include "config/kinds.h"

/* A row with the way to it: what stands before and behind it in a file, and how faults name it. */
struct spot {
	char before[128], behind[64], path[96];
};

typedef void visit(const struct row *row, const struct spot *spot);

static void each_row(const struct row *rows, const struct spot *above, visit *fn)
{
	for (const struct row *row = rows; row->name; row++) {
		struct spot spot, inner;
		const char *open = row->shape == SHAPE_LIST ? "( {" : "{";
		const char *close = row->shape == SHAPE_LIST ? "} )" : "}";

		spot = *above;
		snprintf(spot.path, sizeof spot.path, "%.60s%s%s", above->path, *above->path ? "." : "", row->name);
		fn(row, &spot);
		if (!row->rows)
			continue;
		snprintf(inner.before, sizeof inner.before, "%.60s %s = %s ", above->before, row->name, open);
		snprintf(inner.behind, sizeof inner.behind, " %s; %.40s", close, above->behind);
		snprintf(inner.path, sizeof inner.path, "%.80s%s", spot.path, row->shape == SHAPE_LIST ? "[1]" : "");
		each_row(row->rows, &inner, fn);
	}
}

static void visit_all(visit *fn)
{
	static const struct spot top = { "", "", "" };

	each_row(settings_table, &top, fn);
}

static void text_with(const struct row *row, const struct spot *spot, const char *value, char *text, size_t size)
{
	snprintf(text, size, "%s %s = %s; %s", spot->before, row->name, value, spot->behind);
}

/* There is a fault at the row's path which says `message`. */
static void assert_row_fault(const struct row *row, const struct spot *spot, const char *value, const char *message)
{
	char text[400], line[300];
	struct parsed p;
	const char *found = NULL, *end, *says;

	text_with(row, spot, value, text, sizeof text);
	p = parse_text(text);
	/* an element that has a name is called by it */
	if (!strcmp(row->name, "name") && value[0] == '"')
		snprintf(line, sizeof line, "t.cfg:1: %.*s[", (int)strcspn(spot->path, "["), spot->path);
	else
		snprintf(line, sizeof line, "t.cfg:1: %s = ", spot->path);
	found = strstr(p.lines.data, line);
	end = found ? strchr(found, '\n') : NULL;
	says = found ? strstr(found, message) : NULL;
	if (!says || says > end)
		print_error("%s\nwants: %s ... %s\nhas:\n%s", text, line, message, p.lines.data);
	assert_true(says && says < end);
	parsed_free(&p);
}

static const char *wrong_value(const struct row *row)
{
	if (row->shape == SHAPE_GROUP || row->shape == SHAPE_LIST || row->shape == SHAPE_MAP)
		return "7";
	if (row->kind == KIND_BOOL)
		return "1";
	return row->kind == KIND_SIZE ? "true" : kind_literal(row->kind) == NODE_TEXT ? "7" : "\"x\"";
}

static void wrong_type(const struct row *row, const struct spot *spot)
{
	assert_row_fault(row, spot, wrong_value(row), "wanted");
	if (row->shape == SHAPE_ONE)
		assert_row_fault(row, spot, "{ }", "{ ... }: ");
	if (row->shape == SHAPE_MANY)
		assert_row_fault(row, spot, "( ( ) )", "wanted");
}

static void test_wrong_type(void **state)
{
	(void)state;
	visit_all(wrong_type);
}

static void number_text(const struct row *row, double value, char *text, size_t size)
{
	if (row->kind == KIND_DURATION)
		snprintf(text, size, "\"%.0fms\"", value);
	else if (row->kind == KIND_SIZE)
		snprintf(text, size, "\"%.0f\"", value);
	else
		snprintf(text, size, "%.0f", value);
}

static void accepts(const struct row *row, const struct spot *spot, double value)
{
	char number[40], text[400];
	struct parsed p;

	number_text(row, value, number, sizeof number);
	text_with(row, spot, number, text, sizeof text);
	p = parse_text(text);
	assert_null(strstr(p.lines.data, "out of range"));
	parsed_free(&p);
}

static void out_of_range(const struct row *row, const struct spot *spot)
{
	char number[40];

	if (row->shape > SHAPE_MANY || !kind_has_range(row->kind))
		return;
	assert_true(row->max > row->min);
	accepts(row, spot, row->min);
	accepts(row, spot, row->max);
	number_text(row, row->max + 1, number, sizeof number);
	assert_row_fault(row, spot, number, "out of range, ");
	if (row->min == 0 && (row->kind == KIND_DURATION || row->kind == KIND_SIZE))
		return;
	number_text(row, row->min - 1, number, sizeof number);
	assert_row_fault(row, spot, number, "out of range, ");
}

static void test_range(void **state)
{
	(void)state;
	visit_all(out_of_range);
}

static void bad_form(const struct row *row, const struct spot *spot)
{
	if (row->shape > SHAPE_MANY || kind_literal(row->kind) != NODE_TEXT)
		return;
	assert_row_fault(row, spot, "\"a\\nb\"", row->kind == KIND_SIZE ? "wanted" : "control character");
	if (row->kind == KIND_TEXT || row->kind == KIND_PATH || row->kind == KIND_LOG_TO)
		return;
	assert_row_fault(row, spot, "\"!\"", row->kind == KIND_BACKEND ? "are known" : "wanted");
}

static void test_form(void **state)
{
	(void)state;
	visit_all(bad_form);
}

/* The default is written as settings_dump() writes the same value: is_preset() stands on it. */
static void preset_is_canonical(const struct row *row, const struct spot *spot)
{
	struct settings_faults faults = { 0 };
	struct arena arena = { 0 };
	struct reader r = { .arena = &arena, .faults = &faults };
	struct node n = { .file = "", .type = kind_literal(row->kind), .text = row->preset };
	_Alignas(16) char slot[256];
	struct buf out = { 0 };

	if (row->shape != SHAPE_ONE || !row->preset || n.type != NODE_TEXT)
		return;
	assert_true(kind_size(row->kind) <= sizeof slot);
	if (!kind_read(&r, row, &n, slot) || !kind_write(row, slot, &out) ||
	    !slice_eq(buf_slice(&out), slice_str(row->preset)))
		fail_msg("%s: the default \"%s\" is written \"%.*s\"", spot->path, row->preset,
			 SLICE_ARG(buf_slice(&out)));
	buf_release(&out);
	settings_faults_release(&faults);
	arena_release(&arena);
}

static void test_presets(void **state)
{
	(void)state;
	visit_all(preset_is_canonical);
}

static void row_is_whole(const struct row *row, const struct spot *spot)
{
	bool has_words = row->words != NULL;

	(void)spot;
	assert_non_null(row->help);
	assert_int_equal(has_words, row->shape <= SHAPE_MANY && row->kind == KIND_WORD);
	assert_int_equal(row->rows != NULL, row->shape == SHAPE_GROUP || row->shape == SHAPE_LIST);
	assert_int_equal(row->size != 0, row->shape == SHAPE_LIST);
}

static void test_rows(void **state)
{
	(void)state;
	visit_all(row_is_whole);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_rows),  cmocka_unit_test(test_presets), cmocka_unit_test(test_wrong_type),
		cmocka_unit_test(test_range), cmocka_unit_test(test_form),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
