/* The client against servers that are missing, silent, rude or cut off. */
#include "ctl/client.h"
#include "ctl/unix_addr.h"

#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

/* A peer that takes one connection, says `text`, and closes after `hold_ms`. */
static struct rude {
	char top[64], path[80];
	int fd;
	const char *text;
	unsigned hold_ms;
	pthread_t thread;
} rude;

static void *be_rude(void *arg)
{
	(void)arg;
	char line[8192];
	int fd = accept(rude.fd, NULL, NULL);
	if (rude.text)
		(void)!recv(fd, line, sizeof(line), 0);
	if (rude.text)
		(void)!send(fd, rude.text, strlen(rude.text), MSG_NOSIGNAL);
	usleep(rude.hold_ms * 1000);
	close(fd);
	return NULL;
}

static int setup(void **state)
{
	(void)state;
	struct sockaddr_un addr;
	socklen_t len;
	snprintf(rude.top, sizeof(rude.top), "/tmp/sg_ctl_XXXXXX");
	if (!mkdtemp(rude.top))
		return -1;
	snprintf(rude.path, sizeof(rude.path), "%s/control", rude.top);
	rude.fd = socket(AF_UNIX, SOCK_STREAM, 0);
	return ctl_unix_addr(rude.path, &addr, &len) && bind(rude.fd, (struct sockaddr *)&addr, len) == 0 ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	close(rude.fd);
	unlink(rude.path);
	return rmdir(rude.top);
}

static void assert_error(const char *path, uint64_t timeout_ms, const char *sentence)
{
	struct ctl_json_doc args = { 0 };
	struct ctl_answer answer;
	struct buf error = { 0 };
	ctl_json_put_int(ctl_json_root_object(&args), "n", 1);
	assert_int_equal(ctl_client_ask(path, "stats", &args, timeout_ms, &answer, &error), CTL_CLIENT_FAILED);
	if (!memmem(buf_slice(&error).p, buf_len(&error), sentence, strlen(sentence)))
		fail_msg("\"%s\" is not in: %.*s", sentence, SLICE_ARG(buf_slice(&error)));
	assert_null(args.root);
	assert_true(slice_starts(buf_slice(&error), slice_str(path)));
	ctl_answer_release(&answer);
	buf_release(&error);
}

static void asked(const char *text, unsigned hold_ms, uint64_t timeout_ms, const char *sentence)
{
	rude.text = text;
	rude.hold_ms = hold_ms;
	assert_int_equal(listen(rude.fd, 1), 0);
	assert_int_equal(pthread_create(&rude.thread, NULL, be_rude, NULL), 0);
	assert_error(rude.path, timeout_ms, sentence);
	pthread_join(rude.thread, NULL);
}

static void nobody_there(void **state)
{
	(void)state;
	assert_error("/nowhere/control", 1000, "is smtpguardd running");
	assert_error("", 1000, "1 to 107 bytes");
	assert_error(rude.path, 1000, "left from an earlier one"); /* bound, and nobody listens */
}

static void silent(void **state)
{
	(void)state;
	uint64_t began_ms = clock_mono_ms();
	asked("", 300, 100, "did not answer within 100 ms");
	assert_in_range(clock_mono_ms() - began_ms, 100, 5000);
}

static void closes_at_once(void **state)
{
	(void)state;
	asked(NULL, 0, 2000, "closed without an answer; only root");
}

static void cut_off(void **state)
{
	(void)state;
	asked("{\"ok\":true", 0, 2000, "cut off");
}

static void says_something_else(void **state)
{
	(void)state;
	asked("220 mx ESMTP\r\n", 0, 2000, "not smtpguardd's answer");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nobody_there, setup, teardown),
		cmocka_unit_test_setup_teardown(silent, setup, teardown),
		cmocka_unit_test_setup_teardown(closes_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_off, setup, teardown),
		cmocka_unit_test_setup_teardown(says_something_else, setup, teardown),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
