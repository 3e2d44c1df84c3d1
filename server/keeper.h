/* server/keeper.h - the store's snapshot file: written by a thread of its own, read at the start
 *
 * A snapshot is taken every score.snapshot_every, on USR1, when smtpguardctl asks, and at the end. One that the clock
 * asks for is paced, so that no mail feels it; the others go as fast as the disk. It is written to PATH.new (made
 * with O_EXCL, 0600), flushed, renamed to PATH, and the folder is flushed: at every moment there is one whole
 * snapshot, whatever kills the process. When it fails the old one stays, the log says why, and it is tried again
 * at the next occasion.
 *
 * At the start the file is believed only when it is a regular file of our own (or root's) that no other may write,
 * reached over no symlink in its last part. What is damaged, or not ours, is renamed to PATH.aside (an older one
 * there gives way) with a line that says so; all that is whole of a damaged one is kept; the server starts anyway.
 *
 * Threads: any function may be called by any thread once keeper_new() returned, but restore, start, stop and free,
 * which are the main thread's. The keeper's lock is a leaf, never held over I/O.
 */
#ifndef SERVER_KEEPER_H
#define SERVER_KEEPER_H

#include "base/hash.h"
#include "base/result.h"
#include "score/store.h"

#include <sys/types.h>

/* Looks into the head of the snapshot at `path` for the secret key that its entries were hashed with, so that the
 * store can be made with it. `owner`: who the server will be. False: there is none to be believed, take a fresh key;
 * nothing is logged and nothing moved, that is keeper_restore()'s. */
bool keeper_read_key(const char *path, uid_t owner, struct hash_key *key_r) MUST_USE;

struct keeper;

/* `path` is copied. NULL: no memory. */
struct keeper *keeper_new(struct score_store *store, const char *path, uint64_t every_ms) MUST_USE;

/* Reads the file into the store, which was made with the key that keeper_read_key() found, and logs what came of it.
 * After a damaged file a new one is written as soon as the keeper runs. */
void keeper_restore(struct keeper *k);

/* Starts the thread; after privileges were dropped. */
bool keeper_start(struct keeper *k) MUST_USE;
/* Takes a last snapshot, as fast as it goes, and ends the thread. False: it could not be written. */
bool keeper_stop(struct keeper *k);
void keeper_free(struct keeper **k);

/* New settings: valid from the next snapshot on. */
void keeper_configure(struct keeper *k, const char *path, uint64_t every_ms);

/* Asks for a snapshot and returns at once; what came of it is logged. */
void keeper_ask(struct keeper *k);

enum keeper_outcome {
	KEEPER_WRITTEN,
	KEEPER_FAILED,	/* keeper_info.error says why */
	KEEPER_WRITING, /* not done within the time; it goes on */
	KEEPER_OFF,	/* the keeper does not run */
};
/* For the control thread: at most this long, so that its client still gets the answer. */
enum { KEEPER_WAIT_MS = 8000 };
/* Takes a snapshot that holds at least all that happened before the call, and waits for it. */
enum keeper_outcome keeper_snapshot_now(struct keeper *k, uint64_t wait_ms) MUST_USE;

struct keeper_info {
	uint64_t taken, failed;	   /* since the start */
	uint64_t last_ms;	   /* wall clock when the last one was done; 0: none yet, nor restored */
	uint64_t last_took_ms;	   /* of the last one */
	uint64_t entries, bytes;   /* in it */
	uint64_t restored_entries; /* at the start */
	bool failing;		   /* the last try failed: `error` says why */
	char error[192];
	char path[256]; /* cut, when it is longer */
};
void keeper_info(struct keeper *k, struct keeper_info *info_r);

#endif
