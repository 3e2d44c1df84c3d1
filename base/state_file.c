#include "base/state_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The disk is set to work each time so much is written; without it all would wait for the flush at the end. */
enum { FLUSH_EVERY = 8 * 1024 * 1024 };

/* ---- reading ---- */

static bool is_ours(int fd, uid_t owner, char why_r[STATE_FILE_WHY])
{
	struct stat st;
	const char *fault = NULL;
	if (fstat(fd, &st) < 0)
		fault = strerror(errno);
	else if (!S_ISREG(st.st_mode))
		fault = "it is no regular file";
	else if (st.st_uid != owner && st.st_uid != 0)
		fault = "it belongs to another user";
	else if (st.st_mode & (S_IWGRP | S_IWOTH))
		fault = "others than its owner may write it";
	if (fault)
		snprintf(why_r, STATE_FILE_WHY, "%s", fault);
	return !fault;
}

int state_file_open(const char *path, uid_t owner, char why_r[STATE_FILE_WHY])
{
	/* NONBLOCK: opening a named pipe must not wait for its writer */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		int error = errno;
		snprintf(why_r, STATE_FILE_WHY, "%s", error == ELOOP ? "it is a symbolic link" : strerror(error));
		errno = error;
		return -1;
	}
	if (is_ours(fd, owner, why_r))
		return fd;
	close(fd);
	errno = EPERM;
	return -1;
}

bool state_file_put_aside(const char *path)
{
	char aside[PATH_MAX];
	if (snprintf(aside, sizeof aside, "%s.aside", path) >= (int)sizeof aside) {
		errno = ENAMETOOLONG;
		return false;
	}
	return rename(path, aside) == 0;
}

/* ---- writing ---- */

/* Opens the folder of `path` and sets the two names in it. */
static bool open_folder(struct state_file *f, const char *path)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
	size_t n = (size_t)(name - path);
	if (n >= sizeof folder || snprintf(f->name, sizeof f->name, "%s", name) >= (int)sizeof f->name ||
		snprintf(f->new_name, sizeof f->new_name, "%s.new", name) >= (int)sizeof f->new_name) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(folder, path, n);
	folder[n] = 0;
	f->folder = open(n ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->folder >= 0;
}

bool state_file_make(struct state_file *f, const char *path)
{
	*f = (struct state_file){ .fd = -1, .folder = -1 };
	TRY(open_folder(f, path));
	if (unlinkat(f->folder, f->new_name, 0) == 0 || errno == ENOENT)
		f->fd = openat(f->folder, f->new_name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (f->fd >= 0)
		return true;
	int error = errno;
	close(f->folder);
	errno = error;
	return false;
}

bool state_file_write(struct state_file *f, struct slice bytes)
{
	while (bytes.n) {
		ssize_t n = write(f->fd, bytes.p, bytes.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return false;
		bytes = slice_skip(bytes, (size_t)n);
		f->written += (uint64_t)n;
	}
	if (f->written - f->flushed < FLUSH_EVERY)
		return true;
	/* only a hint: what it cannot do, the flush at the end does */
	(void)sync_file_range(f->fd, (off_t)f->flushed, (off_t)(f->written - f->flushed), SYNC_FILE_RANGE_WRITE);
	f->flushed = f->written;
	return true;
}

static void close_both(struct state_file *f)
{
	int error = errno;
	if (f->fd >= 0)
		close(f->fd);
	if (f->folder >= 0)
		close(f->folder);
	f->fd = f->folder = -1;
	errno = error;
}

void state_file_drop(struct state_file *f)
{
	int error = errno;
	(void)unlinkat(f->folder, f->new_name, 0);
	errno = error;
	close_both(f);
}

bool state_file_commit(struct state_file *f)
{
	if (fsync(f->fd) < 0 || renameat(f->folder, f->new_name, f->folder, f->name) < 0) {
		state_file_drop(f);
		return false;
	}
	bool ok = fsync(f->folder) == 0;
	close_both(f);
	return ok;
}
