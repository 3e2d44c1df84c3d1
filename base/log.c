#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/escape.h"
#include "base/writer.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <syslog.h>
#include <unistd.h>

/* What may wait for the disk: a hung disk costs twice this much memory and no more. */
enum { LOG_MEMORY = 4 * 1024 * 1024, LOG_TEXT = 1024 };

static struct {
	pthread_mutex_t lock;
	enum log_level level;
	enum log_format format;
} the_log = { .lock = PTHREAD_MUTEX_INITIALIZER, .level = LOG_LEVEL_INFO };

static struct writer the_writer = WRITER_INIT("log lines", LOG_MEMORY, STDERR_FILENO);

static const char *const LEVEL_NAME[] = { "error", "warn", "info", "debug" };

void log_line(struct slice line)
{
	writer_line(&the_writer, line);
}

uint64_t log_dropped(void)
{
	return writer_lost(&the_writer);
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

bool log_reopen(const struct log_config *c)
{
	int fd = STDERR_FILENO;
	if (strcmp(c->to, "syslog") == 0) {
		openlog("smtpguardd", LOG_PID | LOG_NDELAY, LOG_MAIL);
		fd = WRITER_SYSLOG;
	} else if (strcmp(c->to, "stderr") != 0) {
		fd = open(c->to, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOCTTY, 0640);
		if (fd < 0)
			return false;
	}
	writer_turn(&the_writer, fd, SLICE(""));
	pthread_mutex_lock(&the_log.lock);
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
	return writer_start(&the_writer);
}

void log_stop(void)
{
	writer_stop(&the_writer);
}
