/* The real `smtpguardctl replay` on a file: nothing changes under the same rules, exactly the wanted under others. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "ctl/json.h"
#include "rulebook/rulebook.h"
#include "tests/replay/trace.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { RECORDS = 4000 };

static const char BASE[] = "relay = { backends = [\"smtp://127.0.0.1:10025\"]; domains = [\"example.test\"]; "
			   "identity = \"none\"; };\nrules = (\n%s\n);\n";
static const char RULES[] =
	"{ name = \"burst\"; when = \"count(messages by client, 10m) > 2\"; do = \"defer\"; },\n"
	"{ name = \"harvest\"; when = \"count(bad_recipients by client, 10m) > 1\"; charge = 20; },\n"
	"{ name = \"enough\"; when = \"score >= 30\"; do = \"reject\"; }";
static const char OTHERS[] =
	"{ name = \"burst\"; when = \"count(messages by client, 10m) > 4\"; do = \"defer\"; },\n"
	"{ name = \"harvest\"; when = \"count(bad_recipients by client, 10m) > 1\"; charge = 20; },\n"
	"{ name = \"senders\"; when = \"distinct(sender by client, 1h) > 6\"; do = \"wait\"; delay = \"3s\"; },\n"
	"{ name = \"enough\"; when = \"score >= 30\"; do = \"reject\"; }";

static char folder[] = "replay-test-XXXXXX";
static struct trace_world then, now;
static struct settings *settings[2];
static uint64_t changed, tests;

static const char *in_folder(const char *name)
{
	static char paths[4][64];
	static unsigned turn;
	char *path = paths[turn++ % 4];
	(void)snprintf(path, sizeof paths[0], "%s/%s", folder, name);
	return path;
}

static void write_settings(const char *name, const char *rules)
{
	FILE *f = fopen(in_folder(name), "w");
	assert_non_null(f);
	(void)fprintf(f, BASE, rules);
	(void)fclose(f);
}

static struct score_ruleset *compile(const char *name, struct settings **s_r)
{
	struct settings_faults faults = { 0 };
	struct settings_host host = { .hostname = "host.example.test" };
	struct rulebook_lists none = { 0 };
	struct hash_key key = hash_key_random();
	*s_r = settings_load(in_folder(name), &host, &faults);
	assert_non_null(*s_r);
	struct score_ruleset *set = rulebook_compile(*s_r, &none, &key, &faults);
	settings_faults_release(&faults);
	assert_non_null(set);
	return set;
}

static bool same(const struct replay_verdict *a, const struct replay_verdict *b)
{
	return a->now == b->now && a->would == b->would && a->wait_ms == b->wait_ms &&
	       slice_eq(a->now_rule, b->now_rule) && slice_eq(a->would_rule, b->would_rule);
}

static void write_line(FILE *f, const struct replay_record *r)
{
	struct buf line = { 0 };
	assert_true(replay_record_write(r, &line));
	assert_int_equal(fwrite(buf_slice(&line).p, 1, buf_len(&line), f), buf_len(&line));
	buf_release(&line);
}

/* Two files, as after a rotation; one line lost at the very end, one that is none. */
static void write_trace(void)
{
	static struct trace trace;
	static struct replay_record r, other;
	FILE *f = fopen(in_folder("trace.1"), "w");
	assert_non_null(f);
	trace_open(&trace, 12345);
	replay_record_head(&r, then.set, 1);
	write_line(f, &r);
	for (unsigned i = 0; i < RECORDS; i++) {
		trace_next(&trace);
		trace_call(&trace, &then, &r);
		trace_call(&trace, &now, &other);
		changed += r.kind == REPLAY_TEST && !same(&r.verdict, &other.verdict);
		tests += r.kind == REPLAY_TEST;
		write_line(f, &r);
		if (i == RECORDS / 2) {
			(void)fclose(f);
			f = fopen(in_folder("trace"), "w");
			assert_non_null(f);
			replay_record_head(&r, then.set, 1);
			r.seq = ++trace.seq;
			write_line(f, &r);
		}
	}
	(void)fputs("{\"kind\":\"test\",\"seq\":", f);
	(void)fclose(f);
}

/* Runs it and gives the exit code; what it prints goes into `out`. */
static int run(const char *arguments, struct buf *out)
{
	char command[600];
	(void)snprintf(command, sizeof command, "cd %s && %s --json replay %s 2>errors", folder, PROGRAM, arguments);
	FILE *f = popen(command, "r");
	assert_non_null(f);
	size_t n = 1;
	while (n > 0) {
		assert_true(buf_reserve(out, 4096));
		n = fread(out->data + out->end, 1, 4096, f);
		buf_grew(out, n);
	}
	int status = pclose(f);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static struct ctl_json report(const char *arguments, int code, struct ctl_json_doc *doc)
{
	struct buf out = { 0 }, why = { 0 };
	assert_int_equal(run(arguments, &out), code);
	if (!ctl_json_parse(buf_slice(&out), doc, &why))
		fail_msg("%.*s", SLICE_ARG(buf_slice(&out)));
	buf_release(&out);
	return ctl_json_root(doc);
}

static uint64_t sum(struct ctl_json list)
{
	uint64_t n = 0;
	for (size_t i = 0; i < ctl_json_len(list); i++) {
		struct ctl_json one = ctl_json_item(list, i);
		n += (uint64_t)ctl_json_int(one, "count", 0);
		assert_in_range(ctl_json_len(ctl_json_get(one, "examples")), 1, 3);
	}
	return n;
}

static void the_same_rules_change_nothing(void **state)
{
	struct ctl_json_doc doc;
	(void)state;
	struct ctl_json d = report("--check-same --rules old.cfg trace.1 trace", 0, &doc);
	assert_int_equal(ctl_json_int(d, "records", 0), RECORDS + 2);
	assert_int_equal(ctl_json_int(d, "tests", 0), tests);
	assert_int_equal(ctl_json_int(d, "same", 0), tests);
	assert_true(ctl_json_bool(d, "rules_same", false));
	assert_int_equal(ctl_json_int(d, "missing", -1), 0);
	assert_int_equal(ctl_json_int(d, "faults", 0), 1);
	struct ctl_json fault = ctl_json_item(ctl_json_get(d, "fault_lines"), 0);
	assert_true(slice_eq(ctl_json_text(fault, "file"), SLICE("trace")));
	assert_int_equal(ctl_json_int(fault, "line", 0), RECORDS / 2 + 1);
	assert_int_equal(ctl_json_len(ctl_json_get(d, "new_expressions")), 0);
	ctl_json_release(&doc);
}

static void other_rules_change_what_they_change(void **state)
{
	struct ctl_json_doc doc;
	(void)state;
	struct ctl_json d = report("--rules new.cfg --top 5 trace.1 trace", 0, &doc);
	assert_in_range(changed, 20, tests - 20);
	assert_int_equal(ctl_json_int(d, "changed", 0), changed);
	assert_int_equal(ctl_json_int(d, "same", 0), tests - changed);
	assert_false(ctl_json_bool(d, "rules_same", true));
	assert_int_equal(sum(ctl_json_get(d, "by_verdict")), changed);
	assert_int_equal(ctl_json_len(ctl_json_get(d, "by_client")), 5);
	assert_in_range(sum(ctl_json_get(d, "by_client")), 1, changed);
	struct ctl_json fresh = ctl_json_item(ctl_json_get(d, "new_expressions"), 0);
	assert_true(slice_eq(ctl_json_text(fresh, "expression"), SLICE("distinct(sender by client, 1h)")));
	assert_in_range(ctl_json_int(fresh, "reached_before_file", 0), 1, ctl_json_int(fresh, "reads", 0));
	ctl_json_release(&doc);
}

static void a_change_can_be_an_exit_code(void **state)
{
	struct ctl_json_doc doc;
	(void)state;
	(void)report("--check-same --rules new.cfg trace.1 trace", 1, &doc);
	ctl_json_release(&doc);
}

static void a_lost_file_is_a_gap(void **state)
{
	struct ctl_json_doc doc;
	(void)state;
	struct ctl_json d = report("--check-same --rules old.cfg trace", 0, &doc);
	assert_int_equal(ctl_json_int(d, "missing", -1), 0); /* nothing says that there was something before */
	assert_in_range(ctl_json_int(d, "sessions_broken", 0), 1, TRACE_SESSIONS);
	assert_in_range(ctl_json_int(d, "uncertain", 0), 1, ctl_json_int(d, "tests", 0) - 1);
	ctl_json_release(&doc);
}

static void what_cannot_be_done_is_told(void **state)
{
	struct buf out = { 0 };
	(void)state;
	assert_int_equal(run("--rules old.cfg", &out), 2);
	assert_int_equal(run("--rules gone.cfg trace", &out), 1);
	assert_int_equal(run("--rules old.cfg gone", &out), 1);
	assert_int_equal(run("--rules old.cfg old.cfg", &out), 1);
	assert_int_equal(buf_len(&out), 0);
	assert_int_equal(run("--rules old.cfg - <trace", &out), 0);
	buf_release(&out);
}

static int set_up(void **state)
{
	(void)state;
	struct hash_key key = hash_key_random();
	if (!mkdtemp(folder))
		return 1;
	write_settings("old.cfg", RULES);
	write_settings("new.cfg", OTHERS);
	then = (struct trace_world){ .set = compile("old.cfg", &settings[0]),
		.store = score_store_new(16u << 20, &key) };
	now = (struct trace_world){ .set = compile("new.cfg", &settings[1]),
		.store = score_store_new(16u << 20, &key) };
	write_trace();
	return 0;
}

static int tear_down(void **state)
{
	static const char *const files[] = { "old.cfg", "new.cfg", "trace", "trace.1", "errors" };
	(void)state;
	trace_world_close(&then);
	trace_world_close(&now);
	settings_free(&settings[0]);
	settings_free(&settings[1]);
	for (size_t i = 0; i < sizeof files / sizeof *files; i++)
		(void)unlink(in_folder(files[i]));
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest all[] = {
		cmocka_unit_test(the_same_rules_change_nothing),
		cmocka_unit_test(other_rules_change_what_they_change),
		cmocka_unit_test(a_change_can_be_an_exit_code),
		cmocka_unit_test(a_lost_file_is_a_gap),
		cmocka_unit_test(what_cannot_be_done_is_told),
	};
	return cmocka_run_group_tests(all, set_up, tear_down);
}
