#include "relay/maildir.h"

#include "base/clock.h"
#include "base/hash.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BLOCK = 65536, HOST = 40 };

struct relay_maildir {
	int tmp, new; /* folders */
	char host[HOST];
	pthread_t thread;
	pthread_mutex_t lock; /* over the queue and each job's state; never held with an owner's lock, nor over I/O */
	pthread_cond_t more;
	bool stop;
	struct relay_maildir_job *waiting, **waiting_last;
	size_t waiting_n;
	/* the thread's own */
	unsigned long delivered;
	char in[BLOCK], out[BLOCK];
};

/* ---- one file ---------------------------------------------------------------------------------- */

struct file {
	int fd;
	char *out;
	size_t n;
	bool cr;   /* a CR was the last byte taken */
	int error; /* first errno; nothing more is written then */
	const char *step;
};

static void fail(struct file *f, const char *step)
{
	if (!f->error) {
		f->error = errno ? errno : EIO;
		f->step = step;
	}
}

static void flush(struct file *f)
{
	for (size_t at = 0; at < f->n && !f->error;) {
		ssize_t n = write(f->fd, f->out + at, f->n - at);
		if (n > 0)
			at += (size_t)n;
		else if (n == 0 || errno != EINTR)
			fail(f, "write");
	}
	f->n = 0;
}

static void put(struct file *f, struct slice s)
{
	while (s.n) {
		if (f->n == BLOCK)
			flush(f);
		size_t n = s.n < BLOCK - f->n ? s.n : BLOCK - f->n;
		memcpy(f->out + f->n, s.p, n);
		f->n += n;
		s = slice_skip(s, n);
	}
}

/* With CR LF made LF, however it is cut. */
static void put_lines(struct file *f, struct slice s)
{
	while (s.n) {
		if (f->cr && s.p[0] != '\n')
			put(f, SLICE("\r"));
		size_t n = slice_find(s, '\r');
		put(f, slice_of(s.p, n));
		f->cr = n < s.n;
		s = slice_skip(s, n + 1);
	}
}

/* A header of our own: no byte of the value can end its line. */
static void put_header(struct file *f, struct slice name, struct slice value, struct slice end)
{
	put(f, name);
	for (size_t i = 0; i < value.n; i++) {
		bool control = (unsigned char)value.p[i] < 0x20 || value.p[i] == 0x7f;
		put(f, control ? SLICE("?") : slice_of(value.p + i, 1));
	}
	put(f, end);
}

static void put_file(struct file *f, const struct relay_body *b, char *in)
{
	for (uint64_t at = 0; b->fd >= 0 && at < b->fd_size && !f->error;) {
		uint64_t left = b->fd_size - at;
		errno = 0;
		ssize_t n = pread(b->fd, in, left < BLOCK ? (size_t)left : BLOCK, (off_t)at);
		if (n > 0) {
			put_lines(f, slice_of(in, (size_t)n));
			at += (uint64_t)n;
		} else if (n == 0 || errno != EINTR) {
			fail(f, "read the body"); /* a file shorter than it was is no mail */
		}
	}
}

static void put_mail(struct file *f, const struct relay_mail *mail, char *in)
{
	put_header(f, SLICE("Return-Path: <"), mail->sender, SLICE(">\n"));
	for (size_t i = 0; i < mail->rcpts_n; i++)
		put_header(f, SLICE("Delivered-To: "), mail->rcpts[i], SLICE("\n"));
	put_lines(f, mail->body.head);
	put_lines(f, mail->body.mem);
	put_file(f, &mail->body, in);
	if (f->cr)
		put(f, SLICE("\r"));
	flush(f);
}

/* ---- one mail ---------------------------------------------------------------------------------- */

/* Time, process, count and random: unique over reboots, threads, and a clock that was set back. */
static void make_name(struct relay_maildir *m, struct relay_maildir_job *job)
{
	uint64_t wall = clock_wall_ms(), chance;
	rand_bytes(&chance, sizeof chance);
	snprintf(job->name, sizeof job->name, "%llu.M%03uP%ldQ%luR%016llx.%s", (unsigned long long)(wall / 1000),
		(unsigned)(wall % 1000), (long)getpid(), ++m->delivered, (unsigned long long)chance, m->host);
}

static void write_mail(struct relay_maildir *m, struct relay_maildir_job *job)
{
	struct file f = { .out = m->out };
	make_name(m, job);
	f.fd = openat(m->tmp, job->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f.fd < 0) {
		fail(&f, "make a file in tmp/");
	} else {
		put_mail(&f, job->mail, m->in);
		if (!f.error && fsync(f.fd))
			fail(&f, "fsync");
		if (close(f.fd))
			fail(&f, "close");
		if (!f.error && renameat(m->tmp, job->name, m->new, job->name))
			fail(&f, "rename into new/");
		if (f.error)
			unlinkat(m->tmp, job->name, 0);
	}
	job->error = f.error;
	job->step = f.step;
}

/* The names in new/ are not safe: take them back, or a mail that is told to be tried again comes twice. */
static void take_back(struct relay_maildir *m, struct relay_maildir_job *jobs, int error)
{
	for (struct relay_maildir_job *j = jobs; j; j = j->next) {
		if (j->error)
			continue;
		unlinkat(m->new, j->name, 0);
		j->error = error;
		j->step = "fsync of new/";
	}
}

/* ---- jobs in, jobs out ------------------------------------------------------------------------- */

static void hand_back(struct relay_maildir_job *jobs)
{
	for (struct relay_maildir_job *j = jobs, *next; j; j = next) {
		struct relay_maildir_owner *o = j->owner;
		next = j->next;
		j->next = NULL;
		pthread_mutex_lock(&o->lock);
		bool ring = !o->done && o->wake;
		*o->done_last = j;
		o->done_last = &j->next;
		if (ring)
			net_wake_up(o->wake); /* under the lock: once it is collected the owner may go */
		pthread_mutex_unlock(&o->lock);
	}
}

static void set_state(struct relay_maildir *m, struct relay_maildir_job *jobs, enum relay_maildir_state state)
{
	pthread_mutex_lock(&m->lock);
	for (struct relay_maildir_job *j = jobs; j; j = j->next)
		j->state = state;
	pthread_mutex_unlock(&m->lock);
}

/* Takes up to `most` jobs off the queue's front. The lock is held. */
static struct relay_maildir_job *take(struct relay_maildir *m, size_t most)
{
	struct relay_maildir_job *jobs = m->waiting, **last = &m->waiting;
	for (; *last && most; last = &(*last)->next, most--) {
		(*last)->state = RELAY_MAILDIR_WRITING;
		m->waiting_n--;
	}
	struct relay_maildir_job *rest = *last;
	if (last != &m->waiting)
		*last = NULL;
	m->waiting = rest;
	if (!rest)
		m->waiting_last = &m->waiting;
	return jobs;
}

static struct relay_maildir_job *wait_for_batch(struct relay_maildir *m)
{
	pthread_mutex_lock(&m->lock);
	while (!m->waiting && !m->stop)
		pthread_cond_wait(&m->more, &m->lock);
	struct relay_maildir_job *jobs = m->stop ? NULL : take(m, RELAY_MAILDIR_BATCH);
	pthread_mutex_unlock(&m->lock);
	return jobs;
}

static void *run(void *arg)
{
	struct relay_maildir *m = arg;
	for (struct relay_maildir_job *jobs; (jobs = wait_for_batch(m));) {
		for (struct relay_maildir_job *j = jobs; j; j = j->next)
			write_mail(m, j);
		if (fsync(m->new))
			take_back(m, jobs, errno);
		set_state(m, jobs, RELAY_MAILDIR_DONE);
		hand_back(jobs);
	}
	return NULL;
}

bool relay_maildir_submit(struct relay_maildir *m, struct relay_maildir_job *job)
{
	pthread_mutex_lock(&m->lock);
	bool taken = m->waiting_n < RELAY_MAILDIR_WAITING && !m->stop;
	if (taken) {
		job->state = RELAY_MAILDIR_QUEUED;
		job->error = 0;
		job->step = NULL;
		job->next = NULL;
		*m->waiting_last = job;
		m->waiting_last = &job->next;
		m->waiting_n++;
		pthread_cond_signal(&m->more);
	}
	pthread_mutex_unlock(&m->lock);
	return taken;
}

bool relay_maildir_cancel(struct relay_maildir *m, struct relay_maildir_job *job)
{
	bool found = false;
	pthread_mutex_lock(&m->lock);
	if (job->state == RELAY_MAILDIR_QUEUED) {
		struct relay_maildir_job **at = &m->waiting;
		while (*at != job)
			at = &(*at)->next;
		*at = job->next;
		if (!*at)
			m->waiting_last = at;
		m->waiting_n--;
		job->state = RELAY_MAILDIR_NEW;
		found = true;
	}
	pthread_mutex_unlock(&m->lock);
	return found;
}

void relay_maildir_owner_init(struct relay_maildir_owner *o, struct net_wake *wake)
{
	*o = (struct relay_maildir_owner){ .wake = wake, .done_last = &o->done };
	pthread_mutex_init(&o->lock, NULL);
}

void relay_maildir_owner_clear(struct relay_maildir_owner *o)
{
	pthread_mutex_destroy(&o->lock);
}

struct relay_maildir_job *relay_maildir_collect(struct relay_maildir_owner *o)
{
	pthread_mutex_lock(&o->lock);
	struct relay_maildir_job *job = o->done;
	if (job) {
		o->done = job->next;
		if (!o->done)
			o->done_last = &o->done;
		job->next = NULL;
	}
	pthread_mutex_unlock(&o->lock);
	return job;
}

/* ---- the folders ------------------------------------------------------------------------------- */

/* Makes `path` and what is above it, 0700, and opens it. */
static int open_folder(const char *path)
{
	char part[PATH_MAX];
	size_t n = strlen(path);
	errno = ENAMETOOLONG;
	if (n == 0 || n >= sizeof part)
		return -1;
	memcpy(part, path, n + 1);
	for (size_t i = 1; i <= n; i++) {
		if (path[i] != '/' && path[i] != 0)
			continue;
		part[i] = 0;
		if (mkdir(part, 0700) && errno != EEXIST && errno != EROFS && errno != EACCES)
			return -1;
		part[i] = path[i];
	}
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC); /* says what mkdir could not */
}

static int open_below(const char *path, const char *name)
{
	char whole[PATH_MAX];
	int n = snprintf(whole, sizeof whole, "%s/%s", path, name);
	errno = ENAMETOOLONG;
	return n < 0 || (size_t)n >= sizeof whole ? -1 : open_folder(whole);
}

static void close_folder(int *fd)
{
	int error = errno;
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
	errno = error;
}

static bool can_make_files(int folder)
{
	char name[64];
	snprintf(name, sizeof name, "%llu.P%ld.try", (unsigned long long)clock_wall_ms(), (long)getpid());
	int fd = openat(folder, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return false;
	close(fd);
	return unlinkat(folder, name, 0) == 0;
}

/* NULL, or the step that failed; the folders are open then as far as they could be. */
static const char *open_folders(const char *path, int *tmp_r, int *new_r)
{
	*tmp_r = *new_r = -1;
	errno = ENOENT;
	if (*path == 0)
		return "find a Maildir without a path"; /* not the root of the file system */
	int cur = open_below(path, "cur");
	if (cur < 0)
		return "make or open cur/";
	close_folder(&cur);
	if ((*tmp_r = open_below(path, "tmp")) < 0)
		return "make or open tmp/";
	if ((*new_r = open_below(path, "new")) < 0)
		return "make or open new/";
	if (!can_make_files(*tmp_r))
		return "make a file in tmp/";
	if (!can_make_files(*new_r))
		return "make a file in new/";
	return NULL;
}

const char *relay_maildir_fault(const char *path)
{
	int tmp, new;
	const char *fault = open_folders(path, &tmp, &new);
	close_folder(&tmp);
	close_folder(&new);
	return fault;
}

/* ---- its life ---------------------------------------------------------------------------------- */

/* What could not be part of a file name becomes '_'; '/' and ':' are what Bernstein forbids. */
static void set_host(struct relay_maildir *m, struct slice host)
{
	size_t n = host.n < sizeof m->host - 1 ? host.n : sizeof m->host - 1;
	for (size_t i = 0; i < n; i++) {
		char c = host.p[i];
		m->host[i] = c > ' ' && c < 0x7f && c != '/' && c != ':' ? c : '_';
	}
	m->host[n] = 0;
	if (n == 0)
		memcpy(m->host, "localhost", sizeof "localhost");
}

/* Signals are other threads' business. */
static int start_thread(struct relay_maildir *m)
{
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&m->thread, NULL, run, m);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (!error)
		pthread_setname_np(m->thread, "maildir");
	return error;
}

static void give_up(struct relay_maildir **m)
{
	close_folder(&(*m)->tmp);
	close_folder(&(*m)->new);
	pthread_mutex_destroy(&(*m)->lock);
	pthread_cond_destroy(&(*m)->more);
	mem_free(m);
}

struct relay_maildir *relay_maildir_new(const char *path, struct slice host)
{
	struct relay_maildir *m = mem_zalloc(sizeof *m);
	if (!m) {
		errno = ENOMEM;
		return NULL;
	}
	m->waiting_last = &m->waiting;
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->more, NULL);
	set_host(m, host);
	bool opened = open_folders(path, &m->tmp, &m->new) == NULL;
	int error = opened ? start_thread(m) : errno;
	if (error) {
		give_up(&m);
		errno = error;
	}
	return m;
}

void relay_maildir_free(struct relay_maildir **m)
{
	if (!*m)
		return;
	pthread_mutex_lock(&(*m)->lock);
	(*m)->stop = true;
	pthread_cond_signal(&(*m)->more);
	pthread_mutex_unlock(&(*m)->lock);
	pthread_join((*m)->thread, NULL);
	struct relay_maildir_job *rest = take(*m, SIZE_MAX);
	for (struct relay_maildir_job *j = rest; j; j = j->next) {
		j->error = ECANCELED;
		j->step = "end of the server";
		j->state = RELAY_MAILDIR_DONE;
	}
	hand_back(rest);
	give_up(m);
}
