/* tools/show_stats.c - `stats` for people */
#include "tools/command.h"

#include <inttypes.h>

/* One line: a label and the numbers of one object ("" is the top level). */
enum { FIELDS = 5 };
static const struct stats_line {
	const char *label, *object;
	struct {
		const char *key, *words;
		bool bytes;
	} fields[FIELDS];
} lines[] = {
	{ "sessions", "sessions",
	  { { "now", "now", 0 }, { "peak", "peak", 0 }, { "limit", "limit", 0 }, { "total", "in all", 0 },
	    { "refused", "refused", 0 } } },
	{ "mails", "mails",
	  { { "accepted", "accepted", 0 }, { "deferred", "deferred", 0 }, { "refused", "refused", 0 },
	    { "lost", "lost", 0 } } },
	{ "recipients", "recipients",
	  { { "accepted", "accepted", 0 }, { "deferred", "deferred", 0 }, { "refused", "refused", 0 } } },
	{ "bodies", "bytes", { { "received", "received", 1 }, { "delivered", "delivered", 1 } } },
	{ "probes", "probes", { { "sent", "sent", 0 }, { "merged", "merged", 0 }, { "failed", "failed", 0 } } },
	{ "cache", "cache", { { "hits", "hits", 0 }, { "misses", "misses", 0 }, { "entries", "entries", 0 } } },
	{ "records", "records", { { "entries", "entries", 0 }, { "evicted", "evicted", 0 } } },
	{ "tls", "tls", { { "handshakes", "handshakes", 0 }, { "failed", "failed", 0 } } },
	{ "memory", "memory",
	  { { "resident_bytes", "resident", 1 }, { "sessions_bytes", "in sessions", 1 },
	    { "tables_bytes", "in tables", 1 }, { "tables_limit_bytes", "table limit", 1 } } },
	{ "limits", "limits",
	  { { "descriptors", "descriptors", 0 }, { "sessions_effective", "sessions", 0 },
	    { "sessions_set", "sessions set", 0 } } },
	{ "other", NULL,
	  { { "offences", "protocol offences", 0 }, { "waiting", "waiting now", 0 },
	    { "open_bodies", "bodies in files", 0 }, { "log_dropped", "log lines lost", 0 } } },
};

static void add_line(struct tools_table *t, const struct stats_line *line, struct ctl_json data)
{
	struct ctl_json object = ctl_json_get(data, line->object);
	if (!object.node)
		return;
	tools_table_print(t, "%s", line->label);
	for (size_t i = 0; i < FIELDS && line->fields[i].key; i++) {
		char text[TOOLS_UNIT_TEXT];
		int64_t v = ctl_json_int(object, line->fields[i].key, 0);
		if (line->fields[i].bytes)
			tools_table_print(t, "%s %s", tools_size(v, text), line->fields[i].words);
		else
			tools_table_print(t, "%" PRId64 " %s", v, line->fields[i].words);
	}
	tools_table_end_row(t);
}

void tools_show_stats(struct ctl_json data, struct tools_out *o)
{
	char up[TOOLS_UNIT_TEXT];
	tools_print(o, "smtpguardd ");
	tools_print_value(o, ctl_json_text(data, "version"), TOOLS_CELL);
	tools_print(o, ", up %s, %" PRId64 " workers\n", tools_duration(ctl_json_int(data, "uptime_s", 0) * 1000, up),
		    ctl_json_int(data, "workers", 0));
	if (!ctl_json_bool(data, "enforce", true))
		tools_print(o, "enforce is false: all is judged and logged, nobody is refused or delayed\n");
	if (ctl_json_bool(data, "draining", false))
		tools_print(o, "draining: no new sessions are taken\n");
	tools_print(o, "\n");
	struct tools_table t = { .columns = 1 + FIELDS };
	for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
		add_line(&t, &lines[i], data);
	tools_table_write(&t, "", o);
}
