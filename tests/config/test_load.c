/* Files on disk: includes, relative paths, lines in included files; and memory that runs out. */
#include "tests/config/parse.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/mem.h"

static char folder[64];

static const char *in_folder(const char *name)
{
	static char path[128];

	snprintf(path, sizeof path, "%s/%s", folder, name);
	return path;
}

static void write_file(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/sg-config-XXXXXX");
	return mkdtemp(folder) && !mkdir(in_folder("rules.d"), 0700) ? 0 : -1;
}

static int remove_folder(void **state)
{
	static const char *const names[] = { "a.cfg", "rules.d/r.cfg", "rules.d/s.cfg" };

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		unlink(in_folder(names[i]));
	return rmdir(in_folder("rules.d")) || rmdir(folder) ? -1 : 0;
}

static const char MAIN[] = "listeners = ( { tls = \"off\"; } );\n"
			   "lists = { trusted = \"trusted.list\"; far = \"/far.list\"; };\n"
			   "rules = (\n"
			   "@include \"rules.d/r.cfg\"\n"
			   ");\n"
			   "log = { to = \"sg.log\"; };\n";

static void has_line(struct parsed *p, const char *name, const char *rest)
{
	char line[400];

	snprintf(line, sizeof line, "%s/%s%s", folder, name, rest);
	if (!strstr(p->lines.data, line))
		print_error("wants %s, has\n%s", line, p->lines.data);
	assert_non_null(strstr(p->lines.data, line));
}

static void test_include(void **state)
{
	struct parsed p;
	char real[128];

	(void)state;
	write_file("a.cfg", MAIN);
	write_file("rules.d/r.cfg", "# one\n{ name = \"a\";\n  when = \"x\"; do = \"ok\"; }\n");
	p = parse_file(in_folder("a.cfg"));
	assert_string_equal(p.lines.data, "");
	assert_non_null(p.s);
	assert_int_equal(p.s->rules.count, 1);
	assert_int_equal(p.s->rules.items[0].line, 2);
	assert_int_equal(p.s->rules.items[0].when_line, 3);
	assert_string_equal(p.s->rules.items[0].file, in_folder("rules.d/r.cfg"));
	snprintf(real, sizeof real, "%s/trusted.list", folder);
	assert_string_equal(settings_list_path(p.s, SLICE("trusted")), real);
	assert_string_equal(settings_list_path(p.s, SLICE("far")), "/far.list");
	assert_null(settings_list_path(p.s, SLICE("near")));
	assert_string_equal(p.s->log.to, in_folder("sg.log"));
	parsed_free(&p);
}

static void test_lines_in_included(void **state)
{
	struct parsed p;

	(void)state;
	write_file("a.cfg", MAIN);
	write_file("rules.d/r.cfg", "\n{ name = \"a\"; when = \"x\";\n do = \"okay\"; },\n"
				    "{ name = \"b\";\n points = \"1\"; }\n");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "rules.d/r.cfg", ":3: rules[\"a\"].do = \"okay\": one of");
	has_line(&p, "rules.d/r.cfg", ":5: rules[\"b\"].points = \"1\": a number is wanted");
	parsed_free(&p);

	write_file("rules.d/r.cfg", "{ name = \"a\" },\n{ name = \"b\"\n points = 1; when = ; }\n");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "rules.d/r.cfg", ":3: syntax error: often a missing or trailing comma above");
	parsed_free(&p);

	write_file("rules.d/r.cfg", "{ name = \"a\";\n\n percent = 4294967297; }\n");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "rules.d/r.cfg", ":3: the number 4294967297 is too large");
	parsed_free(&p);

	write_file("rules.d/r.cfg", "{ name = \"a\"; when = \"x\"; do = \"ok\"; }\n# no line end");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "rules.d/r.cfg", ":2: an included file may not end within a comment: add a line end");
	parsed_free(&p);

	/* behind an include the lines of the outer file go on */
	write_file("rules.d/r.cfg", "\n\n\n\n\n\n");
	write_file("a.cfg", "rules = (\n@include \"rules.d/r.cfg\"\n);\nlog = {\n lvl = 1; };\n");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "a.cfg", ":5: log.lvl is not a setting");
	parsed_free(&p);
}

static void test_bad_includes(void **state)
{
	struct parsed p;

	(void)state;
	write_file("a.cfg", "\n@include \"none.cfg\"\n");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "a.cfg", ":2: cannot read the included file \"none.cfg\": No such file");
	parsed_free(&p);

	write_file("a.cfg", "@include \"rules.d\"\n");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "a.cfg", ":1: cannot read the included file \"rules.d\"");
	parsed_free(&p);

	write_file("a.cfg", "@include \"a.cfg\"\n@include \"a.cfg\"\n");
	p = parse_file(in_folder("a.cfg"));
	has_line(&p, "a.cfg", ":1: @include goes too deep");
	parsed_free(&p);

	/* a device or pipe would be read without end, or block */
	p = parse_file("/dev/zero");
	assert_string_equal(p.lines.data, "/dev/zero: cannot be read: Invalid argument\n");
	parsed_free(&p);

	p = parse_file(in_folder("not-there.cfg"));
	has_line(&p, "not-there.cfg", ": cannot be read: No such file");
	parsed_free(&p);
	p = parse_file(folder);
	assert_non_null(strstr(p.lines.data, ": cannot be read: "));
	parsed_free(&p);
}

static void test_no_includes_from_memory(void **state)
{
	struct settings_faults faults = { 0 };
	struct settings_host host = { .hostname = "h.example" };

	(void)state;
	assert_null(settings_parse(SLICE("@include \"/etc/hostname\"\n"), "m", NULL, &host, &faults));
	assert_int_equal(faults.count, 1);
	assert_string_equal(faults.items[0].text, "@include is not possible here");
	settings_faults_release(&faults);
	/* paths stay as they are */
	struct settings *s = settings_parse(SLICE("log = { to = \"a.log\"; };"), "m", NULL, &host, &faults);
	assert_non_null(s);
	assert_string_equal(s->log.to, "a.log");
	settings_free(&s);
	settings_faults_release(&faults);
}

static const char FULL[] =
	"listeners = ( { address = [\"127.0.0.1:25\"]; }, { name = \"b\"; address = \"[::1]:25\"; tls = \"off\"; } );\n"
	"relay = { domains = [\"a.example\"]; clients = \"192.0.2.0/24\"; recipients = [\"list:x\", \"none\"]; };\n"
	"lists = { x = \"x.list\"; }; dns_lists = ( { zone = \"z.example\"; } );\n"
	"rules = ( { name = \"a\"; when = \"x\"; do = \"defer\"; reply = \"450 later\"; until = \"2030-01-01\"; } );\n";
static const char FAULTY[] = "limits = { delay = \"1y\"; dealy = 1; };\n"
			     "relay = { identity = \"x\"; connections = 0; };\n"
			     "rules = ( { name = \"a\"; do = \"wait\"; } );\n";

/* Every allocation fails once: no crash, no leak, and never settings that are not whole. */
static void fail_each_allocation(const char *text, bool good)
{
	struct settings_host host = { .hostname = "h.example" };

	for (long n = 0;; n++) {
		struct settings_faults faults = { 0 };
		struct settings *s;
		long made;

		mem_fail_after(n);
		s = settings_parse(slice_str(text), "m", "/etc", &host, &faults);
		made = mem_fail_after(-1);
		assert_int_equal(s != NULL, good && made <= n);
		assert_int_equal(s == NULL, faults.errors > 0);
		settings_free(&s);
		settings_faults_release(&faults);
		if (made <= n)
			return;
		assert_true(n < 2000);
	}
}

static void test_nth_allocation(void **state)
{
	(void)state;
	fail_each_allocation(FULL, true);
	fail_each_allocation(FAULTY, false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_include),	     cmocka_unit_test(test_lines_in_included),
		cmocka_unit_test(test_bad_includes), cmocka_unit_test(test_no_includes_from_memory),
		cmocka_unit_test(test_nth_allocation),
	};

	return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
