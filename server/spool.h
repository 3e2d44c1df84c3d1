/* server/spool.h - where a body waits until it is handed on: memory first, then an unlinked file
 *
 * Up to `memory` bytes (relay.memory_per_message) stay in memory, but no more than SPOOL_SHORT while more than half of
 * the common memory is in use: so large bodies alone cannot take it all from small ones. A longer body moves as a whole
 * into a file that has no name (O_TMPFILE), so nothing is left behind whatever happens to the process. Two bounds hold
 * for the whole server: relay.memory, all bodies in memory together, behind which also shorter ones go to files; and
 * relay.open_bodies, the files that may be open at once. The answer to a flood of bodies is 451, not a lack of memory
 * or descriptors.
 * Threads: a spool_room is shared, a spool and its stock belong to its session's worker.
 */
#ifndef SERVER_SPOOL_H
#define SERVER_SPOOL_H

#include "base/result.h"
#include "base/rope.h"

#include <stdatomic.h>

struct spool_room {
	int folder;		    /* descriptor of server.spool */
	_Atomic uint32_t max_files; /* a reload sets it anew; the files that are open stay */
	_Atomic uint32_t files;
	_Atomic uint64_t max_memory; /* as well */
	_Atomic uint64_t memory;     /* of all spools */
};

enum { SPOOL_SHORT = 256 * 1024 };

struct spool {
	struct rope_stock *stock;
	struct rope mem; /* the body, or what is not yet written to the file */
	int fd;		 /* -1: all is in mem */
	int error;	 /* errno behind SPOOL_FAILED */
	uint64_t size;
};

enum spool_result {
	SPOOL_OK,
	SPOOL_FULL,  /* relay.open_bodies is reached, and relay.memory where it would help */
	SPOOL_FAILED /* the disk or memory said no */
};

/* Opens the folder; false: errno. */
bool spool_room_open(struct spool_room *r, const char *path, uint32_t max_files, uint64_t max_memory) MUST_USE;
void spool_room_close(struct spool_room *r);

/* Is there a place for one more body of so many bytes (0: not known), which may stay in memory up to `memory`? Asked
 * before it is sent, so that nobody sends for nothing; no promise. */
bool spool_room_takes(const struct spool_room *r, uint64_t size, uint64_t memory) MUST_USE;

void spool_init(struct spool *s, struct rope_stock *stock);
enum spool_result spool_append(struct spool *s, struct spool_room *r, struct slice bytes, uint64_t memory) MUST_USE;
/* The body is complete: with a file, all of it is in the file afterwards. */
enum spool_result spool_finish(struct spool *s, struct spool_room *r) MUST_USE;
/* Drops the body and gives everything back; may be called again and again. */
void spool_release(struct spool *s, struct spool_room *r);

#endif
