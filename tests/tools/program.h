/* Runs the built smtpguardctl as a user does. */
#ifndef TESTS_TOOLS_PROGRAM_H
#define TESTS_TOOLS_PROGRAM_H

#include "base/buf.h"

struct program {
	int code; /* exit code; -1: it did not run to its end */
	struct buf out, err;
};

/* `words` as the shell takes them; SMTPGUARD_CONTROL is `socket` (NULL: unset). */
void program_run(struct program *p, const char *socket, const char *words);
void program_release(struct program *p);

#endif
