/* relay/watch.h: a retry that comes before its first try's worker has seen the client go. */
#include "base/clock.h"
#include "relay/watch.h"
#include "tests/relay/rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <sys/socket.h>
#include <unistd.h>
/* cmocka.h needs the above */
#include <cmocka.h>

static struct rig g;

struct attempt {
	struct relay_mail *mail;
	int theirs;
};

/* Its dot has come, and it is judged. */
static struct attempt expect(const char *body)
{
	static struct relay_watch watches[64]; /* must stay where they are */
	static unsigned used;
	int fds[2];
	struct attempt t = { .mail = rig_mail(&g, "192.0.2.1", "from@a.test", "a@example.test", body) };
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	t.mail->watch = &watches[used++ % 64];
	t.mail->watch->fd = fds[0];
	t.theirs = fds[1];
	relay_expect(g.relay, t.mail);
	return t;
}

static struct attempt deliver(const char *body)
{
	struct attempt t = expect(body);
	assert_true(relay_deliver(g.relay, t.mail, clock_mono_ms()));
	return t;
}

/* As a session does when its worker has seen it end. */
static void let_go(struct attempt *t)
{
	relay_cancel(g.relay, t->mail->ticket, clock_mono_ms());
	relay_watch_end(t->mail->watch);
	close(t->mail->watch->fd);
}

static void leave(struct attempt *t)
{
	close(t->theirs);
	t->theirs = -1;
}

static void be_done(struct attempt *t)
{
	relay_watch_end(t->mail->watch);
	close(t->mail->watch->fd);
	if (t->theirs >= 0)
		leave(t);
}

static const char MAIL[] = "Subject: x\r\n\r\nslow\r\n";

/* The backend has the first whole and answers later. */
static struct attempt begin(const char *answer)
{
	struct fake_rule rule = { ".", FAKE_SAY, answer, 1, FAKE_HELD };
	rig_init(&g, fake_start(FAKE_NO_XCLIENT, &rule, 1));
	rig_start(&g);
	struct attempt first = deliver(MAIL);
	for (int i = 0; i < 500 && !fake_seen(g.fake, ":.\n"); i++)
		rig_run(&g, 10);
	return first;
}

static void the_retry_looks_itself(void **state)
{
	(void)state;
	struct attempt first = begin("250 2.0.0 taken\r\n");
	leave(&first);
	struct attempt again = deliver(MAIL);
	rig_run(&g, 50);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	fake_let_go(g.fake);
	let_go(&first);
	struct relay_done d = rig_wait(&g, again.mail->ticket);
	assert_true(d.code == 250 && d.cached);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	be_done(&again);
	rig_stop(&g);
}

static void what_was_refused_goes_on(void **state)
{
	(void)state;
	struct attempt first = begin("451 4.3.0 not now\r\n");
	leave(&first);
	struct attempt again = deliver(MAIL);
	fake_let_go(g.fake);
	assert_int_equal(rig_wait(&g, first.mail->ticket).code, 451);
	rig_run(&g, 50);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	be_done(&first);
	struct relay_done d = rig_wait(&g, again.mail->ticket);
	assert_true(d.code == 250 && !d.cached);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 2);
	be_done(&again);
	rig_stop(&g);
}

/* The first is still judged when its client leaves, while its retry is through with that. */
static void one_that_is_judged_is_not_overtaken(void **state)
{
	(void)state;
	for (int doubted = 0; doubted < 2; doubted++) {
		rig_init(&g, fake_start(FAKE_NO_XCLIENT, NULL, 0));
		rig_start(&g);
		struct attempt first = expect(MAIL);
		leave(&first);
		struct relay_save *doubt = doubted ? relay_reply_doubted(g.relay, first.mail) : NULL;
		if (doubted)
			relay_watch_end(first.mail->watch);
		struct attempt again = deliver(MAIL);
		relay_watch_end(again.mail->watch); /* its own client may have gone as well */
		rig_run(&g, 100);
		assert_int_equal(fake_seen(g.fake, "MAIL"), 0);
		assert_true(relay_deliver(g.relay, first.mail, clock_mono_ms()));
		assert_int_equal(rig_wait(&g, first.mail->ticket).code, 250);
		relay_reply_lost(g.relay, first.mail, NULL);
		relay_save_free(&doubt);
		relay_watch_end(first.mail->watch);
		struct relay_done d = rig_wait(&g, again.mail->ticket);
		assert_true(d.code == 250 && d.cached);
		assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
		be_done(&first);
		be_done(&again);
		rig_stop(&g);
	}
}

/* Two live sessions with the same mail, another mail, an earlier one: none of them waits. */
static void nobody_else_waits(void **state)
{
	(void)state;
	struct attempt first = begin("250 2.0.0 taken\r\n");
	struct attempt twin = deliver(MAIL);
	assert_int_equal(rig_wait(&g, twin.mail->ticket).code, 250);
	leave(&first);
	struct attempt other = deliver("Subject: y\r\n\r\nslow\r\n"), longer = deliver("Subject: x\r\n\r\nslower\r\n");
	assert_int_equal(rig_wait(&g, other.mail->ticket).code, 250);
	assert_int_equal(rig_wait(&g, longer.mail->ticket).code, 250);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 4);
	fake_let_go(g.fake);
	assert_int_equal(rig_wait(&g, first.mail->ticket).code, 250);
	be_done(&first);
	be_done(&twin);
	be_done(&other);
	be_done(&longer);
	rig_stop(&g);
}

/* ---- the lists ---- */

static void only_others_that_came_before(void **state)
{
	(void)state;
	static struct relay_watches all;
	struct relay_watch w[3] = { 0 };
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	close(fds[1]);
	relay_watches_init(&all);
	for (unsigned i = 0; i < 3; i++) {
		w[i].fd = i < 2 ? fds[0] : -1;
		relay_watch_begin(&all, &w[i], 7, i);
	}
	assert_false(relay_watch_sees_gone(&all, &w[0]));
	assert_false(relay_watch_sees_gone(&all, &w[1])); /* the same connection */
	assert_true(relay_watch_sees_gone(&all, &w[2]));
	relay_watch_end(&w[2]);
	assert_true(relay_watch_sees_gone(&all, &w[2])); /* out itself, it still looks */
	relay_watch_end(&w[0]);
	assert_true(relay_watch_sees_gone(&all, &w[2]));
	relay_watch_end(&w[1]);
	relay_watch_end(&w[1]);
	assert_false(relay_watch_sees_gone(&all, &w[2]));
	relay_watch_end(&w[2]);
	assert_false(relay_watch_sees_gone(&all, &w[2]));
	relay_watches_clear(&all);
	close(fds[0]);
}

static struct relay_watches shared;

static void *come_and_go(void *arg)
{
	struct relay_watch w[4] = { 0 };
	for (uint64_t turn = 0; turn < 2000; turn++) {
		struct relay_watch *one = &w[turn % 4];
		relay_watch_end(one);
		one->fd = *(const int *)arg;
		relay_watch_begin(&shared, one, turn % 3, turn);
		assert_false(relay_watch_sees_gone(&shared, one));
	}
	for (int i = 0; i < 4; i++)
		relay_watch_end(&w[i]);
	return NULL;
}

static void from_many_threads(void **state)
{
	(void)state;
	pthread_t threads[4];
	int fds[2];
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	relay_watches_init(&shared);
	for (int i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, come_and_go, &fds[i % 2]), 0);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	relay_watches_clear(&shared);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_retry_looks_itself),
		cmocka_unit_test(what_was_refused_goes_on),
		cmocka_unit_test(one_that_is_judged_is_not_overtaken),
		cmocka_unit_test(nobody_else_waits),
		cmocka_unit_test(only_others_that_came_before),
		cmocka_unit_test(from_many_threads),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
