/* tests/relay/disk.h - calls of this program that fail, or wait
 *
 * A program linked with it (test_*_failures) has these calls instead of the C library's, for all its threads. One
 * order at a time: so many calls of a kind go well, the next one fails, later ones go well again. Bytes that do not go
 * to a regular file are never refused, but for DISK_SEND.
 */
#ifndef DISK_H
#define DISK_H

#include <stdbool.h>

enum disk_call {
	DISK_NONE,
	DISK_WRITE, /* write and pwrite */
	DISK_READ,  /* pread */
	DISK_FSYNC,
	DISK_FDATASYNC,
	DISK_RENAME,
	DISK_OPEN,
	DISK_UNDO,   /* fdatasync, and ftruncate that would undo the write */
	DISK_MAP,    /* shared */
	DISK_THREAD, /* a new one */
	DISK_SEND    /* of the thread that gave the order */
};

void disk_fail(enum disk_call call, int after, int error);
/* From then on all of the kind fail, until the next order. */
void disk_fail_all(enum disk_call call, int error);
/* How many calls have failed by the order that stands. */
int disk_failed(void);
/* Takes the order back; how many have failed by it. */
int disk_work(void);

/* Calls of this kind wait until disk_go_on(), or at most so long. */
void disk_hold(enum disk_call call, int at_most_ms);
/* Waits until one waits. */
void disk_await_held(void);
void disk_go_on(void);

#endif
