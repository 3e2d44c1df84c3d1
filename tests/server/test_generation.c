/* server/generation.h: what is wrong is told with its place, and a reload takes away nothing that works. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/generation.h"
#include "base/mem.h"
#include "tests/net/certs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct certs certs;
static char settings[CERTS_PATH], list[CERTS_PATH];
static const struct generation_needs needs = { .host.hostname = "mx.example.test" };

static void write_file(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

/* What every settings file here begins with: one line. */
static const char HEAD[] =
	"relay = { backends = [\"smtp://127.0.0.1:25\"]; domains = [\"example.test\"]; recipients = [\"backend\"]; }; ";

/* Loads HEAD and `text`; the faults, one a line, without the folder's name, in `told_r`. */
static struct generation *load(const char *text, const struct generation *old, char told_r[2048])
{
	struct settings_faults faults = { 0 };
	char whole[4096];
	struct buf all = { 0 }, one = { 0 };
	(void)snprintf(whole, sizeof whole,
		"%slisteners = ( { name = \"mx\"; address = [\"127.0.0.1:2525\"]; tls = \"%s\"; } );\n%s", HEAD,
		strstr(text, "certificates") ? "starttls" : "off", text);
	write_file(settings, whole);
	struct generation *g = generation_load(settings, &needs, old, &faults);
	for (size_t i = 0; i < faults.count; i++) {
		buf_clear(&one);
		assert_true(settings_fault_format(&faults.items[i], &one));
		struct slice line = buf_slice(&one), folder = slice_str(certs.folder);
		if (slice_starts(line, folder))
			line = slice_skip(line, folder.n + 1);
		assert_true(buf_printf(&all, "%.*s\n", SLICE_ARG(line)));
	}
	(void)snprintf(told_r, 2048, "%.*s", SLICE_ARG(buf_slice(&all)));
	assert_int_equal(g == NULL, faults.errors > 0);
	settings_faults_release(&faults);
	buf_release(&all);
	buf_release(&one);
	return g;
}

/* A refused file, and every word of the refusal. */
static void refused(const char *text, const char *wanted)
{
	char told[2048];
	assert_null(load(text, NULL, told));
	assert_string_equal(told, wanted);
}

static void good_settings_give_all_of_it(void **state)
{
	(void)state;
	char told[2048];
	write_file(list, "# people\ngood@example.test\n");
	struct generation *g = load("lists = { people = \"people.list\"; };\n"
				    "rules = ( { name = \"r\"; when = \"sender in list('people')\"; points = 1; } );\n",
		NULL, told);
	assert_non_null(g);
	assert_string_equal(told, "");
	assert_true(slice_eq(g->hostname, SLICE("mx.example.test")));
	assert_true(slice_eq(g->banner, SLICE("mx.example.test ESMTP SmtpGuard")));
	assert_int_equal(g->lists.n, 1);
	struct score_effort effort = { 0 };
	assert_int_equal(
		score_list_has_name(g->lists.items[0].list, SLICE("good@example.test"), &effort), SCORE_MATCH_YES);
	assert_string_equal(score_rule_name(g->rules, 0), "r");
	assert_true(g->relay.ask_backend);
	assert_int_equal(g->relay.backends_n, 1);
	assert_null(g->tls);
	generation_unref(&g);
	assert_null(g);
}

/* Who holds one may use it for as long as it holds it. */
static void the_last_to_leave_frees_it(void **state)
{
	(void)state;
	char told[2048];
	struct generation *g = load("", NULL, told), *mine = generation_ref(g);
	generation_unref(&g);
	assert_true(slice_eq(mine->hostname, SLICE("mx.example.test")));
	generation_unref(&mine);
}

static void a_bad_rule_has_its_place_and_a_caret(void **state)
{
	(void)state;
	refused("rules = (\n  { name = \"a\"; when = \"tls\"; points = 1; },\n"
		"  { name = \"b\";\n    when = \"tls and sendr == 'x'\"; points = 1; } );\n",
		"smtpguardd.cfg:5: rule \"b\": unknown attribute 'sendr', did you mean 'sender'?\n"
		"smtpguardd.cfg:5:     tls and sendr == 'x'\n"
		"smtpguardd.cfg:5:             ^\n");
}

static void all_bad_rules_are_told_at_once(void **state)
{
	(void)state;
	refused("rules = (\n  { name = \"a\"; when = \"sender in list('no')\"; points = 1; },\n"
		"  { name = \"b\"; when = \"tls\"; points = 1; },\n"
		"  { name = \"c\"; when = \"tls and\"; points = 1; } );\n",
		"smtpguardd.cfg:3: rule \"a\": there is no list 'no' in `lists`\n"
		"smtpguardd.cfg:3:     sender in list('no')\n"
		"smtpguardd.cfg:3:            ^\n"
		"smtpguardd.cfg:5: rule \"c\": the expression ends where a value (attribute, function, number, "
		"'string', address) is wanted\n"
		"smtpguardd.cfg:5:     tls and\n"
		"smtpguardd.cfg:5:            ^\n");
}

static void a_list_that_is_not_there_is_told_where_it_is_named(void **state)
{
	(void)state;
	char told[2048], wanted[512];
	(void)snprintf(wanted, sizeof wanted,
		"smtpguardd.cfg:3: lists.people: %s/none.list cannot be read: No such file or directory\n",
		certs.folder);
	assert_null(load("lists = {\n people = \"none.list\"; };\n", NULL, told));
	assert_string_equal(told, wanted);
}

static void a_folder_is_no_list(void **state)
{
	(void)state;
	char told[2048];
	assert_null(load("lists = { people = \".\"; };\n", NULL, told));
	assert_non_null(strstr(told, "smtpguardd.cfg:2: lists.people: "));
	assert_non_null(strstr(told, "Is a directory"));
}

static void a_bad_line_of_a_list_is_told_there(void **state)
{
	(void)state;
	char told[2048];
	write_file(list, "good@example.test\n192.0.2.0/99\n");
	assert_null(load("lists = { people = \"people.list\"; };\n", NULL, told));
	assert_int_equal(strncmp(told, "people.list:2: ", 15), 0);
}

/* ---- certificates ---- */

#define TLS(cert, key) "tls = { certificates = ( { cert = \"" cert "\"; key = \"" key "\"; } ); };\n"

static void a_bad_certificate_refuses_the_start(void **state)
{
	(void)state;
	char told[2048];
	assert_null(load(TLS("none.pem", "one.test.key"), NULL, told));
	assert_non_null(strstr(told, "none.pem: No such file or directory"));
	assert_null(load(TLS("one.test.pem", "two.test.key"), NULL, told));
	assert_non_null(strstr(told, "two.test.key: key values mismatch"));
	assert_null(strstr(told, "warning"));
}

static void a_bad_certificate_on_a_reload_keeps_the_old(void **state)
{
	(void)state;
	char told[2048];
	struct generation *old = load(TLS("one.test.pem", "one.test.key"), NULL, told);
	assert_non_null(old);
	assert_string_equal(told, "");
	assert_non_null(old->tls);
	struct generation *g = load(TLS("garbage.pem", "one.test.key"), old, told);
	assert_non_null(g);
	assert_non_null(strstr(told, "warning: "));
	assert_non_null(strstr(told, "garbage.pem"));
	assert_non_null(strstr(told, "the certificate in use is kept"));
	assert_ptr_equal(g->tls, old->tls);
	generation_unref(&old); /* the lent context stays */
	struct generation *next = load(TLS("two.test.pem", "two.test.key"), g, told);
	assert_non_null(next);
	assert_string_equal(told, "");
	assert_ptr_not_equal(next->tls, g->tls);
	generation_unref(&g);
	generation_unref(&next);
}

/* ---- memory ---- */

static void memory_that_ends_anywhere_is_no_crash(void **state)
{
	(void)state;
	char told[2048];
	write_file(list, "good@example.test\n192.0.2.0/24\n");
	const char *text = "lists = { people = \"people.list\"; };\n" TLS(
		"one.test.pem", "one.test.key") "rules = ( { name = \"r\"; when = \"sender in list('people') and helo "
						"=~ /x/\"; points = 1; } );\n";
	struct generation *g = load(text, NULL, told);
	assert_non_null(g);
	generation_unref(&g);
	long n = 0, made;
	do {
		struct settings_faults faults = { 0 };
		(void)mem_fail_after(n++);
		g = generation_load(settings, &needs, NULL, &faults);
		made = mem_fail_after(-1);
		if (g)
			assert_int_equal(faults.errors, 0);
		generation_unref(&g);
		settings_faults_release(&faults);
	} while (made >= n && n < 100000);
	assert_in_range(n, 10, 99999);
}

static int set_up(void **state)
{
	(void)state;
	if (!certs_make(&certs))
		return -1;
	(void)snprintf(settings, sizeof settings, "%s/smtpguardd.cfg", certs.folder);
	(void)snprintf(list, sizeof list, "%s/people.list", certs.folder);
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	(void)unlink(settings);
	(void)unlink(list);
	certs_remove(&certs);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(good_settings_give_all_of_it),
		cmocka_unit_test(the_last_to_leave_frees_it),
		cmocka_unit_test(a_bad_rule_has_its_place_and_a_caret),
		cmocka_unit_test(all_bad_rules_are_told_at_once),
		cmocka_unit_test(a_list_that_is_not_there_is_told_where_it_is_named),
		cmocka_unit_test(a_folder_is_no_list),
		cmocka_unit_test(a_bad_line_of_a_list_is_told_there),
		cmocka_unit_test(a_bad_certificate_refuses_the_start),
		cmocka_unit_test(a_bad_certificate_on_a_reload_keeps_the_old),
		cmocka_unit_test(memory_that_ends_anywhere_is_no_crash),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
