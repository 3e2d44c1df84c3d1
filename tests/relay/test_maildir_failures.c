/* Disks that fail: what could not be delivered is told and leaves nothing behind. */
#include "tests/relay/disk.h"
#include "tests/relay/maildir_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

static void a_body_that_is_cut_short_is_not_delivered(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l;
	FILE *body = tmpfile();
	fputs("half\r\n", body);
	fflush(body);
	letter_write(f, &l, SLICE("x\r\n"));
	l.mail.body.fd = fileno(body);
	l.mail.body.fd_size = 100;
	assert_int_equal(letter_deliver(f, &l), EIO);
	assert_string_equal(l.job.step, "read the body");
	assert_int_equal(maildir_files(f, "tmp") + maildir_files(f, "new"), 0);
	fclose(body);
}

static void a_full_disk_is_told_and_leaves_nothing(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l;
	struct rlimit before, small = { 4096, 0 };
	char *big = malloc(200000);
	memset(big, 'x', 200000);
	getrlimit(RLIMIT_FSIZE, &before);
	small.rlim_max = before.rlim_max;
	letter_write(f, &l, slice_of(big, 200000));
	setrlimit(RLIMIT_FSIZE, &small);
	assert_true(relay_maildir_submit(f->m, &l.job));
	maildir_wait(&f->owner);
	setrlimit(RLIMIT_FSIZE, &before);
	assert_int_equal(l.job.error, EFBIG);
	assert_string_equal(l.job.step, "write");
	assert_int_equal(maildir_files(f, "tmp") + maildir_files(f, "new"), 0);
	free(big);
	letter_write(f, &l, SLICE("next\r\n"));
	assert_int_equal(letter_deliver(f, &l), 0);
	letter_assert(f, &l, LETTER_HEAD "next\n");
}

static void assert_failed(struct maildir_rig *f, struct letter *l, const char *step)
{
	assert_int_equal(l->job.error, EIO);
	assert_string_equal(l->job.step, step);
	assert_int_equal(maildir_files(f, "tmp"), 0);
}

static void a_failed_flush_is_told_and_leaves_nothing(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l;
	static const char *const STEPS[] = { "fsync", "fsync of new/" };
	for (int i = 0; i < 2; i++) {
		letter_write(f, &l, SLICE("x\r\n"));
		disk_fail(DISK_FSYNC, i, EIO);
		letter_deliver(f, &l);
		assert_failed(f, &l, STEPS[i]);
		assert_int_equal(maildir_files(f, "new"), 0); /* told to be tried again, so it must not be there */
	}
	letter_write(f, &l, SLICE("x\r\n"));
	assert_int_equal(letter_deliver(f, &l), 0);
	assert_int_equal(maildir_files(f, "new"), 1);
}

/* Three mails that wait while a first one is flushed are one batch; then `left` flushes go well and one fails. */
static void deliver_batch(struct maildir_rig *f, struct letter l[3], int left)
{
	struct letter first;
	letter_write(f, &first, SLICE("x\r\n"));
	disk_hold(DISK_FSYNC, 10000);
	assert_true(relay_maildir_submit(f->m, &first.job));
	disk_await_held();
	for (int i = 0; i < 3; i++) {
		letter_write(f, &l[i], SLICE("x\r\n"));
		assert_true(relay_maildir_submit(f->m, &l[i].job));
	}
	disk_fail(DISK_FSYNC, left, EIO);
	disk_go_on();
	assert_ptr_equal(maildir_wait(&f->owner), &first.job);
	assert_int_equal(first.job.error, 0);
	for (int i = 0; i < 3; i++)
		assert_ptr_equal(maildir_wait(&f->owner), &l[i].job);
}

/* Each mail of a batch has a flush of its own, the last one is for all. The first mail takes two before them. */
static void a_failed_flush_in_a_batch(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l[3];
	deliver_batch(f, l, 2 + 1);
	assert_failed(f, &l[1], "fsync");
	assert_int_equal(l[0].job.error, 0);
	assert_int_equal(l[2].job.error, 0);
	assert_int_equal(maildir_files(f, "new"), 3);
	deliver_batch(f, l, 2 + 3);
	for (int i = 0; i < 3; i++)
		assert_failed(f, &l[i], "fsync of new/");
	assert_int_equal(maildir_files(f, "new"), 3 + 1); /* that batch's first one */
}

static void a_folder_that_vanishes_is_told(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l;
	char from[128], to[128];
	snprintf(from, sizeof from, "%s/new", f->path);
	assert_int_equal(rmdir(from), 0);
	letter_write(f, &l, SLICE("x\r\n"));
	assert_int_equal(letter_deliver(f, &l), ENOENT);
	assert_string_equal(l.job.step, "rename into new/");
	assert_int_equal(maildir_files(f, "tmp"), 0);
	snprintf(to, sizeof to, "%s/tmp", f->path);
	assert_int_equal(rmdir(to), 0);
	letter_write(f, &l, SLICE("x\r\n"));
	assert_int_equal(letter_deliver(f, &l), ENOENT);
	assert_string_equal(l.job.step, "make a file in tmp/");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAILDIR_TEST(a_body_that_is_cut_short_is_not_delivered),
		MAILDIR_TEST(a_full_disk_is_told_and_leaves_nothing),
		MAILDIR_TEST(a_failed_flush_is_told_and_leaves_nothing),
		MAILDIR_TEST(a_failed_flush_in_a_batch),
		MAILDIR_TEST(a_folder_that_vanishes_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
