/* maildir:// as a backend of the relay; the Maildir itself is tested in test_maildir.c. */
#include "base/clock.h"
#include "tests/relay/rig.h"

#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;
static char folder[] = "/tmp/relay_localXXXXXX";
static char name[128], path[256];

static void begin(const char *below)
{
	rig_init(&g, NULL);
	snprintf(name, sizeof name, "maildir://%s%s", folder, below);
	const char *why;
	assert_true(relay_target_parse(slice_str(name), &g.targets[0], &why));
	g.config.backends_n = 1;
	rig_start(&g);
}

static int files(const char *below)
{
	snprintf(path, sizeof path, "%s%s", folder, below);
	DIR *d = opendir(path);
	int n = 0;
	assert_non_null(d);
	for (struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n;
}

static void mails_lie_in_new(void **state)
{
	(void)state;
	begin("/box");
	struct relay_done d = rig_check(&g, "192.0.2.1", "any@example.test");
	assert_int_equal(d.code, 250);
	for (int i = 0; i < 5; i++) {
		d = rig_deliver(&g, "192.0.2.1", "any@example.test,other@example.test");
		assert_int_equal(d.code, 250);
		assert_string_equal(d.backend, name);
	}
	assert_int_equal(files("/box/new"), 5);
	assert_int_equal(files("/box/tmp"), 0);
	rig_stop(&g);
}

static void a_client_that_leaves_does_no_harm(void **state)
{
	(void)state;
	begin("/box");
	int before = files("/box/new"), orphans = 0;
	for (int i = 0; i < 20; i++) {
		char body[16]; /* one that is like a mail before would be taken for its retry */
		snprintf(body, sizeof body, "x%d\r\n", i);
		struct relay_mail *m = rig_mail(&g, "192.0.2.1", "a@b.test", "u@example.test", body);
		assert_true(relay_deliver(g.relay, m, clock_mono_ms()));
		if (i % 3)
			rig_turn(&g, 0);
		relay_cancel(g.relay, m->ticket, clock_mono_ms());
		memset(m, 0xee, sizeof *m);
	}
	struct relay_done d;
	for (int i = 0; i < 50; i++)
		for (rig_turn(&g, 5); rig_pop(&g, &d); orphans++)
			assert_true(d.orphan && d.code == 250);
	assert_true(relay_is_idle(g.relay));
	assert_int_equal(files("/box/new") - before, orphans); /* what is on disk has been told */
	rig_stop(&g);
}

static void a_folder_that_cannot_be(void **state)
{
	(void)state;
	snprintf(path, sizeof path, "%s/file", folder);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fclose(f);
	begin("/file/box");
	struct relay_done d = rig_deliver(&g, "192.0.2.1", "any@example.test");
	assert_int_equal(d.code, 451);
	assert_true(slice_starts(slice_of(d.text, d.text_n), SLICE("4.3.2")));
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mails_lie_in_new),
		cmocka_unit_test(a_client_that_leaves_does_no_harm),
		cmocka_unit_test(a_folder_that_cannot_be),
	};
	if (!mkdtemp(folder))
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	snprintf(path, sizeof path, "rm -rf %s", folder);
	return system(path) || failed;
}
