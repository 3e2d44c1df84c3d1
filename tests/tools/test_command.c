/* The table of commands: arguments, near names, names of later versions. */
#include "tools/command.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static int64_t top_of(int argc, char **argv)
{
	struct ctl_json_doc args = { 0 };
	struct buf error = { 0 };
	bool ok = tools_command_find("sessions")->parse(argc, argv, &args, &error);
	int64_t top = ok ? ctl_json_int(ctl_json_root(&args), "top", 0) : -1;
	assert_int_equal(ok, buf_len(&error) == 0);
	ctl_json_release(&args);
	buf_release(&error);
	return top;
}

static void sessions_takes_top(void **state)
{
	(void)state;
	assert_int_equal(top_of(0, NULL), 100);
	assert_int_equal(top_of(2, (char *[]){ "--top", "7" }), 7);
	assert_int_equal(top_of(1, (char *[]){ "--top=100000" }), 100000);
	assert_int_equal(top_of(1, (char *[]){ "--top" }), -1);
	assert_int_equal(top_of(1, (char *[]){ "--top=" }), -1);
	assert_int_equal(top_of(2, (char *[]){ "--top", "0" }), -1);
	assert_int_equal(top_of(2, (char *[]){ "--top", "-1" }), -1);
	assert_int_equal(top_of(2, (char *[]){ "--top", "100001" }), -1);
	assert_int_equal(top_of(2, (char *[]){ "--top", "99999999999999999999" }), -1);
	assert_int_equal(top_of(1, (char *[]){ "7" }), -1);
}

static void forget_takes_a_recipient(void **state)
{
	(void)state;
	const struct tools_command *c = tools_command_find("forget");
	struct ctl_json_doc args = { 0 };
	struct buf error = { 0 };
	assert_false(c->parse(0, NULL, &args, &error));
	assert_false(c->parse(1, (char *[]){ "" }, &args, &error));
	assert_false(c->parse(2, (char *[]){ "a", "b" }, &args, &error));
	assert_true(c->parse(1, (char *[]){ "\xc3\xbc@x" }, &args, &error));
	assert_true(slice_eq(ctl_json_text(ctl_json_root(&args), "recipient"), SLICE("\xc3\xbc@x")));
	ctl_json_release(&args);
	buf_release(&error);
}

/* The args as JSON, or "-" and no error left out. */
static void assert_args(const char *command, int argc, char **argv, const char *wanted)
{
	struct ctl_json_doc args = { 0 };
	struct buf error = { 0 }, text = { 0 };
	bool ok = tools_command_find(command)->parse(argc, argv, &args, &error);
	assert_int_equal(ok, buf_len(&error) == 0);
	assert_true(!ok || ctl_json_write(ctl_json_root(&args), CTL_JSON_LINE, &text));
	if (!slice_eq(ok ? buf_slice(&text) : SLICE("-"), slice_str(wanted)))
		fail_msg("%s: got %.*s, wanted %s", command, SLICE_ARG(buf_slice(&text)), wanted);
	ctl_json_release(&args);
	buf_release(&error);
	buf_release(&text);
}
#define ARGS(command, wanted, ...)                                                                                     \
	assert_args(command, sizeof((char *[]){ __VA_ARGS__ }) / sizeof(char *), (char *[]){ __VA_ARGS__ }, wanted)

static void questions(void **state)
{
	(void)state;
	ARGS("explain", "{\"id\":\"7F3K9QZ2-1\"}", "7F3K9QZ2-1");
	ARGS("explain", "{\"client\":\"192.0.2.0/24\",\"top\":3}", "--client", "192.0.2.0/24", "--top=3");
	ARGS("explain", "{\"recipient\":\"a@b\"}", "--rcpt=a@b");
	ARGS("explain", "-", "7F3K9QZ2", "--rcpt", "a@b");
	ARGS("explain", "-", "--client");
	ARGS("explain", "-", "--top", "3");
	ARGS("explain", "-", "A", "B");
	ARGS("explain", "-", "");
	assert_args("last", 0, NULL, "{}");
	ARGS("last", "{\"top\":5}", "5");
	ARGS("last", "-", "0");
	ARGS("last", "-", "1001");
	ARGS("test", "{\"client\":\"192.0.2.7\",\"from\":\"<>\"}", "--client", "192.0.2.7", "--from", "<>");
	ARGS("test", "-", "--helo", "x");
	ARGS("list", "{\"kind\":\"net\",\"top\":7}", "--kind", "net", "--top", "7");
	ARGS("list", "-", "net");
	assert_args("rules", 0, NULL, "{}");
	ARGS("rules", "{\"top\":1000}", "--top", "1000");
	ARGS("rules", "-", "--top", "1001");
	ARGS("trace", "{\"client\":\"192.0.2.7\",\"for_s\":300,\"max\":9}", "192.0.2.7", "--for", "5m", "--max=9");
	ARGS("trace", "-", "--for", "5m");
	ARGS("trace", "-", "192.0.2.7", "--max", "0");
	ARGS("show", "{\"key\":\"192.0.2.7\"}", "192.0.2.7");
	ARGS("show", "-", "a", "b");
}

static void orders(void **state)
{
	(void)state;
	ARGS("delete", "{\"key\":\"a@b\"}", "a@b");
	ARGS("delete", "{\"key\":\"a@b\",\"all\":true}", "a@b", "--all");
	ARGS("delete", "-", "--all");
	ARGS("delete", "-", "a@b", "--al");
	ARGS("block", "{\"key\":\"192.0.2.7\",\"for_s\":3600}", "192.0.2.7", "--for", "1h");
	ARGS("block", "{\"for_s\":90,\"key\":\"a@b\",\"reason\":\"bad bot\"}", "--for=90s", "a@b", "--reason",
		"bad bot");
	ARGS("allow", "{\"key\":\"b.test\",\"for_s\":31622400}", "b.test", "--for", "366d");
	ARGS("allow", "-", "b.test", "--for", "367d");
	ARGS("block", "-", "192.0.2.7");
	ARGS("block", "-", "192.0.2.7", "--for", "0s");
	ARGS("block", "-", "192.0.2.7", "--for", "1");
	ARGS("block", "-", "192.0.2.7", "--for", "h");
	ARGS("block", "-", "192.0.2.7", "--for", "1h", "--for", "2h");
	ARGS("block", "-", "192.0.2.7", "--for", "99999999999999999999d");
}

static void assert_near(const char *typed, const char *wanted)
{
	const struct tools_command *c = tools_command_near(typed);
	if ((c == NULL) != (wanted == NULL) || (c && strcmp(c->name, wanted) != 0))
		fail_msg("%s: got %s, wanted %s", typed, c ? c->name : "none", wanted ? wanted : "none");
}

static void near_names(void **state)
{
	(void)state;
	assert_near("stat", "stats");
	assert_near("status", "stats");
	assert_near("session", "sessions");
	assert_near("backends", "backend");
	assert_near("relaod", "reload");
	assert_near("haelth", "health");
	assert_near("conf", "config");
	assert_near("exlain", "explain");
	assert_near("x", NULL);
	assert_near("frobnicate", NULL);
	assert_near("a-command-of-far-more-than-thirty-two-letters", NULL);
}

static void names(void **state)
{
	(void)state;
	assert_null(tools_command_find("Stats"));
	for (size_t i = 0; i < tools_n_commands; i++) {
		assert_ptr_equal(tools_command_find(tools_commands[i].name), &tools_commands[i]);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_takes_top),
		cmocka_unit_test(forget_takes_a_recipient),
		cmocka_unit_test(questions),
		cmocka_unit_test(orders),
		cmocka_unit_test(near_names),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
