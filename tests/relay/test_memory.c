/* relay.state and the notes beside it: bytes, files, and what is wrong with them. */
#include "base/clock.h"
#include "base/mem.h"
#include "tests/relay/memory_rig.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

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
		struct relay_state_record in = memory_record(5), r;
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
	struct relay_state_record in = memory_record(5), r;
	relay_state_write(&other, &in, out);
	struct slice all = slice_of(out, sizeof out);
	assert_false(relay_state_read(&head, &all, &r));
}

static void it_outlives_the_process(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(100, NULL);
	assert_true(relay_memory_is_empty(m));
	for (uint64_t i = 1; i <= 5; i++)
		memory_keep(m, i, RELAY_STATE_HAS);
	memory_keep(m, 2, RELAY_STATE_FORGET);
	memory_keep(m, 99, RELAY_STATE_FORGET); /* which nobody knows */
	memory_keep(m, 3, RELAY_STATE_HAS);	/* once more */
	struct relay_state_head keys = *relay_memory_keys(m);
	/* without an end, as after kill -9: what was collected is on the disk */
	struct relay_memory *again = memory_opened(100, NULL);
	assert_memory_equal(relay_memory_keys(again)->keys, keys.keys, sizeof keys.keys);
	assert_int_equal(relay_memory_count(again), 4);
	assert_true(memory_has(again, 1) && !memory_has(again, 2) && memory_has(again, 3) && memory_has(again, 4) &&
		    memory_has(again, 5));
	struct relay_state_record r = memory_record(1);
	assert_false(relay_memory_has(again, &r, MEMORY_NOW + 100)); /* its time is over */
	assert_false(relay_memory_about(again, 1, 0, MEMORY_NOW + 100));
	relay_memory_free(&again);
	relay_memory_free(&m);
	char why[256];
	m = relay_memory_new(100);
	assert_true(relay_memory_open(m, memory_path, MEMORY_NOW + 100, why));
	assert_true(relay_memory_is_empty(m));
	relay_memory_free(&m);
	assert_null(m);
	relay_memory_free(&m);
	struct stat st;
	assert_int_equal(stat(memory_path, &st), 0);
	assert_int_equal(st.st_mode & 0777, 0600);
}

static void the_oldest_goes(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(3, NULL);
	for (uint64_t i = 1; i <= 3; i++)
		memory_keep(m, i, RELAY_STATE_UNHEARD);
	assert_int_equal(relay_memory_evicted(m), 0);
	memory_log_begin();
	memory_keep(m, 4, RELAY_STATE_UNHEARD);
	memory_keep(m, 5, RELAY_STATE_UNHEARD);
	memory_log_end();
	memory_log_holds("was taken: 1;", 1); /* and no more of it in this minute */
	memory_log_holds("relay.remember is full", 1);
	assert_int_equal(relay_memory_evicted(m), 2);
	assert_int_equal(relay_memory_count(m), 3);
	assert_true(!memory_has(m, 1) && !memory_has(m, 2) && memory_has(m, 3) && memory_has(m, 4) && memory_has(m, 5));
	/* those that share a chain are told apart, whichever goes */
	memory_keep(m, 16, RELAY_STATE_UNHEARD);
	memory_keep(m, 32, RELAY_STATE_UNHEARD);
	memory_keep(m, 16, RELAY_STATE_FORGET);
	assert_true(memory_has(m, 32) && !memory_has(m, 16) && memory_has(m, 5));
	relay_memory_free(&m);
}

/* What was delivered in part keeps its place: others go, and what comes when nothing else is left is not taken. */
static void partial_deliveries_stay(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(3, NULL);
	memory_keep(m, 1, RELAY_STATE_HAS);
	memory_keep(m, 2, RELAY_STATE_UNHEARD);
	memory_keep(m, 3, RELAY_STATE_HAS);
	memory_keep(m, 4, RELAY_STATE_UNHEARD);
	assert_true(memory_has(m, 1) && !memory_has(m, 2) && memory_has(m, 3) && memory_has(m, 4));
	assert_int_equal(relay_memory_room(m), 1);
	memory_keep(m, 4, RELAY_STATE_HAS); /* it is delivered in part as well */
	memory_keep(m, 4, RELAY_STATE_HAS);
	assert_int_equal(relay_memory_room(m), 0);
	assert_int_equal(relay_memory_evicted(m), 1);
	memory_keep(m, 5, RELAY_STATE_UNHEARD);
	assert_int_equal(relay_memory_evicted(m), 2);
	assert_true(memory_has(m, 1) && memory_has(m, 3) && memory_has(m, 4) && !memory_has(m, 5));
	relay_memory_free(&m);
	m = memory_opened(3, NULL); /* and the next process knows which is which */
	assert_int_equal(relay_memory_room(m), 0);
	assert_false(relay_memory_reserve(m, 1));
	memory_keep(m, 3, RELAY_STATE_FORGET);
	assert_true(relay_memory_reserve(m, 1));
	assert_false(relay_memory_reserve(m, 1));
	relay_memory_unreserve(m, 1);
	memory_keep(m, 5, RELAY_STATE_UNHEARD);
	assert_true(memory_has(m, 5));
	relay_memory_free(&m);
}

/* Whose time is over keeps no place. */
static void old_partial_deliveries_go(void **state)
{
	(void)state;
	struct relay_memory *m = relay_memory_new(2);
	for (uint64_t n = 1; n <= 2; n++) {
		struct relay_save *s = relay_save_new(1);
		s->records[0] = memory_record(n);
		s->records[0].until_s = 1000;
		relay_memory_submit(m, s);
	}
	assert_int_equal(relay_memory_room(m), 0);
	memory_keep(m, 3, RELAY_STATE_UNHEARD);
	assert_true(memory_has(m, 3));
	assert_int_equal(relay_memory_evicted(m), 0); /* it has cost nobody anything */
	assert_true(relay_memory_reserve(m, 2));
	assert_int_equal(relay_memory_room(m), 0);
	relay_memory_unreserve(m, 2);
	relay_memory_free(&m);
}

static void it_is_rewritten_when_it_is_mostly_void(void **state)
{
	(void)state;
	struct relay_memory *m = memory_opened(3000, NULL);
	struct relay_save *s;
	for (uint64_t i = 0; i < 6000; i++) {
		s = relay_save_new(1);
		s->records[0] = memory_record(1 + i / 2);
		s->records[0].kind = i % 2 ? RELAY_STATE_FORGET : RELAY_STATE_HAS;
		relay_memory_submit(m, s); /* nobody waits for these */
	}
	memory_keep(m, 7777, RELAY_STATE_HAS);
	for (int i = 0; i < 3000 && memory_file_size() > 4096 * RELAY_STATE_RECORD; i++)
		usleep(1000);
	assert_in_range(memory_file_size(), RELAY_STATE_HEAD, 4096 * RELAY_STATE_RECORD);
	memory_keep(m, 7778, RELAY_STATE_HAS);
	relay_memory_free(&m);
	m = memory_opened(3000, NULL);
	assert_int_equal(relay_memory_count(m), 2);
	assert_true(memory_has(m, 7777) && memory_has(m, 7778));
	relay_memory_free(&m);
}

static void a_damaged_end_is_cut_off(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct relay_memory *m = memory_opened(100, NULL);
		for (uint64_t i = 1; i <= 3; i++)
			memory_keep(m, i, RELAY_STATE_HAS);
		relay_memory_free(&m);
		off_t end = memory_file_size();
		if (how == 0)
			assert_int_equal(truncate(memory_path, end - 1), 0);
		else if (how == 1)
			memory_poke(end - 3, 'x');
		else
			memory_poke(end, 0);
		m = memory_opened(100, "damaged");
		assert_int_equal(relay_memory_count(m), how < 2 ? 2 : 3);
		assert_int_equal(access(memory_aside, F_OK), 0);
		memory_keep(m, 9, RELAY_STATE_HAS);
		relay_memory_free(&m);
		m = memory_opened(100, NULL);
		assert_true(memory_has(m, 1) && memory_has(m, 9));
		relay_memory_free(&m);
		unlink(memory_path);
		unlink(memory_aside);
	}
	/* nothing of a file without a head is believed */
	FILE *f = fopen(memory_path, "w");
	fputs("SGRELAY1, or so it says; but its head has the wrong sum, whoever has written it there.", f);
	fclose(f);
	struct relay_memory *m = memory_opened(100, "damaged");
	assert_true(relay_memory_is_empty(m));
	relay_memory_free(&m);
	assert_int_equal(truncate(memory_path, 10), 0);
	m = memory_opened(100, "damaged");
	relay_memory_free(&m);
}

static void refuse(const char *want)
{
	char why[256];
	struct relay_memory *m = relay_memory_new(10);
	assert_false(relay_memory_open(m, memory_path, MEMORY_NOW, why));
	if (!strstr(why, want))
		fail_msg("it says \"%s\"", why);
	memory_keep(m, 1, RELAY_STATE_HAS); /* the table works */
	assert_true(memory_has(m, 1));
	relay_memory_free(&m);
}

static void what_is_not_ours_is_left_alone(void **state)
{
	(void)state;
	assert_int_equal(symlink("/etc/passwd", memory_path), 0);
	refuse("symbolic link");
	unlink(memory_path);
	assert_int_equal(mkdir(memory_path, 0700), 0);
	refuse("regular");
	rmdir(memory_path);
	int fd = open(memory_path, O_CREAT | O_WRONLY, 0600);
	assert_int_equal(fchmod(fd, 0666), 0);
	close(fd);
	refuse("others");
	snprintf(memory_path, sizeof memory_path, "%s/none/relay.state", memory_folder);
	refuse("cannot be written");
	struct relay_memory *m = relay_memory_new(10);
	char why[256];
	mem_fail_after(0);
	assert_false(relay_memory_open(m, memory_path, MEMORY_NOW, why));
	mem_fail_after(-1);
	relay_memory_free(&m);
	mem_fail_after(0);
	assert_null(relay_memory_new(10));
	mem_fail_after(0);
	assert_null(relay_save_new(1));
	mem_fail_after(-1);
}

/* The disk is full for a while (here: no file may grow): it is said, the table knows it, and later all goes on. */
static void a_full_disk(void **state)
{
	(void)state;
	struct rlimit old, none;
	struct relay_memory *m = memory_opened(100, NULL);
	memory_keep(m, 1, RELAY_STATE_HAS);
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = (rlim_t)memory_file_size() + 7; /* a torn record at the end */
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	int error = memory_save(m, 2, 1, RELAY_STATE_HAS);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_not_equal(error, 0);
	assert_true(memory_has(m, 2));
	memory_keep(m, 3, RELAY_STATE_HAS);
	relay_memory_free(&m);
	m = memory_opened(100, NULL); /* whole: the torn one was written over */
	assert_true(memory_has(m, 1) && memory_has(m, 3));
	relay_memory_free(&m);
}

/* ---- notes ---- */

static void a_killed_process_leaves_its_notes(void **state)
{
	(void)state;
	pid_t child = fork();
	if (child == 0) {
		char why[256];
		struct relay_intents *i = relay_intents_open(memory_path, 2, why);
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
	struct relay_intents *i = memory_open_notes(1);
	memory_log_holds("mail AAAA: sent whole to smtp://127.0.0.1:1 at 2023-11-14T22:13:20", 1);
	memory_log_holds("mail BBBB-and-a-name-that-is: sent", 1);
	memory_log_holds("may come twice", 2);
	assert_non_null(relay_intents_of(i, 0));
	assert_null(relay_intents_of(i, 1));
	assert_null(relay_intents_of(NULL, 0));
	relay_intents_close(&i);
	relay_intents_close(&i);
	i = memory_open_notes(1);
	memory_log_holds("mail", 0); /* they are named once */
	relay_intents_close(&i);
}

/* `at`: the bytes of the file from there on are others now. */
static void change_notes(off_t at, const void *bytes, size_t n)
{
	int fd = open(memory_path, O_WRONLY);
	assert_int_equal(pwrite(fd, bytes, n, at), n);
	close(fd);
}

static void damaged_notes_are_left_out(void **state)
{
	(void)state;
	struct relay_intents *i = memory_open_notes(1);
	struct relay_intent *own = relay_intents_of(i, 0);
	for (int n = 0; n < 4; n++)
		relay_intent_set(&own[n], SLICE("AAAA"), "lmtp", 1700000000);
	relay_intents_close(&i);
	change_notes(sizeof *own + 3, "x", 1);				      /* another time, */
	change_notes(2 * sizeof *own + offsetof(struct relay_intent, id), "B", 1); /* or another mail */
	change_notes(RELAY_INTENTS * sizeof *own, "cut", 3);
	i = memory_open_notes(1);
	memory_log_holds("mail AAAA: sent whole to lmtp", 2);
	memory_log_holds("sent whole", 2);
	memory_log_holds("3 notes in", 1);
	relay_intents_close(&i);
}

static void notes_of_before_there_was_a_checksum(void **state)
{
	(void)state;
	struct relay_intents *i = memory_open_notes(1);
	relay_intents_close(&i);
	const struct relay_intent slots[] = {
		{ .since_s = 1700000000, .id = "AAAA", .backend = "lmtp" },
		{ .since_s = UINT64_MAX, .id = "BBBB", .backend = "lmtp" },
		{ .since_s = 1700000000, .id = "C C", .backend = "lmtp" },
		{ .since_s = 1700000000, .id = "DDDD" },
		{ .since_s = 1700000000, .id = "AAAA", .backend = "\xff" },
	};
	change_notes(0, slots, sizeof slots);
	i = memory_open_notes(1);
	memory_log_holds("mail AAAA: sent whole to lmtp", 1);
	memory_log_holds("sent whole", 1);
	memory_log_holds("4 notes in", 1);
	relay_intents_close(&i);
}

static void notes_that_cannot_be(void **state)
{
	(void)state;
	char why[256];
	assert_int_equal(symlink("/etc/passwd", memory_path), 0);
	assert_null(relay_intents_open(memory_path, 1, why));
	assert_non_null(strstr(why, "symbolic link"));
	unlink(memory_path);
	mem_fail_after(0);
	assert_null(relay_intents_open(memory_path, 1, why));
	mem_fail_after(-1);
	struct rlimit old, none;
	signal(SIGXFSZ, SIG_IGN);
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
	none = old;
	none.rlim_cur = 4096;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
	assert_null(relay_intents_open(memory_path, 1, why));
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
	assert_int_equal(access(memory_path, F_OK), -1);
	snprintf(memory_path, sizeof memory_path, "%s/none/x", memory_folder);
	assert_null(relay_intents_open(memory_path, 1, why));
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
		bool open = m && relay_memory_open(m, memory_path, MEMORY_NOW, why);
		mem_fail_after(-1);
		assert_true(open || !m || strstr(why, "memory"));
		if (m) {
			memory_keep(m, 1, RELAY_STATE_HAS);
			assert_true(relay_memory_about(m, 1, 0, MEMORY_NOW));
		}
		whole = open && !why[0];
		relay_memory_free(&m);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY_TEST(write_and_read_are_one),
		MEMORY_TEST(it_outlives_the_process),
		MEMORY_TEST(the_oldest_goes),
		MEMORY_TEST(partial_deliveries_stay),
		MEMORY_TEST(old_partial_deliveries_go),
		MEMORY_TEST(it_is_rewritten_when_it_is_mostly_void),
		MEMORY_TEST(a_damaged_end_is_cut_off),
		MEMORY_TEST(what_is_not_ours_is_left_alone),
		MEMORY_TEST(a_full_disk),
		MEMORY_TEST(a_killed_process_leaves_its_notes),
		MEMORY_TEST(damaged_notes_are_left_out),
		MEMORY_TEST(notes_of_before_there_was_a_checksum),
		MEMORY_TEST(notes_that_cannot_be),
		MEMORY_TEST(no_memory_for_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
