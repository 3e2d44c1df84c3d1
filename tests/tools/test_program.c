/* smtpguardctl as a whole, against a control server that answers the sample documents. */
#include "program.h"
#include "sample.h"

#include "ctl/server.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char top[64], path[80];
static struct ctl_server *server;
static pthread_t thread;

static bool stats(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)args, (void)error_r;
	return sample_doc("stats", data_r);
}

static bool health(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)args, (void)error_r;
	return sample_doc("health", data_r);
}

static bool sessions(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)error_r;
	return sample_doc(ctl_json_int(args, "top", 0) == 100 ? "sessions" : "sessions_none", data_r);
}

static bool forget(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)error_r;
	bool known = slice_eq(ctl_json_text(args, "recipient"), SLICE("a@x"));
	return sample_doc(known ? "forget" : "forget_not", data_r);
}

static bool reload(void *app, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	(void)app, (void)args, (void)data_r;
	return !buf_put(error_r, SLICE("x.cfg:3: unknown key \"\x1b\"\nx.cfg:9: too large"));
}

static const struct ctl_command commands[] = {
	{ "stats", stats },
	{ "health", health },
	{ "sessions", sessions },
	{ "forget", forget },
	{ "reload", reload },
};

static void *run(void *arg)
{
	ctl_server_run(arg);
	return NULL;
}

static int start(void **state)
{
	(void)state;
	struct buf error = { 0 };
	snprintf(top, sizeof(top), "/tmp/sg_tools_XXXXXX");
	if (!mkdtemp(top))
		return -1;
	snprintf(path, sizeof(path), "%s/control", top);
	struct ctl_server_config c = {
		.path = path, .commands = commands, .n_commands = 5, .uid = (uid_t)-1, .gid = (gid_t)-1
	};
	server = ctl_server_open(&c, &error);
	return server && pthread_create(&thread, NULL, run, server) == 0 ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	ctl_server_stop(server);
	pthread_join(thread, NULL);
	ctl_server_close(&server);
	return rmdir(top);
}

static bool has(const struct buf *b, const char *part)
{
	return memmem(buf_slice(b).p, buf_len(b), part, strlen(part)) != NULL;
}

/* `out` and `err` are parts of what is said there; "" means nothing is. */
static void expect(const char *socket, const char *words, int code, const char *out, const char *err)
{
	struct program p;
	program_run(&p, socket, words);
	bool out_ok = *out ? has(&p.out, out) : buf_len(&p.out) == 0;
	bool err_ok = *err ? has(&p.err, err) : buf_len(&p.err) == 0;
	if (p.code != code || !out_ok || !err_ok)
		fail_msg("%s: exit %d\n%.*s\n%.*s", words, p.code, SLICE_ARG(buf_slice(&p.out)),
			SLICE_ARG(buf_slice(&p.err)));
	program_release(&p);
}

static void done(void **state)
{
	(void)state;
	expect(path, "stats", 0, "smtpguardd 0.1.0, up 1 d 2 h, 2 workers\n", "");
	expect(path, "sessions", 0, "\\x1b[2J\\xff\\x0a", "");
	expect(path, "sessions --top 5", 0, "no session is open\n", "");
	expect(path, "forget a@x", 0, "forgotten\n", "");
	expect(path, "forget -- a@x", 0, "forgotten\n", "");
}

static void json(void **state)
{
	(void)state;
	expect(path, "--json stats", 0, "{\n  \"version\": \"0.1.0\",\n  \"uptime_s\": 93784,", "");
	expect(path, "sessions --json", 0, "\"helo\": \"\\u001B[2J\\u00FF\\n\"", "");
	expect(path, "--json health", 1, "\"status\": \"degraded\"", "");
}

static void not_well_or_not_found(void **state)
{
	(void)state;
	expect(path, "health", 1, "FAULT", "");
	expect(path, "forget b@x", 1, "does not know", "");
	expect(path, "reload", 1, "", "smtpguardctl: x.cfg:3: unknown key \"\\x1b\"\nx.cfg:9: too large\n");
	expect(path, "drain", 1, "", "this server has no command \"drain\"; it has: stats, health");
	expect("/nowhere/control", "stats", 1, "", "is smtpguardd running");
	expect(path, "stats >/dev/full", 1, "", "cannot write to standard output");
}

static void socket_option_goes_before_environment(void **state)
{
	(void)state;
	char words[200];
	snprintf(words, sizeof(words), "--socket %s stats", path);
	expect("/nowhere/control", words, 0, "smtpguardd 0.1.0", "");
	snprintf(words, sizeof(words), "stats --socket=%s", path);
	expect(NULL, words, 0, "smtpguardd 0.1.0", "");
	expect(path, "stats --prometheus", 0, "\nsmtpguard_mails_total{verdict=\"accepted\"} ", "");
	expect(path, "stats --socket=/nowhere/x", 1, "", "/nowhere/x: there is no such socket");
}

static void wrong_usage(void **state)
{
	(void)state;
	expect(path, "", 2, "", "no command");
	expect(path, "--frob stats", 2, "", "unknown option");
	expect(path, "--socket", 2, "", "--socket needs a path");
	expect(path, "stats now", 2, "", "stats takes no arguments");
	expect(path, "sessions --top none", 2, "", "from 1 to 100000");
	expect(path, "forget", 2, "", "forget user@example.test");
	expect(path, "forget 1 2", 2, "", "forget user@example.test");
	expect(path, "relaod", 2, "", "did you mean \"reload\"?");
	expect(path, "trace", 2, "", "trace takes an address or a prefix");
	expect(path, "trace 192.0.2.7", 1, "", "this server has no command \"trace\"");
	expect(path, "\"$(printf 'a\\033b')\"", 2, "", "\"a\\x1bb\"");
}

static void help_and_version(void **state)
{
	(void)state;
	expect(NULL, "--help", 0, "  forget RCPT                                        drop a recipient", "");
	expect(NULL, "sessions --help", 0, "usage: smtpguardctl [--socket PATH] [--json] sessions [--top N]\n", "");
	expect(NULL, "--help stats", 0, "counters and limits", "");
	expect(NULL, "--help frobnicate", 2, "", "unknown command");
	expect(NULL, "--version", 0, "smtpguardctl ", "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(done),
		cmocka_unit_test(json),
		cmocka_unit_test(not_well_or_not_found),
		cmocka_unit_test(socket_option_goes_before_environment),
		cmocka_unit_test(wrong_usage),
		cmocka_unit_test(help_and_version),
	};
	return cmocka_run_group_tests(tests, start, stop);
}
