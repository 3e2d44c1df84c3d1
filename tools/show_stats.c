/* tools/show_stats.c - `stats` for people */
#include "tools/command.h"

#include <inttypes.h>

/* One line: a label and the numbers of one object (NULL is the top level). */
enum { FIELDS = 5 };
enum kind { COUNT, BYTES, LIMIT /* 0 is none */ };
static const struct stats_line {
	const char *label, *object;
	struct {
		const char *key, *words;
		enum kind kind;
	} fields[FIELDS];
} lines[] = {
	{ "sessions", "sessions",
		{ { "now", "now", COUNT }, { "peak", "peak", COUNT }, { "limit", "limit", LIMIT },
			{ "total", "in all", COUNT }, { "refused", "refused", COUNT } } },
	{ "mails", "mails",
		{ { "accepted", "accepted", COUNT }, { "deferred", "deferred", COUNT }, { "refused", "refused", COUNT },
			{ "lost", "lost", COUNT } } },
	{ "recipients", "recipients",
		{ { "accepted", "accepted", COUNT }, { "deferred", "deferred", COUNT },
			{ "refused", "refused", COUNT } } },
	{ "bodies", "bytes", { { "received", "received", BYTES }, { "delivered", "delivered", BYTES } } },
	{ "probes", "probes",
		{ { "sent", "sent", COUNT }, { "merged", "merged", COUNT }, { "failed", "failed", COUNT } } },
	{ "cache", "cache",
		{ { "hits", "hits", COUNT }, { "misses", "misses", COUNT }, { "entries", "entries", COUNT } } },
	{ "dns", "dns",
		{ { "asked", "asked", COUNT }, { "hits", "known", COUNT }, { "queries", "sent", COUNT },
			{ "failed", "failed", COUNT }, { "timeouts", "too late", COUNT } } },
	{ "records", "records", { { "entries", "entries", COUNT }, { "evicted", "evicted", COUNT } } },
	{ "snapshot", "snapshot",
		{ { "taken", "taken", COUNT }, { "failed", "failed", COUNT }, { "entries", "entries", COUNT },
			{ "bytes", "last", BYTES } } },
	{ "blocks", "blocks", { { "made", "by rules", COUNT }, { "refused", "connections refused", COUNT } } },
	{ "decisions", "decisions",
		{ { "kept", "kept", COUNT }, { "total", "in all", COUNT }, { "memory_bytes", "reserved", BYTES } } },
	{ "replay", "replay", { { "lines", "lines", COUNT }, { "lost", "lost", COUNT } } },
	{ "tls", "tls", { { "handshakes", "handshakes", COUNT }, { "failed", "failed", COUNT } } },
	{ "proxies", NULL, { { "proxy_refused", "refused", COUNT } } },
	{ "policy", NULL,
		{ { "policy_unjudged", "unjudged", COUNT }, { "policy_refused", "refused", COUNT } } },
	{ "memory", "memory",
		{ { "resident_bytes", "resident", BYTES }, { "sessions_bytes", "in sessions", BYTES },
			{ "tables_bytes", "in tables", BYTES }, { "tables_limit_bytes", "table limit", BYTES } } },
	{ "limits", "limits",
		{ { "descriptors", "descriptors", COUNT }, { "sessions_effective", "sessions", COUNT },
			{ "sessions_set", "sessions set", COUNT } } },
	{ "other", NULL,
		{ { "offences", "protocol offences", COUNT }, { "waiting", "waiting now", COUNT },
			{ "open_bodies", "bodies in files", COUNT }, { "log_dropped", "log lines lost", COUNT } } },
};

static void add_field(struct tools_table *t, int64_t v, const char *words, enum kind kind)
{
	char text[TOOLS_UNIT_TEXT];
	if (kind == BYTES)
		tools_table_print(t, "%s %s", tools_size(v, text), words);
	else if (kind == LIMIT && v == 0)
		tools_table_print(t, "no %s", words);
	else
		tools_table_print(t, "%" PRId64 " %s", v, words);
}

static void add_line(struct tools_table *t, const struct stats_line *line, struct ctl_json data)
{
	struct ctl_json object = ctl_json_get(data, line->object);
	if (!object.node)
		return;
	tools_table_print(t, "%s", line->label);
	for (size_t i = 0; i < FIELDS && line->fields[i].key; i++)
		add_field(t, ctl_json_int(object, line->fields[i].key, 0), line->fields[i].words, line->fields[i].kind);
	tools_table_end_row(t);
}

void tools_show_stats(struct ctl_json data, struct tools_out *o)
{
	char up[TOOLS_UNIT_TEXT];
	int64_t workers = ctl_json_int(data, "workers", 0), up_ms;
	if (__builtin_mul_overflow(ctl_json_int(data, "uptime_s", 0), 1000, &up_ms))
		up_ms = 0;
	tools_print(o, "smtpguardd ");
	tools_print_value(o, ctl_json_text(data, "version"), TOOLS_CELL);
	tools_print(o, ", up %s, %" PRId64 " worker%s\n", tools_duration(up_ms, up), workers, workers == 1 ? "" : "s");
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
