/* tools/show_sessions.c - `sessions` for people */
#include "tools/command.h"

#include <inttypes.h>

static void add_session(struct tools_table *t, struct ctl_json s)
{
	char age[TOOLS_UNIT_TEXT];
	tools_table_value(t, ctl_json_text(s, "id"));
	tools_table_value(t, ctl_json_text(s, "client"));
	tools_table_value(t, ctl_json_text(s, "state"));
	tools_table_print(t, "%s", tools_duration(ctl_json_int(s, "age_ms", 0), age));
	tools_table_value(t, ctl_json_text(s, "tls"));
	tools_table_value(t, ctl_json_text(s, "helo"));
	tools_table_value(t, ctl_json_text(s, "from"));
	tools_table_print(t, "%" PRId64, ctl_json_int(s, "recipients", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(s, "worker", 0));
	tools_table_value(t, ctl_json_text(s, "backend"));
}

void tools_show_sessions(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json sessions = ctl_json_get(data, "sessions");
	size_t shown = ctl_json_len(sessions);
	int64_t total = ctl_json_int(data, "total", (int64_t)shown);
	struct tools_table t = { 0 };
	if (shown)
		tools_table_heads(&t, "ID|CLIENT|STATE|>AGE|TLS|HELO|FROM|>RCPT|>WORKER|BACKEND");
	for (size_t i = 0; i < shown; i++)
		add_session(&t, ctl_json_item(sessions, i));
	tools_table_write(&t, "", o);
	if (total == 0)
		tools_print(o, "no session is open\n");
	else if ((uint64_t)total > shown)
		tools_print(o, "the %zu oldest of %" PRId64 " sessions; --top N shows more\n", shown, total);
}
