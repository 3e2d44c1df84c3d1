/* Units, escapes and columns. */
#include "tools/text.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static void assert_out(struct tools_out *o, const char *wanted)
{
	assert_false(o->failed);
	if (!slice_eq(buf_slice(&o->text), slice_str(wanted)))
		fail_msg("got\n%.*s", SLICE_ARG(buf_slice(&o->text)));
	buf_release(&o->text);
}

static void durations(void **state)
{
	(void)state;
	char t[TOOLS_UNIT_TEXT];
	assert_string_equal(tools_duration(0, t), "0 ms");
	assert_string_equal(tools_duration(999, t), "999 ms");
	assert_string_equal(tools_duration(59999, t), "59 s");
	assert_string_equal(tools_duration(60000, t), "1 m 0 s");
	assert_string_equal(tools_duration(3599000, t), "59 m 59 s");
	assert_string_equal(tools_duration(86399000, t), "23 h 59 m");
	assert_string_equal(tools_duration(93784000, t), "1 d 2 h");
}

static void sizes(void **state)
{
	(void)state;
	char t[TOOLS_UNIT_TEXT];
	assert_string_equal(tools_size(0, t), "0 B");
	assert_string_equal(tools_size(1023, t), "1023 B");
	assert_string_equal(tools_size(1536, t), "1.5 KB");
	assert_string_equal(tools_size(268435456, t), "256.0 MB");
	assert_string_equal(tools_size(INT64_MAX, t), "8388608.0 TB");
}

static void lines_keep_their_ends_and_tabs(void **state)
{
	(void)state;
	struct tools_out o = { 0 };
	tools_print_lines(&o, SLICE("a\n\tb\x1b\n\n\r"));
	assert_out(&o, "a\n\tb\\x1b\n\n\\x0d\n");
}

static void columns_are_aligned(void **state)
{
	(void)state;
	struct tools_out o = { 0 };
	struct tools_table t = { 0 };
	tools_table_heads(&t, "KEY|>N|VALUE");
	tools_table_print(&t, "a");
	tools_table_print(&t, "%d", 1);
	tools_table_value(&t, SLICE("x\n"));
	tools_table_value(&t, SLICE("long"));
	tools_table_print(&t, "%d", 1000);
	tools_table_end_row(&t);
	tools_table_end_row(&t); /* no row is open: nothing happens */
	tools_table_value(&t, SLICE(""));
	tools_table_end_row(&t);
	tools_table_write(&t, "> ", &o);
	assert_out(&o, "> KEY      N  VALUE\n> a        1  x\\x0a\n> long  1000\n> -\n");
}

static void a_cell_is_bounded(void **state)
{
	(void)state;
	char text[1000];
	struct tools_out o = { 0 };
	struct tools_table t = { .columns = 1 };
	memset(text, 'a', sizeof(text));
	tools_table_value(&t, slice_of(text, sizeof(text)));
	tools_table_write(&t, "", &o);
	assert_int_equal(buf_len(&o.text), TOOLS_CELL + 3 + 1);
	buf_release(&o.text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(durations),
		cmocka_unit_test(sizes),
		cmocka_unit_test(lines_keep_their_ends_and_tabs),
		cmocka_unit_test(columns_are_aligned),
		cmocka_unit_test(a_cell_is_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
