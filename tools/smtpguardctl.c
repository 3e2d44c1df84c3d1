/* tools/smtpguardctl.c - what an administrator types
 *
 * smtpguardctl [--socket PATH] [--json] COMMAND [ARGUMENT...]
 * Exit codes: 0 done, 1 failed or not found, 2 wrong usage.
 */
#include "ctl/client.h"
#include "tools/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#ifndef SG_VERSION
#error "SG_VERSION comes from the build"
#endif

enum { EXIT_DONE = 0, EXIT_FAILED = 1, EXIT_USAGE = 2 };
/* A reload reads and checks all files; that is the longest a command takes. */
enum { ANSWER_WITHIN_MS = 30000, ARGS_MAX = 200 };

static const char default_socket[] = "/run/smtpguard/control";

struct typed {
	const char *socket;
	bool json, help, version, other;
	const char *command;
	char *args[ARGS_MAX];
	int n_args;
};

static int usage_error(struct slice sentence)
{
	struct tools_out o = { 0 };
	tools_print(&o, "smtpguardctl: ");
	tools_print_value(&o, sentence, 1000);
	tools_print(&o, "\n");
	fwrite(buf_slice(&o.text).p, 1, buf_len(&o.text), stderr);
	buf_release(&o.text);
	return EXIT_USAGE;
}

static int failed(struct slice lines)
{
	struct tools_out o = { 0 };
	tools_print(&o, "smtpguardctl: ");
	tools_print_lines(&o, lines);
	fwrite(buf_slice(&o.text).p, 1, buf_len(&o.text), stderr);
	buf_release(&o.text);
	return EXIT_FAILED;
}

static int print(struct slice text)
{
	if (fwrite(text.p, 1, text.n, stdout) == text.n && fflush(stdout) == 0)
		return EXIT_DONE;
	return failed(SLICE("cannot write to standard output"));
}

/* ---- what was typed ---- */

/* Options of ours are taken wherever they stand; the rest is the command and its arguments. */
static bool take_option(struct typed *t, int argc, char **argv, int *i)
{
	struct slice arg = slice_str(argv[*i]);
	if (slice_eq(arg, SLICE("--json")))
		t->json = true;
	else if (slice_eq(arg, SLICE("--help")) || slice_eq(arg, SLICE("-h")))
		t->help = true;
	else if (slice_eq(arg, SLICE("--version")))
		t->version = true;
	else if (slice_starts(arg, SLICE("--socket=")))
		t->socket = argv[*i] + strlen("--socket=");
	else if (slice_eq(arg, SLICE("--socket")) && *i + 1 < argc)
		t->socket = argv[++*i];
	else
		return false;
	return true;
}

/* EXIT_DONE, or EXIT_USAGE and the fault is told. */
static int read_args(int argc, char **argv, struct typed *t)
{
	bool options = true;
	for (int i = 1; i < argc; i++) {
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && take_option(t, argc, argv, &i))
			continue;
		else if (!t->command && options && argv[i][0] == '-')
			return usage_error(
				strcmp(argv[i], "--socket") == 0
					? SLICE("--socket needs a path")
					: SLICE("unknown option; smtpguardctl --help shows those there are"));
		else if (!t->command)
			t->command = argv[i];
		else if (t->n_args == ARGS_MAX)
			return usage_error(SLICE("too many arguments"));
		else
			t->args[t->n_args++] = argv[i];
	}
	return EXIT_DONE;
}

static const char *socket_path(const struct typed *t)
{
	const char *env = getenv("SMTPGUARD_CONTROL");
	if (t->socket)
		return t->socket;
	return env && *env ? env : default_socket;
}

/* ---- help ---- */

static int help(void)
{
	struct tools_out o = { 0 };
	struct tools_table t = { .columns = 2 };
	tools_print(&o, "usage: smtpguardctl [--socket PATH] [--json] COMMAND [ARGUMENT...]\n\ncommands:\n");
	for (size_t i = 0; i < tools_n_commands; i++) {
		const struct tools_command *c = &tools_commands[i];
		tools_table_print(&t, "%s%s%s", c->name, *c->usage ? " " : "", c->usage);
		tools_table_print(&t, "%s", c->summary);
	}
	tools_table_write(&t, "  ", &o);
	tools_print(&o,
		"\noptions:\n"
		"  --socket PATH   the server's control socket (server.control); default: $SMTPGUARD_CONTROL,\n"
		"                  else %s\n"
		"  --json          the answer as JSON\n"
		"  --help          this text; behind a command: more about it\n"
		"  --version\n\n"
		"exit code: 0 done, 1 failed or not found, 2 wrong usage\n",
		default_socket);
	int rc = print(buf_slice(&o.text));
	buf_release(&o.text);
	return rc;
}

static int help_of(const struct tools_command *c)
{
	struct tools_out o = { 0 };
	tools_print(&o, "usage: smtpguardctl [--socket PATH] [--json] %s%s%s\n\n%s.\n", c->name, *c->usage ? " " : "",
		c->usage, c->summary);
	tools_print(&o, "%s", c->help);
	int rc = print(buf_slice(&o.text));
	buf_release(&o.text);
	return rc;
}

static int unknown(const char *typed)
{
	const struct tools_command *near = tools_command_near(typed);
	struct buf b = { 0 };
	bool told;
	if (near)
		told = buf_printf(&b, "unknown command \"%s\"; did you mean \"%s\"?", typed, near->name);
	else
		told = buf_printf(&b, "unknown command \"%s\"; smtpguardctl --help shows those there are", typed);
	int rc = usage_error(told ? buf_slice(&b) : SLICE("unknown command"));
	buf_release(&b);
	return rc;
}

/* ---- asking ---- */

static int show(const struct tools_command *c, struct ctl_json data, const struct typed *t)
{
	struct tools_out o = { 0 };
	if (t->json)
		o.failed = !ctl_json_write(data, CTL_JSON_INDENTED, &o.text) || !buf_put(&o.text, SLICE("\n"));
	else if (t->other)
		c->show_other(data, &o);
	else
		c->show(data, &o);
	int rc = o.failed ? failed(SLICE("not enough memory to show the answer")) : print(buf_slice(&o.text));
	buf_release(&o.text);
	if (rc == EXIT_DONE && c->good && !c->good(data))
		rc = EXIT_FAILED;
	return rc;
}

/* What takes long is asked for again: ctl/commands.h, "pending". */
enum { PENDING_MS = 200, PENDING_MAX = 300 };

static bool is_pending(const struct ctl_answer *answer)
{
	return answer->ok && ctl_json_bool(answer->data, "pending", false);
}

static enum ctl_client_result question(const struct tools_command *c, const struct typed *t, struct ctl_json_doc *args,
	struct ctl_answer *answer_r, struct buf *error_r)
{
	return ctl_client_ask(socket_path(t), c->name, args, ANSWER_WITHIN_MS, answer_r, error_r);
}

static int ask(const struct tools_command *c, const struct typed *t, struct ctl_json_doc *args)
{
	struct ctl_answer answer;
	struct buf error = { 0 };
	int rc;
	enum ctl_client_result got = question(c, t, args, &answer, &error);
	for (int n = 0; n < PENDING_MAX && got == CTL_CLIENT_ANSWERED && is_pending(&answer); n++) {
		ctl_json_put_int(ctl_json_root_object(args), "test", ctl_json_int(answer.data, "test", 0));
		ctl_answer_release(&answer);
		nanosleep(&(struct timespec){ .tv_nsec = PENDING_MS * 1000000L }, NULL);
		got = question(c, t, args, &answer, &error);
	}
	if (got == CTL_CLIENT_FAILED)
		rc = failed(buf_slice(&error));
	else if (is_pending(&answer))
		rc = failed(SLICE("the server is still at it; ask again"));
	else if (!answer.ok)
		rc = failed(answer.error);
	else
		rc = show(c, answer.data, t);
	ctl_answer_release(&answer);
	buf_release(&error);
	return rc;
}

static int go_on(const struct tools_command *c, const struct typed *t, struct ctl_json_doc *args)
{
	const struct tools_live live = { .socket = socket_path(t), .json = t->json };
	struct buf error = { 0 };
	int rc = c->live(&live, args, &error) ? EXIT_DONE : failed(buf_slice(&error));
	buf_release(&error);
	return rc;
}

/* The option for the command's other form is ours, not the server's. */
static void take_other(const struct tools_command *c, struct typed *t)
{
	t->other = c->other && t->n_args == 1 && strcmp(t->args[0], c->other) == 0;
	t->n_args -= t->other;
}

static int run(const struct tools_command *c, struct typed *t)
{
	struct ctl_json_doc args = { 0 };
	struct buf error = { 0 };
	int rc;
	take_other(c, t);
	if (!c->parse && t->n_args)
		(void)!buf_printf(&error, "%s takes no arguments", c->name);
	else if (c->parse)
		(void)!c->parse(t->n_args, t->args, &args, &error);
	if (buf_len(&error))
		rc = usage_error(buf_slice(&error));
	else
		rc = c->live ? go_on(c, t, &args) : ask(c, t, &args);
	ctl_json_release(&args);
	buf_release(&error);
	return rc;
}

/* Of one word, or of two. */
static const struct tools_command *find(struct typed *t)
{
	char both[64];
	const struct tools_command *c = NULL;
	if (t->n_args && snprintf(both, sizeof both, "%s %s", t->command, t->args[0]) < (int)sizeof both)
		c = tools_command_find(both);
	if (!c)
		return tools_command_find(t->command);
	t->n_args--;
	memmove(t->args, t->args + 1, (size_t)t->n_args * sizeof *t->args);
	return c;
}

int main(int argc, char **argv)
{
	struct typed t = { 0 };
	if (read_args(argc, argv, &t) != EXIT_DONE)
		return EXIT_USAGE;
	if (t.version)
		return print(SLICE("smtpguardctl " SG_VERSION "\n"));
	if (t.help && !t.command)
		return help();
	if (!t.command)
		return usage_error(SLICE("no command; smtpguardctl --help shows those there are"));
	const struct tools_command *c = find(&t);
	if (!c)
		return unknown(t.command);
	return t.help ? help_of(c) : run(c, &t);
}
