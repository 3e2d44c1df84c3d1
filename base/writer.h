/* base/writer.h - lines that a thread of its own writes to a file: who has a line never waits for a disk
 *
 * writer_line() copies a line into memory under a short lock; the thread gathers and writes. What may wait is bounded
 * (`most`; as much again may be on its way): a line that does not fit, or that the file does not take (no space left),
 * is lost, counted, and told in the log: when losing begins, then once a minute at most, and at the end.
 *
 * A writer owns its descriptor (but stderr) and changes it between two writes, so that no line is torn between two
 * files. A line that was only written in part, on a full disk, is ended before the next one begins.
 *
 * Threads: any may call writer_line() and writer_lost(); the others belong to one at a time.
 */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/buf.h"

#include <pthread.h>

/* Instead of a descriptor. */
enum { WRITER_NOWHERE = -1, WRITER_SYSLOG = -2 };

struct writer { /* private */
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_t thread;
	const char *what;
	size_t most;
	bool running, stopping, turning, torn;
	struct buf lines; /* waiting to be written */
	struct buf first, next_first;
	int fd, next_fd; /* of `turning` */
	int error;	 /* of the last write that failed since a loss was told; 0: none did */
	uint64_t lost, told, told_ms;
};

/* `what`: the lines' name in the log, as in "12 WHAT were lost". */
#define WRITER_INIT(what_, most_, fd_)                                                                                 \
	{                                                                                                              \
		.lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER, .what = what_, .most = most_,   \
		.fd = fd_                                                                                              \
	}

/* From now on lines go to `fd`, which the writer closes one day; lines that wait still may go there as well. Nowhere:
 * they are dropped and not counted. `first` is a line that comes before all others; it waits as long as it cannot be
 * written. Before writer_start() and after writer_stop() lines are written at once. */
void writer_turn(struct writer *w, int fd, struct slice first);
bool writer_start(struct writer *w) __attribute__((warn_unused_result));
/* Writes what is left, unless a pipe does not take it, and ends the thread. The descriptor is kept. */
void writer_stop(struct writer *w);
/* Closes the descriptor and frees memory; the writer is not running. */
void writer_release(struct writer *w);

/* A line without its line end. */
void writer_line(struct writer *w, struct slice line);
uint64_t writer_lost(struct writer *w);

#endif
