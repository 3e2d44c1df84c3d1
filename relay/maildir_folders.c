/* The folders of a Maildir: made, opened, tried. */
#include "base/clock.h"
#include "relay/maildir_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* Makes `path` and what is above it, 0700, and opens it. */
static int open_folder(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	errno = ENAMETOOLONG;
	if (n == 0 || n >= sizeof part)
		return -1;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		part[i] = 0;
		if (mkdir(part, 0700) && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -1;
		part[i] = path[i];
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* says what mkdir could not */
}

static int open_below(const char *path, const char *name)
{
	char whole[PATH_MAX];
	int n = snprintf(whole, sizeof whole, "%s/%s", path, name);
	errno = ENAMETOOLONG;
	return n < 0 || (size_t)n >= sizeof whole ? -1 : open_folder(whole);
}

void relay_maildir_close(int *fd)
{
	int error = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
}

static bool can_make_files(int folder)
{
	char name[64];
	snprintf(name, sizeof name, "%llu.P%ld.try", (unsigned long long)clock_wall_ms(), (long)getpid());
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	close(fd);
	return unlinkat(folder, name, 0) == 0;
}

const char *relay_maildir_open(const char *path, int *tmp_r, int *new_r)
{
	*tmp_r = *new_r = -1;
	errno = ENOENT;
	if (*path == 0)
		return "find a Maildir without a path"; /* not the root of the file system */
	int cur = open_below(path, "cur");
	if (cur < 0)
		return "make or open cur/";
	relay_maildir_close(&cur);
	if ((*tmp_r = open_below(path, "tmp")) < 0)
		return "make or open tmp/";
	if ((*new_r = open_below(path, "new")) < 0)
		return "make or open new/";
	if (!can_make_files(*tmp_r))
		return "make a file in tmp/";
	if (!can_make_files(*new_r))
		return "make a file in new/";
	return NULL;
}

const char *relay_maildir_fault(const char *path)
{
	int tmp, new;
	const char *fault = relay_maildir_open(path, &tmp, &new);
	relay_maildir_close(&tmp);
	relay_maildir_close(&new);
	return fault;
}
