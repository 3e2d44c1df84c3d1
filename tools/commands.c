/* tools/commands.c - the table of commands; see tools/command.h */
#include "ctl/commands.h"
#include "tools/args.h"
#include "tools/command.h"

/* ---- arguments ---- */

#define READ(usage, ...)                                                                                               \
	tools_args_read((const struct tools_arg[]){ __VA_ARGS__ },                                                     \
		sizeof((const struct tools_arg[]){ __VA_ARGS__ }) / sizeof(struct tools_arg), argc, argv, usage,       \
		args_r, error_r)

static bool parse_sessions(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	TRY(READ("sessions takes --top N, with N from 1 to 100000",
		{ "--top", "top", TOOLS_ARG_COUNT, CTL_SESSIONS_TOP_MAX, false }));
	if (argc == 0)
		ctl_json_put_count(ctl_json_root(args_r), "top", CTL_SESSIONS_TOP);
	return true;
}

static bool parse_forget(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("forget takes one recipient, as in: forget user@example.test",
		{ NULL, "recipient", TOOLS_ARG_TEXT, 0, true });
}

static bool parse_explain(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	TRY(READ("explain takes an id, --client C or --rcpt R, and --top N (1 to 1000)",
		{ NULL, "id", TOOLS_ARG_TEXT, 0, false }, { "--client", "client", TOOLS_ARG_TEXT, 0, false },
		{ "--rcpt", "recipient", TOOLS_ARG_TEXT, 0, false },
		{ "--top", "top", TOOLS_ARG_COUNT, CTL_DECISIONS_TOP_MAX, false }));
	struct ctl_json args = ctl_json_root(args_r);
	int n = !!ctl_json_text(args, "id").n + !!ctl_json_text(args, "client").n +
		!!ctl_json_text(args, "recipient").n;
	if (n != 1)
		(void)!buf_put(error_r, SLICE("explain takes one of: an id, --client C, --rcpt R"));
	return n == 1;
}

static bool parse_last(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("last takes a number from 1 to 1000, as in: last 20",
		{ NULL, "top", TOOLS_ARG_COUNT, CTL_DECISIONS_TOP_MAX, false });
}

static bool parse_test(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("test takes --client IP, and may take --rdns NAME, --helo H, --from A (\"<>\" for the null "
		    "sender), --rcpt A",
		{ "--client", "client", TOOLS_ARG_TEXT, 0, true }, { "--rdns", "rdns", TOOLS_ARG_TEXT, 0, false },
		{ "--helo", "helo", TOOLS_ARG_TEXT, 0, false }, { "--from", "from", TOOLS_ARG_TEXT, 0, false },
		{ "--rcpt", "recipient", TOOLS_ARG_TEXT, 0, false });
}

static bool parse_list(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("list takes --kind K and --top N, with N from 1 to 10000",
		{ "--kind", "kind", TOOLS_ARG_TEXT, 0, false },
		{ "--top", "top", TOOLS_ARG_COUNT, CTL_LIST_TOP_MAX, false });
}

static bool parse_rules(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("rules takes --top N, with N from 1 to 1000",
		{ "--top", "top", TOOLS_ARG_COUNT, CTL_RULES_TOP_MAX, false });
}

static bool parse_trace(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("trace takes an address or a prefix, and may take --for and --max, as in: trace 192.0.2.7 --for 5m",
		{ NULL, "client", TOOLS_ARG_TEXT, 0, true },
		{ "--for", "for_s", TOOLS_ARG_DURATION, CTL_HOLD_MAX_S, false },
		{ "--max", "max", TOOLS_ARG_COUNT, INT32_MAX, false });
}

static bool parse_top(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("top takes --every 2s (1s to 1h), --panel P and --once",
		{ "--every", "every_s", TOOLS_ARG_DURATION, 3600, false },
		{ "--panel", "panel", TOOLS_ARG_TEXT, 0, false }, { "--once", "once", TOOLS_ARG_FLAG, 0, false });
}

static bool parse_show(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("show takes one key: an address, a prefix, user@domain, a domain or a user",
		{ NULL, "key", TOOLS_ARG_TEXT, 0, true });
}

static bool parse_delete(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("delete takes one key, and may take --all", { NULL, "key", TOOLS_ARG_TEXT, 0, true },
		{ "--all", "all", TOOLS_ARG_FLAG, 0, false });
}

static bool parse_hold(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("block and allow take a key, --for with a time from 1s to 366d, and may take --reason, as in: "
		    "block 192.0.2.7 --for 1h --reason \"dictionary attack\"",
		{ NULL, "key", TOOLS_ARG_TEXT, 0, true },
		{ "--for", "for_s", TOOLS_ARG_DURATION, CTL_HOLD_MAX_S, true },
		{ "--reason", "reason", TOOLS_ARG_TEXT, 0, false });
}

static bool parse_replay(int argc, char **argv, struct ctl_json_doc *args_r, struct buf *error_r)
{
	return READ("replay takes --rules FILE.cfg and the files of log.replay, the oldest first, and may take "
		    "--top N, --quiet, --check-same, as in: replay --rules new.cfg /var/log/smtpguard/replay.json",
		{ "--rules", "rules", TOOLS_ARG_TEXT, 0, true }, { NULL, "files", TOOLS_ARG_TEXTS, 0, true },
		{ "--top", "top", TOOLS_ARG_COUNT, CTL_LIST_TOP_MAX, false },
		{ "--quiet", "quiet", TOOLS_ARG_FLAG, 0, false },
		{ "--check-same", "check_same", TOOLS_ARG_FLAG, 0, false });
}

/* ---- did it go well? ---- */

static bool health_is_ok(struct ctl_json data)
{
	return slice_eq(ctl_json_text(data, "status"), SLICE("ok"));
}

static bool was_forgotten(struct ctl_json data)
{
	return ctl_json_bool(data, "forgotten", false);
}

static bool has_decisions(struct ctl_json data)
{
	return ctl_json_len(ctl_json_get(data, "decisions")) > 0;
}

static bool has_entries(struct ctl_json data)
{
	return ctl_json_len(ctl_json_get(data, "entries")) > 0;
}

static bool needs_no_change(struct ctl_json data)
{
	return ctl_json_bool(data, "good", false);
}

static bool was_deleted(struct ctl_json data)
{
	return ctl_json_int(data, "deleted", 0) > 0;
}

/* ---- the table ---- */

const struct tools_command tools_commands[] = {
	{ "stats", "[--prometheus]", "counters and limits of the running server",
		"Counters count since the server's start. With --prometheus in the text form that Prometheus\n"
		"scrapes; docs/METRICS.md has the names.\n",
		NULL, tools_show_stats, NULL, "--prometheus", tools_show_prometheus, NULL },
	{ "health", "", "is all well? exit code 1 when it is not",
		"ok: all is well. degraded: mail flows, but something needs a look. failing: mail does not\n"
		"flow. Exit code 0 for ok, else 1.\n",
		NULL, tools_show_health, health_is_ok, NULL, NULL, NULL },
	{ "sessions", "[--top N]", "the oldest open sessions",
		"Shows the N (100) oldest open sessions and what they are doing.\n", parse_sessions,
		tools_show_sessions, NULL, NULL, NULL, NULL },
	{ "explain", "ID | --client C | --rcpt R [--top N]", "why a mail was accepted, deferred or refused",
		"ID is what the reply says (id ...); C an address or a prefix; R a recipient. Shows the N (10)\n"
		"newest decisions: each rule that fired, when, what it read then, and what came of it. Exit\n"
		"code 1 when nothing of it is in memory (log.decisions); the journal has it then.\n",
		parse_explain, tools_show_explain, has_decisions, NULL, NULL, NULL },
	{ "last", "[N]", "the last N (10) decisions, a line each", "The newest first; explain ID tells more.\n",
		parse_last, tools_show_last, NULL, NULL, NULL, NULL },
	{ "top", "[--every 2s] [--panel P] [--once]", "a live screen: sessions, who is heaviest, rules",
		"P: sessions, clients (first), nets, senders, rules, blocks. Heaviest is by mails, and sessions\n"
		"without one, among the last 500 that log.decisions keeps, or by open sessions, points, refusals\n"
		"(key s). Keys: arrows, Enter tells about an entry, b blocks, a allows, d deletes it, ? help,\n"
		"q quit. --once prints one screen as text, of COLUMNS x LINES.\n",
		parse_top, tools_show_stats, NULL, NULL, NULL, tools_top },
	{ "trace", "CLIENT [--for 5m] [--max N]", "what the sessions of a client say and hear, live",
		"CLIENT is an address or a prefix. Each line has its time and its session: C: what the client\n"
		"says, S: what it hears, -- the rest: connect, TLS, DNS, rules that fired, verdicts, the backend's\n"
		"replies, the end. Sessions that are open already are joined. What belongs to AUTH, and bodies,\n"
		"are left out; within TLS the plain text is shown. Ends with Ctrl-C, after --for, or after N lines.\n"
		"With --json one object a line. Nothing is written anywhere.\n",
		parse_trace, tools_show_trace, NULL, NULL, NULL, tools_trace },
	{ "test", "--client IP [--helo H] [--from A] [--rcpt A]", "which rules would fire; changes nothing",
		"Judges as the server would now, with the records and counters as they are. Nothing is counted,\n"
		"charged, blocked or greylisted. What the rules want to know of the DNS is looked up, and shown with\n"
		"its answer and time: dns.timeout at most for each stage. With --rdns NAME that is the client's\n"
		"confirmed name, and not looked up. Stages for which something is not given are left out.\n",
		parse_test, tools_show_test, NULL, NULL, NULL, NULL },
	{ "list", "[--kind K] [--top N]", "the records with the most points; blocks with --kind block",
		"K: client, net, sender, sender.domain, recipient, recipient.domain, auth.user, identity,\n"
		"block for blocks and allowances, or greylist. N is 20 unless given.\n",
		parse_list, tools_show_list, NULL, NULL, NULL, NULL },
	{ "show", "KEY", "all that is remembered of a client, a net, a mail address, a domain",
		"What KEY is, is seen from its form. Exit code 1 when nothing is known of it.\n", parse_show,
		tools_show_show, has_entries, NULL, NULL, NULL },
	{ "delete", "KEY [--all]", "forget a record",
		"Forgets the record, not a block, allowance, greylisting or known-good state, unless --all. Exit\n"
		"code 1 when nothing was known of it.\n",
		parse_delete, tools_show_delete, was_deleted, NULL, NULL, NULL },
	{ "block", "KEY --for 1h [--reason R]", "refuse a client, a net, a mail address, a domain",
		"New connections of a blocked client or net get 421; mail of a blocked address or domain is\n"
		"refused. Holds for the time given, 1s to 366d, also over a restart.\n",
		parse_hold, tools_show_block, NULL, NULL, NULL, NULL },
	{ "allow", "KEY --for 1d [--reason R]", "let through, above all rules, for a while",
		"An ok above all rules; lifts a block of the same key.\n", parse_hold, tools_show_allow, NULL, NULL,
		NULL, NULL },
	{ "rules", "[--top N]", "how often each rule fired, and what came of it",
		"In the order of the settings; with --top the N that fired most. FIRED counts sessions, mails or\n"
		"recipients that the rule was true for, OBSERVED the same in state observe, DECIDED clients that\n"
		"were refused, deferred, blocked or made to wait by it; POINTS and CHARGED what it gave. All since\n"
		"the start of the server; a reload keeps them for rules of the same name.\n",
		parse_rules, tools_show_rules, NULL, NULL, NULL, NULL },
	{ "lists", "", "the lists that rules read: entries, memory, files", "Read again by reload.\n", NULL,
		tools_show_lists, NULL, NULL, NULL, NULL },
	{ "snapshot", "", "write all that is remembered to score.snapshot now", "Waits until it is written.\n", NULL,
		tools_show_snapshot, NULL, NULL, NULL, NULL },
	{ "replay", "--rules NEW.cfg FILE...", "what other rules would have said to recorded traffic",
		"FILE is what the server wrote to log.replay; several are read in the order given, rotated ones\n"
		"the oldest first, - is standard input. Each test of then is made again with the rules of\n"
		"NEW.cfg (a whole settings file): an expression that was read then has its value of then, a new\n"
		"one what its counters hold since the file began; records differ by what was charged\n"
		"differently. Shows which verdicts changed, by verdict, rule and client (the 10 most, or --top N).\n"
		"No server is asked; --quiet shows no progress. Exit code 0 when it ran, changes or not; with\n"
		"--check-same 1 when one changed.\n",
		parse_replay, tools_show_replay, NULL, NULL, NULL, tools_replay },
	{ "backend", "", "the backends: state, connections, abilities, last error",
		"delivered and failed count mails since the server's start.\n", NULL, tools_show_backend, NULL, NULL,
		NULL, NULL },
	{ "backend test", "", "asks each backend what it offers, and says what to change",
		"The server itself asks, as its settings are now: greeting, EHLO, TLS, whether the client can be\n"
		"told and more than one on a connection, whether it relays for a stranger, what it says of an\n"
		"unknown recipient, how it bears refusals. No mail is sent; the strangers in its log are 192.0.2.1\n"
		"and 198.51.100.1. Takes seconds, 30 at most. Exit code 1 when something should be changed.\n",
		NULL, tools_show_backend_test, needs_no_change, NULL, NULL, NULL },
	{ "forget", "RCPT", "drop a recipient from the recipient cache",
		"The next RCPT for this address is checked at the backend again. Exit code 1 when the cache\n"
		"did not know it.\n",
		parse_forget, tools_show_forget, was_forgotten, NULL, NULL, NULL },
	{ "config", "", "the settings in effect, with defaults",
		"The same form as smtpguardd --dump, but of the running server.\n", NULL, tools_show_config, NULL, NULL,
		NULL, NULL },
	{ "reload", "", "read settings, rules, lists and certificates again",
		"As signal HUP does. A faulty file changes nothing: its faults are shown, exit code 1. What\n"
		"needs a restart is named and the rest applied.\n",
		NULL, tools_show_reload, NULL, NULL, NULL, NULL },
	{ "drain", "", "stop accepting, let open sessions finish, then end",
		"As signal TERM does: the server ends when the last session has, or after server.drain.\n", NULL,
		tools_show_drain, NULL, NULL, NULL, NULL },
};
const size_t tools_n_commands = sizeof(tools_commands) / sizeof(*tools_commands);
