/* tests/relay/memory_rig.h - relay.state in a folder of its own, and what the log says of it */
#ifndef MEMORY_RIG_H
#define MEMORY_RIG_H

#include "tests/base/cmocka_setup.h"

#include "relay/intent.h"
#include "relay/memory.h"

#include <sys/types.h>

enum { MEMORY_NOW = 2000000000 }; /* later than any clock of today: what the writer drops by its own is old */

extern char memory_folder[64], memory_path[128], memory_aside[160];

/* For cmocka's setup and teardown. */
int memory_set_up(void **state);
int memory_tear_down(void **state);
#define MEMORY_TEST(name) cmocka_unit_test_setup_teardown(name, memory_set_up, memory_tear_down)

/* The nth entry, as a record. */
struct relay_state_record memory_record(uint64_t n);
/* Open, with these words about it; NULL: without any. */
struct relay_memory *memory_opened(uint32_t entries, const char *want);
/* Waits until it was tried to write a save of n records from `first` on; its error. */
int memory_save(struct relay_memory *m, uint64_t first, size_t n, enum relay_state_kind kind);
/* One that must be on the disk. */
void memory_keep(struct relay_memory *m, uint64_t n, enum relay_state_kind kind);
bool memory_has(struct relay_memory *m, uint64_t n);
off_t memory_file_size(void);
void memory_poke(off_t at, char byte);

/* What is logged between the two goes into a file. */
void memory_log_begin(void);
void memory_log_end(void);
/* It holds this text so many times. */
void memory_log_holds(const char *text, int times);
/* With what the log says meanwhile in that file. */
struct relay_intents *memory_open_notes(unsigned workers);

#endif
