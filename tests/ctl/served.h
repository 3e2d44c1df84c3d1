/* A control server in a folder of its own, with a few commands, in a thread. */
#ifndef TESTS_CTL_SERVED_H
#define TESTS_CTL_SERVED_H

#include "ctl/server.h"

#include <pthread.h>

struct served {
	char top[64], path[80];
	struct ctl_server *server;
	pthread_t thread;
	unsigned asked; /* times a command ran; read after served_stop() */
};

/* Commands: echo (answers its args), fail, mute (fails without a sentence), big (2 MB), starve (after
 * `n` more allocations of the control thread one fails), feed (none does any more; no data). */
bool served_start(struct served *s, uint64_t request_ms, uint64_t answer_ms);
void served_stop(struct served *s);
/* A connected socket with nothing sent; -1. */
int served_connect(const struct served *s);
bool served_connect_with(const struct served *s, int fd);
/* Reads until the end; what was read is appended. False when the end was a reset. */
bool served_read_all(int fd, struct buf *out);

#endif
