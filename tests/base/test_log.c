#include "tests/base/cmocka_setup.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/log.h"

struct folder {
	char path[64], log[96], old[96];
};

static int make_folder(void **state)
{
	static struct folder f;
	snprintf(f.path, sizeof f.path, "%s/test_log.XXXXXX", getenv("TMPDIR") ? getenv("TMPDIR") : "/tmp");
	if (!mkdtemp(f.path))
		return -1;
	snprintf(f.log, sizeof f.log, "%s/log", f.path);
	snprintf(f.old, sizeof f.old, "%s/log.1", f.path);
	*state = &f;
	return 0;
}

static int remove_folder(void **state)
{
	struct folder *f = *state;
	unlink(f->log);
	unlink(f->old);
	return rmdir(f->path);
}

static void start(const char *to, enum log_level level, enum log_format format)
{
	assert_true(log_open(&(struct log_config){ .to = to, .level = level, .format = format }));
	assert_true(log_start());
}

/* All of a file, to be released. */
static struct buf content(const char *path)
{
	struct buf b = { 0 };
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	assert_true(fd >= 0);
	for (ssize_t n = 1; n > 0;) {
		assert_true(buf_reserve(&b, 65536));
		n = read(fd, b.data + b.end, 65536);
		assert_true(n >= 0);
		buf_grew(&b, (size_t)n);
	}
	close(fd);
	return b;
}

static void assert_content(const char *path, const char *wanted)
{
	struct buf b = content(path);
	assert_slice(buf_slice(&b), wanted);
	buf_release(&b);
}

static void lines_go_to_the_file_in_order(void **state)
{
	struct folder *f = *state;
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	log_line(SLICE("one"));
	log_line(SLICE("two"));
	log_stop();
	assert_content(f->log, "one\ntwo\n");
	struct stat st;
	assert_int_equal(stat(f->log, &st), 0);
	assert_int_equal(st.st_mode & 0137, 0);
	/* an existing file is appended to */
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	log_line(SLICE("three"));
	log_stop();
	assert_content(f->log, "one\ntwo\nthree\n");
}

/* What stands behind the time stamp of the only line. */
static struct slice after_time(const struct buf *b, size_t stamp)
{
	struct slice s = buf_slice(b);
	assert_true(s.n > stamp && s.p[s.n - 1] == '\n');
	assert_int_equal(slice_find(s, '\n'), s.n - 1);
	return slice_of(s.p + stamp, s.n - 1 - stamp);
}

static void a_message_is_one_line_whatever_is_in_it(void **state)
{
	struct folder *f = *state;
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	log_warn("from %.*s", 12, "a\r\nlevel=\x1b[m");
	log_stop();
	struct buf b = content(f->log);
	assert_slice(after_time(&b, sizeof "time=2026-11-22T00:51:23.123Z " - 1),
		"level=warn msg=\"from a\\x0d\\x0alevel=\\x1b[m\"");
	buf_release(&b);
}

static void a_message_as_json(void **state)
{
	struct folder *f = *state;
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_JSON);
	log_error("say \"%s\"\n", "hi");
	log_stop();
	struct buf b = content(f->log);
	assert_slice(after_time(&b, sizeof "{\"time\":\"2026-11-22T00:51:23.123Z\"," - 1),
		"\"level\":\"error\",\"msg\":\"say \\\"hi\\\"\\u000a\"}");
	buf_release(&b);
}

static void a_message_below_the_level_is_not_written(void **state)
{
	struct folder *f = *state;
	start(f->log, LOG_LEVEL_WARN, LOG_FORMAT_LOGFMT);
	log_debug("no");
	log_info("no");
	log_warn("yes");
	log_stop();
	struct buf b = content(f->log);
	assert_slice(after_time(&b, sizeof "time=2026-11-22T00:51:23.123Z " - 1), "level=warn msg=yes");
	buf_release(&b);
}

static void a_huge_message_is_cut(void **state)
{
	struct folder *f = *state;
	static char big[10000];
	memset(big, 'x', sizeof big - 1);
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	log_info("%s", big);
	log_stop();
	struct buf b = content(f->log);
	assert_in_range(buf_len(&b), 1000, 1200);
	buf_release(&b);
}

/* logrotate: the file is renamed, then we are told. No line is lost, none is in both. */
static void reopening_makes_a_new_file(void **state)
{
	struct folder *f = *state;
	const struct log_config same = { .to = f->log, .level = LOG_LEVEL_INFO };
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	assert_int_equal(rename(f->log, f->old), 0);
	log_line(SLICE("before"));
	assert_true(log_reopen(&same));
	log_line(SLICE("after"));
	log_stop();
	struct buf old = content(f->old), new = content(f->log), both = { 0 };
	assert_true(buf_put(&both, buf_slice(&old)) && buf_put(&both, buf_slice(&new)));
	assert_slice(buf_slice(&both), "before\nafter\n");
	/* where "before" is depends on the writer; "after" can only be in the new one */
	assert_true(buf_len(&new) >= sizeof "after");
	buf_release(&old);
	buf_release(&new);
	buf_release(&both);
}

static void a_bad_path_keeps_the_old_file(void **state)
{
	struct folder *f = *state;
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	assert_false(log_reopen(&(struct log_config){ .to = "/nonexistent/folder/log", .level = LOG_LEVEL_ERROR }));
	log_info("still here");
	log_stop();
	struct buf b = content(f->log);
	assert_slice(after_time(&b, sizeof "time=2026-11-22T00:51:23.123Z " - 1), "level=info msg=\"still here\"");
	buf_release(&b);
	assert_false(log_open(&(struct log_config){ .to = "/nonexistent/folder/log" }));
}

enum { WRITERS = 4, LINES = 5000 };

static void *write_many(void *arg)
{
	for (int i = 0; i < LINES; i++) {
		char line[32];
		int n = snprintf(line, sizeof line, "%c %d", *(char *)arg, i);
		log_line(slice_of(line, (size_t)n));
		if (i % 1000 == 0)
			log_debug("not wanted");
	}
	return NULL;
}

/* Each thread's lines are all there, whole and in its order, though the file changes in between. */
static void many_threads(void **state)
{
	struct folder *f = *state;
	const struct log_config same = { .to = f->log, .level = LOG_LEVEL_INFO };
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	pthread_t thread[WRITERS];
	char name[WRITERS];
	for (int i = 0; i < WRITERS; i++) {
		name[i] = (char)('a' + i);
		assert_int_equal(pthread_create(&thread[i], NULL, write_many, &name[i]), 0);
	}
	for (int i = 0; i < 100; i++)
		assert_true(log_reopen(&same));
	for (int i = 0; i < WRITERS; i++)
		pthread_join(thread[i], NULL);
	log_stop();
	struct buf b = content(f->log);
	struct slice rest = buf_slice(&b);
	uint64_t next[WRITERS] = { 0 };
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n');
		uint64_t number;
		assert_true(line.n > 2 && line.p[0] >= 'a' && line.p[0] < 'a' + WRITERS);
		assert_true(slice_u64(slice_skip(line, 2), LINES, &number));
		assert_int_equal(number, next[line.p[0] - 'a']++);
	}
	for (int i = 0; i < WRITERS; i++)
		assert_int_equal(next[i], LINES);
	buf_release(&b);
}

struct drain {
	int fd;
	uint64_t lines, told;
};

/* A line of the log's own that says how many were lost, or one of ours. */
static void see_line(struct drain *d, struct slice line)
{
	char text[200];
	unsigned long long lost;
	(void)snprintf(text, sizeof text, "%.*s", SLICE_ARG(line));
	if (sscanf(text, "time=%*s level=warn msg=\"%llu log lines", &lost) == 1)
		d->told += lost;
	else
		d->lines++;
}

/* Takes all that comes out of the pipe until its writers are gone. */
static void *drain_pipe(void *arg)
{
	struct drain *d = arg;
	struct buf b = { 0 };
	for (;;) {
		if (!buf_reserve(&b, 65536))
			abort();
		ssize_t n = read(d->fd, b.data + b.end, 65536);
		if (n <= 0)
			break;
		buf_grew(&b, (size_t)n);
		struct slice s = buf_slice(&b);
		for (size_t end; (end = slice_find(s, '\n')) < s.n; s = slice_skip(s, end + 1))
			see_line(d, slice_of(s.p, end));
		buf_consume(&b, buf_len(&b) - s.n);
	}
	buf_release(&b);
	return NULL;
}

/* A disk that stands still: who logs does not wait, and each line that is lost is counted and told. */
static void lines_that_do_not_fit_are_counted_and_told(void **state)
{
	struct folder *f = *state;
	assert_int_equal(mkfifo(f->log, 0600), 0);
	struct drain d = { .fd = open(f->log, O_RDWR | O_CLOEXEC) };
	uint64_t before = log_dropped(), sent = 0;
	char line[1000];
	memset(line, 'x', sizeof line);
	start(f->log, LOG_LEVEL_INFO, LOG_FORMAT_LOGFMT);
	/* 4 MB wait, another 4 MB are being written, and the pipe holds 64 KB: 12 MB cannot all fit */
	for (; sent < 12000; sent++)
		log_line(slice_of(line, sizeof line));
	assert_true(log_dropped() > before);
	pthread_t reader;
	int read_only = open(f->log, O_RDONLY | O_CLOEXEC);
	close(d.fd);
	d.fd = read_only;
	assert_int_equal(pthread_create(&reader, NULL, drain_pipe, &d), 0);
	log_stop();
	/* the log keeps its descriptor for the next start: point it elsewhere, so that the pipe ends */
	assert_int_equal(rename(f->log, f->old), 0);
	assert_true(log_reopen(&(struct log_config){ .to = f->log }));
	pthread_join(reader, NULL);
	close(d.fd);
	uint64_t lost = log_dropped() - before;
	assert_int_equal(d.lines + lost, sent);
	assert_int_equal(d.told, lost);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(lines_go_to_the_file_in_order), TEST(a_message_is_one_line_whatever_is_in_it),
		TEST(a_message_as_json), TEST(a_message_below_the_level_is_not_written), TEST(a_huge_message_is_cut),
		TEST(reopening_makes_a_new_file), TEST(a_bad_path_keeps_the_old_file), TEST(many_threads),
		TEST(lines_that_do_not_fit_are_counted_and_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
