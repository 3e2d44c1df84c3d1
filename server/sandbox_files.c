/* Landlock: which files and folders are left. Source: the kernel's Documentation/userspace-api/landlock.rst. */
#include "server/sandbox.h"

#include "server/sources.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/landlock.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What came after the oldest headers that we build with. */
enum { FS_REFER = 1 << 13, FS_TRUNCATE = 1 << 14, FS_IOCTL_DEV = 1 << 15 };
enum { NET_BIND_TCP = 1 << 0 };
enum { SCOPE_ABSTRACT_UNIX = 1 << 0, SCOPE_SIGNAL = 1 << 1 };

enum {
	READ = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR,
	CHANGE = LANDLOCK_ACCESS_FS_WRITE_FILE | LANDLOCK_ACCESS_FS_REMOVE_FILE | LANDLOCK_ACCESS_FS_REMOVE_DIR |
		 LANDLOCK_ACCESS_FS_MAKE_DIR | LANDLOCK_ACCESS_FS_MAKE_REG | LANDLOCK_ACCESS_FS_MAKE_SOCK |
		 /* to move aside what stands in a snapshot's place; the calls that make them are not allowed */
		 LANDLOCK_ACCESS_FS_MAKE_SYM | LANDLOCK_ACCESS_FS_MAKE_FIFO | FS_REFER | FS_TRUNCATE,
	OF_A_FILE = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_WRITE_FILE | FS_TRUNCATE,
	REST = LANDLOCK_ACCESS_FS_EXECUTE | LANDLOCK_ACCESS_FS_MAKE_CHAR | LANDLOCK_ACCESS_FS_MAKE_BLOCK
};

/* struct landlock_ruleset_attr as version 6 has it; older kernels are shown its beginning. */
struct ruleset {
	uint64_t fs, net, scoped;
};

struct wall {
	int fd;
	uint64_t fs; /* what this kernel can refuse */
	char *why;   /* SANDBOX_WHY bytes */
};

/* What programs read of the system at any time: names, addresses, time zones, certificates, the load. */
static const char *const SYSTEM[] = { "/etc", "/usr", "/lib", "/lib64", "/run/systemd/resolve", "/run/nscd",
	"/var/lib/ca-certificates", "/proc", "/sys", "/dev/urandom", "/dev/null" };

static uint64_t known_to(int version)
{
	uint64_t all = READ | CHANGE | REST;
	if (version < 2)
		all &= ~(uint64_t)FS_REFER;
	if (version < 3)
		all &= ~(uint64_t)FS_TRUNCATE;
	if (version >= 5)
		all |= FS_IOCTL_DEV;
	return all;
}

static int make_ruleset(int version)
{
	struct ruleset r = { .fs = known_to(version) };
	size_t n = sizeof r.fs;
	if (version >= 4) {
		r.net = NET_BIND_TCP; /* all ports are bound before this */
		n += sizeof r.net;
	}
	if (version >= 6) {
		r.scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL;
		n += sizeof r.scoped;
	}
	return (int)syscall(SYS_landlock_create_ruleset, &r, n, 0);
}

/* A path that is not there needs no hole in the wall. */
static bool leave(struct wall *w, const char *path, uint64_t access)
{
	struct stat st;
	int fd = open(path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return true;
	if (fstat(fd, &st) == 0 && !S_ISDIR(st.st_mode))
		access &= OF_A_FILE;
	struct landlock_path_beneath_attr rule = { .allowed_access = access & w->fs, .parent_fd = fd };
	bool ok = syscall(SYS_landlock_add_rule, w->fd, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	if (!ok)
		snprintf(w->why, SANDBOX_WHY, "Landlock, %s: %s", path, strerror(errno));
	close(fd);
	return ok;
}

/* The folder that a file is in: files in it are made anew, renamed, removed. */
static bool leave_folder_of(struct wall *w, const char *path, uint64_t access)
{
	char folder[PATH_MAX];
	const char *slash = strrchr(path, '/');
	size_t n = slash ? (size_t)(slash - path) : 0;
	if (!slash)
		return leave(w, ".", access);
	if (n >= sizeof folder)
		return true; /* such a path cannot be opened either */
	memcpy(folder, path, n);
	folder[n] = 0;
	return leave(w, n ? folder : "/", access);
}

/* The system's name servers: often a link into /run, to a file that is made anew. */
static bool leave_resolv_conf(struct wall *w)
{
	char path[PATH_MAX];
	return !realpath("/etc/resolv.conf", path) || leave_folder_of(w, path, READ);
}

static bool leave_for_sources(struct wall *w, const struct settings *s)
{
	struct sources_files at = { 0 };
	bool writes;
	for (const char *path; (path = sources_next_file(s, &at, &writes));)
		TRY(leave_folder_of(w, path, writes ? READ | CHANGE : READ));
	return true;
}

static bool leave_for_reading(struct wall *w, const struct settings *s, const char *settings_path)
{
	TRY(leave_resolv_conf(w));
	for (size_t i = 0; i < sizeof SYSTEM / sizeof *SYSTEM; i++)
		TRY(leave(w, SYSTEM[i], READ));
	TRY(leave_folder_of(w, settings_path, READ));
	if (s->relay.tls_ca && *s->relay.tls_ca)
		TRY(leave_folder_of(w, s->relay.tls_ca, READ));
	if (s->dns.end_user_words && *s->dns.end_user_words)
		TRY(leave_folder_of(w, s->dns.end_user_words, READ));
	for (size_t i = 0; i < s->lists.count; i++)
		TRY(leave_folder_of(w, s->lists.items[i].path, READ));
	for (size_t i = 0; i < s->rules.count; i++)
		TRY(leave_folder_of(w, s->rules.items[i].file, READ));
	for (size_t i = 0; i < s->tls.certificates.count; i++) {
		TRY(leave_folder_of(w, s->tls.certificates.items[i].cert, READ));
		TRY(leave_folder_of(w, s->tls.certificates.items[i].key, READ));
	}
	return true;
}

/* A Maildir that is missing, or was moved away, is made again. */
static bool leave_maildirs(struct wall *w, const struct settings_backends *b)
{
	for (size_t i = 0; i < b->count; i++)
		if (b->items[i].scheme == SETTINGS_MAILDIR)
			TRY(leave_folder_of(w, b->items[i].path, READ | CHANGE));
	return true;
}

static bool leave_for_writing(struct wall *w, const struct settings *s)
{
	TRY(leave(w, s->server.spool, READ | CHANGE) && leave(w, "/dev/null", READ | CHANGE));
	TRY(leave_folder_of(w, s->server.control, READ | CHANGE));
	if (*s->score.snapshot)
		TRY(leave_folder_of(w, s->score.snapshot, READ | CHANGE));
	if (*s->relay.state)
		TRY(leave_folder_of(w, s->relay.state, READ | CHANGE));
	if (*s->log.to == '/')
		TRY(leave_folder_of(w, s->log.to, READ | CHANGE));
	if (*s->log.replay)
		TRY(leave_folder_of(w, s->log.replay, READ | CHANGE));
	TRY(leave_maildirs(w, &s->relay.backends));
	for (size_t i = 0; i < s->relay.groups.count; i++)
		TRY(leave_maildirs(w, &s->relay.groups.items[i].backends));
	return true;
}

bool sandbox_close_files(const struct settings *s, const char *settings_path, int *known_r, char why_r[SANDBOX_WHY])
{
	*known_r = (int)syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (*known_r <= 0) {
		*known_r = 0; /* not built in, or switched off */
		return true;
	}
	struct wall w = { .fd = make_ruleset(*known_r), .fs = known_to(*known_r), .why = why_r };
	if (w.fd < 0) {
		snprintf(why_r, SANDBOX_WHY, "Landlock: %s", strerror(errno));
		return false;
	}
	bool ok = leave_for_reading(&w, s, settings_path) && leave_for_writing(&w, s) &&
		  leave_for_sources(&w, s);
	if (ok && syscall(SYS_landlock_restrict_self, w.fd, 0) < 0) {
		snprintf(why_r, SANDBOX_WHY, "Landlock: %s", strerror(errno));
		ok = false;
	}
	close(w.fd);
	return ok;
}
