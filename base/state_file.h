/* base/state_file.h - a file that holds our state: replaced whole or not at all, believed only when it is ours
 *
 * Writing: PATH.new is made with O_EXCL and 0600 in the same folder, written, flushed, renamed to PATH, and the folder
 * is flushed. Whatever ends the process, PATH is the old file or the new one. A PATH.new that a killed process left
 * is removed first. Flushing begins while writing goes on, so the end is no long silence.
 * Threads: each file belongs to who made it.
 */
#ifndef BASE_STATE_FILE_H
#define BASE_STATE_FILE_H

#include "base/result.h"
#include "base/slice.h"

#include <limits.h>
#include <sys/types.h>

enum { STATE_FILE_WHY = 160 };

/* Opens PATH for reading. Refused: a symlink, what is no regular file, what belongs to neither `owner` nor root, what
 * others than its owner may write. Returns -1 with why_r; errno is ENOENT when there is just nothing. */
int state_file_open(const char *path, uid_t owner, char why_r[STATE_FILE_WHY]) MUST_USE;

/* Moves PATH (a link itself, not what it points to) to PATH.aside, which is replaced. False: errno. */
bool state_file_put_aside(const char *path) MUST_USE;

struct state_file {
	int fd, folder;
	char name[NAME_MAX + 1], new_name[NAME_MAX + 1];
	uint64_t written, flushed; /* bytes; those whose writing to the disk was begun */
};

/* Each false: errno. A file that was made must be committed or dropped; a failed commit has dropped it. */
bool state_file_make(struct state_file *f, const char *path) MUST_USE;
bool state_file_write(struct state_file *f, struct slice bytes) MUST_USE;
bool state_file_commit(struct state_file *f) MUST_USE;
void state_file_drop(struct state_file *f);

#endif
