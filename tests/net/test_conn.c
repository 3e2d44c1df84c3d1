/* net/conn.h and net/loop.h over a socket pair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "net/conn.h"

#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	struct net_loop *loop;
	struct net_conn conn;
	int peer;
};

static void open_pair(struct pair *p)
{
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	p->loop = net_loop_new();
	assert_non_null(p->loop);
	assert_true(net_conn_init(&p->conn, p->loop, fd[0], NET_OWNER_SESSION, false));
	p->peer = fd[1];
}

static void close_pair(struct pair *p)
{
	net_conn_close(&p->conn, p->loop);
	if (p->peer >= 0)
		close(p->peer);
	net_loop_free(&p->loop);
}

/* One turn of the loop; the events of the connection, 0 when there were none. */
static unsigned turn(struct pair *p)
{
	unsigned events = 0, got;
	net_loop_wait(p->loop, 0);
	while (net_loop_next(p->loop, &got) == &p->conn.io)
		events |= got;
	net_conn_events(&p->conn, events);
	return events;
}

static void reads_what_came_and_then_would_block(void **state)
{
	(void)state;
	struct pair p;
	char in[8];
	size_t n;
	open_pair(&p);
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_AGAIN);
	assert_int_equal(write(p.peer, "hello", 5), 5);
	assert_true(turn(&p) & NET_READ);
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_OK);
	assert_int_equal(n, 5);
	assert_memory_equal(in, "hello", 5);
	assert_false(p.conn.readable); /* a short read: dry, without another system call */
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_AGAIN);
	close_pair(&p);
}

static void the_end_is_seen_behind_the_last_bytes(void **state)
{
	(void)state;
	struct pair p;
	char in[64];
	size_t n;
	open_pair(&p);
	assert_int_equal(write(p.peer, "bye", 3), 3);
	close(p.peer);
	p.peer = -1;
	assert_true(turn(&p) & NET_HUP);
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_OK);
	assert_int_equal(net_conn_read(&p.conn, in, sizeof in, &n), NET_EOF);
	close_pair(&p);
}

static void a_peer_that_does_not_read_is_waited_for(void **state)
{
	(void)state;
	static char big[4 * 1024 * 1024], sink[65536];
	struct pair p;
	size_t got = 0;
	open_pair(&p);
	memset(big, 'x', sizeof big);
	assert_true(buf_put(&p.conn.out, slice_of(big, sizeof big)));
	assert_int_equal(net_conn_flush(&p.conn, p.loop), NET_AGAIN);
	assert_true(buf_len(&p.conn.out) > 0);
	for (int i = 0; i < 10000 && got < sizeof big; i++) {
		ssize_t r = read(p.peer, sink, sizeof sink);
		got += r > 0 ? (size_t)r : 0;
		if (turn(&p) & NET_WRITE)
			assert_int_not_equal(net_conn_flush(&p.conn, p.loop), NET_FAILED);
	}
	assert_int_equal(got, sizeof big);
	assert_int_equal(p.conn.out.cap, 0); /* a big buffer is given back */
	close_pair(&p);
}

/* What lies elsewhere goes out behind the buffer, in order, however little the peer takes at once. */
static void what_lies_elsewhere_goes_behind_the_buffer(void **state)
{
	(void)state;
	static char big[1024 * 1024], got[sizeof big + 6];
	struct pair p;
	size_t n = 0;
	open_pair(&p);
	for (size_t i = 0; i < sizeof big; i++)
		big[i] = (char)(i % 251);
	assert_true(buf_put(&p.conn.out, SLICE("before")));
	struct slice direct = slice_of(big, sizeof big);
	assert_int_equal(net_conn_flush_with(&p.conn, p.loop, &direct, true), NET_AGAIN);
	assert_true(direct.n > 0 && direct.n < sizeof big);
	assert_int_equal(buf_len(&p.conn.out), 0);
	for (int i = 0; i < 100000 && n < sizeof got; i++) {
		ssize_t r = read(p.peer, got + n, sizeof got - n < 3000 ? sizeof got - n : 3000);
		n += r > 0 ? (size_t)r : 0;
		if (turn(&p) & NET_WRITE)
			assert_int_not_equal(net_conn_flush_with(&p.conn, p.loop, &direct, true), NET_FAILED);
	}
	assert_int_equal(direct.n, 0);
	assert_int_equal(n, sizeof got);
	assert_memory_equal(got, "before", 6);
	assert_memory_equal(got + 6, big, sizeof big);
	assert_int_equal(p.conn.sent, sizeof got);
	close_pair(&p);
}

static void writing_to_a_closed_peer_fails_without_a_signal(void **state)
{
	(void)state;
	struct pair p;
	open_pair(&p);
	close(p.peer);
	p.peer = -1;
	assert_true(buf_put(&p.conn.out, SLICE("220 hello\r\n")));
	assert_int_equal(net_conn_flush(&p.conn, p.loop), NET_FAILED);
	close_pair(&p);
}

static void a_removed_io_is_not_told_of(void **state)
{
	(void)state;
	struct pair a, b;
	unsigned events;
	open_pair(&a);
	int fd[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fd), 0);
	assert_true(net_conn_init(&b.conn, a.loop, fd[0], NET_OWNER_SESSION, false));
	assert_int_equal(write(a.peer, "1", 1) + write(fd[1], "2", 1), 2);
	net_loop_wait(a.loop, 0);
	struct net_io *first = net_loop_next(a.loop, &events);
	assert_non_null(first);
	struct net_conn *other = first == &a.conn.io ? &b.conn : &a.conn;
	net_conn_close(other, a.loop);
	assert_null(net_loop_next(a.loop, &events));
	net_conn_close(&b.conn, a.loop);
	close(fd[1]);
	close_pair(&a);
}

static void another_thread_can_ring(void **state)
{
	(void)state;
	struct net_loop *l = net_loop_new();
	struct net_wake w;
	unsigned events;
	assert_true(net_wake_init(&w, l));
	net_wake_up(&w);
	net_wake_up(&w);
	net_loop_wait(l, 1000);
	assert_ptr_equal(net_loop_next(l, &events), &w.io);
	net_wake_clear(&w);
	net_loop_wait(l, 0);
	assert_null(net_loop_next(l, &events));
	net_wake_close(&w, l);
	net_loop_free(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_came_and_then_would_block),
		cmocka_unit_test(the_end_is_seen_behind_the_last_bytes),
		cmocka_unit_test(a_peer_that_does_not_read_is_waited_for),
		cmocka_unit_test(what_lies_elsewhere_goes_behind_the_buffer),
		cmocka_unit_test(writing_to_a_closed_peer_fails_without_a_signal),
		cmocka_unit_test(a_removed_io_is_not_told_of),
		cmocka_unit_test(another_thread_can_ring),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
