/* relay/memory_inside.h - what the table (memory.c) and its file (memory_file.c) share */
#ifndef RELAY_MEMORY_INSIDE_H
#define RELAY_MEMORY_INSIDE_H

#include "relay/memory.h"

#include <stdatomic.h>

struct relay_memory_entry {
	uint64_t until_s; /* 0: the place is free */
	uint64_t about, id[2];
	uint32_t next; /* in its chain; 0: the last */
	bool partial;  /* RELAY_STATE_HAS */
};

struct relay_memory {
	struct relay_state_head head;
	atomic_uint count, undecided_n;
	atomic_uint held; /* places of partial ones, and those reserved */
	atomic_ullong evicted;
	atomic_ullong turns;
	pthread_mutex_t lock; /* from here to waiting_last */
	pthread_cond_t more;
	uint32_t places, chains, at;
	bool full; /* that was told */
	uint64_t evicted_told, tell_evicted_ms; /* that many were, the next time then at the earliest */
	uint32_t used; /* places above it were never used */
	struct relay_memory_entry *entries;
	uint32_t *first;
	bool writing, ending;
	struct relay_save *waiting, *waiting_last;
	struct relay_save *undecided;
	pthread_t thread; /* the writer's from here on */
	char *path;
	int fd;
	uint64_t size; /* of what is whole in the file */
	uint64_t records;
	bool behind;	  /* what could not be appended is in the table alone: the file is made anew */
	atomic_int error; /* it was told that it cannot be written: why; 0: it can */
};

/* Under the lock. False: an entry that counts was given up for it, or it was itself. */
bool relay_memory_apply(struct relay_memory *m, const struct relay_state_record *rec);
/* It was written, or not: to its box, or freed. */
void relay_save_over(struct relay_save *s, int error);
/* What waits is written first. Fine without a writer. */
void relay_memory_end_writer(struct relay_memory *m);

#endif
