/* Who may ask. */
#include "base/mem.h"
#include "ctl/peer.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <sys/socket.h>
#include <unistd.h>

static void root_user_and_group_may(void **state)
{
	(void)state;
	gid_t groups[] = { 7, 110 };
	struct ctl_peer root = { .uid = 0, .gid = 5 }, user = { .uid = 100, .gid = 5 };
	struct ctl_peer group = { .uid = 1, .gid = 110 },
			member = { .uid = 1, .gid = 5, .groups = groups, .n_groups = 2 };
	assert_true(ctl_peer_may(&root, 100, 110));
	assert_true(ctl_peer_may(&user, 100, 110));
	assert_true(ctl_peer_may(&group, 100, 110));
	assert_true(ctl_peer_may(&member, 100, 110));
}

static void others_may_not(void **state)
{
	(void)state;
	gid_t groups[] = { 7, 8, 110 };
	struct ctl_peer stranger = { .uid = 1, .gid = 1, .groups = groups, .n_groups = 2 };
	struct ctl_peer number_alike = { .uid = 110, .gid = 100 };
	assert_false(ctl_peer_may(&stranger, 100, 110));
	assert_false(ctl_peer_may(&number_alike, 100, 110));
}

static void the_kernel_says_who(void **state)
{
	(void)state;
	int fds[2];
	struct ctl_peer p;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_true(ctl_peer_read(fds[0], &p));
	assert_int_equal(p.uid, geteuid());
	assert_int_equal(p.gid, getegid());
	assert_int_equal(p.pid, getpid());
	assert_int_equal(p.n_groups, getgroups(0, NULL));
	ctl_peer_release(&p);
	close(fds[0]);
	close(fds[1]);
}

static void what_is_no_socket_is_nobody(void **state)
{
	(void)state;
	struct ctl_peer p;
	int fds[2];
	assert_int_equal(pipe(fds), 0);
	assert_false(ctl_peer_read(fds[0], &p));
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(root_user_and_group_may),
		cmocka_unit_test(others_may_not),
		cmocka_unit_test(the_kernel_says_who),
		cmocka_unit_test(what_is_no_socket_is_nobody),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
