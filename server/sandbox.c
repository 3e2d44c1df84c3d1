/* The system calls that are left, and what happens on any other. */
#include "server/sandbox.h"

#include "base/log.h"

#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#if defined __SANITIZE_ADDRESS__ || defined __SANITIZE_THREAD__
#define SANITIZED 1
#elif defined __has_feature
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

#define CALL(name) SCMP_SYS(name)

static const int ALLOWED[] = {
	/* bytes */
	CALL(read),
	CALL(write),
	CALL(readv),
	CALL(writev),
	CALL(pread64),
	CALL(pwrite64),
	CALL(preadv),
	CALL(pwritev),
	CALL(lseek),
	CALL(close),
	CALL(fcntl),
	CALL(dup),
	CALL(dup2),
	CALL(dup3),
	CALL(ioctl),
	CALL(pipe2),
	/* files: which ones is Landlock's business */
	CALL(open),
	CALL(openat),
	CALL(stat),
	CALL(fstat),
	CALL(lstat),
	CALL(newfstatat),
	CALL(statx),
	CALL(statfs),
	CALL(fstatfs),
	CALL(access),
	CALL(faccessat),
	CALL(faccessat2),
	CALL(readlink),
	CALL(readlinkat),
	CALL(getcwd),
	CALL(getdents64),
	CALL(mkdir),
	CALL(mkdirat),
	CALL(unlink),
	CALL(unlinkat),
	CALL(rename),
	CALL(renameat),
	CALL(renameat2),
	CALL(link),
	CALL(linkat),
	CALL(chmod),
	CALL(fchmod),
	CALL(fchmodat),
	CALL(chown),
	CALL(fchown),
	CALL(fchownat),
	CALL(umask),
	CALL(truncate),
	CALL(ftruncate),
	CALL(fallocate),
	CALL(fadvise64),
	CALL(flock),
	CALL(fsync),
	CALL(fdatasync),
	CALL(sync_file_range),
	CALL(msync),
	/* memory */
	CALL(mmap),
	CALL(munmap),
	CALL(mprotect),
	CALL(mremap),
	CALL(madvise),
	CALL(mincore),
	CALL(brk),
	CALL(get_mempolicy),
	CALL(membarrier),
	/* the network */
	CALL(connect),
	CALL(accept),
	CALL(accept4),
	CALL(bind),
	CALL(getsockname),
	CALL(getpeername),
	CALL(getsockopt),
	CALL(setsockopt),
	CALL(sendto),
	CALL(recvfrom),
	CALL(sendmsg),
	CALL(recvmsg),
	CALL(sendmmsg),
	CALL(recvmmsg),
	CALL(shutdown),
	/* waiting */
	CALL(epoll_create1),
	CALL(epoll_ctl),
	CALL(epoll_wait),
	CALL(epoll_pwait),
	CALL(epoll_pwait2),
	CALL(poll),
	CALL(ppoll),
	CALL(select),
	CALL(pselect6),
	CALL(eventfd2),
	CALL(signalfd4),
	CALL(futex),
	CALL(nanosleep),
	CALL(clock_nanosleep),
	CALL(restart_syscall),
	/* time, chance, what machine this is */
	CALL(clock_gettime),
	CALL(clock_getres),
	CALL(gettimeofday),
	CALL(time),
	CALL(getrandom),
	CALL(sysinfo),
	CALL(uname),
	CALL(getcpu),
	CALL(sched_getaffinity),
	CALL(sched_yield),
	CALL(getrusage),
	CALL(prlimit64),
	CALL(getrlimit),
	CALL(prctl),
	/* threads and signals of our own */
	CALL(set_robust_list),
	CALL(set_tid_address),
	CALL(rseq),
	CALL(rt_sigaction),
	CALL(rt_sigprocmask),
	CALL(rt_sigreturn),
	CALL(rt_sigpending),
	CALL(rt_sigtimedwait),
	CALL(sigaltstack),
	CALL(tgkill),
	CALL(getpid),
	CALL(gettid),
	CALL(getuid),
	CALL(geteuid),
	CALL(getgid),
	CALL(getegid),
	CALL(getgroups),
	CALL(exit),
	CALL(exit_group),
#if SANITIZED
	/* the sanitizers' own: a leak is looked for by a process that traces this one */
	CALL(clone),
	CALL(ptrace),
	CALL(wait4),
	CALL(kill),
	CALL(arch_prctl),
	CALL(personality),
	CALL(getppid),
	CALL(process_vm_readv),
	CALL(getpriority),
	CALL(setrlimit),
	CALL(getdents),
#endif
};

static const int FAMILIES[] = { AF_INET, AF_INET6, AF_UNIX, AF_NETLINK };

/* Only async-signal-safe calls: whoever made the forbidden call may have been anywhere. */
static void on_forbidden(int signal, siginfo_t *si, void *context)
{
	static const char before[] = "smtpguardd: sandbox: system call ",
			  after[] =
				  " is not allowed, ending; server.sandbox = false runs without (please report this)\n";
	char digits[12];
	size_t at = sizeof digits;
	(void)signal, (void)context;
	for (unsigned n = (unsigned)si->si_syscall; at == sizeof digits || n; n /= 10)
		digits[--at] = (char)('0' + n % 10);
	if (write(STDERR_FILENO, before, sizeof before - 1) < 0 ||
		write(STDERR_FILENO, digits + at, sizeof digits - at) < 0 ||
		write(STDERR_FILENO, after, sizeof after - 1) < 0)
		_exit(1);
	_exit(1);
}

/* A thread may be made, a process not. Of clone3 the flags cannot be seen: the C library then asks by clone. */
static int allow_threads(scmp_filter_ctx f)
{
	int error = seccomp_rule_add(f, SCMP_ACT_ERRNO(ENOSYS), CALL(clone3), 0);
	if (SANITIZED || error)
		return error;
	return seccomp_rule_add(
		f, SCMP_ACT_ALLOW, CALL(clone), 1, SCMP_A0(SCMP_CMP_MASKED_EQ, CLONE_THREAD, CLONE_THREAD));
}

static int allow_sockets(scmp_filter_ctx f)
{
	int error = 0;
	for (size_t i = 0; !error && i < sizeof FAMILIES / sizeof *FAMILIES; i++) {
		const struct scmp_arg_cmp family = {
			.arg = 0, .op = SCMP_CMP_EQ, .datum_a = (scmp_datum_t)FAMILIES[i]
		};
		error = seccomp_rule_add_array(f, SCMP_ACT_ALLOW, CALL(socket), 1, &family);
	}
	return error;
}

static int close_calls(void)
{
	struct sigaction trap = { .sa_sigaction = on_forbidden, .sa_flags = SA_SIGINFO };
	scmp_filter_ctx f = seccomp_init(SCMP_ACT_TRAP);
	if (!f || sigaction(SIGSYS, &trap, NULL) < 0)
		return -ENOMEM;
	/* a tree instead of a list: each call passes it */
	int error = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	for (size_t i = 0; !error && i < sizeof ALLOWED / sizeof *ALLOWED; i++)
		error = seccomp_rule_add(f, SCMP_ACT_ALLOW, ALLOWED[i], 0);
	if (!error)
		error = allow_sockets(f);
	if (!error)
		error = allow_threads(f);
	if (!error)
		error = seccomp_load(f);
	seccomp_release(f);
	return error;
}

bool sandbox_close(const struct settings *s, const char *settings_path, char why_r[SANDBOX_WHY])
{
	int known;
	TRY(sandbox_close_files(s, settings_path, &known, why_r));
	int error = close_calls();
	if (error) {
		snprintf(why_r, SANDBOX_WHY, "the system call filter: %s", strerror(-error));
		return false;
	}
	if (known)
		log_info("sandbox: closed (system calls; files by Landlock %d)", known);
	else
		log_warn("sandbox: system calls are closed; this kernel has no Landlock, so files are guarded by their "
			 "owners and modes alone");
	return true;
}
