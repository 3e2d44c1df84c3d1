/* The control server as its peers see it: good ones, slow ones, many of them, and the stop. */
#include "served.h"

#include "base/clock.h"
#include "ctl/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <grp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static struct served served;

static int start(void **state)
{
	(void)state;
	return served_start(&served, 0, 0) ? 0 : -1;
}

/* Deadlines short enough to be waited for. */
static int start_short(void **state)
{
	(void)state;
	return served_start(&served, 150, 150) ? 0 : -1;
}

static int stop(void **state)
{
	(void)state;
	if (served.server)
		served_stop(&served);
	return access(served.path, F_OK) == 0; /* the socket must be gone */
}

static void assert_ends_with(int fd, const char *wanted)
{
	struct buf in = { 0 };
	served_read_all(fd, &in);
	if (!slice_eq(buf_slice(&in), slice_str(wanted)))
		fail_msg("got %.*s, wanted %s", SLICE_ARG(buf_slice(&in)), wanted);
	buf_release(&in);
	close(fd);
}

static int say(const char *text)
{
	int fd = served_connect(&served);
	assert_true(fd >= 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	return fd;
}

static const char hello[] = "{\"command\":\"echo\",\"args\":{\"say\":\"hi\"}}\n";
static const char hello_back[] = "{\"ok\":true,\"data\":{\"say\":\"hi\",\"n\":1}}\n";

static void answers(void **state)
{
	(void)state;
	assert_ends_with(say(hello), hello_back);
	assert_ends_with(say("{\"command\":\"fail\"}\n"),
		"{\"ok\":false,\"error\":\"x.cfg:3: no such key\\nx.cfg:4: neither\"}\n");
	assert_ends_with(say("{\"command\":\"mute\"}\n"), "{\"ok\":false,\"error\":\"the command failed\"}\n");
	assert_ends_with(say("{\"command\":\"ech\\u00ff\"}\n"),
		"{\"ok\":false,\"error\":\"this server has no command \\\"ech\\u00FF\\\"; it has: echo, fail, mute, "
		"big, starve, feed\"}\n");
	assert_ends_with(say("stats\n"), "{\"ok\":false,\"error\":\"the request cannot be read as JSON: '[' or '{' "
					 "expected near 'stats' (column 5)\"}\n");
}

static void a_line_may_come_byte_by_byte(void **state)
{
	(void)state;
	int fd = served_connect(&served);
	for (size_t i = 0; hello[i]; i++)
		assert_int_equal(send(fd, hello + i, 1, MSG_NOSIGNAL), 1);
	assert_ends_with(fd, hello_back);
}

static void half_a_line_is_never_run(void **state)
{
	(void)state;
	int fd = say("{\"command\":\"echo\"}");
	shutdown(fd, SHUT_WR);
	assert_ends_with(fd, "");
	served_stop(&served);
	assert_int_equal(served.asked, 0);
}

static void a_line_too_long_is_refused(void **state)
{
	(void)state;
	char text[9001];
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	struct buf in = { 0 };
	int fd = say(text);
	served_read_all(fd, &in); /* the reset that may follow says that our rest was not read */
	assert_true(slice_eq(buf_slice(&in), SLICE("{\"ok\":false,\"error\":\"the request is longer than 8 KB\"}\n")));
	buf_release(&in);
	close(fd);
}

static void silence_is_ended(void **state)
{
	(void)state;
	uint64_t began_ms = clock_mono_ms();
	int fd = say("{\"comm");
	assert_ends_with(fd, "");
	assert_in_range(clock_mono_ms() - began_ms, 140, 5000);
}

/* Sixteen that hang do not shut the others out for longer than their deadline. */
static void many_silent_ones_pass(void **state)
{
	(void)state;
	int silent[CTL_SERVER_CLIENTS];
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++)
		silent[i] = served_connect(&served);
	assert_ends_with(say(hello), hello_back);
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++)
		close(silent[i]);
}

static void many_good_ones_are_all_served(void **state)
{
	(void)state;
	int fds[3 * CTL_SERVER_CLIENTS];
	for (size_t i = 0; i < 3 * CTL_SERVER_CLIENTS; i++)
		fds[i] = say(hello);
	for (size_t i = 0; i < 3 * CTL_SERVER_CLIENTS; i++)
		assert_ends_with(fds[i], hello_back);
}

static void a_big_answer_comes_whole(void **state)
{
	(void)state;
	struct ctl_answer answer;
	struct buf error = { 0 };
	assert_int_equal(ctl_client_ask(served.path, "big", NULL, 5000, &answer, &error), CTL_CLIENT_ANSWERED);
	assert_true(answer.ok);
	assert_int_equal(ctl_json_len(answer.data), 20000);
	ctl_answer_release(&answer);
}

/* Who does not read its answer holds a slot no longer than its deadline. */
static void an_answer_not_taken_is_dropped(void **state)
{
	(void)state;
	int fds[CTL_SERVER_CLIENTS];
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++)
		fds[i] = say("{\"command\":\"big\"}\n");
	assert_ends_with(say(hello), hello_back);
	struct buf in = { 0 };
	served_read_all(fds[0], &in);
	assert_in_range(buf_len(&in), 1, 1000000); /* cut off */
	buf_release(&in);
	for (size_t i = 0; i < CTL_SERVER_CLIENTS; i++)
		close(fds[i]);
}

/* Another user, where somebody opened folder and socket to all: closed unheard. */
static void a_stranger_is_closed(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(served.top, 0755), 0);
	assert_int_equal(chmod(served.path, 0666), 0);
	pid_t child = fork();
	if (child == 0) {
		char byte;
		bool other = setgroups(0, NULL) == 0 && setresgid(65534, 65534, 65534) == 0 &&
			     setresuid(65534, 65534, 65534) == 0;
		int fd = other ? served_connect(&served) : -1;
		if (fd >= 0)
			(void)!send(fd, hello, sizeof(hello) - 1, MSG_NOSIGNAL);
		_exit(fd >= 0 && recv(fd, &byte, 1, 0) <= 0 ? 42 : 1);
	}
	int status;
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 42);
	served_stop(&served);
	assert_int_equal(served.asked, 0);
}

static uint64_t cpu_ms(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* accept() fails at once and again: the thread must pause, and take the client when there is room. */
static void without_descriptors_it_pauses(void **state)
{
	(void)state;
	enum { LOW = 128 };
	struct rlimit before, low;
	int fds[LOW], n = 0;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
	low = (struct rlimit){ LOW, before.rlim_max };
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	while ((fds[n] = dup(fd)) >= 0)
		n++;
	uint64_t began_ms = cpu_ms();
	assert_true(served_connect_with(&served, fd));
	assert_int_equal(send(fd, hello, strlen(hello), MSG_NOSIGNAL), strlen(hello));
	usleep(300000);
	assert_in_range(cpu_ms() - began_ms, 0, 100);
	while (n)
		close(fds[--n]);
	assert_ends_with(fd, hello_back);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
}

/* One allocation of the control thread fails, at each place in turn: that client may get nothing, but
 * never half an answer, and the next ones are served. */
static void memory_ends(void **state)
{
	(void)state;
	unsigned unanswered = 0;
	for (int n = 0; n < 40; n++) {
		char line[100];
		struct buf in = { 0 };
		snprintf(line, sizeof(line), "{\"command\":\"starve\",\"args\":{\"n\":%d}}\n", n);
		int fd = say(line);
		served_read_all(fd, &in);
		close(fd);
		unanswered += buf_len(&in) == 0;
		assert_true(buf_len(&in) == 0 ||
			    slice_eq(buf_slice(&in), SLICE("{\"ok\":true,\"data\":{\"say\":\"\",\"n\":1}}\n")));
		buf_release(&in);
		fd = say("{\"command\":\"feed\"}\n"); /* ends a failure that is still to come, or eats it */
		served_read_all(fd, &in);
		close(fd);
		buf_release(&in);
		assert_ends_with(say(hello), hello_back);
	}
	assert_in_range(unanswered, 5, 35);
}

static void the_stop_sends_what_was_answered(void **state)
{
	(void)state;
	int silent = served_connect(&served), fd = say("{\"command\":\"big\"}\n");
	struct buf in = { 0 };
	assert_int_equal(recv(fd, &(char){ 0 }, 1, MSG_PEEK), 1); /* the answer has begun */
	ctl_server_stop(served.server);
	assert_ends_with(silent, "");
	assert_true(served_read_all(fd, &in));
	assert_true(buf_len(&in) > 1000000 && buf_slice(&in).p[buf_len(&in) - 1] == '\n');
	buf_release(&in);
	close(fd);
}

static void a_stop_before_the_run_holds(void **state)
{
	(void)state;
	struct buf error = { 0 };
	struct ctl_server_config c = { .path = served.path, .uid = (uid_t)-1, .gid = (gid_t)-1 };
	assert_null(ctl_server_open(&c, &error));
	assert_non_null(memmem(buf_slice(&error).p, buf_len(&error), "another smtpguardd", 18));
	buf_release(&error);
	served_stop(&served);
	char other[64];
	snprintf(other, sizeof(other), "/tmp/sg_ctl_%d", (int)getpid());
	c.path = other;
	struct ctl_server *s = ctl_server_open(&c, &error);
	assert_non_null(s);
	ctl_server_stop(s);
	ctl_server_run(s);
	ctl_server_close(&s);
	assert_null(s);
	ctl_server_close(&s);
}

int main(void)
{
#define SERVED(test) cmocka_unit_test_setup_teardown(test, start, stop)
#define SERVED_SHORT(test) cmocka_unit_test_setup_teardown(test, start_short, stop)
	const struct CMUnitTest tests[] = {
		SERVED(answers),
		SERVED(a_line_may_come_byte_by_byte),
		SERVED(half_a_line_is_never_run),
		SERVED(a_line_too_long_is_refused),
		SERVED_SHORT(silence_is_ended),
		SERVED_SHORT(many_silent_ones_pass),
		SERVED(many_good_ones_are_all_served),
		SERVED(a_big_answer_comes_whole),
		SERVED_SHORT(an_answer_not_taken_is_dropped),
		SERVED(a_stranger_is_closed),
		SERVED(without_descriptors_it_pauses),
		SERVED(memory_ends),
		SERVED(the_stop_sends_what_was_answered),
		SERVED(a_stop_before_the_run_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
