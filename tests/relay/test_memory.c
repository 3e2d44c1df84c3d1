/* relay.state and the notes beside it: bytes, files, and what is wrong with them. */
#include "base/clock.h"
#include "base/mem.h"
#include "relay/intent.h"
#include "relay/memory.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

enum { NOW = 2000000000 }; /* later than any clock of today: what the writer drops by its own is old */

static char folder[64], path[128], aside[160];

static int make_folder(void **state)
{
	(void)state;
	snprintf(folder, sizeof folder, "/tmp/relay-memory-XXXXXX");
	if (!mkdtemp(folder))
		return -1;
	snprintf(path, sizeof path, "%s/relay.state", folder);
	snprintf(aside, sizeof aside, "%s.aside", path);
	return 0;
}

static int drop_folder(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", folder);
	return system(command);
}

static struct relay_state_record rec(uint64_t n)
{
	return (struct relay_state_record){ RELAY_STATE_HAS, NOW + 100, n, { n * 7, n * 11 } };
}

static struct relay_memory *opened(uint32_t entries, const char *want)
{
	char why[256];
	struct relay_memory *m = relay_memory_new(entries);
	assert_non_null(m);
	assert_true(relay_memory_open(m, path, NOW, why));
	if (want ? !strstr(why, want) : why[0] != 0)
		fail_msg("it says \"%s\"", why);
	return m;
}

static void keep(struct relay_memory *m, uint64_t n, enum relay_state_kind kind)
{
	struct relay_save_box box;
	struct relay_save *s = relay_save_new(1), *back = NULL;
	relay_save_box_init(&box, NULL);
	s->records[0] = rec(n);
	s->records[0].kind = kind;
	s->box = &box;
	relay_memory_submit(m, s);
	for (int i = 0; i < 5000 && !(back = relay_save_collect(&box)); i++)
		usleep(1000);
	assert_ptr_equal(back, s);
	assert_int_equal(back->error, 0);
	mem_free(&back);
	relay_save_box_clear(&box);
}

static bool has(struct relay_memory *m, uint64_t n)
{
	struct relay_state_record r = rec(n);
	bool about = relay_memory_about(m, n, NOW), it = relay_memory_has(m, &r, NOW);
	assert_int_equal(about, it);
	return it;
}

static off_t size_of_file(void)
{
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	return st.st_size;
}

static void poke(off_t at, char byte)
{
	int fd = open(path, O_WRONLY);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

static void write_and_read_are_one(void **state)
{
	(void)state;
	struct relay_state_head head = { .keys = { { 1, 2 }, { 3, 4 } } }, got;
	char bytes[RELAY_STATE_HEAD], out[RELAY_STATE_RECORD];
	relay_state_write_head(&head, bytes);
	assert_true(relay_state_read_head(slice_of(bytes, sizeof bytes), &got));
	assert_memory_equal(got.keys, head.keys, sizeof head.keys);
	assert_int_equal(got.crc, head.crc);
	assert_false(relay_state_read_head(slice_of(bytes, sizeof bytes - 1), &got));
	for (size_t i = 0; i < sizeof bytes; i++) {
		bytes[i] ^= 1;
		assert_false(relay_state_read_head(slice_of(bytes, sizeof bytes), &got));
		bytes[i] ^= 1;
	}
	for (int kind = 0; kind < 5; kind++) {
		struct relay_state_record in = rec(5), r;
		in.kind = (enum relay_state_kind)kind;
		relay_state_write(&head, &in, out);
		struct slice all = slice_of(out, sizeof out), cut = slice_of(out, sizeof out - 1);
		assert_int_equal(
			relay_state_read(&head, &all, &r), kind >= RELAY_STATE_HAS && kind <= RELAY_STATE_UNHEARD);
		assert_false(relay_state_read(&head, &cut, &r));
	}
	/* a record of another file */
	struct relay_state_head other = head;
	other.crc++;
	struct relay_state_record in = rec(5), r;
	relay_state_write(&other, &in, out);
	struct slice all = slice_of(out, sizeof out);
	assert_false(relay_state_read(&head, &all, &r));
}

static void it_outlives_the_process(void **state)
{
	(void)state;
	struct relay_memory *m = opened(100, NULL);
	assert_true(relay_memory_is_empty(m));
	for (uint64_t i = 1; i <= 5; i++)
		keep(m, i, RELAY_STATE_HAS);
	keep(m, 2, RELAY_STATE_FORGET);
	keep(m, 99, RELAY_STATE_FORGET); /* which nobody knows */
	keep(m, 3, RELAY_STATE_HAS);	 /* once more */
	struct relay_state_head keys = *relay_memory_keys(m);
	/* without an end, as after kill -9: what was collected is on the disk */
	struct relay_memory *again = opened(100, NULL);
	assert_memory_equal(relay_memory_keys(again)->keys, keys.keys, sizeof keys.keys);
	assert_int_equal(relay_memory_count(again), 4);
	assert_true(has(again, 1) && !has(again, 2) && has(again, 3) && has(again, 4) && has(again, 5));
	struct relay_state_record r = rec(1);
	assert_false(relay_memory_has(again, &r, NOW + 100)); /* its time is over */
	assert_false(relay_memory_about(again, 1, NOW + 100));
	relay_memory_free(&again);
	relay_memory_free(&m);
	char why[256];
	m = relay_memory_new(100);
	assert_true(relay_memory_open(m, path, NOW + 100, why));
	assert_true(relay_memory_is_empty(m));
	relay_memory_free(&m);
	assert_null(m);
	relay_memory_free(&m);
	struct stat st;
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_oldest_goes(void **state)
{
	(void)state;
	struct relay_memory *m = opened(3, NULL);
	for (uint64_t i = 1; i <= 5; i++)
		keep(m, i, RELAY_STATE_UNHEARD);
	assert_int_equal(relay_memory_count(m), 3);
	assert_true(!has(m, 1) && !has(m, 2) && has(m, 3) && has(m, 4) && has(m, 5));
	/* those that share a chain are told apart, whichever goes */
	keep(m, 16, RELAY_STATE_UNHEARD);
	keep(m, 32, RELAY_STATE_UNHEARD);
	keep(m, 16, RELAY_STATE_FORGET);
	assert_true(has(m, 32) && !has(m, 16) && has(m, 5));
	relay_memory_free(&m);
}

/* What was delivered in part keeps its place: others go, and what comes when nothing else is left is not taken. */
static void partial_deliveries_stay(void **state)
{
	(void)state;
	struct relay_memory *m = opened(3, NULL);
	keep(m, 1, RELAY_STATE_HAS);
	keep(m, 2, RELAY_STATE_UNHEARD);
	keep(m, 3, RELAY_STATE_HAS);
	keep(m, 4, RELAY_STATE_UNHEARD);
	assert_true(has(m, 1) && !has(m, 2) && has(m, 3) && has(m, 4));
	assert_int_equal(relay_memory_room(m), 1);
	keep(m, 4, RELAY_STATE_HAS); /* it is delivered in part as well */
	keep(m, 4, RELAY_STATE_HAS);
	assert_int_equal(relay_memory_room(m), 0);
	keep(m, 5, RELAY_STATE_UNHEARD);
	assert_true(has(m, 1) && has(m, 3) && has(m, 4) && !has(m, 5));
	relay_memory_free(&m);
	m = opened(3, NULL); /* and the next process knows which is which */
	assert_int_equal(relay_memory_room(m), 0);
	assert_false(relay_memory_reserve(m, 1));
	keep(m, 3, RELAY_STATE_FORGET);
	assert_true(relay_memory_reserve(m, 1));
	assert_false(relay_memory_reserve(m, 1));
	relay_memory_unreserve(m, 1);
	keep(m, 5, RELAY_STATE_UNHEARD);
	assert_true(has(m, 5));
	relay_memory_free(&m);
}

/* Whose time is over keeps no place. */
static void old_partial_deliveries_go(void **state)
{
	(void)state;
	struct relay_memory *m = relay_memory_new(2);
	for (uint64_t n = 1; n <= 2; n++) {
		struct relay_save *s = relay_save_new(1);
		s->records[0] = rec(n);
		s->records[0].until_s = 1000;
		relay_memory_submit(m, s);
	}
	assert_int_equal(relay_memory_room(m), 0);
	keep(m, 3, RELAY_STATE_UNHEARD);
	assert_true(has(m, 3));
	assert_true(relay_memory_reserve(m, 2));
	assert_int_equal(relay_memory_room(m), 0);
	relay_memory_unreserve(m, 2);
	relay_memory_free(&m);
}

static void it_is_rewritten_when_it_is_mostly_void(void **state)
{
	(void)state;
	struct relay_memory *m = opened(3000, NULL);
	struct relay_save *s;
	for (uint64_t i = 0; i < 6000; i++) {
		s = relay_save_new(1);
		s->records[0] = rec(1 + i / 2);
		s->records[0].kind = i % 2 ? RELAY_STATE_FORGET : RELAY_STATE_HAS;
		relay_memory_submit(m, s); /* nobody waits for these */
	}
	keep(m, 7777, RELAY_STATE_HAS);
	for (int i = 0; i < 3000 && size_of_file() > 4096 * RELAY_STATE_RECORD; i++)
		usleep(1000);
	assert_in_range(size_of_file(), RELAY_STATE_HEAD, 4096 * RELAY_STATE_RECORD);
	keep(m, 7778, RELAY_STATE_HAS);
	relay_memory_free(&m);
	m = opened(3000, NULL);
	assert_int_equal(relay_memory_count(m), 2);
	assert_true(has(m, 7777) && has(m, 7778));
	relay_memory_free(&m);
}

static void a_damaged_end_is_cut_off(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct relay_memory *m = opened(100, NULL);
		for (uint64_t i = 1; i <= 3; i++)
			keep(m, i, RELAY_STATE_HAS);
		relay_memory_free(&m);
		off_t end = size_of_file();
		if (how == 0)
			assert_int_equal(truncate(path, end - 1), 0);
		else if (how == 1)
			poke(end - 3, 'x');
		else
			poke(end, 0);
		m = opened(100, "damaged");
		assert_int_equal(relay_memory_count(m), how < 2 ? 2 : 3);
		assert_int_equal(access(aside, F_OK), 0);
		keep(m, 9, RELAY_STATE_HAS);
		relay_memory_free(&m);
		m = opened(100, NULL);
		assert_true(has(m, 1) && has(m, 9));
		relay_memory_free(&m);
		unlink(path);
		unlink(aside);
	}
	/* nothing of a file without a head is believed */
	FILE *f = fopen(path, "w");
	fputs("SGRELAY1, or so it says; but its head has the wrong sum, whoever has written it there.", f);
	fclose(f);
	struct relay_memory *m = opened(100, "damaged");
	assert_true(relay_memory_is_empty(m));
	relay_memory_free(&m);
	assert_int_equal(truncate(path, 10), 0);
	m = opened(100, "damaged");
	relay_memory_free(&m);
}

static void refuse(const char *want)
{
	char why[256];
	struct relay_memory *m = relay_memory_new(10);
	assert_false(relay_memory_open(m, path, NOW, why));
	if (!strstr(why, want))
		fail_msg("it says \"%s\"", why);
	keep(m, 1, RELAY_STATE_HAS); /* the table works */
	assert_true(has(m, 1));
	relay_memory_free(&m);
}

static void what_is_not_ours_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc/passwd", path), 0);
	refuse("symbolic link");
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	refuse("regular");
	rmdir(path);
	int fd = open(path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
	refuse("others");
	snprintf(path, sizeof path, "%s/none/relay.state", folder);
	refuse("cannot be written");
	struct relay_memory *m = relay_memory_new(10);
	char why[256];
	mem_fail_after(0);
	assert_false(relay_memory_open(m, path, NOW, why));
	mem_fail_after(-1);
	relay_memory_free(&m);
	mem_fail_after(0);
	assert_null(relay_memory_new(10));
	mem_fail_after(0);
	assert_null(relay_save_new(1));
	mem_fail_after(-1);
}

static int one_that_is_not_written(struct relay_memory *m, uint64_t n)
{
	struct relay_save_box box;
	struct relay_save *s = relay_save_new(1), *back = NULL;
	relay_save_box_init(&box, NULL);
	s->records[0] = rec(n);
	s->box = &box;
	relay_memory_submit(m, s);
	while (!(back = relay_save_collect(&box)))
		usleep(1000);
	int error = back->error;
	mem_free(&back);
	relay_save_box_clear(&box);
	return error;
}

/* The disk is full for a while (here: no file may grow): it is said, the table knows it, and later all goes on. */
static void a_full_disk(void **state)
{
	(void)state;
	struct rlimit old, none;
	struct relay_memory *m = opened(100, NULL);
	keep(m, 1, RELAY_STATE_HAS);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)size_of_file() + 7; /* a torn record at the end */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int error = one_that_is_not_written(m, 2);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_not_equal(error, 0);
	assert_true(has(m, 2));
	keep(m, 3, RELAY_STATE_HAS);
	relay_memory_free(&m);
	m = opened(100, NULL); /* whole: the torn one was written over */
	assert_true(has(m, 1) && has(m, 3));
	relay_memory_free(&m);
}

/* ---- notes ---- */

static char log_path[160];

static void log_holds(const char *text, int times)
{
	char all[8192] = "";
	FILE *f = fopen(log_path, "r");
	size_t n = fread(all, 1, sizeof all - 1, f);
	fclose(f);
	all[n] = 0;
	int found = 0;
	for (const char *p = all; (p = strstr(p, text)); p++)
		found++;
	if (found != times)
		fail_msg("\"%s\" is %d times in: %s", text, found, all);
}

/* What the log says while the notes are opened, in log_path. */
static struct relay_intents *open_notes(unsigned workers)
{
	char why[256] = "";
	fflush(stderr);
	int saved = dup(2), fd = open(log_path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	dup2(fd, 2);
	struct relay_intents *i = relay_intents_open(path, workers, why);
	fflush(stderr);
	dup2(saved, 2);
	close(saved);
	close(fd);
	if (!i)
		fail_msg("%s", why);
	return i;
}

static void a_killed_process_leaves_its_notes(void **state)
{
	(void)state;
	snprintf(log_path, sizeof log_path, "%s/log", folder);
	pid_t child = fork();
	if (child == 0) {
		char why[256];
		struct relay_intents *i = relay_intents_open(path, 2, why);
		struct relay_intent *own = relay_intents_of(i, 1);
		relay_intent_set(&own[0], SLICE("AAAA"), "smtp://127.0.0.1:1", 1700000000);
		relay_intent_set(&own[3], SLICE("BBBB-and-a-name-that-is-much-too-long"), "lmtp", 1700000000);
		relay_intent_set(&own[255], SLICE("CCCC"), "lmtp", 1700000000);
		relay_intent_clear(&own[255]);
		kill(getpid(), SIGKILL);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	struct relay_intents *i = open_notes(1);
	log_holds("mail AAAA: sent whole to smtp://127.0.0.1:1 at 2023-11-14T22:13:20", 1);
	log_holds("mail BBBB-and-a-name-that-is: sent", 1);
	log_holds("may come twice", 2);
	assert_non_null(relay_intents_of(i, 0));
	assert_null(relay_intents_of(i, 1));
	assert_null(relay_intents_of(NULL, 0));
	relay_intents_close(&i);
	relay_intents_close(&i);
	i = open_notes(1);
	log_holds("mail", 0); /* they are named once */
	relay_intents_close(&i);
}

static void notes_that_cannot_be(void **state)
{
	(void)state;
	char why[256];
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_null(relay_intents_open(path, 1, why));
	assert_non_null(strstr(why, "symbolic link"));
	unlink(path);
	mem_fail_after(0);
	assert_null(relay_intents_open(path, 1, why));
	mem_fail_after(-1);
	struct rlimit old, none;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_null(relay_intents_open(path, 1, why));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(access(path, F_OK), -1);
	snprintf(path, sizeof path, "%s/none/x", folder);
	assert_null(relay_intents_open(path, 1, why));
}

/* Whichever allocation fails: there is none, or it says why it has no file and remembers all the same. */
static void no_memory_for_it(void **state)
{
	(void)state;
	bool whole = false;
	for (long n = 0; !whole; n++) {
		char why[256] = "";
		assert_true(n < 20);
		mem_fail_after(n);
		struct relay_memory *m = relay_memory_new(10);
		bool open = m && relay_memory_open(m, path, NOW, why);
		mem_fail_after(-1);
		assert_true(open || !m || strstr(why, "memory"));
		if (m) {
			keep(m, 1, RELAY_STATE_HAS);
			assert_true(relay_memory_about(m, 1, NOW));
		}
		whole = open && !why[0];
		relay_memory_free(&m);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, drop_folder)
	const struct CMUnitTest tests[] = {
		TEST(write_and_read_are_one),
		TEST(it_outlives_the_process),
		TEST(the_oldest_goes),
		TEST(partial_deliveries_stay),
		TEST(old_partial_deliveries_go),
		TEST(it_is_rewritten_when_it_is_mostly_void),
		TEST(a_damaged_end_is_cut_off),
		TEST(what_is_not_ours_is_left_alone),
		TEST(a_full_disk),
		TEST(a_killed_process_leaves_its_notes),
		TEST(notes_that_cannot_be),
		TEST(no_memory_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
