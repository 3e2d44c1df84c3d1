/* tools/show_sessions.c - `sessions` for people */
#include "tools/command.h"

#include <inttypes.h>

enum { COLUMNS = 10, AGE = 3, RECIPIENTS = 7, WORKER = 8 };
static const char *const heads[COLUMNS] = { "ID", "CLIENT", "STATE", "AGE", "TLS", "HELO", "FROM", "RCPT", "WORKER",
	"BACKEND" };

static void value_or_dash(struct tools_table *t, struct slice s)
{
	tools_table_value(t, s.n ? s : SLICE("-"));
}

static void add_session(struct tools_table *t, struct ctl_json s)
{
	char age[TOOLS_UNIT_TEXT];
	value_or_dash(t, ctl_json_text(s, "id"));
	value_or_dash(t, ctl_json_text(s, "client"));
	value_or_dash(t, ctl_json_text(s, "state"));
	tools_table_print(t, "%s", tools_duration(ctl_json_int(s, "age_ms", 0), age));
	value_or_dash(t, ctl_json_text(s, "tls"));
	value_or_dash(t, ctl_json_text(s, "helo"));
	value_or_dash(t, ctl_json_text(s, "from"));
	tools_table_print(t, "%" PRId64, ctl_json_int(s, "recipients", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(s, "worker", 0));
	value_or_dash(t, ctl_json_text(s, "backend"));
}

void tools_show_sessions(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json sessions = ctl_json_get(data, "sessions");
	size_t shown = ctl_json_len(sessions);
	int64_t total = ctl_json_int(data, "total", (int64_t)shown);
	struct tools_table t = { .columns = COLUMNS, .right = 1u << AGE | 1u << RECIPIENTS | 1u << WORKER };
	for (size_t i = 0; shown && i < COLUMNS; i++)
		tools_table_print(&t, "%s", heads[i]);
	for (size_t i = 0; i < shown; i++)
		add_session(&t, ctl_json_item(sessions, i));
	tools_table_write(&t, "", o);
	if (total == 0)
		tools_print(o, "no session is open\n");
	else if ((uint64_t)total > shown)
		tools_print(o, "the %zu oldest of %" PRId64 " sessions; --top N shows more\n", shown, total);
}
