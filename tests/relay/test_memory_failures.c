/* Disks that fail under relay.state and the notes beside it: it is said once, the table knows all, and what was said to
 * be on the disk is there for the next start. */
#include "base/mem.h"
#include "tests/relay/disk.h"
#include "tests/relay/memory_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MANY = 4096 + 10 }; /* records; from there on a file is rewritten when half of it is void */

static void reopen(struct relay_memory **m)
{
	relay_memory_free(m);
	*m = memory_opened(10000, NULL);
}

static void an_interrupted_write_goes_on(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(10000, NULL);
	disk_fail(DISK_WRITE, 0, EINTR);
	memory_keep(m, 1, RELAY_STATE_HAS);
	assert_int_equal(disk_work(), 1);
	reopen(&m);
	assert_true(memory_has(m, 1));
	relay_memory_free(&m);
}

static void more_than_is_written_at_once(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(10000, NULL);
	assert_int_equal(memory_save(m, 1, 2500, RELAY_STATE_HAS), 0);
	assert_int_equal(memory_file_size(), RELAY_STATE_HEAD + 2500 * RELAY_STATE_RECORD);
	disk_fail(DISK_WRITE, 1, EIO); /* the second piece */
	assert_int_equal(memory_save(m, 3001, 2500, RELAY_STATE_HAS), EIO);
	assert_int_equal(disk_work(), 1);
	assert_int_equal(memory_file_size(), RELAY_STATE_HEAD + 2500 * RELAY_STATE_RECORD);
	reopen(&m);
	assert_int_equal(relay_memory_count(m), 2500);
	assert_true(memory_has(m, 1) && memory_has(m, 2500) && !memory_has(m, 3001));
	relay_memory_free(&m);
}

static void a_failed_flush_is_told(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(100, NULL);
	memory_log_begin();
	disk_fail_all(DISK_FDATASYNC, EIO);
	assert_int_equal(memory_save(m, 1, 1, RELAY_STATE_HAS), EIO);
	assert_int_equal(memory_save(m, 2, 1, RELAY_STATE_HAS), EIO);
	assert_int_equal(disk_work(), 2);
	memory_keep(m, 3, RELAY_STATE_HAS);
	memory_log_end();
	memory_log_holds("cannot be written: Input/output error", 1);
	memory_log_holds("is written again", 1);
	assert_true(memory_has(m, 1) && memory_has(m, 2) && memory_has(m, 3));
	relay_memory_free(&m);
}

/* What was tried to be written last must not be read behind what is written over it. */
static void a_failed_write_leaves_no_later_word(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(100, NULL);
	disk_fail(DISK_FDATASYNC, 0, EIO);
	assert_int_equal(memory_save(m, 1, 2, RELAY_STATE_HAS), EIO);
	memory_keep(m, 2, RELAY_STATE_FORGET);
	relay_memory_free(&m);
	m = memory_opened(100, NULL);
	assert_true(memory_has(m, 1) && !memory_has(m, 2)); /* and what was not written then is by now */
	relay_memory_free(&m);
}

/* Nor where it cannot be taken back: the next ones go to a file made anew. */
static void a_failed_write_that_stays_is_no_later_word(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(100, NULL);
	disk_fail_all(DISK_UNDO, EIO);
	assert_int_equal(memory_save(m, 1, 2, RELAY_STATE_HAS), EIO);
	assert_int_equal(disk_work(), 2);
	memory_keep(m, 2, RELAY_STATE_FORGET);
	relay_memory_free(&m);
	m = memory_opened(100, NULL);
	assert_true(memory_has(m, 1) && !memory_has(m, 2));
	relay_memory_free(&m);
}

/* Whatever step of the start fails: it is said, and the table works. */
static void a_start_that_fails(void **state)
{
	(void)state;
	static const struct {
		enum disk_call call;
		int after;
		const char *why;
	} STEPS[] = { { DISK_WRITE, 0, "cannot be written: No space" },
		{ DISK_WRITE, 1, "cannot be written: No space" }, { DISK_FSYNC, 0, "cannot be written: No space" },
		{ DISK_FSYNC, 1, "cannot be written: No space" }, { DISK_RENAME, 0, "cannot be written: No space" },
		{ DISK_OPEN, 2, "cannot be written: No space" },
		{ DISK_READ, 0, "not read to its end and not written: No space" },
		{ DISK_READ, 1, "not read to its end and not written: No space" },
		{ DISK_THREAD, 0, "no thread can be started" } };
	for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
		struct relay_memory *m = memory_opened(100, NULL);
		memory_keep(m, 1, RELAY_STATE_HAS);
		relay_memory_free(&m);
		char why[256];
		m = relay_memory_new(100);
		disk_fail(STEPS[i].call, STEPS[i].after, ENOSPC);
		bool open = relay_memory_open(m, memory_path, MEMORY_NOW, why);
		assert_int_equal(disk_work(), 1);
		assert_false(open);
		if (!strstr(why, STEPS[i].why))
			fail_msg("step %zu: it says \"%s\"", i, why);
		memory_keep(m, 2, RELAY_STATE_HAS);
		assert_true(memory_has(m, 2));
		relay_memory_free(&m);
		m = memory_opened(100, NULL); /* what was there before is there for the next start */
		assert_true(memory_has(m, 1) && !memory_has(m, 2));
		relay_memory_free(&m);
	}
}

static void a_damaged_file_that_cannot_be_put_aside(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(100, NULL);
	memory_keep(m, 1, RELAY_STATE_HAS);
	relay_memory_free(&m);
	memory_poke(memory_file_size(), 0);
	assert_int_equal(mkdir(memory_aside, 0700), 0);
	m = memory_opened(100, "damaged: 1 entries before that are kept, the file as it was is written over");
	assert_true(memory_has(m, 1));
	relay_memory_free(&m);
	assert_int_equal(rmdir(memory_aside), 0);
}

/* Half of the file is void from here on; the rewriting that this began has failed at this step. */
static struct relay_memory *half_void(enum disk_call call, int after)
{
	struct relay_memory *m = memory_opened(10000, NULL);
	assert_int_equal(memory_save(m, 1, MANY / 2 + 20, RELAY_STATE_HAS), 0);
	disk_fail(call, after, EIO);
	assert_int_equal(memory_save(m, 1, MANY / 2, RELAY_STATE_FORGET), 0);
	for (int i = 0; i < 5000 && !disk_failed(); i++)
		usleep(1000);
	assert_int_equal(disk_work(), 1);
	return m;
}

/* Whatever step of the rewriting fails, what comes behind it and is said to be on the disk is read by the next start.
 */
static void a_rewriting_that_fails(void **state)
{
	(void)state;
	/* a first write or flush is the appending's; the second flush of DISK_FSYNC is the folder's, when the new file
	 * has taken the old one's place */
	static const struct {
		enum disk_call call;
		int after;
	} STEPS[] = { { DISK_WRITE, 3 }, { DISK_WRITE, 4 }, { DISK_FSYNC, 0 }, { DISK_FSYNC, 1 }, { DISK_RENAME, 0 },
		{ DISK_OPEN, 1 } };
	for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
		memory_log_begin();
		struct relay_memory *m = half_void(STEPS[i].call, STEPS[i].after);
		memory_keep(m, 9001, RELAY_STATE_HAS);
		memory_keep(m, 9002, RELAY_STATE_HAS);
		memory_log_end();
		memory_log_holds("cannot be written: Input/output error", 1);
		memory_log_holds("is written again", 1);
		reopen(&m);
		assert_int_equal(relay_memory_count(m), 22);
		assert_true(memory_has(m, 9001) && memory_has(m, 9002));
		relay_memory_free(&m);
		unlink(memory_path);
	}
}

/* The new file is in place and the writer does not have it, nor can it make another: nothing is said to be on the disk.
 */
static void a_rewriting_that_fails_for_long(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		struct relay_memory *m = half_void(i ? DISK_OPEN : DISK_FSYNC, 1);
		disk_fail_all(DISK_FSYNC, EIO);
		assert_int_equal(memory_save(m, 9001, 1, RELAY_STATE_HAS), EIO);
		assert_int_equal(memory_save(m, 9002, 1, RELAY_STATE_HAS), EIO);
		assert_int_equal(disk_work(), 2);
		assert_true(memory_has(m, 9001));
		memory_keep(m, 9003, RELAY_STATE_HAS); /* now it can, with all that the table knows */
		reopen(&m);
		assert_int_equal(relay_memory_count(m), 23);
		assert_true(memory_has(m, 9001) && memory_has(m, 9002) && memory_has(m, 9003));
		relay_memory_free(&m);
		unlink(memory_path);
	}
}

/* A file that cannot even be appended to is not rewritten; when it can, that is made up for. */
static void a_disk_that_takes_nothing(void **state)
{
	(void)state;
	struct relay_memory *m = half_void(DISK_OPEN, 0);
	off_t before = memory_file_size();
	disk_fail(DISK_FDATASYNC, 0, ENOSPC);
	assert_int_equal(memory_save(m, 9001, 1, RELAY_STATE_HAS), ENOSPC);
	assert_int_equal(disk_work(), 1);
	assert_int_equal(memory_file_size(), before);
	memory_keep(m, 9002, RELAY_STATE_HAS);
	relay_memory_free(&m);
	/* made anew with both, then the second appended */
	assert_int_equal(memory_file_size(), RELAY_STATE_HEAD + 23 * RELAY_STATE_RECORD);
}

/* Nobody has to save anything for it to be tried again, and again. */
static void a_disk_that_comes_back_is_written_to(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(100, NULL);
	memory_keep(m, 1, RELAY_STATE_HAS);
	disk_fail(DISK_FDATASYNC, 0, EIO);
	assert_int_equal(memory_save(m, 2, 1, RELAY_STATE_HAS), EIO);
	disk_fail_all(DISK_FSYNC, EIO);
	for (int i = 0; i < 2000 && !disk_failed(); i++)
		usleep(10000);
	assert_true(disk_work() > 0);
	for (int i = 0; i < 2000 && relay_memory_error(m); i++)
		usleep(10000);
	assert_int_equal(relay_memory_error(m), 0);
	relay_memory_free(&m);
	m = memory_opened(100, NULL);
	assert_true(memory_has(m, 1) && memory_has(m, 2));
	relay_memory_free(&m);
}

static void a_large_file_of_use_is_left_alone(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(10000, NULL);
	disk_fail_all(DISK_RENAME, EIO);
	assert_int_equal(memory_save(m, 1, 5000, RELAY_STATE_HAS), 0);
	memory_keep(m, 5001, RELAY_STATE_HAS);
	relay_memory_free(&m); /* the writer is through */
	assert_int_equal(disk_work(), 0);
	assert_int_equal(memory_file_size(), RELAY_STATE_HEAD + 5001 * RELAY_STATE_RECORD);
}

/* ---- notes ---- */

static void notes_that_cannot_be_opened(void **state)
{
	(void)state;
	static const struct {
		enum disk_call call;
		int after;
	} STEPS[] = { { DISK_OPEN, 2 }, { DISK_MAP, 0 }, { DISK_FSYNC, 0 } };
	for (size_t i = 0; i < sizeof STEPS / sizeof STEPS[0]; i++) {
		char why[256];
		disk_fail(STEPS[i].call, STEPS[i].after, EMFILE);
		struct relay_intents *notes = relay_intents_open(memory_path, 1, why);
		assert_int_equal(disk_work(), 1);
		assert_null(notes);
		assert_string_equal(why, "Too many open files");
	}
	struct relay_intents *notes = memory_open_notes(1);
	relay_intents_close(&notes);
}

/* Whatever stands in the file, a line is made of it. */
static void notes_of_no_time(void **state)
{
	(void)state;
	struct relay_intents *i = memory_open_notes(1);
	static const struct {
		const char *id;
		uint64_t since_s;
	} NOTES[] = { { "AAAA", UINT64_MAX }, { "", 1700000000 } };
	for (int n = 0; n < 2; n++)
		relay_intent_set(relay_intents_of(i, 0) + n, slice_str(NOTES[n].id), "lmtp", NOTES[n].since_s);
	relay_intents_close(&i);
	i = memory_open_notes(1);
	memory_log_holds("mail AAAA: sent whole to lmtp at 1970-01-01T00:00:00", 1);
	memory_log_holds("mail : sent whole to lmtp at 2023-11-14T22:13:20", 1);
	relay_intents_close(&i);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY_TEST(an_interrupted_write_goes_on),
		MEMORY_TEST(more_than_is_written_at_once),
		MEMORY_TEST(a_failed_flush_is_told),
		MEMORY_TEST(a_failed_write_leaves_no_later_word),
		MEMORY_TEST(a_failed_write_that_stays_is_no_later_word),
		MEMORY_TEST(a_start_that_fails),
		MEMORY_TEST(a_damaged_file_that_cannot_be_put_aside),
		MEMORY_TEST(a_rewriting_that_fails),
		MEMORY_TEST(a_rewriting_that_fails_for_long),
		MEMORY_TEST(a_disk_that_takes_nothing),
		MEMORY_TEST(a_disk_that_comes_back_is_written_to),
		MEMORY_TEST(a_large_file_of_use_is_left_alone),
		MEMORY_TEST(notes_that_cannot_be_opened),
		MEMORY_TEST(notes_of_no_time),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
