/* server/sandbox.h: each case in a child process, since the walls are for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "server/sandbox.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[] = "/tmp/sandbox-test-XXXXXX";
static char settings_path[64], outside[64], spool[48], control[64], said[64];

/* In a child: tells what is wrong and ends it. */
#define MUST(x)                                                                                                        \
	do {                                                                                                           \
		if (!(x)) {                                                                                            \
			fprintf(stderr, "%s:%d: %s: %s\n", __FILE__, __LINE__, #x, strerror(errno));                   \
			_exit(3);                                                                                      \
		}                                                                                                      \
	} while (0)

/* What the child said goes to the file `said`. Returns its exit code. */
static int in_a_sandbox(void (*act)(void))
{
	int status;
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		char why[SANDBOX_WHY] = "";
		struct settings s = { .server.spool = spool,
			.server.control = control,
			.score.snapshot = "",
			.relay.state = "",
			.log.to = "stderr",
			.log.replay = "" };
		int fd = open(said, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(fd, STDERR_FILENO);
		prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
		MUST(sandbox_close(&s, settings_path, why));
		act();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	return WEXITSTATUS(status);
}

static bool was_said(const char *words)
{
	char text[4096];
	FILE *f = fopen(said, "re");
	assert_non_null(f);
	size_t n = fread(text, 1, sizeof text - 1, f);
	fclose(f);
	text[n] = 0;
	return strstr(text, words) != NULL;
}

/* ---- what a server does ---- */

static void *idle(void *arg)
{
	return arg;
}

static void work(void)
{
	char path[128];
	pthread_t t;
	snprintf(path, sizeof path, "%s/body", spool);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL, 0600);
	MUST(fd >= 0 && write(fd, "x", 1) == 1 && fsync(fd) == 0 && close(fd) == 0 && unlink(path) == 0);
	MUST((fd = open(settings_path, O_RDONLY)) >= 0 && close(fd) == 0);
	MUST(pthread_create(&t, NULL, idle, NULL) == 0 && pthread_join(t, NULL) == 0);
	MUST((fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) >= 0 && close(fd) == 0);
}

static void what_is_needed_works(void **state)
{
	(void)state;
	assert_int_equal(in_a_sandbox(work), 0);
}

/* ---- what it must never do ---- */

static void run_a_program(void)
{
	char *argv[] = { "true", NULL };
	execve("/bin/true", argv, NULL);
}

static void mount_something(void)
{
	(void)!mount("none", "/", "tmpfs", 0, NULL);
}

static void open_a_packet_socket(void)
{
	(void)!socket(AF_PACKET, SOCK_RAW, 0);
}

static void a_forbidden_call_ends_the_process_with_its_number(void **state)
{
	(void)state;
	assert_int_equal(in_a_sandbox(run_a_program), 1);
	assert_true(was_said("sandbox: system call 59 is not allowed")); /* execve, x86-64 */
	assert_int_equal(in_a_sandbox(mount_something), 1);
	assert_int_equal(in_a_sandbox(open_a_packet_socket), 1);
	assert_true(was_said("sandbox: system call 41 "));
}

/* ---- files and ports ---- */

static void need_landlock(int version)
{
	if (syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION) < version) {
		print_message("this kernel has no Landlock %d\n", version);
		skip();
	}
}

static void leave_the_garden(void)
{
	MUST(open(outside, O_RDONLY) < 0 && errno == EACCES);
	MUST(open(settings_path, O_WRONLY) < 0 && errno == EACCES);
	MUST(open("/etc/smtpguard-sandbox-test", O_WRONLY | O_CREAT, 0600) < 0 && errno == EACCES);
	MUST(unlink(outside) < 0 && errno == EACCES);
}

static void no_other_file_is_touched(void **state)
{
	(void)state;
	need_landlock(1);
	assert_int_equal(in_a_sandbox(leave_the_garden), 0);
}

static void bind_a_port(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	MUST(fd >= 0);
	_exit(bind(fd, (struct sockaddr *)&to, sizeof to) < 0 && errno == EACCES ? 0 : 4);
}

static void no_port_is_bound(void **state)
{
	(void)state;
	need_landlock(4); /* the first that knows of the network */
	assert_int_equal(in_a_sandbox(bind_a_port), 0);
}

/* ---- */

static void write_file(const char *path)
{
	FILE *f = fopen(path, "we");
	assert_non_null(f);
	fputs("x\n", f);
	fclose(f);
}

static int set_up(void **state)
{
	char own[48], other[48];
	(void)state;
	if (!mkdtemp(folder))
		return -1;
	snprintf(own, sizeof own, "%s/own", folder);
	snprintf(other, sizeof other, "%s/other", folder);
	snprintf(spool, sizeof spool, "%s/spool", folder);
	snprintf(control, sizeof control, "%s/control", spool);
	if (mkdir(own, 0700) < 0 || mkdir(other, 0700) < 0 || mkdir(spool, 0700) < 0)
		return -1;
	snprintf(settings_path, sizeof settings_path, "%s/x.cfg", own);
	snprintf(outside, sizeof outside, "%s/file", other);
	snprintf(said, sizeof said, "%s/said", folder);
	write_file(settings_path);
	write_file(outside);
	return 0;
}

static int tear_down(void **state)
{
	char command[96];
	(void)state;
	snprintf(command, sizeof command, "rm -rf %s", folder);
	return system(command);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_needed_works),
		cmocka_unit_test(a_forbidden_call_ends_the_process_with_its_number),
		cmocka_unit_test(no_other_file_is_touched),
		cmocka_unit_test(no_port_is_bound),
	};
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
