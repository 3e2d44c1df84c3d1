/* One mail as one file of a Maildir. */
#include "base/clock.h"
#include "base/hash.h"
#include "relay/maildir_inside.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* ---- its bytes --------------------------------------------------------------------------------- */

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
		if (f->n == RELAY_MAILDIR_BLOCK)
			flush(f);
		size_t n = s.n < RELAY_MAILDIR_BLOCK - f->n ? s.n : RELAY_MAILDIR_BLOCK - f->n;
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
		ssize_t n =
			pread(b->fd, in, left < RELAY_MAILDIR_BLOCK ? (size_t)left : RELAY_MAILDIR_BLOCK, (off_t)at);
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
	for (const struct rope_block *b = mail->body.mem; b; b = b->next)
		put_lines(f, b->bytes);
	put_file(f, &mail->body, in);
	if (f->cr)
		put(f, SLICE("\r"));
	flush(f);
}

/* ---- its way ----------------------------------------------------------------------------------- */

/* Time, process, count and random: unique over reboots, threads, and a clock that was set back. */
static void make_name(struct relay_maildir_desk *d, struct relay_maildir_job *job)
{
	uint64_t wall = clock_wall_ms(), chance;
	rand_bytes(&chance, sizeof chance);
	snprintf(job->name, sizeof job->name, "%llu.M%03uP%ldQ%luR%016llx.%s", (unsigned long long)(wall / 1000),
		(unsigned)(wall % 1000), (long)getpid(), ++d->delivered, (unsigned long long)chance, d->host);
}

void relay_maildir_write(struct relay_maildir_desk *d, struct relay_maildir_job *job)
{
	struct file f = { .out = d->out };
	make_name(d, job);
	f.fd = openat(d->tmp, job->name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (f.fd < 0) {
		fail(&f, "make a file in tmp/");
	} else {
		put_mail(&f, job->mail, d->in);
		if (!f.error && fsync(f.fd))
			fail(&f, "fsync");
		if (close(f.fd))
			fail(&f, "close");
		if (!f.error && renameat(d->tmp, job->name, d->new, job->name))
			fail(&f, "rename into new/");
		if (f.error)
			unlinkat(d->tmp, job->name, 0);
	}
	job->error = f.error;
	job->step = f.step;
}

void relay_maildir_take_back(struct relay_maildir_desk *d, struct relay_maildir_job *jobs, int error)
{
	for (struct relay_maildir_job *j = jobs; j; j = j->next) {
		if (j->error)
			continue;
		unlinkat(d->new, j->name, 0);
		j->error = error;
		j->step = "fsync of new/";
	}
}
