/* tests/e2e/harness/fail_call.c - loaded before the server's libraries: makes the nth call of one kind fail
 *
 * The test and the server share one small file, mapped by both: the test writes which kind of call shall fail, after
 * how many more, and with which errno; the server's calls count down. tests/e2e/test_faults.py holds the same
 * numbers.
 * A call that only wakes a thread of our own (eventfd) is never failed: the kernel has no way to fail it.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind {
	NONE,
	ALLOCATE,
	READ,
	WRITE,
	ACCEPT,
	CONNECT,
	SOCKET,
	OPEN,
	SYNC,
	RENAME,
	PREAD,
	EPOLL,
	TLS,
	MAP,
	UNMAP,
	ADVISE
};

struct order {
	_Atomic int kind;    /* that fails; NONE: none */
	_Atomic int error;   /* errno, or HANGS */
	_Atomic long after;  /* so many succeed before */
	_Atomic long failed; /* how many did: 0 or 1 */
	_Atomic int whole;   /* from then on all of the kind fail */
};

enum { HANGS = -1 }; /* it does not come back while the order stands */

static struct order *order;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("FAIL_CALL_ORDER");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *p = fd >= 0 ? mmap(NULL, sizeof *order, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	if (fd >= 0)
		close(fd);
	order = p == MAP_FAILED ? NULL : p;
}

static void *real(const char *name)
{
	return dlsym(RTLD_NEXT, name);
}
#define REAL(type, name, ...)                                                                                          \
	static type (*call)(__VA_ARGS__);                                                                              \
	if (!call)                                                                                                     \
	*(void **)&call = real(#name)

static int is_our_own_bell(int fd)
{
	char link[32], what[32];
	snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, what, sizeof what - 1);
	return n > 0 && (what[n] = 0, strncmp(what, "anon_inode:", 11) == 0);
}

static int fails(enum kind kind)
{
	if (!order || atomic_load(&order->kind) != (int)kind)
		return 0;
	long left = atomic_fetch_sub(&order->after, 1);
	if (left > 0 || (left < 0 && !atomic_load(&order->whole)))
		return 0;
	atomic_fetch_add(&order->failed, 1);
	if (atomic_load(&order->error) == HANGS) {
		while (atomic_load(&order->kind) == (int)kind)
			usleep(10000);
		return 0;
	}
	errno = atomic_load(&order->error);
	return 1;
}

static int fails_on(enum kind kind, int fd)
{
	if (!order || atomic_load(&order->kind) != (int)kind)
		return 0;
	int error = errno, bell = is_our_own_bell(fd);
	errno = error;
	return !bell && fails(kind);
}

/* ---- memory ---- */

void *mi_malloc(size_t n)
{
	REAL(void *, mi_malloc, size_t);
	return fails(ALLOCATE) ? NULL : call(n);
}

void *mi_zalloc(size_t n)
{
	REAL(void *, mi_zalloc, size_t);
	return fails(ALLOCATE) ? NULL : call(n);
}

void *mi_realloc(void *p, size_t n)
{
	REAL(void *, mi_realloc, void *, size_t);
	return fails(ALLOCATE) ? NULL : call(p, n);
}

/* The system calls themselves: these are called before there is a dlsym() that works. */

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	return fails(MAP) ? MAP_FAILED : (void *)syscall(SYS_mmap, p, n, prot, flags, fd, at);
}

int munmap(void *p, size_t n)
{
	return fails(UNMAP) ? -1 : (int)syscall(SYS_munmap, p, n);
}

int madvise(void *p, size_t n, int what)
{
	return fails(ADVISE) ? -1 : (int)syscall(SYS_madvise, p, n, what);
}

/* ---- bytes ---- */

ssize_t read(int fd, void *p, size_t n)
{
	REAL(ssize_t, read, int, void *, size_t);
	return fails_on(READ, fd) ? -1 : call(fd, p, n);
}

ssize_t recv(int fd, void *p, size_t n, int flags)
{
	REAL(ssize_t, recv, int, void *, size_t, int);
	return fails(READ) ? -1 : call(fd, p, n, flags);
}

ssize_t write(int fd, const void *p, size_t n)
{
	REAL(ssize_t, write, int, const void *, size_t);
	return fails_on(WRITE, fd) ? -1 : call(fd, p, n);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	REAL(ssize_t, send, int, const void *, size_t, int);
	return fails(WRITE) ? -1 : call(fd, p, n, flags);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
	return fails(WRITE) ? -1 : call(fd, p, n, at);
}

int posix_fallocate(int fd, off_t at, off_t n)
{
	REAL(int, posix_fallocate, int, off_t, off_t);
	return fails(WRITE) ? errno : call(fd, at, n);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	REAL(ssize_t, pread, int, void *, size_t, off_t);
	return fails(PREAD) ? -1 : call(fd, p, n, at);
}

/* ---- sockets ---- */

int accept4(int fd, struct sockaddr *address, socklen_t *n, int flags)
{
	REAL(int, accept4, int, struct sockaddr *, socklen_t *, int);
	return fails(ACCEPT) ? -1 : call(fd, address, n, flags);
}

int connect(int fd, const struct sockaddr *address, socklen_t n)
{
	REAL(int, connect, int, const struct sockaddr *, socklen_t);
	return fails(CONNECT) ? -1 : call(fd, address, n);
}

int socket(int domain, int type, int protocol)
{
	REAL(int, socket, int, int, int);
	return fails(SOCKET) ? -1 : call(domain, type, protocol);
}

int epoll_ctl(int epoll, int what, int fd, struct epoll_event *event)
{
	REAL(int, epoll_ctl, int, int, int, struct epoll_event *);
	return what == EPOLL_CTL_ADD && fails(EPOLL) ? -1 : call(epoll, what, fd, event);
}

/* ---- files ---- */

int open(const char *path, int flags, ...)
{
	REAL(int, open, const char *, int, ...);
	va_list more;
	va_start(more, flags);
	unsigned mode = va_arg(more, unsigned);
	va_end(more);
	return fails(OPEN) ? -1 : call(path, flags, mode);
}

int openat(int folder, const char *path, int flags, ...)
{
	REAL(int, openat, int, const char *, int, ...);
	va_list more;
	va_start(more, flags);
	unsigned mode = va_arg(more, unsigned);
	va_end(more);
	return fails(OPEN) ? -1 : call(folder, path, flags, mode);
}

int fsync(int fd)
{
	REAL(int, fsync, int);
	return fails(SYNC) ? -1 : call(fd);
}

int fdatasync(int fd)
{
	REAL(int, fdatasync, int);
	return fails(SYNC) ? -1 : call(fd);
}

int rename(const char *from, const char *to)
{
	REAL(int, rename, const char *, const char *);
	return fails(RENAME) ? -1 : call(from, to);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	REAL(int, renameat, int, const char *, int, const char *);
	return fails(RENAME) ? -1 : call(from_folder, from, to_folder, to);
}

/* ---- TLS: as OpenSSL reports a connection that broke ---- */

struct ssl_st;
enum { SSL_ERROR_SYSCALL_ = 5, SSL_NOTHING_ = 1 };
static _Thread_local const struct ssl_st *broken; /* whose last call was made to fail */

static int breaks(const struct ssl_st *s)
{
	broken = fails(TLS) ? s : NULL;
	return broken != NULL;
}

int SSL_get_error(const struct ssl_st *s, int result)
{
	REAL(int, SSL_get_error, const struct ssl_st *, int);
	return broken && broken == s ? SSL_ERROR_SYSCALL_ : call(s, result);
}

int SSL_want(const struct ssl_st *s)
{
	REAL(int, SSL_want, const struct ssl_st *);
	return broken && broken == s ? SSL_NOTHING_ : call(s);
}

int SSL_do_handshake(struct ssl_st *s)
{
	REAL(int, SSL_do_handshake, struct ssl_st *);
	return breaks(s) ? -1 : call(s);
}

int SSL_read_ex(struct ssl_st *s, void *p, size_t n, size_t *n_r)
{
	REAL(int, SSL_read_ex, struct ssl_st *, void *, size_t, size_t *);
	return breaks(s) ? 0 : call(s, p, n, n_r);
}

int SSL_write_ex(struct ssl_st *s, const void *p, size_t n, size_t *n_r)
{
	REAL(int, SSL_write_ex, struct ssl_st *, const void *, size_t, size_t *);
	return breaks(s) ? 0 : call(s, p, n, n_r);
}

struct ssl_st *SSL_new(void *context)
{
	REAL(struct ssl_st *, SSL_new, void *);
	return fails(TLS) ? NULL : call(context);
}
