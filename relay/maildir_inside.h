/* relay/maildir_inside.h - what the files that make up a Maildir share
 *
 * maildir.c: the queue, the thread, their life; maildir_file.c: one mail as a file; maildir_folders.c: tmp/ and new/.
 */
#ifndef RELAY_MAILDIR_INSIDE_H
#define RELAY_MAILDIR_INSIDE_H

#include "relay/maildir.h"

enum { RELAY_MAILDIR_BLOCK = 65536, RELAY_MAILDIR_HOST = 40 };

/* Where mails are written, and what the writing thread needs for it; its own. */
struct relay_maildir_desk {
	int tmp, new; /* folders */
	char host[RELAY_MAILDIR_HOST];
	unsigned long delivered;
	char in[RELAY_MAILDIR_BLOCK], out[RELAY_MAILDIR_BLOCK];
};

/* Writes the mail under a new name (job->name) to tmp/, flushes it and renames it into new/. job->error and job->step
 * say how it went; after an error nothing of it is left. It is delivered only when new/ has been flushed, too. */
void relay_maildir_write(struct relay_maildir_desk *d, struct relay_maildir_job *job);
/* new/ could not be flushed: takes those that were written back out of it, or a mail that is told to be tried again
 * comes twice. */
void relay_maildir_take_back(struct relay_maildir_desk *d, struct relay_maildir_job *jobs, int error);

/* Makes what is missing. NULL, or the step that failed (errno); the folders are open then as far as they could be. */
const char *relay_maildir_open(const char *path, int *tmp_r, int *new_r) MUST_USE;
/* Keeps errno; -1 is fine. */
void relay_maildir_close(int *fd);

#endif
