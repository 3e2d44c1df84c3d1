/* server/spool.h: memory, then a file without a name; never more files than allowed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/spool.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <dirent.h>

static struct rope_stock stock;
static char folder[] = "/tmp/spool-test-XXXXXX";

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static int tear_down(void **state)
{
	(void)state;
	return rmdir(folder); /* fails when a file was left behind */
}

static void a_small_body_stays_in_memory(void **state)
{
	(void)state;
	struct spool_room room;
	struct spool s;
	assert_true(spool_room_open(&room, folder, 4, 1 << 20));
	spool_init(&s, &stock);
	assert_int_equal(spool_append(&s, &room, SLICE("0123456789"), 10), SPOOL_OK);
	assert_int_equal(spool_finish(&s, &room), SPOOL_OK);
	assert_int_equal(s.fd, -1);
	assert_int_equal(s.size, 10);
	assert_true(slice_eq(s.mem.first->bytes, SLICE("0123456789")));
	spool_release(&s, &room);
	spool_room_close(&room);
}

static void a_long_body_is_whole_in_its_file(void **state)
{
	(void)state;
	struct spool_room room;
	struct spool s;
	enum { PARTS = 3000 };
	static char got[PARTS * 50];
	assert_true(spool_room_open(&room, folder, 4, 1 << 20));
	spool_init(&s, &stock);
	for (int i = 0; i < PARTS; i++) {
		char line[51];
		snprintf(line, sizeof line, "%049d\n", i);
		assert_int_equal(spool_append(&s, &room, slice_of(line, 50), 1000), SPOOL_OK);
	}
	assert_int_equal(spool_finish(&s, &room), SPOOL_OK);
	assert_true(s.fd >= 0);
	assert_int_equal(s.size, sizeof got);
	assert_int_equal(pread(s.fd, got, sizeof got, 0), sizeof got);
	for (int i = 0; i < PARTS; i++)
		assert_int_equal(atoi(got + i * 50), i);
	DIR *d = opendir(folder);
	for (struct dirent *e; (e = readdir(d));)
		assert_int_equal(e->d_name[0], '.'); /* nothing with a name */
	closedir(d);
	spool_release(&s, &room);
	spool_release(&s, &room);
	assert_int_equal(atomic_load(&room.files), 0);
	spool_room_close(&room);
}

static void no_more_files_than_allowed(void **state)
{
	(void)state;
	struct spool_room room;
	struct spool a, b;
	assert_true(spool_room_open(&room, folder, 1, 1 << 20));
	spool_init(&a, &stock);
	spool_init(&b, &stock);
	assert_int_equal(spool_append(&a, &room, SLICE("xx"), 1), SPOOL_OK);
	assert_int_equal(spool_append(&b, &room, SLICE("xx"), 1), SPOOL_FULL);
	spool_release(&b, &room);
	spool_release(&a, &room);
	spool_init(&b, &stock);
	assert_int_equal(spool_append(&b, &room, SLICE("xx"), 1), SPOOL_OK);
	spool_release(&b, &room);
	spool_room_close(&room);
}

static void the_common_memory_is_bounded(void **state)
{
	(void)state;
	static char part[8192 - sizeof(struct rope_block)]; /* with what a block needs for itself: 8 KB */
	struct spool_room room;
	struct spool a, b, c;
	assert_true(spool_room_open(&room, folder, 1, 16384));
	spool_init(&a, &stock);
	spool_init(&b, &stock);
	spool_init(&c, &stock);
	struct slice bytes = slice_of(part, sizeof part);
	assert_int_equal(spool_append(&a, &room, bytes, 100000), SPOOL_OK);
	assert_int_equal(a.fd, -1);
	assert_int_equal(room.memory, 8192);
	assert_true(spool_room_takes(&room, 100, 100000));
	assert_int_equal(spool_append(&b, &room, bytes, 100000), SPOOL_OK);
	assert_int_equal(b.fd, -1);
	assert_int_equal(spool_append(&b, &room, bytes, 100000), SPOOL_OK); /* no more memory: to the file, early */
	assert_true(b.fd >= 0);
	assert_int_equal(room.memory, 8192); /* a file gathers nothing while memory is short */
	assert_int_equal(spool_append(&c, &room, bytes, 100000), SPOOL_OK);
	assert_int_equal(c.fd, -1);
	assert_int_equal(spool_append(&b, &room, bytes, 100000), SPOOL_OK);
	assert_int_equal(spool_append(&c, &room, bytes, 100000), SPOOL_FULL); /* neither */
	assert_false(spool_room_takes(&room, 0, 100000));
	assert_int_equal(spool_finish(&b, &room), SPOOL_OK);
	assert_int_equal(room.memory, 16384);
	assert_int_equal(b.size, 3 * sizeof part);
	assert_int_equal(lseek(b.fd, 0, SEEK_END), 3 * sizeof part);
	spool_release(&a, &room);
	spool_release(&b, &room);
	spool_release(&c, &room);
	assert_int_equal(room.memory, 0);
	spool_room_close(&room);
}

/* A large body stays in memory while that is free, and leaves the other half of it to small ones. */
static void large_bodies_leave_half_of_the_memory_to_small_ones(void **state)
{
	(void)state;
	static char part[32 * 1024];
	enum { MEMORY = 1024 * 1024 };
	struct spool_room room;
	struct spool a, b, small;
	assert_true(spool_room_open(&room, folder, 4, 2 * MEMORY));
	spool_init(&a, &stock);
	spool_init(&b, &stock);
	spool_init(&small, &stock);
	struct slice bytes = slice_of(part, sizeof part);
	assert_true(spool_room_takes(&room, 2 * MEMORY, 2 * MEMORY));
	while (room.memory < MEMORY)
		assert_int_equal(spool_append(&a, &room, bytes, 2 * MEMORY), SPOOL_OK);
	assert_int_equal(a.fd, -1);
	while (b.fd < 0)
		assert_int_equal(spool_append(&b, &room, bytes, MEMORY), SPOOL_OK);
	assert_int_equal(b.size, SPOOL_SHORT + sizeof part);
	assert_int_equal(spool_append(&small, &room, bytes, MEMORY), SPOOL_OK);
	assert_int_equal(small.fd, -1);
	spool_release(&a, &room);
	spool_release(&b, &room);
	spool_release(&small, &room);
	assert_int_equal(room.memory, 0);
	while (a.fd < 0)
		assert_int_equal(spool_append(&a, &room, bytes, MEMORY), SPOOL_OK);
	assert_int_equal(a.size, MEMORY + sizeof part);
	spool_release(&a, &room);
	spool_room_close(&room);
}

/* What was read into the worker's block is not copied, and is in the file whole when it moves there. */
static void what_was_read_goes_to_the_file_as_well(void **state)
{
	(void)state;
	enum { BLOCKS = 20 };
	static char got[BLOCKS * ROPE_BLOCK];
	struct spool_room room;
	struct spool s;
	assert_true(spool_room_open(&room, folder, 4, 100 * ROPE_BLOCK));
	spool_init(&s, &stock);
	for (int i = 0; i < BLOCKS; i++) {
		char *to = rope_reading(&stock);
		memset(to, 'a' + i, ROPE_BLOCK);
		assert_int_equal(spool_append(&s, &room, slice_of(to, ROPE_BLOCK), ROPE_BLOCK), SPOOL_OK);
	}
	assert_int_equal(spool_finish(&s, &room), SPOOL_OK);
	assert_int_equal(room.memory, 0);
	assert_int_equal(pread(s.fd, got, sizeof got, 0), sizeof got);
	for (size_t i = 0; i < sizeof got; i++)
		assert_int_equal(got[i], 'a' + i / ROPE_BLOCK);
	spool_release(&s, &room);
	spool_room_close(&room);
	rope_stock_release(&stock);
}

static void a_missing_folder_is_told(void **state)
{
	(void)state;
	struct spool_room room;
	assert_false(spool_room_open(&room, "/nonexistent/spool", 1, 1 << 20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_small_body_stays_in_memory),
		cmocka_unit_test(a_long_body_is_whole_in_its_file),
		cmocka_unit_test(no_more_files_than_allowed),
		cmocka_unit_test(the_common_memory_is_bounded),
		cmocka_unit_test(large_bodies_leave_half_of_the_memory_to_small_ones),
		cmocka_unit_test(what_was_read_goes_to_the_file_as_well),
		cmocka_unit_test(a_missing_folder_is_told),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
