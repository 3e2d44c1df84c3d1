/* net/ended.h: what the kernel knows of a peer, whoever owns the socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/ended.h"

#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	int ours, theirs;
};

static struct pair make_pair(void)
{
	struct sockaddr_in sa = { .sin_family = AF_INET, .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t n = sizeof sa;
	int l = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pair p = { .theirs = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0) };
	assert_int_equal(bind(l, (struct sockaddr *)&sa, sizeof sa), 0);
	assert_int_equal(listen(l, 1), 0);
	assert_int_equal(getsockname(l, (struct sockaddr *)&sa, &n), 0);
	assert_int_equal(connect(p.theirs, (struct sockaddr *)&sa, n), 0);
	p.ours = accept(l, NULL, NULL);
	assert_true(p.ours >= 0);
	close(l);
	return p;
}

static bool ended(int fd)
{
	return net_any_ended(&fd, 1);
}

static void who_is_there_has_not_ended(void **state)
{
	(void)state;
	struct pair p = make_pair();
	assert_false(ended(p.ours));
	assert_int_equal(send(p.theirs, "QUIT\r\n", 6, 0), 6);
	assert_false(ended(p.ours));
	close(p.theirs);
	close(p.ours);
	assert_false(net_any_ended(NULL, 0));
}

static void every_end_is_seen_behind_what_was_sent(void **state)
{
	(void)state;
	for (int how = 0; how < 3; how++) {
		struct pair p = make_pair();
		assert_int_equal(send(p.theirs, "QUIT\r\n", 6, 0), 6);
		if (how == 0)
			shutdown(p.theirs, SHUT_WR);
		if (how == 1)
			setsockopt(p.theirs, SOL_SOCKET, SO_LINGER, &(struct linger){ 1, 0 }, sizeof(struct linger));
		if (how)
			close(p.theirs);
		assert_true(ended(p.ours));
		if (!how)
			close(p.theirs);
		close(p.ours);
	}
}

static void one_of_many_and_none_of_ours(void **state)
{
	(void)state;
	struct pair p[3] = { make_pair(), make_pair(), make_pair() };
	int fds[] = { p[0].ours, p[1].ours, p[2].ours };
	close(p[2].theirs);
	assert_true(net_any_ended(fds, 3));
	assert_false(net_any_ended(fds, 2));
	close(p[2].ours);
	assert_false(net_any_ended(fds, 3)); /* closed by its owner meanwhile */
	for (int i = 0; i < 2; i++) {
		close(p[i].theirs);
		close(p[i].ours);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_there_has_not_ended),
		cmocka_unit_test(every_end_is_seen_behind_what_was_sent),
		cmocka_unit_test(one_of_many_and_none_of_ours),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
