/* relay.state under the relay when a disk hangs or gives nothing back, memory runs out, or a client has gone; and the
 * notes of mails whose dot is out. Nobody gets a mail twice without a word, nobody is left without it. */
#include "base/clock.h"
#include "base/mem.h"
#include "relay/intent.h"
#include "tests/relay/disk.h"
#include "tests/relay/memory_rig.h"
#include "tests/relay/rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static struct rig g;
#define FULL(delay_ms) RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 1, delay_ms)
#define SLOW_TAKEN RULE(".", FAKE_SAY, "250 2.0.0 taken\r\n", 1, FAKE_HELD)
static const char THREE[] = "a@example.test,b@example.test,c@example.test";

static void begin(bool lmtp, struct fake_rule rule)
{
	struct fake *f = fake_start(FAKE_NO_XCLIENT, &rule, 1);
	f->lmtp = lmtp;
	rig_init(&g, f);
	g.state = memory_path;
	rig_start(&g);
	rig_run(&g, 30);
}

/* A new process, as far as the relay is concerned; the backend stays. */
static void restart(void)
{
	struct fake *f = g.fake;
	uint64_t ticket = g.next_ticket;
	g.fake = NULL;
	rig_stop(&g);
	rig_init(&g, f);
	g.next_ticket = ticket;
	g.state = memory_path;
	rig_start(&g);
}

static struct relay_mail *mail(void)
{
	return rig_mail(&g, "192.0.2.1", "from@a.test", THREE, "Subject: x\r\n\r\nthe same\r\n");
}

static void send_off(const struct relay_mail *m)
{
	assert_true(relay_deliver(g.relay, m, rig_now(&g)));
}

static struct relay_done deliver(const struct relay_mail *m)
{
	send_off(m);
	return rig_wait(&g, m->ticket);
}

static void await_dots(int n)
{
	for (uint64_t end = clock_mono_ms() + 10000; fake_seen(g.fake, ":.\n") < n && clock_mono_ms() < end;)
		rig_turn(&g, 5);
	assert_int_equal(fake_seen(g.fake, ":.\n"), n);
}

/* ---- the disk ---- */

/* A mail that was delivered in part, and its entry is on the way to a disk that hangs. */
static struct relay_mail *hanging(int at_most_ms)
{
	begin(true, FULL(0));
	struct relay_mail *m = mail();
	disk_hold(DISK_FDATASYNC, at_most_ms);
	send_off(m);
	await_dots(1);
	rig_run(&g, 100);
	disk_await_held();
	struct relay_done d;
	assert_false(rig_pop(&g, &d));
	return m;
}

static void a_disk_that_hangs_is_not_waited_for(void **state)
{
	(void)state;
	struct relay_mail *m = hanging(20000);
	struct relay_done d;
	rig_pass(&g, RELAY_SAVE_WITHIN_MS - 1000);
	assert_false(rig_pop(&g, &d));
	memory_log_begin();
	rig_pass(&g, 1200);
	memory_log_end();
	assert_true(rig_pop(&g, &d));
	assert_int_equal(d.ticket, m->ticket);
	assert_int_equal(d.code, 451);
	assert_true(d.doubtful);
	memory_log_holds("the disk has not taken in 10 s", 1);
	disk_go_on();
	rig_run(&g, 50);
	assert_int_equal(deliver(mail()).code, 250); /* the table has it all the same */
	rig_assert_each_once(&g);
	rig_stop(&g);
}

/* Whoever waits for it, the client, nobody any more, or nothing: the end of the server waits for the disk, and the next
 * one knows all. */
static void an_end_waits_for_the_disk(void **state)
{
	(void)state;
	for (int who = 0; who < 3; who++) {
		struct relay_mail *m = hanging(500);
		struct relay_done d;
		if (who == 1) {
			relay_cancel(g.relay, m->ticket, rig_now(&g));
		} else if (who == 2) {
			rig_pass(&g, RELAY_SAVE_WITHIN_MS + 1000);
			assert_true(rig_pop(&g, &d));
		}
		restart();
		disk_go_on();
		assert_int_equal(deliver(mail()).code, 250);
		rig_assert_each_once(&g);
		rig_stop(&g);
		unlink(memory_path);
	}
}

static struct relay_mail *mail_in_file(FILE *f)
{
	assert_int_equal(fwrite("Subject: x\r\n\r\nfile\r\n", 1, 20, f), 20);
	assert_int_equal(fflush(f), 0);
	struct relay_mail *m = mail();
	m->body.mem = NULL;
	m->body.fd = fileno(f);
	m->body.fd_size = 20;
	return m;
}

/* One that fails says nothing of who has it: it is not sent. */
static void an_interrupted_read_goes_on(void **state)
{
	(void)state;
	FILE *f = tmpfile();
	begin(true, FULL(0));
	struct relay_mail *m = mail_in_file(f);
	assert_int_equal(deliver(m).code, 451);
	m->ticket += 5000;
	disk_fail(DISK_READ, 0, EIO);
	struct relay_done d = deliver(m);
	assert_int_equal(disk_work(), 1);
	assert_int_equal(d.code, 451);
	assert_int_equal(fake_seen(g.fake, "MAIL"), 1);
	m->ticket += 5000;
	disk_fail(DISK_READ, 0, EINTR);
	d = deliver(m);
	assert_int_equal(disk_work(), 1);
	assert_int_equal(d.code, 250);
	rig_assert_each_once(&g);
	rig_stop(&g);
	fclose(f);
}

/* It was sent and cannot be read again: what it is cannot be remembered, and that is said. */
static void a_body_that_is_gone_is_not_remembered(void **state)
{
	(void)state;
	for (int lmtp = 0; lmtp < 2; lmtp++) {
		FILE *f = tmpfile();
		begin(lmtp, lmtp ? FULL(FAKE_HELD) : SLOW_TAKEN);
		struct relay_mail *m = mail_in_file(f);
		relay_expect(g.relay, m);
		send_off(m);
		await_dots(1);
		assert_int_equal(ftruncate(fileno(f), 7), 0);
		assert_null(relay_reply_doubted(g.relay, m));
		memory_log_begin();
		fake_let_go(g.fake);
		struct relay_done d = rig_wait(&g, m->ticket);
		memory_log_end();
		assert_int_equal(d.code, lmtp ? 451 : 250);
		assert_int_equal(d.doubtful, lmtp);
		memory_log_holds("cannot be remembered: it may come twice", lmtp);
		rig_stop(&g);
		fclose(f);
	}
}

/* ---- clients that have gone ---- */

/* What its end is remembered with was taken before its dot: it needs no memory any more. */
static void one_that_nobody_heard(bool lmtp, bool memory)
{
	begin(lmtp, lmtp ? FULL(FAKE_HELD) : SLOW_TAKEN);
	struct relay_mail *m = mail(), again = *m;
	send_off(m);
	await_dots(1);
	if (!memory)
		mem_fail_after(0);
	relay_cancel(g.relay, m->ticket, rig_now(&g));
	mem_fail_after(-1);
	uint64_t ticket = m->ticket;
	memset(m, 0xee, sizeof *m);
	memory_log_begin();
	fake_let_go(g.fake);
	struct relay_done d = rig_wait(&g, ticket);
	memory_log_end();
	assert_true(d.orphan);
	memory_log_holds("may come twice", 0);
	again.ticket += 100000;
	d = deliver(&again);
	assert_int_equal(d.code, 250);
	assert_int_equal(d.cached, !lmtp);
	assert_int_equal(fake_seen(g.fake, "RCPT TO:<a@"), 1);
	assert_int_equal(fake_seen(g.fake, "RCPT TO:<b@"), lmtp ? 2 : 1);
	rig_stop(&g);
	unlink(memory_path);
}

static void what_nobody_heard_is_remembered(void **state)
{
	(void)state;
	one_that_nobody_heard(false, true);
	one_that_nobody_heard(true, true);
}

static void so_it_is_without_memory(void **state)
{
	(void)state;
	one_that_nobody_heard(false, false);
	one_that_nobody_heard(true, false);
}

static void a_lost_reply_without_memory(void **state)
{
	(void)state;
	begin(false, NO_RULE);
	struct relay_mail *m = mail();
	assert_int_equal(deliver(m).code, 250);
	struct relay_save *undo = relay_save_new(1);
	relay_save_free(&undo);
	memory_log_begin();
	mem_fail_after(0);
	relay_reply_lost(g.relay, m, &undo);
	mem_fail_after(-1);
	memory_log_end();
	assert_null(undo);
	memory_log_holds("is not remembered and may come twice", 1);
	m->ticket += 5000;
	assert_false(deliver(m).cached);
	rig_stop(&g);
}

/* relay.remember = 0: the client may get it twice, and is told so where that can be told. */
static void where_nothing_is_remembered(bool lmtp)
{
	struct fake_rule rule = lmtp ? FULL(FAKE_HELD) : SLOW_TAKEN;
	struct fake *f = fake_start(FAKE_NO_XCLIENT, &rule, 1);
	f->lmtp = lmtp;
	rig_init(&g, f);
	g.config.remember = 0;
	rig_start(&g);
	struct relay_mail *m = mail();
	relay_expect(g.relay, m);
	send_off(m);
	await_dots(1);
	assert_null(relay_reply_doubted(g.relay, m));
	memory_log_begin();
	relay_cancel(g.relay, m->ticket, rig_now(&g));
	fake_let_go(g.fake);
	struct relay_done d = rig_wait(&g, m->ticket);
	memory_log_end();
	assert_true(d.orphan);
	memory_log_holds("may come twice", 1);
	m->ticket += 5000;
	assert_false(deliver(m).cached);
	assert_int_equal(fake_seen(g.fake, "RCPT TO:<a@"), 2);
	rig_stop(&g);
}

static void without_relay_remember(void **state)
{
	(void)state;
	where_nothing_is_remembered(false);
	where_nothing_is_remembered(true);
}

/* ---- retries ---- */

static void a_retry_that_finds_no_memory_is_not_sent(void **state)
{
	(void)state;
	begin(true, FULL(0));
	struct relay_mail *m = mail();
	assert_int_equal(deliver(m).code, 451);
	int before = fake_seen(g.fake, "MAIL");
	mem_fail_after(0);
	assert_false(relay_deliver(g.relay, m, rig_now(&g)));
	for (long n = 1; n < 3; n++) {
		m->ticket += 5000;
		mem_fail_after(n);
		struct relay_done d = deliver(m);
		mem_fail_after(-1);
		assert_int_equal(d.code, 451);
		assert_false(d.doubtful);
		assert_int_equal(fake_seen(g.fake, "MAIL"), before);
	}
	m->ticket += 5000;
	assert_int_equal(deliver(m).code, 250);
	rig_assert_each_once(&g);
	rig_stop(&g);
}

/* What is remembered serves until the mail has gone through, however often it is refused in between. */
static void a_retry_that_is_refused_again(void **state)
{
	(void)state;
	begin(true, RULE(".<b", FAKE_SAY, "452 4.2.2 full\r\n", 3, 0));
	struct relay_mail *m = mail();
	for (int i = 0; i < 3; i++, m->ticket += 5000)
		assert_int_equal(deliver(m).code, i ? 452 : 451);
	assert_int_equal(deliver(m).code, 250);
	rig_assert_each_once(&g);
	rig_stop(&g);
}

/* ---- notes ---- */

/* How many stand in the file; with an id: of that mail. */
static int notes(const char *id)
{
	char path[160];
	struct relay_intent slots[RELAY_INTENTS];
	snprintf(path, sizeof path, "%s.out", memory_path);
	int fd = open(path, O_RDONLY), n = 0;
	assert_int_equal(read(fd, slots, sizeof slots), sizeof slots);
	close(fd);
	for (int i = 0; i < RELAY_INTENTS; i++)
		n += slots[i].since_s && (!id || strcmp(slots[i].id, id) == 0);
	return n;
}

static void a_note_stands_until_its_reply_is_out(void **state)
{
	(void)state;
	begin(false, SLOW_TAKEN);
	struct relay_mail *m[2] = { mail(), mail() };
	struct relay_done d;
	m[0]->id = SLICE("LOST");
	m[1]->id = SLICE("HEARD");
	for (int i = 0; i < 2; i++)
		send_off(m[i]);
	await_dots(2);
	assert_int_equal(notes("LOST"), 1);
	fake_let_go(g.fake);
	struct relay_backend_info info = { 0 };
	for (uint64_t end = clock_mono_ms() + 5000; info.delivered < 2 && clock_mono_ms() < end;) {
		rig_turn(&g, 5);
		assert_int_equal(relay_shared_info(g.shared, rig_now(&g), &info, 1), 1);
	}
	for (int i = 0; i < 2; i++) {
		assert_true(rig_pop(&g, &d));
		assert_int_equal(d.code, 250);
	}
	assert_int_equal(notes(NULL), 2);
	relay_reply_lost(g.relay, m[0], NULL); /* until the disk has that, the note says it */
	rig_run(&g, 50);
	assert_int_equal(notes("LOST"), 1);
	assert_int_equal(notes(NULL), 1);
	rig_pass(&g, 6000);
	assert_int_equal(notes(NULL), 0);
	rig_stop(&g);
}

/* The dot was written, and the connection broke before it was out: the second try has the first one's note. */
static void a_second_try_has_one_note(void **state)
{
	(void)state;
	begin(false, SLOW_TAKEN);
	struct relay_mail *m = mail();
	m->rcpts_n = 1;
	m->id = SLICE("AGAIN");
	disk_fail(DISK_SEND, 1, ECONNRESET); /* the first carries MAIL, RCPT and DATA, the second the body */
	send_off(m);
	await_dots(1);
	assert_int_equal(disk_work(), 1);
	assert_int_equal(notes("AGAIN"), 1);
	assert_int_equal(notes(NULL), 1);
	fake_let_go(g.fake);
	struct relay_done d = rig_wait(&g, m->ticket);
	assert_int_equal(d.code, 250);
	assert_false(d.doubtful);
	assert_int_equal(fake_seen(g.fake, "DATA"), 2);
	rig_run(&g, 100);
	assert_int_equal(notes(NULL), 0);
	rig_stop(&g);
}

/* One more under way than there are notes for: it is delivered like the others. */
static void more_mails_than_notes(void **state)
{
	(void)state;
	char name[128];
	const char *why;
	rig_init(&g, NULL);
	snprintf(name, sizeof name, "maildir://%s/box", memory_folder);
	assert_true(relay_target_parse(slice_str(name), &g.targets[0], &why));
	g.config.backends_n = 1;
	g.state = memory_path;
	rig_start(&g);
	assert_int_equal(rig_deliver(&g, "192.0.2.1", "u@example.test").code, 250);
	rig_run(&g, 50);
	assert_int_equal(notes(NULL), 0);
	disk_hold(DISK_FSYNC, 20000);
	for (int i = 0; i < RELAY_INTENTS + 1; i++)
		send_off(mail());
	disk_await_held();
	assert_int_equal(notes(NULL), RELAY_INTENTS);
	disk_go_on();
	struct relay_done d;
	for (int heard = 0; heard < RELAY_INTENTS + 1; rig_turn(&g, 20))
		for (; rig_pop(&g, &d); heard++)
			assert_int_equal(d.code, 250);
	rig_run(&g, 50);
	assert_int_equal(notes(NULL), 0);
	rig_stop(&g);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MEMORY_TEST(a_disk_that_hangs_is_not_waited_for),
		MEMORY_TEST(an_end_waits_for_the_disk),
		MEMORY_TEST(an_interrupted_read_goes_on),
		MEMORY_TEST(a_body_that_is_gone_is_not_remembered),
		MEMORY_TEST(what_nobody_heard_is_remembered),
		MEMORY_TEST(so_it_is_without_memory),
		MEMORY_TEST(a_lost_reply_without_memory),
		MEMORY_TEST(without_relay_remember),
		MEMORY_TEST(a_retry_that_finds_no_memory_is_not_sent),
		MEMORY_TEST(a_retry_that_is_refused_again),
		MEMORY_TEST(a_note_stands_until_its_reply_is_out),
		MEMORY_TEST(a_second_try_has_one_note),
		MEMORY_TEST(more_mails_than_notes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
