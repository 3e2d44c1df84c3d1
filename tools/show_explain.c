/* tools/show_explain.c - `explain`, `last` and `test` for people */
#include "tools/command.h"

#include <inttypes.h>

static void label(struct tools_out *o, const char *name)
{
	tools_print(o, "  %-9s", name);
}

static void value(struct tools_out *o, struct slice s)
{
	tools_print_value(o, s.n ? s : SLICE("-"), 320);
}

static void named_value(struct tools_out *o, const char *before, struct slice s, const char *behind)
{
	if (!s.n)
		return;
	tools_print(o, "%s", before);
	tools_print_value(o, s, 320);
	tools_print(o, "%s", behind);
}

static void number(struct tools_out *o, double v)
{
	tools_print(o, "%.6g", v);
}

/* ---- rules ---- */

static void show_read(struct ctl_json read, struct tools_out *o)
{
	for (size_t i = 0; i < ctl_json_len(read); i++) {
		struct ctl_json one = ctl_json_item(read, i);
		tools_print(o, "                ");
		value(o, ctl_json_text(one, "name"));
		tools_print(o, " = ");
		number(o, ctl_json_double(one, "value", 0));
		tools_print(o, "\n");
	}
}

static void show_rule(struct ctl_json r, struct tools_out *o)
{
	char after[TOOLS_UNIT_TEXT];
	int64_t times = ctl_json_int(r, "times", 1);
	double points = ctl_json_double(r, "points", 0);
	tools_print(o, "    %8s  ", tools_duration(ctl_json_int(r, "after_ms", 0), after));
	value(o, ctl_json_text(r, "stage"));
	tools_print(o, "  ");
	value(o, ctl_json_text(r, "name"));
	named_value(o, ", does ", ctl_json_text(r, "action"), "");
	if (points > 0 || points < 0) {
		tools_print(o, ", points ");
		number(o, points);
	}
	if (times > 1)
		tools_print(o, ", for %" PRId64 " recipients", times);
	if (ctl_json_bool(r, "observed", false))
		tools_print(o, " (only observed)");
	if (ctl_json_bool(r, "cancelled", false))
		tools_print(o, " (cancelled by an ok above it)");
	tools_print(o, "\n");
	show_read(ctl_json_get(r, "read"), o);
}

static void show_rules(struct ctl_json rules, struct tools_out *o)
{
	if (ctl_json_len(rules) == 0) {
		tools_print(o, "  no rule fired\n");
		return;
	}
	tools_print(o, "  rules that fired, and what they read then:\n");
	for (size_t i = 0; i < ctl_json_len(rules); i++)
		show_rule(ctl_json_item(rules, i), o);
}

static void show_lookups(struct ctl_json lookups, struct tools_out *o)
{
	char took[TOOLS_UNIT_TEXT];
	for (size_t i = 0; i < ctl_json_len(lookups); i++) {
		struct ctl_json one = ctl_json_item(lookups, i);
		label(o, i ? "" : "dns");
		value(o, ctl_json_text(one, "name"));
		tools_print(o, ": ");
		value(o, ctl_json_text(one, "answer"));
		tools_print(o, "  (%s)\n", tools_duration(ctl_json_int(one, "ms", 0), took));
	}
}

/* ---- one decision ---- */

static void show_head(struct ctl_json d, struct tools_out *o)
{
	int64_t port = ctl_json_int(d, "port", 0);
	value(o, ctl_json_text(d, "id"));
	tools_print(o, "  ");
	value(o, ctl_json_text(d, "event"));
	if (!slice_eq(ctl_json_text(d, "id"), ctl_json_text(d, "session")))
		named_value(o, " of session ", ctl_json_text(d, "session"), "");
	named_value(o, ", ended ", ctl_json_text(d, "time"), "");
	tools_print(o, "\n");
	label(o, "client");
	value(o, ctl_json_text(d, "client"));
	if (port)
		tools_print(o, " port %" PRId64, port);
	named_value(o, ", name ", ctl_json_text(d, "name"), "");
	named_value(o, ", reverse DNS ", ctl_json_text(d, "rdns"), "");
	named_value(o, ", helo ", ctl_json_text(d, "helo"), "");
	named_value(o, ", ", ctl_json_text(d, "tls"), "");
	named_value(o, ", listener ", ctl_json_text(d, "listener"), "");
	tools_print(o, "\n");
}

static void show_recipients(struct ctl_json d, struct tools_out *o)
{
	struct ctl_json to = ctl_json_get(d, "to");
	int64_t more = ctl_json_int(d, "to_more", 0);
	for (size_t i = 0; i < ctl_json_len(to); i++) {
		struct ctl_json one = ctl_json_item(to, i);
		label(o, i ? "" : "to");
		value(o, ctl_json_text(one, "address"));
		if (ctl_json_int(one, "code", 0))
			tools_print(o, "  %" PRId64, ctl_json_int(one, "code", 0));
		named_value(o, "  (id ", ctl_json_text(one, "id"), ")");
		tools_print(o, "\n");
	}
	if (more)
		tools_print(o, "  %-9sand %" PRId64 " more recipients\n", "", more);
}

static void show_verdict(struct ctl_json d, struct tools_out *o)
{
	label(o, "verdict");
	value(o, ctl_json_text(d, "verdict"));
	named_value(o, " by ", ctl_json_text(d, "by"), "");
	if (ctl_json_int(d, "code", 0))
		tools_print(o, ": %" PRId64, ctl_json_int(d, "code", 0));
	named_value(o, " ", ctl_json_text(d, "reply"), "");
	tools_print(o, "\n");
	if (ctl_json_int(d, "offences", 0)) {
		label(o, "offences");
		tools_print(o, "%" PRId64 " protocol faults", ctl_json_int(d, "offences", 0));
		named_value(o, ", the first: ", ctl_json_text(d, "offence"), "");
		tools_print(o, "\n");
	}
	if (ctl_json_int(d, "connections", 0)) {
		label(o, "at door");
		tools_print(o, "%" PRId64 " connections since the record before (one is kept a minute)\n",
			ctl_json_int(d, "connections", 0));
	}
	if (ctl_json_text(d, "note").n) {
		label(o, "note");
		value(o, ctl_json_text(d, "note"));
		tools_print(o, "\n");
	}
	if (ctl_json_text(d, "backend").n) {
		label(o, "backend");
		value(o, ctl_json_text(d, "backend"));
		named_value(o, " of group ", ctl_json_text(d, "group"), "");
		named_value(o, ": ", ctl_json_text(d, "backend_reply"), "");
		tools_print(o, "\n");
	}
}

static void show_times(struct ctl_json d, struct tools_out *o)
{
	char waited[TOOLS_UNIT_TEXT], backend[TOOLS_UNIT_TEXT], dns[TOOLS_UNIT_TEXT], total[TOOLS_UNIT_TEXT];
	label(o, "took");
	tools_print(o, "%s in all, %s of it waited by rules, %s at the backend",
		tools_duration(ctl_json_int(d, "total_ms", 0), total),
		tools_duration(ctl_json_int(d, "waited_ms", 0), waited),
		tools_duration(ctl_json_int(d, "backend_ms", 0), backend));
	if (ctl_json_int(d, "dns_ms", 0))
		tools_print(o, ", %s for DNS", tools_duration(ctl_json_int(d, "dns_ms", 0), dns));
	tools_print(o, "\n");
	label(o, "score");
	number(o, ctl_json_double(d, "score", 0));
	tools_print(o, ", ");
	number(o, ctl_json_double(d, "points", 0));
	tools_print(o, " of it points of this session and mail\n");
}

static void show_decision(struct ctl_json d, struct tools_out *o)
{
	show_head(d, o);
	if (ctl_json_text(d, "from").n) {
		label(o, "from");
		value(o, ctl_json_text(d, "from"));
		tools_print(o, "\n");
	}
	show_recipients(d, o);
	show_verdict(d, o);
	show_times(d, o);
	if (ctl_json_text(d, "observed").n) {
		label(o, "would");
		tools_print(o, "have been ");
		value(o, ctl_json_text(d, "observed"));
		tools_print(o, "\n");
	}
	if (ctl_json_text(d, "promise").n) {
		label(o, "promise");
		tools_print(o, "the client is known good: what rule ");
		value(o, ctl_json_text(d, "promise"));
		tools_print(o, " refuses is only deferred\n");
	}
	show_lookups(ctl_json_get(d, "lookups"), o);
	show_rules(ctl_json_get(d, "rules"), o);
}

static void show_nothing(struct ctl_json data, struct tools_out *o)
{
	tools_print(o, "nothing of it is in memory: %" PRId64 " decisions are kept", ctl_json_int(data, "kept", 0));
	named_value(o, ", the oldest of ", ctl_json_text(data, "oldest"), "");
	tools_print(o, ".\nWhat is older stands in the journal (log.to = \"");
	tools_print_value(o, ctl_json_text(data, "journal"), 200);
	tools_print(o, "\"): look there for the id, the client or the recipient, as in\n"
		       "  grep -F 7F3K9QZ2 /var/log/smtpguard.log      journalctl -u smtpguardd | grep -F 7F3K9QZ2\n");
}

void tools_show_explain(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json all = ctl_json_get(data, "decisions");
	for (size_t i = 0; i < ctl_json_len(all); i++) {
		tools_print(o, "%s", i ? "\n" : "");
		show_decision(ctl_json_item(all, i), o);
	}
	if (ctl_json_len(all) == 0)
		show_nothing(data, o);
}

/* ---- last ---- */

static void add_rules(struct tools_table *t, struct ctl_json rules)
{
	struct buf names = { 0 };
	for (size_t i = 0; i < ctl_json_len(rules); i++)
		(void)!buf_puts(&names, i ? SLICE(" ") : SLICE(""), ctl_json_text(ctl_json_item(rules, i), "name"));
	tools_table_value(t, buf_slice(&names));
	buf_release(&names);
}

static void add_last(struct tools_table *t, struct ctl_json d)
{
	struct ctl_json to = ctl_json_get(d, "to");
	struct slice first = ctl_json_text(ctl_json_item(to, 0), "address");
	size_t n = ctl_json_len(to);
	tools_table_value(t, ctl_json_text(d, "time"));
	tools_table_value(t, ctl_json_text(d, "id"));
	tools_table_value(t, ctl_json_text(d, "client"));
	tools_table_value(t, ctl_json_text(d, "from"));
	if (n > 1)
		tools_table_print(t, "%zu recipients", n);
	else
		tools_table_value(t, first);
	tools_table_value(t, ctl_json_text(d, "verdict"));
	tools_table_value(t, ctl_json_text(d, "by"));
	tools_table_print(t, "%.0f", ctl_json_double(d, "score", 0));
	add_rules(t, ctl_json_get(d, "rules"));
}

void tools_show_last(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json all = ctl_json_get(data, "decisions");
	size_t n = ctl_json_len(all);
	struct tools_table t = { 0 };
	if (n)
		tools_table_heads(&t, "TIME|ID|CLIENT|FROM|TO|VERDICT|BY|>SCORE|RULES");
	for (size_t i = 0; i < n; i++)
		add_last(&t, ctl_json_item(all, i));
	tools_table_write(&t, "", o);
	if (n == 0)
		tools_print(o, "no decision is kept yet\n");
}

/* ---- test ---- */

static void show_greylist(struct ctl_json g, struct tools_out *o)
{
	if (!g.node)
		return;
	named_value(o, "; greylisting: ", ctl_json_text(g, "answer"), "");
	named_value(o, " by ", ctl_json_text(g, "by"), "");
	named_value(o, " as ", ctl_json_text(g, "identity"), "");
	if (ctl_json_int(g, "wait_s", 0))
		tools_print(o, ", to be tried again in %" PRId64 " s", ctl_json_int(g, "wait_s", 0));
}

static void show_stage(struct ctl_json s, struct tools_out *o)
{
	struct slice verdict = ctl_json_text(s, "verdict");
	char wait[TOOLS_UNIT_TEXT];
	label(o, "");
	value(o, ctl_json_text(s, "stage"));
	tools_print(o, ": ");
	value(o, verdict);
	named_value(o, " by ", ctl_json_text(s, "by"), "");
	if (ctl_json_int(s, "wait_ms", 0))
		tools_print(o, ", %s", tools_duration(ctl_json_int(s, "wait_ms", 0), wait));
	if (ctl_json_int(s, "code", 0))
		tools_print(o, ", %" PRId64, ctl_json_int(s, "code", 0));
	named_value(o, " ", ctl_json_text(s, "reply"), "");
	show_greylist(ctl_json_get(s, "greylist"), o);
	named_value(o, "; would be ", ctl_json_text(s, "would"), "");
	named_value(o, " by ", ctl_json_text(s, "would_by"), "");
	named_value(o, "; ok by ", ctl_json_text(s, "ok"), "");
	tools_print(o, "; score ");
	number(o, ctl_json_double(s, "score", 0));
	tools_print(o, "\n");
}

void tools_show_test(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json stages = ctl_json_get(data, "stages"), notes = ctl_json_get(data, "notes");
	tools_print(o, "stages, as they would be judged now:\n");
	for (size_t i = 0; i < ctl_json_len(stages); i++)
		show_stage(ctl_json_item(stages, i), o);
	show_lookups(ctl_json_get(data, "lookups"), o);
	show_rules(ctl_json_get(data, "rules"), o);
	tools_show_hold(ctl_json_get(data, "hold"), "  before any rule: ", o);
	for (size_t i = 0; i < ctl_json_len(notes); i++)
		named_value(o, "  note: ", ctl_json_text(ctl_json_item(notes, i), NULL), "\n");
}
