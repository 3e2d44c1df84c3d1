#include "tests/base/cmocka_setup.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/writer.h"

enum { MOST = 64 * 1024, TIME = sizeof "time=2026-11-22T00:51:23.123Z " - 1 };

struct folder {
	char path[200], lines[256], log[256];
};

static int make_folder(void **state)
{
	static struct folder f;
	snprintf(f.path, sizeof f.path, "%s/test_writer.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(f.path))
		return -1;
	snprintf(f.lines, sizeof f.lines, "%s/lines", f.path);
	snprintf(f.log, sizeof f.log, "%s/log", f.path);
	*state = &f;
	return !log_open(&(struct log_config){ .to = f.log, .level = LOG_LEVEL_INFO });
}

static int remove_folder(void **state)
{
	struct folder *f = *state;
	unlink(f->lines);
	unlink(f->log);
	return rmdir(f->path);
}

static struct writer writer(void)
{
	return (struct writer)WRITER_INIT("lines of ours", MOST, WRITER_NOWHERE);
}

static int open_lines(const struct folder *f)
{
	int fd = open(f->lines, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	return fd;
}

static void assert_content(const char *path, const char *wanted)
{
	char text[4096] = "";
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = 0;
	assert_string_equal(text, wanted);
}

static void the_first_line_comes_first_in_each_file(void **state)
{
	struct folder *f = *state;
	struct writer w = writer();
	writer_line(&w, SLICE("nowhere"));
	writer_turn(&w, open_lines(f), SLICE("head"));
	writer_line(&w, SLICE("one"));
	writer_turn(&w, open_lines(f), SLICE("head again"));
	writer_line(&w, SLICE("two"));
	writer_turn(&w, WRITER_NOWHERE, SLICE(""));
	writer_line(&w, SLICE("nowhere"));
	assert_content(f->lines, "head\none\nhead again\ntwo\n");
	assert_true(writer_start(&w));
	writer_turn(&w, open_lines(f), SLICE("the thread's head"));
	writer_stop(&w); /* no line had to come for it */
	assert_content(f->lines, "head\none\nhead again\ntwo\nthe thread's head\n");
	assert_int_equal(writer_lost(&w), 0);
	assert_content(f->log, "");
	writer_release(&w);
}

static const char *without_times(const char *path)
{
	static char text[4096];
	char line[1024];
	FILE *f = fopen(path, "re");
	assert_non_null(f);
	for (*text = 0; fgets(line, sizeof line, f);) {
		assert_true(strlen(line) > TIME && strlen(text) + strlen(line) < sizeof text);
		strcat(text, line + TIME);
	}
	fclose(f);
	return text;
}

static void a_full_disk_is_told_once_and_at_the_end(void **state)
{
	struct folder *f = *state;
	struct writer w = writer();
	int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
	assert_true(full >= 0);
	writer_turn(&w, full, SLICE("head"));
	for (int i = 0; i < 3; i++)
		writer_line(&w, SLICE("line"));
	assert_int_equal(writer_lost(&w), 3);
	assert_true(writer_start(&w));
	writer_line(&w, SLICE("line"));
	for (int i = 0; i < 400 && writer_lost(&w) < 4; i++)
		usleep(5000);
	writer_line(&w, SLICE("line"));
	for (int i = 0; i < 400 && writer_lost(&w) < 5; i++)
		usleep(5000);
	writer_stop(&w);
	assert_int_equal(writer_lost(&w), 5);
	assert_string_equal(without_times(f->log),
		"level=warn msg=\"3 lines of ours were lost: No space left on device\"\n"
		"level=warn msg=\"2 lines of ours were lost: No space left on device\"\n");
	/* the head has waited for a disk that takes it */
	assert_true(dup3(open_lines(f), full, O_CLOEXEC) == full);
	writer_line(&w, SLICE("at last"));
	assert_content(f->lines, "head\nat last\n");
	writer_release(&w);
}

/* A pipe takes a part: the rest is lost, and what comes next begins a line of its own. */
static void a_line_that_was_cut_off_is_ended(void **state)
{
	struct folder *f = *state;
	static char big[300 * 1024], got[600 * 1024];
	struct writer w = WRITER_INIT("lines of ours", sizeof big * 2, WRITER_NOWHERE);
	assert_int_equal(mkfifo(f->lines, 0600), 0);
	int fd = open(f->lines, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	assert_true(fd >= 0);
	memset(big, 'x', sizeof big);
	writer_turn(&w, fd, SLICE(""));
	assert_true(writer_start(&w));
	writer_line(&w, slice_of(big, sizeof big));
	writer_line(&w, SLICE("lost with it"));
	writer_stop(&w); /* does not wait for a reader for ever */
	assert_int_equal(writer_lost(&w), 2);
	ssize_t n = read(fd, got, sizeof got), cut = n;
	assert_in_range(n, 4096, sizeof big - 1);
	writer_line(&w, SLICE("next"));
	n = read(fd, got, sizeof got);
	assert_true(n == 6 && memcmp(got, "\nnext\n", 6) == 0 && cut > 0);
	writer_release(&w);
}

static void what_does_not_fit_is_lost(void **state)
{
	struct folder *f = *state;
	struct writer w = writer();
	static char line[1000];
	memset(line, 'y', sizeof line);
	assert_int_equal(mkfifo(f->lines, 0600), 0);
	int fd = open(f->lines, O_RDWR | O_CLOEXEC | O_NONBLOCK);
	writer_turn(&w, fd, SLICE(""));
	assert_true(writer_start(&w));
	for (int i = 0; i < 1000; i++)
		writer_line(&w, slice_of(line, sizeof line));
	/* the pipe holds 64 KB, 64 KB are on their way, and as much waits */
	assert_in_range(writer_lost(&w), 700, 1000);
	writer_stop(&w);
	assert_in_range(writer_lost(&w), 900, 1000);
	writer_release(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_line_comes_first_in_each_file, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_full_disk_is_told_once_and_at_the_end, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(a_line_that_was_cut_off_is_ended, make_folder, remove_folder),
		cmocka_unit_test_setup_teardown(what_does_not_fit_is_lost, make_folder, remove_folder),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
