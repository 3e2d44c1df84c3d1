#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* What may wait for the disk: a hung disk costs this much memory and no more. */
enum { LOG_MEMORY = 4 * 1024 * 1024, LOG_TEXT = 1024 };
/* Lines are gathered this long before they are written together. */
enum { GATHER_MS = 20 };

enum target { TO_STDERR, TO_SYSLOG, TO_FILE };

static struct {
	pthread_mutex_t lock;
	pthread_cond_t filled;
	pthread_t writer;
	bool running, stopping;
	struct buf lines; /* waiting to be written */
	uint64_t dropped, told;
	enum target target;
	int fd;
	enum log_level level;
	enum log_format format;
} the_log = { .lock = PTHREAD_MUTEX_INITIALIZER,
	.filled = PTHREAD_COND_INITIALIZER,
	.fd = STDERR_FILENO,
	.level = LOG_LEVEL_INFO };

static const char *const LEVEL_NAME[] = { "error", "warn", "info", "debug" };

static void write_all(int fd, struct slice s)
{
	while (s.n) {
		ssize_t w = write(fd, s.p, s.n);
		if (w < 0 && errno == EINTR)
			continue;
		if (w <= 0)
			return; /* nowhere left to say so */
		s = slice_skip(s, (size_t)w);
	}
}

static void write_out(enum target target, int fd, struct slice s)
{
	if (target != TO_SYSLOG) {
		write_all(fd, s);
		return;
	}
	while (s.n) {
		struct slice line = slice_cut(&s, '\n');
		syslog(LOG_MAIL | LOG_INFO, "%.*s", SLICE_ARG(line));
	}
}

static void append_locked(struct slice line)
{
	bool was_empty = buf_len(&the_log.lines) == 0;
	if (buf_len(&the_log.lines) + line.n + 1 > LOG_MEMORY || !buf_reserve(&the_log.lines, line.n + 1)) {
		the_log.dropped++;
		return;
	}
	memcpy(the_log.lines.data + the_log.lines.end, line.p, line.n);
	the_log.lines.data[the_log.lines.end + line.n] = '\n';
	buf_grew(&the_log.lines, line.n + 1);
	if (was_empty)
		pthread_cond_signal(&the_log.filled);
}

void log_line(struct slice line)
{
	pthread_mutex_lock(&the_log.lock);
	if (the_log.running) {
		append_locked(line);
	} else {
		write_out(the_log.target, the_log.fd, line);
		if (the_log.target != TO_SYSLOG)
			write_all(the_log.fd, SLICE("\n"));
	}
	pthread_mutex_unlock(&the_log.lock);
}

uint64_t log_dropped(void)
{
	pthread_mutex_lock(&the_log.lock);
	uint64_t n = the_log.dropped;
	pthread_mutex_unlock(&the_log.lock);
	return n;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	pthread_mutex_lock(&the_log.lock);
	bool wanted = level <= the_log.level;
	enum log_format format = the_log.format;
	pthread_mutex_unlock(&the_log.lock);
	if (!wanted)
		return;
	char text[LOG_TEXT], when[CLOCK_RFC3339];
	va_list ap;
	va_start(ap, fmt);
	int n = vsnprintf(text, sizeof text, fmt, ap);
	va_end(ap);
	struct slice msg = slice_of(text, n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
	clock_rfc3339(clock_wall_ms(), when);
	struct buf line = { 0 };
	bool ok = format == LOG_FORMAT_JSON
			  ? buf_printf(&line, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":", when, LEVEL_NAME[level]) &&
				    escape_json(&line, msg, LOG_TEXT) && buf_put(&line, SLICE("}"))
			  : buf_printf(&line, "time=%s level=%s msg=", when, LEVEL_NAME[level]) &&
				    escape_logfmt(&line, msg, LOG_TEXT);
	if (ok)
		log_line(buf_slice(&line));
	buf_release(&line);
}

static void *write_lines(void *unused)
{
	(void)unused;
	struct buf out = { 0 };
	pthread_mutex_lock(&the_log.lock);
	for (;;) {
		while (buf_len(&the_log.lines) == 0 && !the_log.stopping)
			pthread_cond_wait(&the_log.filled, &the_log.lock);
		if (buf_len(&the_log.lines) == 0)
			break;
		if (!the_log.stopping) {
			pthread_mutex_unlock(&the_log.lock);
			nanosleep(&(struct timespec){ .tv_nsec = GATHER_MS * 1000000L }, NULL);
			pthread_mutex_lock(&the_log.lock);
		}
		struct buf full = the_log.lines;
		the_log.lines = out;
		out = full;
		uint64_t lost = the_log.dropped - the_log.told;
		the_log.told = the_log.dropped;
		enum target target = the_log.target;
		int fd = the_log.fd;
		pthread_mutex_unlock(&the_log.lock);
		write_out(target, fd, buf_slice(&out));
		buf_clear(&out);
		if (lost)
			log_warn("%llu log lines were lost: the log could not be written in time",
				(unsigned long long)lost);
		pthread_mutex_lock(&the_log.lock);
	}
	pthread_mutex_unlock(&the_log.lock);
	buf_release(&out);
	return NULL;
}

static bool open_target(const struct log_config *c, enum target *target_r, int *fd_r)
{
	*fd_r = STDERR_FILENO;
	if (strcmp(c->to, "stderr") == 0) {
		*target_r = TO_STDERR;
		return true;
	}
	if (strcmp(c->to, "syslog") == 0) {
		*target_r = TO_SYSLOG;
		openlog("smtpguardd", LOG_PID | LOG_NDELAY, LOG_MAIL);
		return true;
	}
	*target_r = TO_FILE;
	*fd_r = open(c->to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
	return *fd_r >= 0;
}

bool log_reopen(const struct log_config *c)
{
	enum target target;
	int fd;
	if (!open_target(c, &target, &fd))
		return false;
	pthread_mutex_lock(&the_log.lock);
	if (the_log.target == TO_FILE && target == TO_FILE) {
		dup3(fd, the_log.fd, O_CLOEXEC); /* the writer may be inside write(2) on the old one */
		close(fd);
	} else {
		the_log.fd =
			fd; /* an old file's descriptor is left open once per change of kind, for the writer's sake */
	}
	the_log.target = target;
	the_log.level = c->level;
	the_log.format = c->format;
	pthread_mutex_unlock(&the_log.lock);
	return true;
}

bool log_open(const struct log_config *c)
{
	return log_reopen(c);
}

bool log_start(void)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	the_log.stopping = false;
	the_log.running = pthread_create(&the_log.writer, NULL, write_lines, NULL) == 0;
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return the_log.running;
}

void log_stop(void)
{
	pthread_mutex_lock(&the_log.lock);
	bool was_running = the_log.running;
	the_log.stopping = true;
	pthread_cond_signal(&the_log.filled);
	pthread_mutex_unlock(&the_log.lock);
	if (was_running)
		pthread_join(the_log.writer, NULL);
	pthread_mutex_lock(&the_log.lock);
	the_log.running = false;
	buf_release(&the_log.lines);
	pthread_mutex_unlock(&the_log.lock);
}
