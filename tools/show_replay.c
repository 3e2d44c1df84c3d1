/* replay: what other rules would have said */
#include "tools/command.h"

#include <inttypes.h>

static void put_count(struct tools_out *o, int64_t n, const char *what)
{
	tools_print(o, "%" PRId64 " %s%s", n, what, n == 1 ? "" : "s");
}

static void show_head(struct ctl_json d, struct tools_out *o)
{
	put_count(o, ctl_json_int(d, "records", 0), "record");
	tools_print(o, " of ");
	put_count(o, ctl_json_int(d, "sessions", 0), "session");
	tools_print(o, ", %.*s to %.*s\n", SLICE_ARG(ctl_json_text(d, "first")), SLICE_ARG(ctl_json_text(d, "last")));
	int64_t tests = ctl_json_int(d, "tests", 0), by_same = ctl_json_int(d, "tests_by_same_rules", 0);
	if (ctl_json_bool(d, "rules_same", false))
		tools_print(o, "rules: the same as then\n");
	else if (by_same == 0)
		tools_print(o, "rules: others than then\n");
	else
		tools_print(o, "rules: the same as then for %" PRId64 " of %" PRId64 " tests\n", by_same, tests);
	tools_print(o, "verdicts: ");
	put_count(o, tests, "test");
	tools_print(o, ", %" PRId64 " the same, %" PRId64 " changed", ctl_json_int(d, "same", 0),
		ctl_json_int(d, "changed", 0));
	int64_t uncertain = ctl_json_int(d, "uncertain", 0);
	if (uncertain)
		tools_print(o, ", %" PRId64 " not compared", uncertain);
	tools_print(o, "\n");
}

static void show_holes(struct ctl_json d, struct tools_out *o)
{
	int64_t missing = ctl_json_int(d, "missing", 0), broken = ctl_json_int(d, "sessions_broken", 0);
	int64_t crowded = ctl_json_int(d, "crowded", 0), faults = ctl_json_int(d, "faults", 0);
	if (missing)
		tools_print(o,
			"missing: %" PRId64 " records by their numbers: dropped by the server, or not in these files\n",
			missing);
	if (broken)
		tools_print(o,
			"not compared: what is left of %" PRId64
			" sessions, begun before the file or with a record missing\n",
			broken);
	if (crowded)
		tools_print(o, "not replayed: %" PRId64 " records, too many sessions were open\n", crowded);
	if (faults)
		tools_print(o, "skipped: %" PRId64 " lines that are no record\n", faults);
	struct ctl_json lines = ctl_json_get(d, "fault_lines");
	for (size_t i = 0; i < ctl_json_len(lines); i++) {
		struct ctl_json one = ctl_json_item(lines, i);
		tools_print(o, "  ");
		tools_print_value(o, ctl_json_text(one, "file"), 200);
		tools_print(o, ":%" PRId64 ": %.*s\n", ctl_json_int(one, "line", 0),
			SLICE_ARG(ctl_json_text(one, "fault")));
	}
}

static void show_fresh(struct ctl_json d, struct tools_out *o)
{
	struct ctl_json list = ctl_json_get(d, "new_expressions");
	if (ctl_json_len(list) == 0)
		return;
	tools_print(o, "\nnew expressions, counted from what happened since the file began\n");
	for (size_t i = 0; i < ctl_json_len(list); i++) {
		char time[TOOLS_UNIT_TEXT];
		struct ctl_json one = ctl_json_item(list, i);
		int64_t reads = ctl_json_int(one, "reads", 0), early = ctl_json_int(one, "reached_before_file", 0);
		int64_t most = ctl_json_int(one, "most_before_file_ms", 0);
		tools_print(o, "  ");
		tools_print_value(o, ctl_json_text(one, "expression"), 300);
		tools_print(o, ": read %" PRId64 " times, %.1f %% of them reach back before the file", reads,
			reads ? 100.0 * (double)early / (double)reads : 0.0);
		if (most)
			tools_print(o, ", by up to %s", tools_duration(most, time));
		tools_print(o, "\n");
	}
}

static void show_example(struct ctl_json e, struct tools_out *o)
{
	struct slice mail = ctl_json_text(e, "mail"), sender = ctl_json_text(e, "sender"),
		     recipient = ctl_json_text(e, "recipient");
	tools_print(o, "      %.*s %.*s ", SLICE_ARG(ctl_json_text(e, "time")),
		SLICE_ARG(mail.n ? mail : ctl_json_text(e, "session")));
	tools_print_value(o, ctl_json_text(e, "client"), 64);
	tools_print(o, " %.*s", SLICE_ARG(ctl_json_text(e, "stage")));
	if (sender.n) {
		tools_print(o, " from ");
		tools_print_value(o, sender, 320);
	}
	if (recipient.n) {
		tools_print(o, " to ");
		tools_print_value(o, recipient, 320);
	}
	tools_print(o, ": ");
	tools_print_value(o, ctl_json_text(e, "from"), 200);
	tools_print(o, " -> ");
	tools_print_value(o, ctl_json_text(e, "to"), 200);
	tools_print(o, "\n");
}

static void show_tally(struct ctl_json d, const char *key, const char *title, struct tools_out *o)
{
	struct ctl_json list = ctl_json_get(d, key);
	if (ctl_json_len(list) == 0)
		return;
	tools_print(o, "\n%s\n", title);
	for (size_t i = 0; i < ctl_json_len(list); i++) {
		struct ctl_json one = ctl_json_item(list, i), examples = ctl_json_get(one, "examples");
		tools_print(o, "  %8" PRId64 "  ", ctl_json_int(one, "count", 0));
		tools_print_value(o, ctl_json_text(one, "key"), 200);
		tools_print(o, "\n");
		for (size_t k = 0; k < ctl_json_len(examples); k++)
			show_example(ctl_json_item(examples, k), o);
	}
}

void tools_show_replay(struct ctl_json data, struct tools_out *o)
{
	show_head(data, o);
	show_holes(data, o);
	show_fresh(data, o);
	show_tally(data, "by_verdict", "changed verdicts", o);
	show_tally(data, "by_rule", "by rule", o);
	show_tally(data, "by_client", "by client", o);
}
