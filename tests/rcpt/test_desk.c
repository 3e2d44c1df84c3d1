/* Desks and a source whose server is a thread here: it says OK to a key that begins with y, NOTFOUND to n, and keeps
 * silent about all others. */
#include "base/clock.h"
#include "base/mem.h"
#include "rcpt/desk.h"
#include "tests/base/cmocka_setup.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int listener;
static char path[64], address[80];
static atomic_uint asked;

static void serve(int fd)
{
	char in[512];
	for (ssize_t n; (n = recv(fd, in, sizeof in - 1, 0)) > 0;) {
		in[n] = 0;
		atomic_fetch_add(&asked, 1);
		const char *key = strchr(in, ' ');
		const char *reply = key && key[1] == 'y' ? "4:OK x," : key && key[1] == 'n' ? "9:NOTFOUND ," : "";
		if (send(fd, reply, strlen(reply), MSG_NOSIGNAL) < 0)
			break;
	}
	close(fd);
}

static void *serve_one(void *arg)
{
	serve((int)(intptr_t)arg);
	return NULL;
}

static void *accept_all(void *arg)
{
	for (int fd; (fd = accept(listener, NULL, NULL)) >= 0;) {
		pthread_t t;
		if (pthread_create(&t, NULL, serve_one, (void *)(intptr_t)fd) == 0)
			pthread_detach(t);
	}
	return arg;
}

static struct rcpt_config config(uint64_t timeout_ms, uint32_t connections)
{
	return (struct rcpt_config){ .name = "t", .kind = RCPT_SOCKETMAP, .file = "", .connect = "",
		.address = address, .query = "", .map = "m", .connections = connections, .timeout_ms = timeout_ms };
}

static struct rcpt_source *source(uint64_t timeout_ms, uint32_t connections)
{
	struct rcpt_config c = config(timeout_ms, connections);
	struct rcpt_source *s = rcpt_source_new(&c);
	assert_non_null(s);
	assert_true(rcpt_source_is(s, &c));
	return s;
}

struct worker {
	struct net_loop *loop;
	struct net_wake wake;
	struct rcpt_desk *desk;
};

static void worker_open(struct worker *w)
{
	w->loop = net_loop_new();
	assert_true(w->loop && net_wake_init(&w->wake, w->loop));
	w->desk = rcpt_desk_new(&w->wake, clock_mono_ms());
	assert_non_null(w->desk);
}

static void worker_close(struct worker *w)
{
	rcpt_desk_free(&w->desk);
	net_wake_close(&w->wake, w->loop);
	net_loop_free(&w->loop);
}

/* The next answer; woken as a worker is. */
static struct rcpt_done next(struct worker *w)
{
	struct rcpt_done d;
	unsigned events;
	uint64_t end = clock_mono_ms() + 20000;
	while (!rcpt_desk_pop(w->desk, clock_mono_ms(), &d)) {
		assert_true(clock_mono_ms() < end);
		net_loop_wait(w->loop, rcpt_desk_sleep_ms(w->desk, clock_mono_ms()));
		while (net_loop_next(w->loop, &events))
			net_wake_clear(&w->wake);
	}
	return d;
}

static void answers_find_their_askers(void **state)
{
	(void)state;
	struct worker w;
	struct rcpt_source *s = source(10000, 2);
	bool heard[20] = { 0 };
	worker_open(&w);
	for (uint64_t i = 0; i < 20; i++) {
		char rcpt[40];
		int n = snprintf(rcpt, sizeof rcpt, "%c%d@x.test", i % 2 ? 'y' : 'n', (int)i / 4);
		assert_true(rcpt_desk_ask(w.desk, s, slice_of(rcpt, (size_t)n), i, clock_mono_ms()));
	}
	for (int i = 0; i < 20; i++) {
		struct rcpt_done d = next(&w);
		assert_false(heard[d.ticket]);
		heard[d.ticket] = true;
		assert_int_equal(d.answer, d.ticket % 2 ? RCPT_YES : RCPT_NOT_FOUND);
	}
	worker_close(&w);
	rcpt_source_unref(&s);
}

static void equal_questions_are_one(void **state)
{
	(void)state;
	struct worker w;
	struct rcpt_source *s = source(1000, 4);
	worker_open(&w);
	atomic_store(&asked, 0);
	for (uint64_t i = 0; i < 10; i++)
		assert_true(rcpt_desk_ask(w.desk, s, SLICE("silent@x.test"), i, clock_mono_ms()));
	for (uint64_t i = 0; i < 5; i++)
		rcpt_desk_cancel(w.desk, i);
	for (uint64_t i = 5; i < 10; i++)
		assert_int_equal(next(&w).answer, RCPT_FAILED);
	assert_int_equal(atomic_load(&asked), 1);
	worker_close(&w);
	rcpt_source_unref(&s);
}

static void silence_ends_at_the_timeout(void **state)
{
	(void)state;
	struct worker w;
	struct rcpt_source *s = source(1000, 1); /* a timely answer comes in less, on any machine */
	worker_open(&w);
	uint64_t began = clock_mono_ms();
	assert_true(rcpt_desk_ask(w.desk, s, SLICE("silent@x.test"), 1, began));
	assert_true(rcpt_desk_ask(w.desk, s, SLICE("y@x.test"), 2, began));
	for (int i = 0; i < 2; i++)
		assert_int_equal(next(&w).answer, RCPT_FAILED); /* the second has waited for the first as long */
	assert_true(clock_mono_ms() - began < 10000);
	assert_true(rcpt_desk_ask(w.desk, s, SLICE("y@x.test"), 3, clock_mono_ms()));
	struct rcpt_done d = next(&w);
	assert_int_equal(d.ticket, 3);
	assert_int_equal(d.answer, RCPT_YES);
	worker_close(&w);
	rcpt_source_unref(&s);
}

static void too_many_are_refused(void **state)
{
	(void)state;
	struct worker w;
	struct rcpt_source *s = source(20000, 1);
	unsigned taken = 0;
	worker_open(&w);
	for (uint64_t i = 0; i < RCPT_WAITING_MAX + 100; i++) {
		char rcpt[40];
		int n = snprintf(rcpt, sizeof rcpt, "s%d@x.test", (int)i);
		taken += rcpt_desk_ask(w.desk, s, slice_of(rcpt, (size_t)n), i, clock_mono_ms());
	}
	assert_in_range(taken, RCPT_WAITING_MAX, RCPT_WAITING_MAX + 1);
	worker_close(&w);
	rcpt_source_unref(&s);
}

/* Askers that leave at any moment, on several threads. */
static void *come_and_go(void *arg)
{
	struct worker w;
	worker_open(&w);
	for (uint64_t i = 0; i < 400; i++) {
		struct slice rcpt = i % 3 ? SLICE("y@x.test") : SLICE("n@x.test");
		assert_true(rcpt_desk_ask(w.desk, arg, rcpt, i, clock_mono_ms()));
		if (i % 2)
			rcpt_desk_cancel(w.desk, i);
		else if (i % 4)
			(void)next(&w);
	}
	worker_close(&w);
	return NULL;
}

static void workers_share_a_source(void **state)
{
	(void)state;
	struct rcpt_source *s = source(10000, 3);
	pthread_t threads[4];
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, s), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	rcpt_source_end(s, 5000);
	rcpt_source_unref(&s);
}

static void memory_that_runs_out_is_told(void **state)
{
	(void)state;
	struct worker w;
	struct rcpt_source *s = source(10000, 1);
	worker_open(&w);
	for (long nth = 0; nth < 2; nth++) {
		mem_fail_after(nth);
		assert_false(rcpt_desk_ask(w.desk, s, SLICE("y@x.test"), 1, clock_mono_ms()));
		mem_fail_after(-1);
	}
	assert_true(rcpt_desk_ask(w.desk, s, SLICE("y@x.test"), 1, clock_mono_ms()));
	assert_int_equal(next(&w).answer, RCPT_YES);
	worker_close(&w);
	rcpt_source_unref(&s);
}

static int open_server(void **state)
{
	struct sockaddr_un sa = { .sun_family = AF_UNIX };
	pthread_t thread;
	(void)state;
	snprintf(path, sizeof path, "/tmp/smtpguard-test-rcpt.%d", (int)getpid());
	snprintf(address, sizeof address, "unix:%s", path);
	snprintf(sa.sun_path, sizeof sa.sun_path, "%s", path);
	unlink(path);
	listener = socket(AF_UNIX, SOCK_STREAM, 0);
	if (bind(listener, (struct sockaddr *)&sa, sizeof sa) || listen(listener, 64))
		return -1;
	if (pthread_create(&thread, NULL, accept_all, NULL))
		return -1;
	pthread_detach(thread);
	return 0;
}

static int close_server(void **state)
{
	(void)state;
	shutdown(listener, SHUT_RDWR);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(answers_find_their_askers),
		cmocka_unit_test(equal_questions_are_one),
		cmocka_unit_test(silence_ends_at_the_timeout),
		cmocka_unit_test(too_many_are_refused),
		cmocka_unit_test(workers_share_a_source),
		cmocka_unit_test(memory_that_runs_out_is_told),
	};
	return cmocka_run_group_tests(tests, open_server, close_server);
}
