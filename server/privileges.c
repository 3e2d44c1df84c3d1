#include "server/privileges.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool fault(char error_r[256], const char *what)
{
	snprintf(error_r, 256, "%s: %s", what, strerror(errno));
	return false;
}

static void empty_bounding_set(void)
{
	for (unsigned long cap = 0; cap <= 63; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) < 0)
			return; /* past the kernel's last capability */
}

static bool become(const struct passwd *pw, char error_r[256])
{
	if (initgroups(pw->pw_name, pw->pw_gid) < 0)
		return fault(error_r, "setgroups");
	if (setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) < 0)
		return fault(error_r, "setresgid");
	if (setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) < 0)
		return fault(error_r, "setresuid");
	if (setresuid(0, 0, 0) == 0 || setresgid(0, 0, 0) == 0) {
		errno = EPERM;
		return fault(error_r, "root could be taken back");
	}
	return true;
}

/* Also what a service manager lent us for binding (ambient CAP_NET_BIND_SERVICE). */
static bool give_capabilities_away(char error_r[256])
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct none[2] = { 0 };
	prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0);
	return syscall(SYS_capset, &header, none) == 0 || fault(error_r, "capset");
}

bool privileges_drop(const char *user, char error_r[256])
{
	bool named = user && *user;
	if (geteuid() != 0) {
		if (named)
			log_info("not started as root: server.user = \"%s\" is ignored", user);
		return give_capabilities_away(error_r);
	}
	if (!named) {
		log_warn("running as root: name an account in server.user, then root is given away after the start");
		return true;
	}
	errno = 0;
	const struct passwd *pw = getpwnam(user);
	if (!pw) {
		snprintf(error_r, 256,
			"server.user: there is no user \"%s\" on this machine; add it (useradd --system %s) or name "
			"another",
			user, user);
		return false;
	}
	if (pw->pw_uid == 0)
		return true;
	empty_bounding_set();
	return become(pw, error_r) && give_capabilities_away(error_r);
}

/* Makes each missing folder above `path` too. */
static bool make_folders(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	if (n >= sizeof part) {
		errno = ENAMETOOLONG;
		return false;
	}
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		memcpy(part, path, i);
		part[i] = 0;
		if (mkdir(part, 0750) < 0 && errno != EEXIST)
			return false;
	}
	return true;
}

bool privileges_own_folder(const char *path, const char *user)
{
	TRY(make_folders(path));
	const struct passwd *pw = user && *user && geteuid() == 0 ? getpwnam(user) : NULL;
	return !pw || chown(path, pw->pw_uid, pw->pw_gid) == 0;
}

bool privileges_give_file(const char *path, const char *user)
{
	const struct passwd *pw = user && *user && geteuid() == 0 ? getpwnam(user) : NULL;
	struct stat st;
	if (!pw)
		return true;
	int fd = open(path, O_PATH | O_NOFOLLOW | O_CLOEXEC);
	bool ok = fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_nlink == 1 && st.st_uid == 0 &&
		  fchownat(fd, "", pw->pw_uid, pw->pw_gid, AT_EMPTY_PATH) == 0;
	if (fd >= 0)
		close(fd);
	return ok;
}

bool privileges_look_as(const char *user)
{
	if (geteuid() != 0 || !user || !*user)
		return true;
	const struct passwd *pw = getpwnam(user);
	return pw && initgroups(pw->pw_name, pw->pw_gid) == 0 && setegid(pw->pw_gid) == 0 && seteuid(pw->pw_uid) == 0;
}

void privileges_look_back(void)
{
	if (getuid() == 0 && seteuid(0) == 0 && setegid(getgid()) < 0)
		log_warn("setegid: %s", strerror(errno));
}

bool privileges_are_others(const char *user)
{
	const struct passwd *pw = geteuid() != 0 && *user ? getpwnam(user) : NULL;
	return pw && pw->pw_uid != geteuid();
}

void privileges_harden(void)
{
	setrlimit(RLIMIT_CORE, &(struct rlimit){ 0, 0 });
	prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
}

uint64_t privileges_raise_nofile(void)
{
	struct rlimit r;
	if (getrlimit(RLIMIT_NOFILE, &r) < 0)
		return 1024;
	r.rlim_cur = r.rlim_max;
	setrlimit(RLIMIT_NOFILE, &r);
	getrlimit(RLIMIT_NOFILE, &r);
	return r.rlim_cur;
}
