/* tools/top.h without a terminal: who is heavy, what keys do, and that no size and no byte breaks a screen. */
#include "tools/top.h"

#include "base/mem.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <stdio.h>

enum { STATS, BACKEND, SESSIONS, LAST, LIST, RULES, DOCS };

static const char *const TEXTS[DOCS] = {
	[STATS] = "{\"version\":\"0.1.0\",\"uptime_s\":3700,\"enforce\":false,\"waiting\":2,\"stress\":0.25,"
		  "\"sessions\":{\"now\":3,\"limit\":100},\"mails\":{\"accepted\":30,\"deferred\":4,\"refused\":5}}",
	[BACKEND] = "{\"backends\":[{\"name\":\"main\",\"state\":\"up\",\"connections\":{\"open\":1,\"limit\":20}},"
		    "{\"name\":\"spare\\u001b\",\"state\":\"down\"}]}",
	[SESSIONS] = "{\"total\":3,\"sessions\":["
		     "{\"id\":\"A\",\"client\":\"192.0.2.7\",\"state\":\"rcpt\",\"age_ms\":1200,\"from\":\"a@b\"},"
		     "{\"id\":\"B\",\"client\":\"192.0.2.7\",\"state\":\"idle\",\"helo\":\"\\u001b[2J\"},"
		     "{\"id\":\"C\",\"client\":\"2001:db8:1:2::7\",\"state\":\"idle\",\"from\":\"x\\u0000y\"}]}",
	[LAST] = "{\"decisions\":["
		 "{\"client\":\"192.0.2.9\",\"from\":\"A@b\",\"verdict\":\"refused\",\"time\":\"2026-11-22T00:51:23."
		 "123Z\"},"
		 "{\"client\":\"192.0.2.9\",\"from\":\"a@b\",\"verdict\":\"deferred\"},"
		 "{\"client\":\"192.0.2.8\",\"from\":\"<>\",\"verdict\":\"accepted\"},"
		 "{\"client\":\"(hidden)\",\"verdict\":\"quit\",\"time\":\"2026-11-22T00:51:00.000Z\"}]}",
	[LIST] = "{\"entries\":[{\"key\":\"192.0.2.7\",\"kind\":\"client\",\"points\":80.5,"
		 "\"hold\":{\"kind\":\"block\",\"until\":\"2026-11-22T00:51:23.123Z\"}}]}",
	[RULES] = "{\"rules\":[{\"name\":\"harvest\",\"state\":\"enforce\",\"fired\":7}]}",
};

static struct ctl_json_doc docs[DOCS];
static struct top_answers answers;

static int start(void **state)
{
	(void)state;
	struct buf why = { 0 };
	struct ctl_json roots[DOCS];
	for (int i = 0; i < DOCS; i++) {
		assert_true(ctl_json_parse(slice_str(TEXTS[i]), &docs[i], &why));
		roots[i] = ctl_json_root(&docs[i]);
	}
	answers = (struct top_answers){ roots[STATS], roots[BACKEND], roots[SESSIONS], roots[LAST], roots[LIST],
		roots[RULES] };
	return 0;
}

static int stop(void **state)
{
	(void)state;
	for (int i = 0; i < DOCS; i++)
		ctl_json_release(&docs[i]);
	return 0;
}

static void fill(struct top *t)
{
	struct top_rows rows;
	struct top_totals before = { 0 };
	assert_true(top_rows_make(t->panel, t->sort, &answers, &rows));
	top_take_rows(t, &rows);
	top_head(t, &answers, &before, 0, false);
}

/* The keys of the rows, joined by blanks. */
static void assert_rows(enum top_panel panel, enum top_sort sort, const char *wanted)
{
	struct top t = { .panel = panel, .sort = sort };
	struct tools_out o = { 0 };
	fill(&t);
	for (size_t i = 0; i < t.rows.n; i++)
		tools_print(&o, "%s%s", i ? " " : "", t.rows.keys[i]);
	if (!slice_eq(buf_slice(&o.text), slice_str(wanted)))
		fail_msg("got %.*s, wanted %s", SLICE_ARG(buf_slice(&o.text)), wanted);
	buf_release(&o.text);
	top_release(&t);
}

static void the_heaviest_come_first(void **state)
{
	(void)state;
	assert_rows(TOP_PANEL_CLIENTS, TOP_BY_RECENT, "192.0.2.9 (hidden) 192.0.2.8 192.0.2.7 2001:db8:1:2::7");
	assert_rows(TOP_PANEL_CLIENTS, TOP_BY_OPEN, "192.0.2.7 2001:db8:1:2::7 (hidden) 192.0.2.8 192.0.2.9");
	assert_rows(TOP_PANEL_CLIENTS, TOP_BY_POINTS, "192.0.2.7 (hidden) 192.0.2.8 192.0.2.9 2001:db8:1:2::7");
	assert_rows(TOP_PANEL_CLIENTS, TOP_BY_REFUSED, "192.0.2.9 (hidden) 192.0.2.7 192.0.2.8 2001:db8:1:2::7");
	assert_rows(TOP_PANEL_SENDERS, TOP_BY_RECENT, "A@b <> 192.0.2.7"); /* the record's key, whatever its kind */
	assert_rows(TOP_PANEL_SESSIONS, TOP_BY_RECENT, "192.0.2.7 192.0.2.7 2001:db8:1:2::7");
	assert_rows(TOP_PANEL_BLOCKS, TOP_BY_RECENT, "192.0.2.7");
	assert_rows(TOP_PANEL_RULES, TOP_BY_RECENT, ""); /* nothing to be blocked */
}

static void nets_are_added_up(void **state)
{
	(void)state;
	struct top t = { .panel = TOP_PANEL_NETS };
	fill(&t);
	assert_string_equal(t.rows.keys[0], "192.0.2.0/24");
	assert_string_equal(t.rows.keys[2], "2001:db8:1::/48");
	struct slice text = buf_slice(&t.rows.text.text);
	(void)slice_cut(&text, '\n');
	struct slice line = slice_cut(&text, '\n');
	if (!slice_eq(line, SLICE("192.0.2.0/24          3         1         1        1     2     0.0")))
		fail_msg("got %.*s", SLICE_ARG(line));
	assert_string_equal(t.rows.since, "2026-11-22T00:51:00.000");
	top_release(&t);
}

/* What is on the screen; with a NUL behind. */
static const char *screen_of(struct top *t, unsigned cols, unsigned rows, struct tools_out *o, int *marked)
{
	buf_clear(&o->text);
	top_screen(t, cols, rows, o, marked);
	assert_false(o->failed);
	assert_true(buf_put(&o->text, slice_of("", 1)));
	return o->text.data;
}

static void rates_and_states_are_told(void **state)
{
	(void)state;
	struct top t = { .panel = TOP_PANEL_CLIENTS };
	struct top_totals before = { .at_ms = 1000, .accepted = 10, .deferred = 4, .refused = 6 };
	struct tools_out o = { 0 };
	int marked;
	top_head(&t, &answers, &before, 3000, true);
	const char *text = screen_of(&t, 100, 20, &o, &marked);
	assert_non_null(strstr(text, "smtpguardd 0.1.0 up 1 h 1 m  enforce = false  THE SERVER DOES NOT ANSWER"));
	/* fewer than before: the server has been started anew */
	assert_non_null(strstr(text, "mails  accepted 30 (10.0/s)  deferred 4 (0.0/s)  refused 5\n"));
	assert_non_null(strstr(text, "sessions 3 of 100, 2 held in a delay, stress 25 %\n"));
	assert_non_null(strstr(text, "main up 1/20 connections, 0 waiting; spare\\x1b down"));
	assert_non_null(strstr(text, "\nnone\n"));
	assert_int_equal(marked, -1);
	buf_release(&o.text);
	top_release(&t);
}

static void no_size_and_no_byte_breaks_it(void **state)
{
	(void)state;
	struct tools_out o = { 0 };
	for (unsigned panel = 0; panel < TOP_PANELS; panel++)
		for (unsigned mode = TOP_LIST; mode <= TOP_DETAIL; mode++)
			for (unsigned size = 0; size < 60; size++) {
				struct top t = { .panel = (enum top_panel)panel,
					.mode = (enum top_mode)mode,
					.target = "\"\x1b[2J\xff\"@b",
					.selected = 99 };
				unsigned cols = size * 3, rows = size, lines = 0;
				int marked;
				fill(&t);
				struct slice text = slice_str(screen_of(&t, cols, rows, &o, &marked));
				assert_true(marked < (int)rows);
				for (; text.n; lines++) {
					struct slice line = slice_cut(&text, '\n');
					assert_true(line.n <= cols);
					for (size_t i = 0; i < line.n; i++)
						assert_in_range((unsigned char)line.p[i], 0x20, 0x7e);
				}
				assert_int_equal(lines, rows);
				top_release(&t);
			}
	buf_release(&o.text);
}

static enum top_wish press(struct top *t, const char *keys)
{
	enum top_wish wish = TOP_NOTHING;
	for (; *keys; keys++)
		wish = top_key(t, *keys == '\n' ? TOP_KEY_ENTER : *keys == '\b' ? TOP_KEY_BACK : *keys);
	return wish;
}

static void an_order_is_confirmed_and_keeps_its_target(void **state)
{
	(void)state;
	struct top t = { .panel = TOP_PANEL_CLIENTS };
	fill(&t);
	assert_int_equal(press(&t, "b"), TOP_NOTHING);
	t.selected = 1; /* the list has moved on meanwhile */
	assert_int_equal(press(&t, "\b\b90sx\n"), TOP_NOTHING);
	assert_int_equal(t.mode, TOP_CONFIRM);
	assert_int_equal(press(&t, "y"), TOP_DO);
	assert_int_equal(t.order, TOP_ORDER_BLOCK);
	assert_string_equal(t.target, "192.0.2.9");
	assert_string_equal(t.typed, "90s");
	assert_int_equal(press(&t, "a\nn"), TOP_NOTHING);
	assert_string_equal(t.message, "nothing was done");
	assert_int_equal(press(&t, "dy"), TOP_DO);
	assert_int_equal(t.order, TOP_ORDER_DELETE);
	assert_int_equal(press(&t, "b123456789"), TOP_NOTHING);
	assert_int_equal(strlen(t.typed), sizeof t.typed - 1);
	assert_int_equal(press(&t, "\b\b\b\b\b\b\b\b\b\n"), TOP_NOTHING);
	assert_int_equal(t.mode, TOP_TIME); /* no time, no order */
	assert_int_equal(top_key(&t, TOP_KEY_ESCAPE), TOP_NOTHING);
	assert_int_equal(t.mode, TOP_LIST);
	top_release(&t);
}

static void where_nothing_is_selected_nothing_is_done(void **state)
{
	(void)state;
	struct top t = { .panel = TOP_PANEL_CLIENTS };
	assert_int_equal(press(&t, "b\ny"), TOP_NOTHING);
	assert_int_equal(press(&t, "dy"), TOP_NOTHING);
	assert_int_equal(press(&t, "\n"), TOP_NOTHING);
	t.panel = TOP_PANEL_RULES;
	fill(&t);
	assert_int_equal(press(&t, "b\nyb"), TOP_NOTHING);
	assert_non_null(strstr(t.message, "rules are set in the settings"));
	top_release(&t);
}

static void the_selection_stays_with_its_entry(void **state)
{
	(void)state;
	struct top t = { .panel = TOP_PANEL_CLIENTS };
	fill(&t);
	press(&t, "jj");
	assert_string_equal(t.rows.keys[t.selected], "192.0.2.8");
	t.sort = TOP_BY_REFUSED; /* there it is one further down */
	fill(&t);
	assert_string_equal(t.rows.keys[t.selected], "192.0.2.8");
	assert_int_equal(t.selected, 3);
	for (int i = 0; i < 100; i++)
		top_key(&t, i % 2 ? TOP_KEY_DOWN : TOP_KEY_PAGE_DOWN);
	assert_int_equal(t.selected, t.rows.n - 1);
	for (int i = 0; i < 100; i++)
		top_key(&t, i % 2 ? TOP_KEY_UP : TOP_KEY_PAGE_UP);
	assert_int_equal(t.selected, 0);
	assert_int_equal(press(&t, "5"), TOP_LOOK);
	assert_int_equal(t.rows.n, 0);
	assert_int_equal(press(&t, "q"), TOP_QUIT);
	top_release(&t);
}

static void panels_by_name(void **state)
{
	(void)state;
	enum top_panel panel;
	assert_true(top_panel_find(SLICE("blocks"), &panel) && panel == TOP_PANEL_BLOCKS);
	assert_false(top_panel_find(SLICE("block"), &panel) || top_panel_find(SLICE(""), &panel));
}

static void memory_ends(void **state)
{
	(void)state;
	bool made = false;
	for (long n = 0; !made; n++) {
		struct top_rows rows;
		mem_fail_after(n);
		made = top_rows_make(TOP_PANEL_CLIENTS, TOP_BY_RECENT, &answers, &rows);
		mem_fail_after(-1);
		top_rows_release(&rows);
		assert_true(n < 50);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_heaviest_come_first),
		cmocka_unit_test(nets_are_added_up),
		cmocka_unit_test(rates_and_states_are_told),
		cmocka_unit_test(no_size_and_no_byte_breaks_it),
		cmocka_unit_test(an_order_is_confirmed_and_keeps_its_target),
		cmocka_unit_test(where_nothing_is_selected_nothing_is_done),
		cmocka_unit_test(the_selection_stays_with_its_entry),
		cmocka_unit_test(panels_by_name),
		cmocka_unit_test(memory_ends),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
