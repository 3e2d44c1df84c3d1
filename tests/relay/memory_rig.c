#include "tests/relay/memory_rig.h"

#include "base/mem.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

char memory_folder[64], memory_path[128], memory_aside[160];
static char log_path[160];
static int stderr_was;

int memory_set_up(void **state)
{
	(void)state;
	snprintf(memory_folder, sizeof memory_folder, "/tmp/relay-memory-XXXXXX");
	if (!mkdtemp(memory_folder))
		return -1;
	snprintf(memory_path, sizeof memory_path, "%s/relay.state", memory_folder);
	snprintf(memory_aside, sizeof memory_aside, "%s.aside", memory_path);
	snprintf(log_path, sizeof log_path, "%s/log", memory_folder);
	return 0;
}

int memory_tear_down(void **state)
{
	char command[128];
	(void)state;
	snprintf(command, sizeof command, "rm -rf '%s'", memory_folder);
	return system(command);
}

struct relay_state_record memory_record(uint64_t n)
{
	return (struct relay_state_record){ RELAY_STATE_HAS, MEMORY_NOW + 100, n, { n * 7, n * 11 } };
}

struct relay_memory *memory_opened(uint32_t entries, const char *want)
{
	char why[256];
	struct relay_memory *m = relay_memory_new(entries);
	assert_non_null(m);
	assert_true(relay_memory_open(m, memory_path, MEMORY_NOW, why));
	if (want ? !strstr(why, want) : why[0] != 0)
		fail_msg("it says \"%s\"", why);
	return m;
}

int memory_save(struct relay_memory *m, uint64_t first, size_t n, enum relay_state_kind kind)
{
	struct relay_save_box box;
	struct relay_save *s = relay_save_new(n), *back = NULL;
	relay_save_box_init(&box, NULL);
	for (size_t i = 0; i < n; i++) {
		s->records[i] = memory_record(first + i);
		s->records[i].kind = kind;
	}
	s->box = &box;
	relay_memory_submit(m, s);
	for (int i = 0; i < 10000 && !(back = relay_save_collect(&box)); i++)
		usleep(1000);
	assert_ptr_equal(back, s);
	int error = back->error;
	mem_free(&back);
	relay_save_box_clear(&box);
	return error;
}

void memory_keep(struct relay_memory *m, uint64_t n, enum relay_state_kind kind)
{
	assert_int_equal(memory_save(m, n, 1, kind), 0);
}

bool memory_has(struct relay_memory *m, uint64_t n)
{
	struct relay_state_record r = memory_record(n);
	bool about = relay_memory_about(m, n, 0, MEMORY_NOW), it = relay_memory_has(m, &r, MEMORY_NOW);
	assert_int_equal(about, it);
	return it;
}

off_t memory_file_size(void)
{
	struct stat st;
	assert_int_equal(stat(memory_path, &st), 0);
	return st.st_size;
}

void memory_poke(off_t at, char byte)
{
	int fd = open(memory_path, O_WRONLY);
	assert_int_equal(pwrite(fd, &byte, 1, at), 1);
	close(fd);
}

/* ---- the log ---- */

void memory_log_begin(void)
{
	fflush(stderr);
	int fd = open(log_path, O_CREAT | O_TRUNC | O_WRONLY | O_APPEND, 0600);
	stderr_was = dup(2);
	dup2(fd, 2);
	close(fd);
}

void memory_log_end(void)
{
	fflush(stderr);
	dup2(stderr_was, 2);
	close(stderr_was);
}

void memory_log_holds(const char *text, int times)
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

struct relay_intents *memory_open_notes(unsigned workers)
{
	char why[256] = "";
	memory_log_begin();
	struct relay_intents *i = relay_intents_open(memory_path, workers, why);
	memory_log_end();
	if (!i)
		fail_msg("%s", why);
	return i;
}
