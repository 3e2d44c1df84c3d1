/* ctl/listen.c - see ctl/listen.h */
#include "ctl/listen.h"

#include "base/mem.h"
#include "ctl/unix_addr.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BACKLOG = 16 };

static bool fail(struct buf *error_r, const char *path, const char *what, int err)
{
	bool told = err ? buf_printf(error_r, "control socket %s: %s: %s", path, what, strerror(err))
			: buf_printf(error_r, "control socket %s: %s", path, what);
	(void)told;
	return false;
}

/* Opens the folder, makes it first when it is missing; -1: errno. Only its last name is made. */
static int open_folder(const char *folder, uid_t uid, gid_t gid)
{
	bool made = mkdir(folder, 0750) == 0;
	if (!made && errno != EEXIST)
		return -1;
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0 || !made)
		return fd;
	if (fchmod(fd, 0750) == 0 && fchown(fd, uid, gid) == 0)
		return fd;
	int err = errno;
	close(fd);
	errno = err;
	return -1;
}

/* Two servers that start at once must not both take the other's fresh socket for a stale one: who
 * probes, removes and binds holds the folder's lock. Returns the locked folder. */
static int lock_folder(const char *path, uid_t uid, gid_t gid, struct buf *error_r)
{
	const char *slash = strrchr(path, '/');
	char *folder = slash ? mem_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mem_strndup(".", 1);
	int fd = folder ? open_folder(folder, uid, gid) : -1;
	mem_free(&folder);
	if (fd < 0) {
		fail(error_r, path, "cannot make or open its folder", errno);
		return -1;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		return fd;
	fail(error_r, path, "another smtpguardd is being started with it", errno == EWOULDBLOCK ? 0 : errno);
	close(fd);
	return -1;
}

/* 0: somebody listens; else connect's errno. A full backlog is somebody too. */
static int probe(const struct sockaddr_un *addr, socklen_t len)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return errno;
	int err = connect(fd, (const struct sockaddr *)addr, len) == 0 ? 0 : errno;
	close(fd);
	return err == EAGAIN ? 0 : err;
}

static bool make_way(const char *path, const struct sockaddr_un *addr, socklen_t len, struct buf *error_r)
{
	struct stat st;
	if (lstat(path, &st) < 0)
		return errno == ENOENT || fail(error_r, path, "cannot look at it", errno);
	if (!S_ISSOCK(st.st_mode))
		return fail(error_r, path,
			"a file that is not a socket is in the way; remove it, or set server.control", 0);
	int err = probe(addr, len);
	if (err == 0)
		return fail(error_r, path, "another smtpguardd answers there; stop it first, or set server.control", 0);
	if (err != ECONNREFUSED)
		return fail(error_r, path, "cannot find out whether somebody answers there", err);
	return unlink(path) == 0 || fail(error_r, path, "cannot remove the socket of an earlier server", errno);
}

static bool bind_socket(int fd, const char *path, const struct sockaddr_un *addr, socklen_t len, struct buf *error_r)
{
	mode_t before = umask(0117);
	int rc = bind(fd, (const struct sockaddr *)addr, len);
	int err = errno;
	umask(before);
	return rc == 0 || fail(error_r, path, "cannot bind", err);
}

static bool bind_and_listen(int fd, const char *path, uid_t uid, gid_t gid, struct buf *error_r)
{
	struct sockaddr_un addr;
	socklen_t len;
	if (!ctl_unix_addr(path, &addr, &len))
		return fail(error_r, path, "the path must have 1 to 107 bytes", 0);
	int folder = lock_folder(path, uid, gid, error_r);
	if (folder < 0)
		return false;
	bool ok = make_way(path, &addr, len, error_r) && bind_socket(fd, path, &addr, len, error_r);
	if (ok && (lchown(path, uid, gid) < 0 || listen(fd, BACKLOG) < 0)) {
		ok = fail(error_r, path, "cannot hand it over or listen", errno);
		unlink(path);
	}
	close(folder);
	return ok;
}

int ctl_listen(const char *path, uid_t uid, gid_t gid, struct buf *error_r)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		fail(error_r, path, "cannot make a socket", errno);
		return -1;
	}
	if (bind_and_listen(fd, path, uid, gid, error_r))
		return fd;
	close(fd);
	return -1;
}
