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

static void list_records(struct ctl_json entries, struct tools_out *o)
{
	struct tools_table t = { 0 };
	tools_table_heads(&t, "KEY|KIND|>POINTS|FIRST|LAST");
	for (size_t i = 0; i < ctl_json_len(entries); i++) {
		struct ctl_json e = ctl_json_item(entries, i);
		tools_table_value(&t, ctl_json_text(e, "key"));
		tools_table_value(&t, ctl_json_text(e, "kind"));
		tools_table_print(&t, "%.1f", ctl_json_double(e, "points", 0));
		tools_table_value(&t, ctl_json_text(e, "first"));
		tools_table_value(&t, ctl_json_text(e, "last"));
	}
	tools_table_write(&t, "", o);
}

static void list_holds(struct ctl_json entries, struct tools_out *o)
{
	struct tools_table t = { 0 };
	tools_table_heads(&t, "KEY|KIND|HOLD|UNTIL|BY|REASON");
	for (size_t i = 0; i < ctl_json_len(entries); i++) {
		struct ctl_json e = ctl_json_item(entries, i), h = ctl_json_get(e, "hold");
		tools_table_value(&t, ctl_json_text(e, "key"));
		tools_table_value(&t, ctl_json_text(e, "kind"));
		tools_table_value(&t, ctl_json_text(h, "kind"));
		tools_table_value(&t, ctl_json_text(h, "until"));
		tools_table_value(&t, ctl_json_text(h, "by"));
		tools_table_value(&t, ctl_json_text(h, "reason"));
	}
	tools_table_write(&t, "", o);
}

static void list_grey(struct ctl_json entries, struct tools_out *o)
{
	static const char *const CELLS[] = { "of", "state", "first", "last", "until" };
	struct tools_table t = { 0 };
	tools_table_heads(&t, "KEY|KIND|OF|STATE|FIRST|LAST|UNTIL");
	for (size_t i = 0; i < ctl_json_len(entries); i++) {
		struct ctl_json e = ctl_json_item(entries, i), g = ctl_json_get(e, "greylist");
		tools_table_value(&t, ctl_json_text(e, "key"));
		tools_table_value(&t, ctl_json_text(e, "kind"));
		for (size_t k = 0; k < sizeof CELLS / sizeof CELLS[0]; k++)
			tools_table_value(&t, ctl_json_text(g, CELLS[k]));
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

static void dns_list_row(struct tools_table *t, struct ctl_json l)
{
	char text[TOOLS_UNIT_TEXT];
	double usual = ctl_json_double(l, "usual_share", -1);
	int64_t latency = ctl_json_int(l, "latency_ms", -1);
	tools_table_value(t, ctl_json_text(l, "name"));
	tools_table_value(t, ctl_json_text(l, "of"));
	tools_table_value(t, ctl_json_text(l, "state"));
	tools_table_value(t, ctl_json_text(l, "since"));
	tools_table_print(t, "%" PRId64, ctl_json_int(l, "asked", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(l, "listed", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(l, "failed", 0));
	if (usual < 0)
		tools_table_value(t, SLICE(""));
	else
		tools_table_print(t, "%.0f %%", usual * 100);
	tools_table_print(t, "%s", latency < 0 ? "" : tools_duration(latency, text));
	tools_table_print(t, "%s", tools_duration(ctl_json_int(l, "next_test_ms", 0), text));
	tools_table_value(t, ctl_json_text(l, "reason"));
}

static void show_dns_lists(struct ctl_json lists, struct tools_out *o)
{
	struct tools_table t = { 0 };
	size_t n = ctl_json_len(lists);
	if (n)
		tools_table_heads(&t, "DNS LIST|OF|STATE|SINCE|>ASKED|>LISTED|>FAILED|>USUAL|>TAKES|>NEXT TEST|REASON");
	for (size_t i = 0; i < n; i++)
		dns_list_row(&t, ctl_json_item(lists, i));
	tools_table_write(&t, "", o);
}

void tools_show_lists(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json lists = ctl_json_get(data, "lists");
	struct tools_table t = { 0 };
	size_t n = ctl_json_len(lists);
	if (n)
		tools_table_heads(&t, "NAME|>ENTRIES|>FAULTS|>MEMORY|FILE");
	for (size_t i = 0; i < n; i++) {
		char size[TOOLS_UNIT_TEXT];
		struct ctl_json l = ctl_json_item(lists, i);
		tools_table_value(&t, ctl_json_text(l, "name"));
		tools_table_print(&t, "%" PRId64, ctl_json_int(l, "entries", 0));
		tools_table_print(&t, "%" PRId64, ctl_json_int(l, "faults", 0));
		tools_table_print(&t, "%s", tools_size(ctl_json_int(l, "memory_bytes", 0), size));
		tools_table_value(&t, ctl_json_text(l, "file"));
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
