#include "base/mem.h"
#include "tests/relay/maildir_rig.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void a_mail_is_one_file_with_unix_lines(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l;
	letter_write(f, &l, SLICE("Subject: hi\r\n\r\n.dots stay\r\nend\r\n"));
	assert_int_equal(letter_deliver(f, &l), 0);
	letter_assert(f, &l, LETTER_HEAD "Subject: hi\n\n.dots stay\nend\n");
	assert_int_equal(maildir_files(f, "tmp"), 0);
	assert_int_equal(maildir_files(f, "new"), 1);
	assert_int_equal(maildir_files(f, "cur"), 0);
	struct slice name = slice_str(l.job.name);
	assert_true(slice_find(name, '/') == name.n && slice_find(name, ':') == name.n);
	assert_string_equal(l.job.name + name.n - strlen(".mx.example.test"), ".mx.example.test");
}

static void the_null_sender_and_odd_values(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l;
	const struct slice odd[] = { SLICE_INIT("a\r\nX-Evil: 1\x7f@b") };
	letter_write(f, &l, SLICE("x\r\n"));
	l.mail.sender = SLICE("");
	l.mail.rcpts = odd;
	l.mail.rcpts_n = 1;
	assert_int_equal(letter_deliver(f, &l), 0);
	letter_assert(f, &l, "Return-Path: <>\nDelivered-To: a??X-Evil: 1?@b\nReceived: x\n\ty\nx\n");
}

/* Memory, then a file; lines fall over every border of blocks. */
static void a_big_body_of_memory_and_file(void **state)
{
	struct maildir_rig *f = *state;
	enum { LINES = 40000 };
	struct letter l;
	FILE *body = tmpfile();
	char *wanted = malloc(LINES * 32 + 1000), *mem = malloc(LINES * 32);
	size_t n = (size_t)sprintf(wanted, LETTER_HEAD), mem_n = 0;
	for (int i = 0; i < LINES; i++) {
		const char *text = &"0123456789abcdef"[i % 17];
		n += (size_t)sprintf(wanted + n, "%d %s\n", i, text);
		if (i < 3)
			mem_n += (size_t)sprintf(mem + mem_n, "%d %s\r\n", i, text);
		else
			fprintf(body, "%d %s\r\n", i, text);
	}
	fflush(body);
	letter_write(f, &l, slice_of(mem, mem_n));
	l.mail.body.fd = fileno(body);
	l.mail.body.fd_size = (uint64_t)ftell(body);
	assert_int_equal(letter_deliver(f, &l), 0);
	size_t got_n;
	char *got = letter_read(f, &l, &got_n);
	assert_int_equal(got_n, n);
	assert_memory_equal(got, wanted, n);
	free(got);
	free(wanted);
	free(mem);
	fclose(body);
}

/* A CR that is not a line's end stays, also at the very end or where a chunk ends. */
static void only_line_ends_are_changed(void **state)
{
	struct maildir_rig *f = *state;
	struct letter l;
	letter_write(f, &l, SLICE("a\rb\r\r\nc\r"));
	l.mail.body.head = SLICE("h\r");
	assert_int_equal(letter_deliver(f, &l), 0);
	letter_assert(f, &l,
		"Return-Path: <me@example.org>\nDelivered-To: one@example.test\nDelivered-To: two@example.test\n"
		"h\ra\rb\r\nc\r");
	letter_write(f, &l, SLICE("\nb\r\n"));
	l.mail.body.head = SLICE("h\r");
	assert_int_equal(letter_deliver(f, &l), 0);
	letter_assert(f, &l,
		"Return-Path: <me@example.org>\nDelivered-To: one@example.test\nDelivered-To: "
		"two@example.test\nh\nb\n");
}

static void folders_are_made_and_checked(void **state)
{
	struct maildir_rig *f = *state;
	struct stat st;
	char path[160];
	assert_int_equal(stat(f->path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_null(relay_maildir_fault(f->path));
	assert_int_equal(maildir_files(f, "tmp") + maildir_files(f, "new") + maildir_files(f, "cur"), 0);
	snprintf(path, sizeof path, "%s/file", f->top);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	assert_string_equal(relay_maildir_fault(path), "make or open cur/");
	assert_int_equal(errno, ENOTDIR);
	errno = 0;
	assert_null(relay_maildir_new(path, SLICE("h")));
	assert_int_equal(errno, ENOTDIR);
	assert_non_null(relay_maildir_fault("/proc/none"));
	assert_non_null(relay_maildir_fault(""));
	mem_fail_after(0);
	assert_null(relay_maildir_new(f->path, SLICE("h")));
	mem_fail_after(-1);
}

/* Many wait: those that have not begun can be taken back, and are not delivered. */
static void what_waits_can_be_taken_back(void **state)
{
	struct maildir_rig *f = *state;
	enum { LETTERS = 300 };
	static struct letter letters[LETTERS];
	unsigned back = 0, delivered = 0;
	for (int i = 0; i < LETTERS; i++) {
		letter_write(f, &letters[i], SLICE("x\r\n"));
		assert_true(relay_maildir_submit(f->m, &letters[i].job));
	}
	for (int i = LETTERS - 1; i >= 0; i -= 2)
		back += relay_maildir_cancel(f->m, &letters[i].job);
	while (delivered + back < LETTERS) {
		assert_int_equal(maildir_wait(&f->owner)->error, 0);
		delivered++;
	}
	assert_null(relay_maildir_collect(&f->owner));
	assert_true(back > 0 && delivered >= LETTERS / 2);
	assert_int_equal(maildir_files(f, "new"), delivered);
	assert_false(relay_maildir_cancel(f->m, &letters[0].job));
}

/* Fills the queue until it takes no more, then empties it. */
static size_t fill_and_empty(struct maildir_rig *f, struct letter *letters, size_t most)
{
	size_t taken = 0, back = 0;
	for (; taken < most; taken++) {
		letter_write(f, &letters[taken], SLICE("x\r\n"));
		if (!relay_maildir_submit(f->m, &letters[taken].job))
			break;
	}
	for (size_t i = taken; i-- > 0;)
		back += relay_maildir_cancel(f->m, &letters[i].job);
	for (size_t collected = 0; collected + back < taken; collected++)
		maildir_wait(&f->owner);
	return taken;
}

static void the_queue_is_bounded(void **state)
{
	struct maildir_rig *f = *state;
	enum { MOST = 2 * RELAY_MAILDIR_WAITING };
	struct letter *letters = calloc(MOST, sizeof *letters);
	for (int round = 0; round < 3; round++)
		assert_in_range(fill_and_empty(f, letters, MOST), RELAY_MAILDIR_WAITING, MOST - 1);
	letter_write(f, &letters[0], SLICE("x\r\n"));
	assert_int_equal(letter_deliver(f, &letters[0]), 0);
	free(letters);
}

/* At the end every job comes back, with its mail on disk or an error, never both or neither. */
static void the_end_hands_everything_back(void **state)
{
	struct maildir_rig *f = *state;
	enum { LETTERS = 200 };
	static struct letter letters[LETTERS];
	unsigned done = 0, lost = 0;
	for (int i = 0; i < LETTERS; i++) {
		letter_write(f, &letters[i], SLICE("x\r\n"));
		assert_true(relay_maildir_submit(f->m, &letters[i].job));
	}
	relay_maildir_free(&f->m);
	for (struct relay_maildir_job *j; (j = relay_maildir_collect(&f->owner));)
		*(j->error ? &lost : &done) += 1;
	assert_int_equal(done + lost, LETTERS);
	assert_int_equal(maildir_files(f, "new"), done);
	assert_int_equal(maildir_files(f, "tmp"), 0);
}

static void the_owner_is_woken(void **state)
{
	struct maildir_rig *f = *state;
	struct net_loop *loop = net_loop_new();
	struct net_wake wake;
	struct relay_maildir_owner owner;
	struct letter l;
	unsigned events;
	assert_non_null(loop);
	assert_true(net_wake_init(&wake, loop));
	relay_maildir_owner_init(&owner, &wake);
	letter_write(f, &l, SLICE("x\r\n"));
	l.job.owner = &owner;
	assert_true(relay_maildir_submit(f->m, &l.job));
	net_loop_wait(loop, 5000);
	assert_ptr_equal(net_loop_next(loop, &events), &wake.io);
	net_wake_clear(&wake);
	assert_ptr_equal(relay_maildir_collect(&owner), &l.job);
	assert_null(relay_maildir_collect(&owner));
	relay_maildir_owner_clear(&owner);
	net_wake_close(&wake, loop);
	net_loop_free(&loop);
}

enum { THREADS = 3, EACH = 60 };

struct submitter {
	pthread_t thread;
	struct maildir_rig *f;
	struct relay_maildir_owner owner;
	struct letter letters[EACH];
	unsigned delivered, back;
};

static void *submit_and_collect(void *arg)
{
	struct submitter *s = arg;
	for (int i = 0; i < EACH; i++) {
		letter_write(s->f, &s->letters[i], SLICE("Subject: x\r\n\r\nbody\r\n"));
		s->letters[i].job.owner = &s->owner;
		if (!relay_maildir_submit(s->f->m, &s->letters[i].job))
			return NULL;
		if (i % 7 == 0)
			s->back += relay_maildir_cancel(s->f->m, &s->letters[i].job);
	}
	for (int waited = 0; s->delivered + s->back < EACH && waited < 10000;) {
		struct relay_maildir_job *job = relay_maildir_collect(&s->owner);
		if (job && job->owner == &s->owner && !job->error)
			s->delivered++;
		else
			usleep(1000), waited++;
	}
	return s;
}

static void threads_share_one_maildir(void **state)
{
	struct maildir_rig *f = *state;
	static struct submitter s[THREADS];
	unsigned delivered = 0;
	for (int i = 0; i < THREADS; i++) {
		s[i].f = f;
		relay_maildir_owner_init(&s[i].owner, NULL);
		assert_int_equal(pthread_create(&s[i].thread, NULL, submit_and_collect, &s[i]), 0);
	}
	for (int i = 0; i < THREADS; i++) {
		void *fine;
		pthread_join(s[i].thread, &fine);
		assert_non_null(fine);
		assert_int_equal(s[i].delivered + s[i].back, EACH);
		delivered += s[i].delivered;
		relay_maildir_owner_clear(&s[i].owner);
	}
	assert_int_equal(maildir_files(f, "new"), delivered);
	assert_int_equal(maildir_files(f, "tmp"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		MAILDIR_TEST(a_mail_is_one_file_with_unix_lines),
		MAILDIR_TEST(the_null_sender_and_odd_values),
		MAILDIR_TEST(a_big_body_of_memory_and_file),
		MAILDIR_TEST(only_line_ends_are_changed),
		MAILDIR_TEST(folders_are_made_and_checked),
		MAILDIR_TEST(what_waits_can_be_taken_back),
		MAILDIR_TEST(the_queue_is_bounded),
		MAILDIR_TEST(the_end_hands_everything_back),
		MAILDIR_TEST(the_owner_is_woken),
		MAILDIR_TEST(threads_share_one_maildir),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
