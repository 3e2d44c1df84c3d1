#include "tests/base/cmocka_setup.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "score/snapshot_form.h"
#include "server/keeper.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MB = 1 << 20, HOUR = 3600000, NEVER = 7 * 24 * HOUR, LONG_MS = 60000 };
static const struct hash_key secret = { 21, 22 };
static char folder[] = "/tmp/keeper-test-XXXXXX";
static char path[PATH_MAX], aside[PATH_MAX];

static int make_folder(void **state)
{
	(void)state;
	memcpy(folder, "/tmp/keeper-test-XXXXXX", sizeof folder);
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/s", folder);
	snprintf(aside, sizeof aside, "%s/s.aside", folder);
	return 0;
}

static int remove_folder(void **state)
{
	(void)state;
	char command[PATH_MAX];
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

/* --- a store, its keeper --- */

struct kept {
	struct score_store *store;
	struct keeper *keeper;
};

static struct kept begin(uint64_t memory, uint64_t every_ms)
{
	struct hash_key key;
	if (!keeper_read_key(path, geteuid(), &key))
		key = secret;
	struct kept k = { .store = score_store_new(memory, &key) };
	assert_non_null(k.store);
	k.keeper = keeper_new(k.store, path, every_ms);
	assert_non_null(k.keeper);
	keeper_restore(k.keeper);
	return k;
}

static void end(struct kept *k)
{
	keeper_free(&k->keeper);
	score_store_free(&k->store);
}

static struct keeper_info info_of(const struct kept *k)
{
	struct keeper_info i;
	keeper_info(k->keeper, &i);
	return i;
}

static struct score_key numbered(const struct score_store *s, unsigned n)
{
	char text[24];
	snprintf(text, sizeof text, "k%u", n);
	return score_key_text(s, SCORE_KEY_SENDER, slice_str(text));
}

static void charge(struct score_store *s, unsigned many)
{
	for (unsigned i = 0; i < many; i++) {
		struct score_key k = numbered(s, i);
		score_record_charge(s, &k, 80, HOUR, i, clock_wall_ms());
	}
}

static unsigned charged(struct score_store *s, unsigned many)
{
	unsigned n = 0;
	for (unsigned i = 0; i < many; i++) {
		struct score_key k = numbered(s, i);
		n += score_record_get(s, &k, HOUR, clock_wall_ms()).points > 70;
	}
	return n;
}

/* A file with so many records. */
static void write_snapshot(unsigned many)
{
	struct kept k = begin(4 * MB, NEVER);
	charge(k.store, many);
	assert_true(keeper_start(k.keeper));
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_WRITTEN);
	assert_true(keeper_stop(k.keeper));
	end(&k);
}

static bool exists(const char *p)
{
	struct stat st;
	return lstat(p, &st) == 0;
}

static void what_was_written_is_restored(void **state)
{
	(void)state;
	write_snapshot(100);
	struct kept k = begin(4 * MB, NEVER);
	assert_int_equal(charged(k.store, 200), 100);
	assert_int_equal(info_of(&k).restored_entries, 100);
	assert_false(exists(aside));
	end(&k);
}

static void the_end_writes_the_last_one(void **state)
{
	(void)state;
	struct kept k = begin(MB, NEVER);
	assert_true(keeper_start(k.keeper));
	charge(k.store, 10);
	assert_true(keeper_stop(k.keeper));
	end(&k);
	k = begin(MB, NEVER);
	assert_int_equal(charged(k.store, 10), 10);
	end(&k);
}

static void the_secret_is_found_before_the_store_is_made(void **state)
{
	(void)state;
	struct hash_key key = { 0, 0 };
	assert_false(keeper_read_key(path, geteuid(), &key));
	write_snapshot(1);
	assert_true(keeper_read_key(path, geteuid(), &key));
	assert_true(key.k0 == secret.k0 && key.k1 == secret.k1);
	assert_int_equal(chmod(path, 0666), 0);
	assert_false(keeper_read_key(path, geteuid(), &key));
}

static void the_clock_asks_too(void **state)
{
	(void)state;
	struct kept k = begin(MB, 20);
	assert_true(keeper_start(k.keeper));
	uint64_t give_up = clock_mono_ms() + LONG_MS;
	while (info_of(&k).taken < 3 && clock_mono_ms() < give_up)
		usleep(5000);
	assert_in_range(info_of(&k).taken, 3, UINT32_MAX);
	assert_true(keeper_stop(k.keeper));
	end(&k);
}

/* 16 MB, which nobody waits for, takes more than a second; and somebody who asks meanwhile is answered. */
static void one_that_nobody_waits_for_is_paced(void **state)
{
	(void)state;
	enum { MANY = 262144 };
	struct kept k = begin(64 * MB, 1);
	charge(k.store, MANY);
	assert_true(keeper_start(k.keeper));
	uint64_t give_up = clock_mono_ms() + LONG_MS;
	while (info_of(&k).taken < 1 && clock_mono_ms() < give_up)
		usleep(5000);
	keeper_configure(k.keeper, path, NEVER);
	assert_in_range(info_of(&k).last_took_ms, 900, UINT32_MAX);
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_WRITTEN);
	assert_true(keeper_stop(k.keeper));
	end(&k);
}

static void a_wish_that_takes_long_is_not_waited_for(void **state)
{
	(void)state;
	struct kept k = begin(MB, NEVER);
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_OFF);
	assert_true(keeper_start(k.keeper));
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_WRITTEN);
	uint64_t begun = clock_mono_ms();
	enum keeper_outcome how = keeper_snapshot_now(k.keeper, 0);
	assert_true(how == KEEPER_WRITING || how == KEEPER_WRITTEN);
	assert_in_range(clock_mono_ms() - begun, 0, LONG_MS / 2);
	assert_true(keeper_stop(k.keeper));
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_OFF);
	end(&k);
}

static void a_failure_is_told_and_tried_again(void **state)
{
	(void)state;
	char missing[PATH_MAX];
	struct kept k = begin(MB, NEVER);
	snprintf(missing, sizeof missing, "%s/missing/s", folder);
	keeper_configure(k.keeper, missing, NEVER);
	assert_true(keeper_start(k.keeper));
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_FAILED);
	assert_true(info_of(&k).failing);
	assert_string_equal(info_of(&k).error, "No such file or directory");
	keeper_configure(k.keeper, path, NEVER);
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_WRITTEN);
	assert_false(info_of(&k).failing);
	assert_true(keeper_stop(k.keeper));
	end(&k);
}

/* --- files that are not believed --- */

static void change_byte(const char *file, off_t at)
{
	char c = 0;
	int fd = open(file, O_RDWR);
	assert_true(fd >= 0 && pread(fd, &c, 1, at) == 1);
	c = (char)(c ^ 0x40);
	assert_true(pwrite(fd, &c, 1, at) == 1 && close(fd) == 0);
}

/* Starts on what lies there: restored as many, the file lies aside, and a new snapshot is written. */
static void starts_with(unsigned at_least, unsigned at_most)
{
	struct kept k = begin(4 * MB, NEVER);
	assert_in_range(charged(k.store, 1000), at_least, at_most);
	assert_true(exists(aside));
	assert_false(exists(path));
	assert_true(keeper_start(k.keeper));
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_WRITTEN);
	assert_true(keeper_stop(k.keeper));
	assert_true(exists(path));
	end(&k);
}

static void what_is_whole_of_a_damaged_file_is_kept(void **state)
{
	(void)state;
	write_snapshot(1000);
	change_byte(path, SCORE_SNAPSHOT_HEAD + sizeof(struct snapshot_block) + 100);
	starts_with(300, 999);
}

static void a_file_that_was_cut_is_kept_as_far_as_it_goes(void **state)
{
	(void)state;
	struct stat st;
	write_snapshot(1000);
	assert_true(stat(path, &st) == 0 && truncate(path, st.st_size - 5) == 0);
	starts_with(1000, 1000); /* only the end is missing */
	assert_int_equal(truncate(path, st.st_size / 2), 0);
	starts_with(200, 800);
}

static void a_damaged_head_means_nothing_is_believed(void **state)
{
	(void)state;
	write_snapshot(1000);
	change_byte(path, 40);
	starts_with(0, 0);
	write_snapshot(10);
	assert_int_equal(truncate(path, 0), 0);
	starts_with(0, 0);
}

static void a_newer_version_is_put_aside(void **state)
{
	(void)state;
	struct snapshot_head h;
	write_snapshot(1000);
	int fd = open(path, O_RDWR);
	assert_true(fd >= 0 && pread(fd, &h, sizeof h, 0) == sizeof h);
	h.version++;
	h.crc = snapshot_head_crc(&h);
	assert_true(pwrite(fd, &h, sizeof h, 0) == sizeof h && close(fd) == 0);
	starts_with(0, 0);
}

static void a_link_is_not_followed(void **state)
{
	(void)state;
	char elsewhere[PATH_MAX];
	snprintf(elsewhere, sizeof elsewhere, "%s/elsewhere", folder);
	write_snapshot(1000);
	assert_true(rename(path, elsewhere) == 0 && symlink(elsewhere, path) == 0);
	starts_with(0, 0);
	assert_true(exists(elsewhere));
}

static void a_file_of_another_owner_is_put_aside(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip(); /* only root can give a file away */
	write_snapshot(1000);
	assert_int_equal(chown(path, 12345, 12345), 0);
	starts_with(0, 0);
}

/* --- at once, and at the worst moment --- */

struct busy {
	struct score_store *store;
	atomic_bool stop;
};

static void *keep_busy(void *arg)
{
	struct busy *b = arg;
	while (!atomic_load(&b->stop))
		charge(b->store, 500);
	return NULL;
}

static void snapshots_do_not_disturb_who_writes(void **state)
{
	(void)state;
	struct kept k = begin(4 * MB, 1);
	struct busy busy = { .store = k.store };
	pthread_t thread;
	charge(k.store, 1000);
	assert_true(keeper_start(k.keeper));
	assert_int_equal(pthread_create(&thread, NULL, keep_busy, &busy), 0);
	for (unsigned i = 0; i < 20; i++)
		assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_WRITTEN);
	atomic_store(&busy.stop, true);
	pthread_join(thread, NULL);
	assert_true(keeper_stop(k.keeper));
	end(&k);
	k = begin(4 * MB, NEVER);
	assert_int_equal(charged(k.store, 1000), 1000);
	assert_false(exists(aside));
	end(&k);
}

struct user {
	struct keeper *keeper;
	unsigned written;
};

/* A control connection, and a reload. */
static void *use(void *arg)
{
	struct user *u = arg;
	struct keeper_info info;
	for (unsigned i = 0; i < 30; i++) {
		keeper_ask(u->keeper);
		keeper_configure(u->keeper, path, i % 2 ? 1 : NEVER);
		u->written += keeper_snapshot_now(u->keeper, LONG_MS) == KEEPER_WRITTEN;
		keeper_info(u->keeper, &info);
		assert_string_equal(info.path, path);
	}
	return NULL;
}

static void many_may_use_it_at_once(void **state)
{
	(void)state;
	enum { USERS = 4 };
	struct kept k = begin(4 * MB, NEVER);
	struct user users[USERS] = { 0 };
	pthread_t threads[USERS];
	charge(k.store, 100);
	assert_true(keeper_start(k.keeper));
	for (unsigned i = 0; i < USERS; i++) {
		users[i].keeper = k.keeper;
		assert_int_equal(pthread_create(&threads[i], NULL, use, &users[i]), 0);
	}
	for (unsigned i = 0; i < USERS; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(users[i].written, 30);
	}
	struct keeper_info info;
	keeper_info(k.keeper, &info);
	assert_true(info.taken > 0 && info.failed == 0 && info.entries == 100);
	assert_true(keeper_stop(k.keeper));
	assert_int_equal(keeper_snapshot_now(k.keeper, LONG_MS), KEEPER_OFF);
	end(&k);
}

/* Writes snapshots until it is killed. */
static pid_t start_writer(void)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	struct kept k = begin(4 * MB, NEVER);
	charge(k.store, 3000);
	if (!keeper_start(k.keeper))
		_exit(1);
	while (keeper_snapshot_now(k.keeper, LONG_MS) == KEEPER_WRITTEN)
		;
	_exit(1);
}

static void kill_in_a_snapshot_leaves_the_old_one_whole(void **state)
{
	(void)state;
	unsigned half_written = 0;
	write_snapshot(3000);
	for (unsigned round = 0; round < 20; round++) {
		pid_t pid = start_writer();
		assert_true(pid > 0);
		usleep(20000 + round * 1370);
		assert_int_equal(kill(pid, SIGKILL), 0);
		assert_int_equal(waitpid(pid, NULL, 0), pid);
		char new_path[PATH_MAX + 8];
		snprintf(new_path, sizeof new_path, "%s.new", path);
		half_written += exists(new_path);
		struct kept k = begin(4 * MB, NEVER);
		assert_int_equal(charged(k.store, 3000), 3000);
		assert_false(exists(aside));
		end(&k);
	}
	print_message("%u of 20 were killed with a half-written file\n", half_written);
}

int main(void)
{
#define IN_A_FOLDER(test) cmocka_unit_test_setup_teardown(test, make_folder, remove_folder)
	const struct CMUnitTest tests[] = {
		IN_A_FOLDER(what_was_written_is_restored),
		IN_A_FOLDER(the_end_writes_the_last_one),
		IN_A_FOLDER(the_secret_is_found_before_the_store_is_made),
		IN_A_FOLDER(the_clock_asks_too),
		IN_A_FOLDER(one_that_nobody_waits_for_is_paced),
		IN_A_FOLDER(a_wish_that_takes_long_is_not_waited_for),
		IN_A_FOLDER(a_failure_is_told_and_tried_again),
		IN_A_FOLDER(what_is_whole_of_a_damaged_file_is_kept),
		IN_A_FOLDER(a_file_that_was_cut_is_kept_as_far_as_it_goes),
		IN_A_FOLDER(a_damaged_head_means_nothing_is_believed),
		IN_A_FOLDER(a_newer_version_is_put_aside),
		IN_A_FOLDER(a_link_is_not_followed),
		IN_A_FOLDER(a_file_of_another_owner_is_put_aside),
		IN_A_FOLDER(snapshots_do_not_disturb_who_writes),
		IN_A_FOLDER(many_may_use_it_at_once),
		IN_A_FOLDER(kill_in_a_snapshot_leaves_the_old_one_whole),
	};
	if (!log_open(&(struct log_config){ .to = "/dev/null" }))
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
