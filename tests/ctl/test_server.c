/* The control server as its peers see it: good ones, slow ones, many of them, and the stop. */
#include "served.h"

#include "base/clock.h"
#include "ctl/client.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sys/socket.h>
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
			 "{\"ok\":false,\"error\":\"this server has no command \\\"ech\\u00FF\\\"; it has: echo, fail, mute, big\"}\n");
	assert_ends_with(say("stats\n"),
			 "{\"ok\":false,\"error\":\"the request is not JSON: '[' or '{' expected near 'stats' (column 5)\"}\n");
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
	c.path = "/tmp/sg_ctl_stop_test";
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
		SERVED(the_stop_sends_what_was_answered),
		SERVED(a_stop_before_the_run_holds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
