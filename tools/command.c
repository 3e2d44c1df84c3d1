/* tools/command.c - the table of commands; see tools/command.h */
#include "tools/command.h"

#include "ctl/commands.h"

static bool parse_sessions(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	uint64_t top = CTL_SESSIONS_TOP;
	struct slice value = { 0 };
	if (argc == 2 && strcmp(argv[0], "--top") == 0)
		value = slice_str(argv[1]);
	else if (argc == 1 && slice_starts(slice_str(argv[0]), SLICE("--top=")))
		value = slice_skip(slice_str(argv[0]), strlen("--top="));
	if (argc && (!slice_u64(value, CTL_SESSIONS_TOP_MAX, &top) || top == 0)) {
		(void)!buf_put(error_r, SLICE("sessions takes --top N, with N from 1 to 100000"));
		return false;
	}
	ctl_json_put_count(ctl_json_root_object(args_r), "top", top);
	return true;
}

static bool parse_forget(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	if (argc != 1 || !argv[0][0]) {
		(void)!buf_put(error_r, SLICE("forget takes one recipient, as in: forget user@example.test"));
		return false;
	}
	ctl_json_put_text(ctl_json_root_object(args_r), "recipient", slice_str(argv[0]));
	return true;
}

static bool health_is_ok(struct ctl_json data)
{
	return slice_eq(ctl_json_text(data, "status"), SLICE("ok"));
}

static bool was_forgotten(struct ctl_json data)
{
	return ctl_json_bool(data, "forgotten", false);
}

const struct tools_command tools_commands[] = {
	{ "stats", "", "counters and limits of the running server", "Counters count since the server's start.\n", NULL,
		tools_show_stats, NULL },
	{ "health", "", "is all well? exit code 1 when it is not",
		"ok: all is well. degraded: mail flows, but something needs a look. failing: mail does not\n"
		"flow. Exit code 0 for ok, else 1.\n",
		NULL, tools_show_health, health_is_ok },
	{ "sessions", "[--top N]", "the oldest open sessions",
		"Shows the N (100) oldest open sessions and what they are doing.\n", parse_sessions,
		tools_show_sessions, NULL },
	{ "backend", "", "the backends: state, connections, abilities, last error",
		"delivered and failed count mails since the server's start.\n", NULL, tools_show_backend, NULL },
	{ "forget", "RCPT", "drop a recipient from the recipient cache",
		"The next RCPT for this address is checked at the backend again. Exit code 1 when the cache\n"
		"did not know it.\n",
		parse_forget, tools_show_forget, was_forgotten },
	{ "config", "", "the settings in effect, with defaults",
		"The same form as smtpguardd --dump, but of the running server.\n", NULL, tools_show_config, NULL },
	{ "reload", "", "read settings, rules, lists and certificates again",
		"As signal HUP does. A faulty file changes nothing: its faults are shown, exit code 1. What\n"
		"needs a restart is named and the rest applied.\n",
		NULL, tools_show_reload, NULL },
	{ "drain", "", "stop accepting, let open sessions finish, then end",
		"As signal TERM does: the server ends when the last session has, or after server.drain.\n", NULL,
		tools_show_drain, NULL },
};
const size_t tools_n_commands = sizeof(tools_commands) / sizeof(*tools_commands);

const struct tools_command *tools_command_find(const char *name)
{
	for (size_t i = 0; i < tools_n_commands; i++)
		if (strcmp(tools_commands[i].name, name) == 0)
			return &tools_commands[i];
	return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

enum { TYPED_MAX = 32 };

/* Edit distance (Levenshtein) with one row of memory. Both are at most TYPED_MAX long. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[TYPED_MAX + 1];
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a.p[i - 1] != b.p[j - 1]));
			diagonal = above;
		}
	}
	return row[b.n];
}

const struct tools_command *tools_command_near(const char *typed)
{
	const struct tools_command *best = NULL;
	struct slice t = slice_str(typed);
	size_t best_off = 3;
	if (t.n < 2 || t.n > TYPED_MAX)
		return NULL;
	for (size_t i = 0; i < tools_n_commands; i++) {
		struct slice name = slice_str(tools_commands[i].name);
		bool begins = slice_starts(name, t) || slice_starts(t, name);
		size_t off = begins ? 0 : distance(t, name);
		if (off < best_off) {
			best_off = off;
			best = &tools_commands[i];
		}
	}
	return best;
}

bool tools_command_is_later(const char *name)
{
	static const char *const later[] = { "list", "show", "delete", "block", "allow", "explain", "last", "test",
		"replay", "trace", "top", "snapshot", "lists" };
	for (size_t i = 0; i < sizeof(later) / sizeof(*later); i++)
		if (strcmp(later[i], name) == 0)
			return true;
	return false;
}
