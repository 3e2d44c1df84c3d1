/* base/log.h - where lines go: stderr, syslog or a file
 *
 * Two kinds of line share one way out: messages for the administrator (log_msg) and journal lines
 * (log_line, formatted by their owner). A thread of its own writes them (base/writer.h); who logs only copies into
 * memory and never waits for a disk. When the memory (4 MB) is full because the disk stands still, or the disk is
 * full, lines are lost and counted, and the loss is told as soon as a line fits again.
 *
 * There is one log in a process. Before log_open() it is stderr; before log_start() and after log_stop() a line is
 * written at once. Threads: any may log.
 */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/slice.h"

enum log_level { LOG_LEVEL_ERROR, LOG_LEVEL_WARN, LOG_LEVEL_INFO, LOG_LEVEL_DEBUG };
enum log_format { LOG_FORMAT_LOGFMT, LOG_FORMAT_JSON };

struct log_config {
	const char *to; /* "stderr", "syslog" or the path of a file, which is appended to (made 0640) */
	enum log_level level;
	enum log_format format;
};

/* Opens the destination; lines are written to it at once, by whoever logs. False (errno set) when the file
 * cannot be opened. */
bool log_open(const struct log_config *c) __attribute__((warn_unused_result));
/* Starts the writer. A thread of its own, so only after privileges were dropped: some of them are a thread's. */
bool log_start(void) __attribute__((warn_unused_result));
/* New settings, or the same: a file is opened anew, so that it can be rotated. On failure the old
 * destination stays in use. */
bool log_reopen(const struct log_config *c) __attribute__((warn_unused_result));
/* Writes what is left and ends the writer. */
void log_stop(void);

/* One event in the settings' format: time, level, msg. The text is escaped here: arguments may hold
 * foreign bytes (give slices with "%.*s"). */
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));
#define log_error(...) log_msg(LOG_LEVEL_ERROR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_LEVEL_WARN, __VA_ARGS__)
#define log_info(...) log_msg(LOG_LEVEL_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_LEVEL_DEBUG, __VA_ARGS__)

/* A finished line without its line end: already escaped, no control byte in it. */
void log_line(struct slice line);
/* Lines lost so far because the destination did not take them in time. */
uint64_t log_dropped(void);

#endif
