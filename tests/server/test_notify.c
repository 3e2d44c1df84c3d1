/* server/notify.h against a socket as the service manager has it. */
#include "base/clock.h"
#include "base/slice.h"
#include "server/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static char heard[1024];

/* `name`: a path or "@..."; `timeout_ms` of hearing. */
static int manager(const char *name)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX };
	size_t n = strlen(name);
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	memcpy(at.sun_path, name, n);
	if (*name == '@')
		at.sun_path[0] = 0;
	socklen_t whole = *name == '@' ? (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n) : sizeof at;
	assert_int_equal(bind(fd, (struct sockaddr *)&at, whole), 0);
	setenv("NOTIFY_SOCKET", name, 1);
	return fd;
}

static const char *hear(int fd)
{
	ssize_t n = recv(fd, heard, sizeof heard - 1, 0);
	heard[n > 0 ? n : 0] = 0;
	return heard;
}

static int forget(void **state)
{
	(void)state;
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	return 0;
}

static void tells_all_words(void **state)
{
	(void)state;
	char folder[] = "/tmp/notify-XXXXXX", path[64], abstract[64];
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof path, "%s/socket", folder);
	snprintf(abstract, sizeof abstract, "@smtpguard-notify-%d", (int)getpid());
	for (int i = 0; i < 2; i++) {
		struct notify n;
		int fd = manager(i ? path : abstract);
		notify_open(&n);
		assert_true(n.fd >= 0 && n.beat_ms == 0);
		notify_ready(&n, "taking mail");
		assert_string_equal(hear(fd), "READY=1\nSTATUS=taking mail");
		notify_ready(&n, NULL);
		assert_string_equal(hear(fd), "READY=1");
		notify_stopping(&n, "draining");
		assert_string_equal(hear(fd), "STOPPING=1\nSTATUS=draining");
		notify_beat(&n);
		assert_string_equal(hear(fd), "WATCHDOG=1");
		notify_close(&n);
		notify_beat(&n);
		assert_string_equal(hear(fd), "");
		close(fd);
	}
	unlink(path);
	rmdir(folder);
}

/* systemd holds the moment against that of its own request, in microseconds. */
static void a_reload_has_its_moment(void **state)
{
	(void)state;
	struct notify n;
	unsigned long long us = 0;
	int fd = manager("@smtpguard-notify-reload");
	notify_open(&n);
	uint64_t before_ms = clock_mono_ms();
	notify_reloading(&n);
	assert_int_equal(sscanf(hear(fd), "RELOADING=1\nMONOTONIC_USEC=%llu", &us), 1);
	assert_true(us / 1000 >= before_ms && us / 1000 <= clock_mono_ms());
	notify_close(&n);
	close(fd);
}

static uint64_t beat_of(const char *us, const char *pid)
{
	struct notify n;
	forget(NULL);
	int fd = manager("@smtpguard-notify-beat");
	if (us)
		setenv("WATCHDOG_USEC", us, 1);
	if (pid)
		setenv("WATCHDOG_PID", pid, 1);
	notify_open(&n);
	notify_close(&n);
	close(fd);
	return n.beat_ms;
}

static void beats_when_it_is_asked_to(void **state)
{
	(void)state;
	char own[16];
	snprintf(own, sizeof own, "%d", (int)getpid());
	assert_int_equal(beat_of(NULL, NULL), 0);
	assert_int_equal(beat_of("2000000", NULL), 1000);
	assert_int_equal(beat_of("2000000", own), 1000);
	assert_int_equal(beat_of("2000000", "1"), 0); /* another's */
	assert_int_equal(beat_of("x", NULL), 0);
	assert_int_equal(beat_of("18446744073709551615", NULL), INT32_MAX);
}

static void nobody_or_nonsense_is_not_told(void **state)
{
	(void)state;
	char longest[200];
	memset(longest, 'x', sizeof longest - 1);
	longest[0] = '/';
	longest[sizeof longest - 1] = 0;
	const char *const names[] = { NULL, "", "relative", "/", "@", "/nonexistent/socket", longest };
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
		struct notify n;
		forget(NULL);
		if (names[i])
			setenv("NOTIFY_SOCKET", names[i], 1);
		setenv("WATCHDOG_USEC", "1000000", 1);
		notify_open(&n);
		assert_true(n.fd == -1 && n.beat_ms == 0);
		notify_ready(&n, "taking mail");
		notify_reloading(&n);
	}
}

/* A manager that reads nothing does not hold the server up for ever. */
static void a_busy_manager_is_waited_for_a_second(void **state)
{
	(void)state;
	struct notify n;
	int fd = manager("@smtpguard-notify-busy");
	notify_open(&n);
	uint64_t began_ms = clock_mono_ms();
	for (int i = 0; i < 1000 && clock_mono_ms() < began_ms + 500; i++)
		notify_beat(&n);
	assert_in_range(clock_mono_ms() - began_ms, 900, 10000);
	notify_close(&n);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(tells_all_words, forget),
		cmocka_unit_test_teardown(a_reload_has_its_moment, forget),
		cmocka_unit_test_teardown(beats_when_it_is_asked_to, forget),
		cmocka_unit_test_teardown(nobody_or_nonsense_is_not_told, forget),
		cmocka_unit_test_teardown(a_busy_manager_is_waited_for_a_second, forget),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
