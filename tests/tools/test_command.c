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
	assert_near("x", NULL);
	assert_near("frobnicate", NULL);
	assert_near("a-command-of-far-more-than-thirty-two-letters", NULL);
}

static void names(void **state)
{
	(void)state;
	assert_null(tools_command_find("list"));
	assert_null(tools_command_find("Stats"));
	assert_true(tools_command_is_later("explain"));
	for (size_t i = 0; i < tools_n_commands; i++) {
		assert_ptr_equal(tools_command_find(tools_commands[i].name), &tools_commands[i]);
		assert_false(tools_command_is_later(tools_commands[i].name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions_takes_top),
		cmocka_unit_test(forget_takes_a_recipient),
		cmocka_unit_test(near_names),
		cmocka_unit_test(names),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
