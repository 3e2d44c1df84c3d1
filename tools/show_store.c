/* tools/show_store.c - `list`, `show`, `delete`, `block`, `allow`, `lists` and `snapshot` for people */
#include "tools/command.h"

#include <inttypes.h>

void tools_show_hold(struct ctl_json hold, const char *before, struct tools_out *o)
{
	struct slice kind = ctl_json_text(hold, "kind"), by = ctl_json_text(hold, "by");
	struct slice reason = ctl_json_text(hold, "reason");
	if (!kind.n)
		return;
	tools_print(o, "%s%s until ", before, slice_eq(kind, SLICE("allow")) ? "allowed" : "blocked");
	tools_print_value(o, ctl_json_text(hold, "until"), TOOLS_CELL);
	if (by.n) {
		tools_print(o, " by rule ");
		tools_print_value(o, by, TOOLS_CELL);
	} else {
		tools_print(o, " by the administrator");
	}
	if (reason.n) {
		tools_print(o, ": ");
		tools_print_value(o, reason, TOOLS_CELL);
	}
	tools_print(o, "\n");
}

/* ---- list ---- */

enum { RECORDS = 5, HOLDS = 6, GREYS = 7, POINTS = 2 };

static void cell(struct tools_table *t, struct slice s)
{
	tools_table_value(t, s.n ? s : SLICE("-"));
}

static void list_records(struct ctl_json entries, struct tools_out *o)
{
	static const char *const HEADS[RECORDS] = { "KEY", "KIND", "POINTS", "FIRST", "LAST" };
	struct tools_table t = { .columns = RECORDS, .right = 1u << POINTS };
	for (size_t i = 0; i < RECORDS; i++)
		tools_table_print(&t, "%s", HEADS[i]);
	for (size_t i = 0; i < ctl_json_len(entries); i++) {
		struct ctl_json e = ctl_json_item(entries, i);
		cell(&t, ctl_json_text(e, "key"));
		cell(&t, ctl_json_text(e, "kind"));
		tools_table_print(&t, "%.1f", ctl_json_double(e, "points", 0));
		cell(&t, ctl_json_text(e, "first"));
		cell(&t, ctl_json_text(e, "last"));
	}
	tools_table_write(&t, "", o);
}

static void list_holds(struct ctl_json entries, struct tools_out *o)
{
	static const char *const HEADS[HOLDS] = { "KEY", "KIND", "HOLD", "UNTIL", "BY", "REASON" };
	struct tools_table t = { .columns = HOLDS };
	for (size_t i = 0; i < HOLDS; i++)
		tools_table_print(&t, "%s", HEADS[i]);
	for (size_t i = 0; i < ctl_json_len(entries); i++) {
		struct ctl_json e = ctl_json_item(entries, i), h = ctl_json_get(e, "hold");
		cell(&t, ctl_json_text(e, "key"));
		cell(&t, ctl_json_text(e, "kind"));
		cell(&t, ctl_json_text(h, "kind"));
		cell(&t, ctl_json_text(h, "until"));
		cell(&t, ctl_json_text(h, "by"));
		cell(&t, ctl_json_text(h, "reason"));
	}
	tools_table_write(&t, "", o);
}

static void list_grey(struct ctl_json entries, struct tools_out *o)
{
	static const char *const HEADS[GREYS] = { "KEY", "KIND", "OF", "STATE", "FIRST", "LAST", "UNTIL" };
	static const char *const CELLS[] = { "of", "state", "first", "last", "until" };
	struct tools_table t = { .columns = GREYS };
	for (size_t i = 0; i < GREYS; i++)
		tools_table_print(&t, "%s", HEADS[i]);
	for (size_t i = 0; i < ctl_json_len(entries); i++) {
		struct ctl_json e = ctl_json_item(entries, i), g = ctl_json_get(e, "greylist");
		cell(&t, ctl_json_text(e, "key"));
		cell(&t, ctl_json_text(e, "kind"));
		for (size_t k = 0; k < sizeof CELLS / sizeof CELLS[0]; k++)
			cell(&t, ctl_json_text(g, CELLS[k]));
	}
	tools_table_write(&t, "", o);
}

static bool has(struct ctl_json entries, const char *what)
{
	return ctl_json_is_object(ctl_json_get(ctl_json_item(entries, 0), what));
}

void tools_show_list(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json entries = ctl_json_get(data, "entries");
	if (ctl_json_len(entries) == 0)
		tools_print(o, "none\n");
	else if (has(entries, "hold"))
		list_holds(entries, o);
	else if (has(entries, "greylist"))
		list_grey(entries, o);
	else
		list_records(entries, o);
}

/* ---- show ---- */

static void show_known(struct ctl_json known, struct tools_out *o)
{
	if (!ctl_json_is_object(known))
		return;
	tools_print(o, "  %s: %" PRId64 " mails accepted, %" PRId64 " refused, from ",
		ctl_json_bool(known, "good", false) ? "known good" : "not known good",
		ctl_json_int(known, "accepted", 0), ctl_json_int(known, "refused", 0));
	tools_print_value(o, ctl_json_text(known, "first"), TOOLS_CELL);
	tools_print(o, " to ");
	tools_print_value(o, ctl_json_text(known, "last"), TOOLS_CELL);
	tools_print(o, "\n");
}

static void show_grey(struct ctl_json grey, struct tools_out *o)
{
	if (!ctl_json_is_object(grey))
		return;
	bool whole = slice_eq(ctl_json_text(grey, "of"), SLICE("identity"));
	tools_print(o, "  greylist%s: ", whole ? ", the identity as a whole" : "");
	tools_print_value(o, ctl_json_text(grey, "state"), TOOLS_CELL);
	tools_print(o, ", from ");
	tools_print_value(o, ctl_json_text(grey, "first"), TOOLS_CELL);
	tools_print(o, " to ");
	tools_print_value(o, ctl_json_text(grey, "last"), TOOLS_CELL);
	tools_print(o, ", kept until ");
	tools_print_value(o, ctl_json_text(grey, "until"), TOOLS_CELL);
	tools_print(o, "\n");
}

static void show_entry(struct ctl_json e, struct tools_out *o)
{
	tools_print_value(o, ctl_json_text(e, "key"), TOOLS_CELL);
	tools_print(o, " as ");
	tools_print_value(o, ctl_json_text(e, "kind"), TOOLS_CELL);
	tools_print(o, "\n");
	if (ctl_json_text(e, "first").n) {
		tools_print(o, "  record: %.1f points, from ", ctl_json_double(e, "points", 0));
		tools_print_value(o, ctl_json_text(e, "first"), TOOLS_CELL);
		tools_print(o, " to ");
		tools_print_value(o, ctl_json_text(e, "last"), TOOLS_CELL);
		tools_print(o, "\n");
	}
	show_known(ctl_json_get(e, "known"), o);
	tools_show_hold(ctl_json_get(e, "hold"), "  ", o);
	show_grey(ctl_json_get(e, "greylist"), o);
}

void tools_show_show(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json entries = ctl_json_get(data, "entries");
	for (size_t i = 0; i < ctl_json_len(entries); i++)
		show_entry(ctl_json_item(entries, i), o);
	if (ctl_json_len(entries) == 0)
		tools_print(o, "nothing is known of it\n");
}

void tools_show_delete(struct ctl_json data, struct tools_out *o)
{
	int64_t n = ctl_json_int(data, "deleted", 0);
	tools_print(o, "%s\n", n > 0 ? "deleted" : "nothing was known of it");
}

static void show_until(const char *word, struct ctl_json data, struct tools_out *o)
{
	tools_print(o, "%s: ", word);
	tools_print_value(o, ctl_json_text(data, "kind"), TOOLS_CELL);
	tools_print(o, " ");
	tools_print_value(o, ctl_json_text(data, "key"), TOOLS_CELL);
	tools_print(o, " until ");
	tools_print_value(o, ctl_json_text(data, "until"), TOOLS_CELL);
	tools_print(o, "\n");
}

void tools_show_block(struct ctl_json data, struct tools_out *o)
{
	show_until("blocked", data, o);
}

void tools_show_allow(struct ctl_json data, struct tools_out *o)
{
	show_until("allowed", data, o);
}

/* ---- lists, snapshot ---- */

enum { LISTS = 5, ENTRIES = 1, FAULTS = 2, MEMORY = 3 };

static void dns_list_row(struct tools_table *t, struct ctl_json l)
{
	char text[TOOLS_UNIT_TEXT];
	double usual = ctl_json_double(l, "usual_share", -1);
	int64_t latency = ctl_json_int(l, "latency_ms", -1);
	cell(t, ctl_json_text(l, "name"));
	cell(t, ctl_json_text(l, "of"));
	cell(t, ctl_json_text(l, "state"));
	cell(t, ctl_json_text(l, "since"));
	tools_table_print(t, "%" PRId64, ctl_json_int(l, "asked", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(l, "listed", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(l, "failed", 0));
	if (usual < 0)
		cell(t, SLICE(""));
	else
		tools_table_print(t, "%.0f %%", usual * 100);
	tools_table_print(t, "%s", latency < 0 ? "" : tools_duration(latency, text));
	tools_table_print(t, "%s", tools_duration(ctl_json_int(l, "next_test_ms", 0), text));
	cell(t, ctl_json_text(l, "reason"));
}

static void show_dns_lists(struct ctl_json lists, struct tools_out *o)
{
	static const char *const HEADS[] = { "DNS LIST", "OF", "STATE", "SINCE", "ASKED", "LISTED", "FAILED", "USUAL",
		"TAKES", "NEXT TEST", "REASON" };
	enum { COLUMNS = sizeof HEADS / sizeof *HEADS, NUMBERS = 0x3f0 };
	struct tools_table t = { .columns = COLUMNS, .right = NUMBERS };
	size_t n = ctl_json_len(lists);
	for (size_t i = 0; n && i < COLUMNS; i++)
		tools_table_print(&t, "%s", HEADS[i]);
	for (size_t i = 0; i < n; i++)
		dns_list_row(&t, ctl_json_item(lists, i));
	tools_table_write(&t, "", o);
}

void tools_show_lists(struct ctl_json data, struct tools_out *o)
{
	static const char *const HEADS[LISTS] = { "NAME", "ENTRIES", "FAULTS", "MEMORY", "FILE" };
	struct ctl_json lists = ctl_json_get(data, "lists");
	struct tools_table t = { .columns = LISTS, .right = 1u << ENTRIES | 1u << FAULTS | 1u << MEMORY };
	size_t n = ctl_json_len(lists);
	for (size_t i = 0; n && i < LISTS; i++)
		tools_table_print(&t, "%s", HEADS[i]);
	for (size_t i = 0; i < n; i++) {
		char size[TOOLS_UNIT_TEXT];
		struct ctl_json l = ctl_json_item(lists, i);
		cell(&t, ctl_json_text(l, "name"));
		tools_table_print(&t, "%" PRId64, ctl_json_int(l, "entries", 0));
		tools_table_print(&t, "%" PRId64, ctl_json_int(l, "faults", 0));
		tools_table_print(&t, "%s", tools_size(ctl_json_int(l, "memory_bytes", 0), size));
		cell(&t, ctl_json_text(l, "file"));
	}
	tools_table_write(&t, "", o);
	if (n == 0)
		tools_print(o, "no list is set\n");
	show_dns_lists(ctl_json_get(data, "dns_lists"), o);
}

void tools_show_snapshot(struct ctl_json data, struct tools_out *o)
{
	char size[TOOLS_UNIT_TEXT], took[TOOLS_UNIT_TEXT];
	tools_print(o, "written: ");
	tools_print_value(o, ctl_json_text(data, "path"), 256);
	tools_print(o, ", %" PRId64 " entries, %s, in %s\n", ctl_json_int(data, "entries", 0),
		tools_size(ctl_json_int(data, "bytes", 0), size),
		tools_duration(ctl_json_int(data, "took_ms", 0), took));
}
