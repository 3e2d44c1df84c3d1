/* relay/maildir.h - delivery into a Maildir, by a thread of its own
 *
 * Source: Bernstein, "Using maildir format" (https://cr.yp.to/proto/maildir.html). A mail is written to a file of a
 * unique name in tmp/ (O_EXCL, 0600), flushed, renamed into new/, and new/ is flushed: only then is it delivered. Mails
 * that wait together share the last flush. One mail is one file, however many recipients it has:
 *
 *   Return-Path: <sender>
 *   Delivered-To: recipient          for each recipient
 *   the head (our Received: line), then the body, with CR LF made LF
 *
 * Disks make threads wait, so no worker writes here: it submits a job, and when that is done its loop is woken
 * and it collects. A job borrows everything it points to; all of it, and the job, must stay as it is until the job was
 * collected or relay_maildir_cancel() said true, even when its client has long gone.
 * Threads: submit and cancel from any thread; an owner is collected by its own thread alone.
 */
#ifndef RELAY_MAILDIR_H
#define RELAY_MAILDIR_H

#include "net/loop.h"
#include "relay/relay.h"

#include <pthread.h>

enum {
	RELAY_MAILDIR_WAITING = 4096, /* jobs that may wait; a disk that stands still must not hold more mails */
	RELAY_MAILDIR_BATCH = 32      /* jobs that share one flush of new/ */
};

enum relay_maildir_state { RELAY_MAILDIR_NEW, RELAY_MAILDIR_QUEUED, RELAY_MAILDIR_WRITING, RELAY_MAILDIR_DONE };

/* One for each worker: where its finished jobs wait. */
struct relay_maildir_owner {
	struct net_wake *wake; /* rung for each batch that holds a job of this owner; NULL: nobody is woken */
	pthread_mutex_t lock;
	struct relay_maildir_job *done, **done_last;
};

struct relay_maildir_job {
	struct relay_maildir_owner *owner; /* these two are set by the submitter */
	const struct relay_mail *mail;	   /* sender, rcpts, body */

	int error;	  /* the result: 0 delivered and on disk; else an errno, nothing lies in new/, try later */
	const char *step; /* what failed, for the log: "write", "fsync" ... */

	struct relay_maildir_job *next; /* private from here */
	enum relay_maildir_state state;
	char name[96]; /* of the file */
};

void relay_maildir_owner_init(struct relay_maildir_owner *o, struct net_wake *wake);
/* Only when no job of this owner is out. */
void relay_maildir_owner_clear(struct relay_maildir_owner *o);

struct relay_maildir;

/* NULL when PATH with its tmp/, new/ and cur/ is there (or could be made, 0700, parents included) and a file can be
 * made in it; else the step that failed, with errno. For the start, so that a wrong path is told before a mail needs
 * it. */
const char *relay_maildir_fault(const char *path) MUST_USE;
/* The same, then the folders are kept open and the thread is started. `host` goes into file names. NULL: errno says
 * why. */
struct relay_maildir *relay_maildir_new(const char *path, struct slice host) MUST_USE;
/* Finishes what is being written; jobs that still wait come out of collect with ECANCELED. */
void relay_maildir_free(struct relay_maildir **m);

/* False: too many wait already; the job was not taken. */
bool relay_maildir_submit(struct relay_maildir *m, struct relay_maildir_job *job) MUST_USE;
/* True: it had not begun, it will not be delivered and not be collected. False: it is being written, or done: it will
 * be collected. */
bool relay_maildir_cancel(struct relay_maildir *m, struct relay_maildir_job *job) MUST_USE;
/* The next finished job of this owner, or NULL. */
struct relay_maildir_job *relay_maildir_collect(struct relay_maildir_owner *o);

#endif
