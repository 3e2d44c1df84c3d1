#include "relay/local.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/finish.h"
#include "relay/maildir.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

/* What the writing thread works on: a copy, since a session may end (and its memory go) while the disk is waited for.
 */
struct relay_local {
	struct relay_maildir_job job; /* first: what is collected leads back here */
	struct relay_job *asked_by;   /* NULL: forsaken */
	struct relay_maildir *maildir;
	struct relay_backend *backend;
	struct relay_mail mail;
	struct rope_block body; /* what of it was in memory, in one piece */
};

static size_t copy_size(const struct relay_job *job)
{
	const struct relay_mail *m = job->mail;
	size_t n = sizeof(struct relay_local) + m->sender.n + m->body.head.n + rope_size(m->body.mem);
	for (size_t i = 0; i < job->rcpts_n; i++)
		n += sizeof(struct slice) + job->rcpts[i].n;
	return n;
}

static struct slice put(char **at, struct slice s)
{
	struct slice copy = slice_of(*at, s.n);
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

static struct relay_local *copy_mail(const struct relay_job *job)
{
	const struct relay_mail *m = job->mail;
	struct relay_local *l = mem_alloc(copy_size(job));
	if (!l)
		return NULL;
	struct slice *rcpts = (struct slice *)(void *)(l + 1);
	char *at = (char *)(rcpts + job->rcpts_n);
	*l = (struct relay_local){
		.mail = { .client = { .ip = m->client.ip }, .rcpts = rcpts, .rcpts_n = job->rcpts_n }
	};
	for (size_t i = 0; i < job->rcpts_n; i++)
		rcpts[i] = put(&at, job->rcpts[i]);
	l->mail.sender = put(&at, m->sender);
	l->mail.body = m->body;
	l->mail.body.head = put(&at, m->body.head);
	l->body.bytes = slice_of(at, rope_size(m->body.mem));
	for (const struct rope_block *b = m->body.mem; b; b = b->next)
		put(&at, b->bytes);
	l->mail.body.mem = &l->body;
	l->mail.body.fd = m->body.fd < 0 ? -1 : fcntl(m->body.fd, F_DUPFD_CLOEXEC, 0);
	if (m->body.fd >= 0 && l->mail.body.fd < 0)
		mem_free(&l);
	return l;
}

static void local_free(struct relay_local *l)
{
	if (l->mail.body.fd >= 0)
		close(l->mail.body.fd);
	mem_free(&l);
}

/* Opened by the first that needs it; NULL while it cannot be. */
static struct relay_maildir *maildir_of(struct relay *r, struct relay_backend *b, uint64_t now_ms)
{
	struct relay_maildir *m = atomic_load(&b->maildir);
	if (m || relay_backend_use(b, now_ms) == RELAY_USE_NOT)
		return m;
	pthread_mutex_lock(&b->opening);
	m = atomic_load(&b->maildir);
	if (!m)
		m = relay_maildir_new(b->path, r->settings->c.hostname);
	int failed = errno;
	atomic_store(&b->maildir, m);
	pthread_mutex_unlock(&b->opening);
	if (m)
		relay_backend_up(b);
	else if (relay_backend_down(b, RELAY_DOWN, slice_str(strerror(failed)), now_ms))
		log_error("backend %s: cannot be opened: %s", b->name, strerror(failed));
	return m;
}

void relay_local_start(struct relay *r, struct relay_pool *p, struct relay_job *job, uint64_t now_ms)
{
	struct relay_backend *b = p->backend;
	relay_answer_of(&job->done, b);
	job->began_ms = now_ms;
	if (job->done.question == RELAY_RCPT) {
		/* domains were checked by the guard; a Maildir has everybody in them */
		relay_answer(&job->done, RELAY_FROM_BACKEND, 250, SLICE("2.1.5 Ok"));
		relay_finish_exists(r, job, now_ms);
		return;
	}
	struct relay_maildir *m = maildir_of(r, b, now_ms);
	struct relay_local *l = m ? copy_mail(job) : NULL;
	if (!l) {
		relay_finish_unreachable(r, job, now_ms);
		return;
	}
	relay_note_dot(r, job, b->name);
	l->job.owner = &r->local_owner;
	l->job.mail = &l->mail;
	l->asked_by = job;
	l->maildir = m;
	l->backend = b;
	if (!relay_maildir_submit(m, &l->job)) {
		local_free(l);
		relay_finish_unreachable(r, job, now_ms);
		return;
	}
	job->state = RELAY_JOB_RUNNING;
	job->local = l;
	r->local_out++;
}

static void collected(struct relay *r, struct relay_local *l, uint64_t now_ms)
{
	struct relay_job *job = l->asked_by;
	job->local = NULL;
	if (l->job.error == 0) {
		atomic_fetch_add_explicit(&l->backend->n.delivered, 1, memory_order_relaxed);
		relay_finish_reply(r, job, 250, SLICE("2.0.0 Ok: delivered"), now_ms);
		return;
	}
	atomic_fetch_add_explicit(&l->backend->n.failures, 1, memory_order_relaxed);
	log_error("backend %s: %s: %s", l->backend->name, l->job.step ? l->job.step : "write", strerror(l->job.error));
	relay_finish_unreachable(r, job, now_ms);
}

void relay_local_collect(struct relay *r, uint64_t now_ms)
{
	if (!r->local_out)
		return;
	for (struct relay_maildir_job *done; (done = relay_maildir_collect(&r->local_owner));) {
		struct relay_local *l = container_of(done, struct relay_local, job);
		r->local_out--;
		if (l->asked_by)
			collected(r, l, now_ms);
		local_free(l);
	}
}

bool relay_local_cancel(struct relay *r, struct relay_job *job)
{
	struct relay_local *l = job->local;
	if (!relay_maildir_cancel(l->maildir, &l->job))
		return false;
	job->local = NULL;
	r->local_out--;
	local_free(l);
	return true;
}

/* A worker that ends waits for its last writes: their memory is here. */
void relay_local_release(struct relay *r)
{
	while (r->local_out) {
		struct relay_maildir_job *done = relay_maildir_collect(&r->local_owner);
		if (!done) {
			usleep(1000);
			continue;
		}
		struct relay_local *l = container_of(done, struct relay_local, job);
		if (l->asked_by && !l->asked_by->ticket_link)
			relay_job_free(&r->jobs, l->asked_by);
		r->local_out--;
		local_free(l);
	}
	relay_maildir_owner_clear(&r->local_owner);
}
