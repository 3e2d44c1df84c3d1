/* server/privileges.h: each case in a child process, whose rights can be given away. Most need root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/privileges.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ACCOUNT "nobody"
/* In a child: tells what is wrong and ends it. */
#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #x);                                        \
			_exit(1);                                                                                      \
		}                                                                                                      \
	} while (0)

static char folder[] = "/tmp/privileges-test-XXXXXX";

static void in_a_child(void (*act)(void))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static void need_root(void)
{
	if (geteuid() != 0) {
		print_message("only root can give root away\n");
		skip();
	}
}

/* ---- what a process has ---- */

/* A line of /proc/self/status as a number of that base. */
static unsigned long long status_of(const char *name, int base)
{
	char line[256];
	unsigned long long value = 0;
	bool found = false;
	FILE *f = fopen("/proc/self/status", "re");
	MUST(f);
	while (!found && fgets(line, sizeof line, f))
		if (strncmp(line, name, strlen(name)) == 0) {
			value = strtoull(line + strlen(name), NULL, base);
			found = true;
		}
	fclose(f);
	MUST(found);
	return value;
}

static const struct passwd *account(void)
{
	const struct passwd *pw = getpwnam(ACCOUNT);
	MUST(pw);
	return pw;
}

static void must_have_no_capability(void)
{
	static const char *const SETS[] = { "CapInh:", "CapPrm:", "CapEff:", "CapAmb:" };
	for (size_t i = 0; i < sizeof SETS / sizeof SETS[0]; i++)
		MUST(status_of(SETS[i], 16) == 0);
}

static void must_be_the_account(void)
{
	const struct passwd *pw = account();
	uid_t u[3];
	gid_t g[3], groups[64];
	MUST(getresuid(&u[0], &u[1], &u[2]) == 0 && getresgid(&g[0], &g[1], &g[2]) == 0);
	for (int i = 0; i < 3; i++)
		MUST(u[i] == pw->pw_uid && g[i] == pw->pw_gid);
	int n = getgroups(64, groups);
	for (int i = 0; i < n; i++)
		MUST(groups[i] != 0);
}

/* ---- dropping ---- */

static void drop(void)
{
	char why[256] = "";
	gid_t more[] = { 0, 1 };
	MUST(setgroups(2, more) == 0);
	MUST(privileges_drop(ACCOUNT, why));
	must_be_the_account();
	must_have_no_capability();
	MUST(status_of("CapBnd:", 16) == 0);
	MUST(setresuid(0, 0, 0) < 0 && setresgid(0, 0, 0) < 0 && setgroups(1, more) < 0);
	MUST(open("/etc/shadow", O_RDONLY | O_CLOEXEC) < 0 && errno == EACCES);
}

static void root_is_given_away_for_good(void **state)
{
	(void)state;
	need_root();
	in_a_child(drop);
}

static void drop_to_a_stranger(void)
{
	char why[256] = "";
	MUST(!privileges_drop("no-such-account", why));
	MUST(strstr(why, "\"no-such-account\"") && strstr(why, "server.user"));
}

static void an_account_that_is_not_there_is_told(void **state)
{
	(void)state;
	need_root();
	in_a_child(drop_to_a_stranger);
}

static void drop_to_nobody_named(void)
{
	char why[256] = "";
	MUST(privileges_drop("", why) && privileges_drop("root", why));
	MUST(geteuid() == 0);
}

static void with_no_account_root_stays_root(void **state)
{
	(void)state;
	need_root();
	in_a_child(drop_to_nobody_named);
}

static void drop_without_root(void)
{
	char why[256] = "";
	if (geteuid() == 0) {
		const struct passwd *pw = account();
		MUST(prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) == 0); /* as if a service manager had lent some */
		MUST(setresgid(pw->pw_gid, pw->pw_gid, pw->pw_gid) == 0);
		MUST(setresuid(pw->pw_uid, pw->pw_uid, pw->pw_uid) == 0);
		MUST(status_of("CapPrm:", 16) != 0);
	}
	uid_t before = getuid();
	MUST(privileges_drop("root", why) && getuid() == before);
	must_have_no_capability();
}

static void who_is_not_root_gives_its_capabilities_away(void **state)
{
	(void)state;
	in_a_child(drop_without_root);
}

/* ---- the rest ---- */

static void harden(void)
{
	privileges_harden();
	struct rlimit core;
	MUST(getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_cur == 0 && core.rlim_max == 0);
	MUST(prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) == 0);
	MUST(prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1);
}

static void a_hardened_process_leaves_no_core(void **state)
{
	(void)state;
	in_a_child(harden);
}

static void raise_limit(void)
{
	struct rlimit r;
	MUST(getrlimit(RLIMIT_NOFILE, &r) == 0);
	rlim_t most = r.rlim_max;
	r.rlim_cur = most / 2;
	MUST(setrlimit(RLIMIT_NOFILE, &r) == 0);
	MUST(privileges_raise_nofile() == most);
	MUST(getrlimit(RLIMIT_NOFILE, &r) == 0 && r.rlim_cur == most);
}

static void the_limit_of_descriptors_is_raised(void **state)
{
	(void)state;
	in_a_child(raise_limit);
}

static void own(void)
{
	char path[128], why[256];
	struct stat st;
	(void)snprintf(path, sizeof path, "%s/a/b/c", folder);
	MUST(chmod(folder, 0755) == 0);
	(void)umask(0);
	MUST(privileges_own_folder(path, ACCOUNT) && privileges_own_folder(path, ACCOUNT));
	MUST(stat(path, &st) == 0 && S_ISDIR(st.st_mode) && (st.st_mode & 07777) == 0750);
	if (geteuid() != 0)
		return;
	MUST(st.st_uid == account()->pw_uid && st.st_gid == account()->pw_gid);
	int at = open(path, O_PATH | O_CLOEXEC); /* those above may be root's alone */
	MUST(at >= 0 && privileges_drop(ACCOUNT, why));
	int fd = openat(at, "spooled", O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	MUST(fd >= 0 && unlinkat(at, "spooled", 0) == 0);
}

static void a_folder_is_made_and_given(void **state)
{
	(void)state;
	in_a_child(own);
}

static void own_what_cannot_be(void)
{
	char path[5000];
	(void)snprintf(path, sizeof path, "%s/file", folder);
	int fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	MUST(fd >= 0);
	(void)snprintf(path, sizeof path, "%s/file/below", folder);
	MUST(!privileges_own_folder(path, "") && errno == ENOTDIR);
	memset(path, 'x', sizeof path - 1);
	path[sizeof path - 1] = 0;
	MUST(!privileges_own_folder(path, "") && errno == ENAMETOOLONG);
}

static void a_folder_that_cannot_be_is_told(void **state)
{
	(void)state;
	in_a_child(own_what_cannot_be);
}

static int tear_down(void **state)
{
	static const char *const MADE[] = { "/a/b/c", "/a/b", "/a", "/file", "" };
	char path[128];
	(void)state;
	for (size_t i = 0; i < sizeof MADE / sizeof MADE[0]; i++) {
		(void)snprintf(path, sizeof path, "%s%s", folder, MADE[i]);
		if (remove(path) < 0)
			return -1;
	}
	return 0;
}

static int set_up(void **state)
{
	(void)state;
	return mkdtemp(folder) ? 0 : -1;
}

static void look(void)
{
	const struct passwd *pw = getpwnam(ACCOUNT);
	uid_t account = pw->pw_uid;
	MUST(!privileges_look_as("no-such-account-here"));
	MUST(geteuid() == 0);
	MUST(privileges_look_as(""));
	MUST(geteuid() == 0);
	MUST(privileges_look_as(ACCOUNT));
	MUST(geteuid() == account && getuid() == 0);
	privileges_look_back();
	MUST(geteuid() == 0 && getegid() == getgid());
}

static void a_look_with_other_eyes(void **state)
{
	(void)state;
	need_root();
	in_a_child(look);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_is_given_away_for_good),
		cmocka_unit_test(an_account_that_is_not_there_is_told),
		cmocka_unit_test(with_no_account_root_stays_root),
		cmocka_unit_test(who_is_not_root_gives_its_capabilities_away),
		cmocka_unit_test(a_hardened_process_leaves_no_core),
		cmocka_unit_test(the_limit_of_descriptors_is_raised),
		cmocka_unit_test(a_look_with_other_eyes),
		cmocka_unit_test(a_folder_is_made_and_given),
		cmocka_unit_test(a_folder_that_cannot_be_is_told),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
