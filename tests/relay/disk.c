#include "tests/relay/disk.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static atomic_int ordered, left, error_is, failed; /* left: calls that go well before */
static atomic_bool whole;
static _Thread_local bool ours; /* this thread gave the order */
static atomic_int held, hold_ms;
static atomic_bool holding;

static void order(enum disk_call call, int after, int error, bool all)
{
	atomic_store(&ordered, DISK_NONE);
	atomic_store(&left, after);
	atomic_store(&error_is, error);
	atomic_store(&failed, 0);
	atomic_store(&whole, all);
	ours = call != DISK_NONE;
	atomic_store(&ordered, (int)call);
}

void disk_fail(enum disk_call call, int after, int error)
{
	order(call, after, error, false);
}

void disk_fail_all(enum disk_call call, int error)
{
	order(call, 0, error, true);
}

int disk_failed(void)
{
	return atomic_load(&failed);
}

int disk_work(void)
{
	int n = disk_failed();
	order(DISK_NONE, 0, 0, false);
	return n;
}

void disk_hold(enum disk_call call, int at_most_ms)
{
	atomic_store(&holding, false);
	atomic_store(&hold_ms, at_most_ms);
	atomic_store(&held, (int)call);
}

void disk_await_held(void)
{
	while (!atomic_load(&holding))
		usleep(1000);
}

void disk_go_on(void)
{
	atomic_store(&held, DISK_NONE);
}

static bool fails(enum disk_call call)
{
	while (atomic_load(&held) == (int)call && atomic_fetch_sub(&hold_ms, 1) > 0) {
		atomic_store(&holding, true);
		usleep(1000);
	}
	if (atomic_load(&ordered) != (int)call)
		return false;
	int n = atomic_fetch_sub(&left, 1);
	if (n > 0 || (n < 0 && !atomic_load(&whole)))
		return false;
	atomic_fetch_add(&failed, 1);
	errno = atomic_load(&error_is);
	return true;
}

static bool is_file(int fd)
{
	struct stat st;
	return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

#define REAL(type, name, ...)                                                                                          \
	type (*call)(__VA_ARGS__);                                                                                     \
	*(void **)&call = dlsym(RTLD_NEXT, #name)

ssize_t write(int fd, const void *p, size_t n)
{
	REAL(ssize_t, write, int, const void *, size_t);
	return atomic_load(&ordered) == DISK_WRITE && is_file(fd) && fails(DISK_WRITE) ? -1 : call(fd, p, n);
}

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{
	REAL(ssize_t, pwrite, int, const void *, size_t, off_t);
	return fails(DISK_WRITE) ? -1 : call(fd, p, n, at);
}

ssize_t pread(int fd, void *p, size_t n, off_t at)
{
	REAL(ssize_t, pread, int, void *, size_t, off_t);
	return fails(DISK_READ) ? -1 : call(fd, p, n, at);
}

/* What a fortified call becomes where the compiler does not know how much is asked for. */
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room);
ssize_t __pread_chk(int fd, void *p, size_t n, off_t at, size_t room)
{
	REAL(ssize_t, __pread_chk, int, void *, size_t, off_t, size_t);
	return fails(DISK_READ) ? -1 : call(fd, p, n, at, room);
}

int fsync(int fd)
{
	REAL(int, fsync, int);
	return fails(DISK_FSYNC) ? -1 : call(fd);
}

int fdatasync(int fd)
{
	REAL(int, fdatasync, int);
	return fails(DISK_FDATASYNC) || fails(DISK_UNDO) ? -1 : call(fd);
}

int ftruncate(int fd, off_t n)
{
	REAL(int, ftruncate, int, off_t);
	return fails(DISK_UNDO) ? -1 : call(fd, n);
}

int renameat(int from_folder, const char *from, int to_folder, const char *to)
{
	REAL(int, renameat, int, const char *, int, const char *);
	return fails(DISK_RENAME) ? -1 : call(from_folder, from, to_folder, to);
}

int open(const char *path, int flags, ...)
{
	REAL(int, open, const char *, int, ...);
	va_list more;
	va_start(more, flags);
	unsigned mode = va_arg(more, unsigned);
	va_end(more);
	return fails(DISK_OPEN) ? -1 : call(path, flags, mode);
}

void *mmap(void *p, size_t n, int prot, int flags, int fd, off_t at)
{
	if (flags & MAP_SHARED && fails(DISK_MAP))
		return MAP_FAILED;
	/* called before a sanitizer has found the library's */
	return (void *)syscall(SYS_mmap, p, n, prot, flags, fd, at);
}

int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *arg)
{
	REAL(int, pthread_create, pthread_t *, const pthread_attr_t *, void *(*)(void *), void *);
	return fails(DISK_THREAD) ? errno : call(thread, how, run, arg);
}

ssize_t send(int fd, const void *p, size_t n, int flags)
{
	REAL(ssize_t, send, int, const void *, size_t, int);
	return ours && fails(DISK_SEND) ? -1 : call(fd, p, n, flags);
}
