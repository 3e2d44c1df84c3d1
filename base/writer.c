#include "base/writer.h"

#include "base/clock.h"
#include "base/log.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

/* Lines are gathered this long before they are written together. */
enum { GATHER_MS = 20 };
/* How long a pipe that takes nothing is waited for before we look whether we should end. */
enum { PIPE_MS = 100 };
enum { TELL_MS = 60 * 1000 };

/* ---- writing, by the thread, or by anybody under the lock while there is none ---- */

static bool is_stopping(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool stopping = w->stopping;
	pthread_mutex_unlock(&w->lock);
	return stopping;
}

/* A pipe that does not block: until there is room, or we are to end. */
static bool wait_for_room(struct writer *w, int fd)
{
	struct pollfd p = { .fd = fd, .events = POLLOUT };
	while (w->running && !is_stopping(w))
		if (poll(&p, 1, PIPE_MS) != 0)
			return true;
	return poll(&p, 1, PIPE_MS) > 0;
}

/* What could not be written. */
static struct slice write_all(struct writer *w, int fd, struct slice s, int *error_r)
{
	*error_r = 0;
	while (s.n) {
		ssize_t n = write(fd, s.p, s.n);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno == EAGAIN && wait_for_room(w, fd))
			continue;
		if (n <= 0) {
			*error_r = n < 0 ? errno : EIO;
			break;
		}
		s = slice_skip(s, (size_t)n);
	}
	return s;
}

static void write_syslog(struct slice s)
{
	while (s.n) {
		struct slice line = slice_cut(&s, '\n');
		syslog(LOG_MAIL | LOG_INFO, "%.*s", SLICE_ARG(line));
	}
}

static uint64_t count_lines(struct slice s)
{
	uint64_t n = 0;
	for (; s.n; n++)
		(void)slice_cut(&s, '\n');
	return n;
}

/* Returns how many of the lines were lost. `s` ends with a line end. */
static uint64_t write_lines(struct writer *w, struct slice s, int *error_r)
{
	*error_r = 0;
	if (w->fd == WRITER_SYSLOG)
		write_syslog(s);
	if (w->fd < 0)
		return 0;
	if (w->torn && write_all(w, w->fd, SLICE("\n"), error_r).n)
		return count_lines(s);
	struct slice rest = write_all(w, w->fd, s, error_r);
	w->torn = rest.n && rest.p > s.p && rest.p[-1] != '\n';
	return count_lines(rest);
}

/* False: it has to wait. */
static bool write_first(struct writer *w, int *error_r)
{
	*error_r = 0;
	if (buf_len(&w->first) && write_lines(w, buf_slice(&w->first), error_r))
		return false;
	buf_release(&w->first);
	return true;
}

static void turn(struct writer *w)
{
	if (!w->turning)
		return;
	if (w->fd >= 0 && w->fd != STDERR_FILENO)
		close(w->fd);
	w->lost += count_lines(buf_slice(&w->first));
	buf_release(&w->first);
	w->fd = w->next_fd;
	w->first = w->next_first;
	w->next_first = (struct buf){ 0 };
	w->turning = w->torn = false;
}

static uint64_t write_batch(struct writer *w, struct slice s, int *error_r)
{
	return write_first(w, error_r) ? write_lines(w, s, error_r) : count_lines(s);
}

/* ---- losses ---- */

static void note_lost(struct writer *w, uint64_t n, int error)
{
	w->lost += n;
	if (n)
		w->error = error;
}

/* Under the lock, which is given up meanwhile. False: there is nothing to tell, or it is too early. */
static bool tell_lost(struct writer *w, bool all)
{
	uint64_t now = clock_mono_ms(), n = w->lost - w->told;
	int error = w->error;
	if (!n || (!all && w->told_ms && now < w->told_ms + TELL_MS))
		return false;
	w->error = 0;
	w->told = w->lost;
	w->told_ms = now;
	pthread_mutex_unlock(&w->lock);
	log_warn("%llu %s were lost: %s", (unsigned long long)n, w->what,
		error ? strerror(error) : "they could not be written in time");
	pthread_mutex_lock(&w->lock);
	return true;
}

/* ---- the thread ---- */

/* Under the lock. False: it is time to end. */
static bool await_work(struct writer *w)
{
	while (buf_len(&w->lines) == 0 && !w->turning && !w->stopping)
		pthread_cond_wait(&w->filled, &w->lock);
	if (buf_len(&w->lines) == 0 && !w->turning)
		return false;
	if (w->stopping)
		return true;
	pthread_mutex_unlock(&w->lock);
	nanosleep(&(struct timespec){ .tv_nsec = GATHER_MS * 1000000L }, NULL);
	pthread_mutex_lock(&w->lock);
	return true;
}

/* Under the lock, which is given up meanwhile. */
static void write_waiting(struct writer *w, struct buf *out)
{
	int error;
	struct buf full = w->lines;
	w->lines = *out;
	*out = full;
	turn(w);
	(void)tell_lost(w, false); /* now there is room for a line, should this be the log itself */
	pthread_mutex_unlock(&w->lock);
	uint64_t lost = write_batch(w, buf_slice(out), &error);
	buf_clear(out);
	pthread_mutex_lock(&w->lock);
	note_lost(w, lost, error);
}

static void *run(void *arg)
{
	struct writer *w = arg;
	struct buf out = { 0 };
	bool told_all = false;
	pthread_mutex_lock(&w->lock);
	for (;;) {
		if (await_work(w))
			write_waiting(w, &out);
		else if (!told_all && tell_lost(w, true))
			told_all = true; /* once: a log that cannot be written cannot tell that either */
		else
			break;
	}
	pthread_mutex_unlock(&w->lock);
	buf_release(&out);
	return NULL;
}

/* ---- from outside ---- */

static void append(struct writer *w, struct slice line)
{
	bool was_empty = buf_len(&w->lines) == 0;
	if (buf_len(&w->lines) + line.n + 1 > w->most || !buf_reserve(&w->lines, line.n + 1)) {
		w->lost++;
		return;
	}
	memcpy(w->lines.data + w->lines.end, line.p, line.n);
	w->lines.data[w->lines.end + line.n] = '\n';
	buf_grew(&w->lines, line.n + 1);
	if (was_empty)
		pthread_cond_signal(&w->filled);
}

static void write_now(struct writer *w, struct slice line)
{
	int error;
	append(w, line);
	uint64_t lost = write_batch(w, buf_slice(&w->lines), &error);
	note_lost(w, lost, error);
	buf_release(&w->lines);
}

void writer_line(struct writer *w, struct slice line)
{
	pthread_mutex_lock(&w->lock);
	if (w->running)
		append(w, line);
	else
		write_now(w, line);
	pthread_mutex_unlock(&w->lock);
}

uint64_t writer_lost(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	uint64_t n = w->lost;
	pthread_mutex_unlock(&w->lock);
	return n;
}

void writer_turn(struct writer *w, int fd, struct slice first)
{
	pthread_mutex_lock(&w->lock);
	if (w->turning && w->next_fd >= 0 && w->next_fd != STDERR_FILENO)
		close(w->next_fd); /* the thread was not that fast */
	w->turning = true;
	w->next_fd = fd;
	/* one that is still waiting there stays before it */
	if (first.n && !buf_puts(&w->next_first, first, SLICE("\n")))
		w->lost++;
	if (w->running)
		pthread_cond_signal(&w->filled);
	else
		turn(w);
	pthread_mutex_unlock(&w->lock);
}

bool writer_start(struct writer *w)
{
	sigset_t all, old;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	pthread_mutex_lock(&w->lock);
	w->stopping = false;
	w->running = pthread_create(&w->thread, NULL, run, w) == 0;
	bool ok = w->running;
	pthread_mutex_unlock(&w->lock);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return ok;
}

void writer_stop(struct writer *w)
{
	pthread_mutex_lock(&w->lock);
	bool was_running = w->running;
	w->stopping = true;
	pthread_cond_signal(&w->filled);
	pthread_mutex_unlock(&w->lock);
	if (was_running)
		pthread_join(w->thread, NULL);
	pthread_mutex_lock(&w->lock);
	w->running = false;
	buf_release(&w->lines);
	pthread_mutex_unlock(&w->lock);
}

void writer_release(struct writer *w)
{
	writer_turn(w, WRITER_NOWHERE, SLICE(""));
	buf_release(&w->lines);
	buf_release(&w->first);
}
