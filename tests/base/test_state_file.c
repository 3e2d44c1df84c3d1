#include "tests/base/cmocka_setup.h"

#include "base/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/state-file-XXXXXX";

static const char *in_folder(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned next;
	char *p = path[next++ % 4];
	snprintf(p, PATH_MAX, "%s/%s", folder, name);
	return p;
}

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder, "/tmp/state-file-XXXXXX", sizeof folder);
	return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
	(void)state;
	char command[PATH_MAX];
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static void put(const char *name, const char *text)
{
	FILE *f = fopen(in_folder(name), "w");
	assert_non_null(f);
	assert_true(fputs(text, f) >= 0 && fclose(f) == 0);
}

static void holds(const char *name, const char *text)
{
	char got[100] = "";
	FILE *f = fopen(in_folder(name), "r");
	assert_non_null(f);
	size_t n = fread(got, 1, sizeof got - 1, f);
	fclose(f);
	got[n] = 0;
	assert_string_equal(got, text);
}

static bool exists(const char *name)
{
	struct stat st;
	return lstat(in_folder(name), &st) == 0;
}

static void the_old_file_stays_until_the_new_one_is_whole(void **state)
{
	(void)state;
	struct state_file f;
	struct stat st;
	put("s", "old");
	assert_true(state_file_make(&f, in_folder("s")));
	assert_true(state_file_write(&f, SLICE("n")) && state_file_write(&f, SLICE("ew")));
	holds("s", "old");
	assert_true(state_file_commit(&f));
	holds("s", "new");
	assert_false(exists("s.new"));
	assert_int_equal(stat(in_folder("s"), &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void a_dropped_file_leaves_nothing(void **state)
{
	(void)state;
	struct state_file f;
	put("s", "old");
	assert_true(state_file_make(&f, in_folder("s")) && state_file_write(&f, SLICE("new")));
	state_file_drop(&f);
	holds("s", "old");
	assert_false(exists("s.new"));
}

/* What a killed process left; a link laid there to make us write elsewhere is not followed. */
static void what_lies_at_the_new_name_is_not_written_to(void **state)
{
	(void)state;
	struct state_file f;
	put("s.new", "half");
	assert_true(state_file_make(&f, in_folder("s")) && state_file_write(&f, SLICE("1")) && state_file_commit(&f));
	holds("s", "1");
	put("victim", "mine");
	assert_int_equal(symlink(in_folder("victim"), in_folder("s.new")), 0);
	assert_true(state_file_make(&f, in_folder("s")) && state_file_write(&f, SLICE("2")) && state_file_commit(&f));
	holds("victim", "mine");
	holds("s", "2");
}

static void what_cannot_be_made_says_why(void **state)
{
	(void)state;
	struct state_file f;
	assert_false(state_file_make(&f, in_folder("missing/s")));
	assert_int_equal(errno, ENOENT);
	assert_int_equal(mkdir(in_folder("s.new"), 0700), 0);
	assert_false(state_file_make(&f, in_folder("s")));
	char name[400];
	memset(name, 'x', sizeof name - 1);
	name[sizeof name - 1] = 0;
	assert_false(state_file_make(&f, in_folder(name)));
	assert_int_equal(errno, ENAMETOOLONG);
}

static void a_full_disk_keeps_the_old_file(void **state)
{
	(void)state;
	struct state_file f;
	put("s", "old");
	assert_true(state_file_make(&f, in_folder("s")));
	int full = open("/dev/full", O_WRONLY);
	assert_true(full >= 0 && dup2(full, f.fd) == f.fd);
	close(full);
	assert_false(state_file_write(&f, SLICE("new")));
	assert_int_equal(errno, ENOSPC);
	state_file_drop(&f);
	holds("s", "old");
}

static void refuses(const char *name, uid_t owner, const char *words)
{
	char why[STATE_FILE_WHY] = "";
	assert_int_equal(state_file_open(in_folder(name), owner, why), -1);
	assert_int_not_equal(errno, ENOENT);
	if (!strstr(why, words))
		fail_msg("%s: %s", name, why);
}

static void only_a_file_of_our_own_is_opened(void **state)
{
	(void)state;
	char why[STATE_FILE_WHY];
	put("good", "x");
	assert_int_equal(chmod(in_folder("good"), 0640), 0);
	int fd = state_file_open(in_folder("good"), geteuid(), why);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(state_file_open(in_folder("missing"), geteuid(), why), -1);
	assert_int_equal(errno, ENOENT);
	assert_int_equal(symlink(in_folder("good"), in_folder("link")), 0);
	refuses("link", geteuid(), "symbolic link");
	refuses("", geteuid(), "no regular file");
	assert_int_equal(mkfifo(in_folder("pipe"), 0600), 0);
	refuses("pipe", geteuid(), "no regular file"); /* and does not wait for its writer */
	put("shared", "x");
	assert_int_equal(chmod(in_folder("shared"), 0620), 0);
	refuses("shared", geteuid(), "write");
}

static void a_foreign_file_is_not_opened(void **state)
{
	(void)state;
	put("theirs", "x");
	if (geteuid() == 0)
		assert_int_equal(chown(in_folder("theirs"), 12345, 12345), 0);
	/* root gave it away; another user just asks for somebody else's */
	refuses("theirs", geteuid() + 1, "another user");
}

static void put_aside_moves_the_link_not_its_target(void **state)
{
	(void)state;
	put("target", "x");
	put("s.aside", "older");
	assert_int_equal(symlink(in_folder("target"), in_folder("s")), 0);
	assert_true(state_file_put_aside(in_folder("s")));
	assert_false(exists("s"));
	holds("s.aside", "x");
	holds("target", "x");
	assert_false(state_file_put_aside(in_folder("s")));
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		IN_A_FOLDER(the_old_file_stays_until_the_new_one_is_whole),
		IN_A_FOLDER(a_dropped_file_leaves_nothing),
		IN_A_FOLDER(what_lies_at_the_new_name_is_not_written_to),
		IN_A_FOLDER(what_cannot_be_made_says_why),
		IN_A_FOLDER(a_full_disk_keeps_the_old_file),
		IN_A_FOLDER(only_a_file_of_our_own_is_opened),
		IN_A_FOLDER(a_foreign_file_is_not_opened),
		IN_A_FOLDER(put_aside_moves_the_link_not_its_target),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
