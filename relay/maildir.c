#include "relay/maildir.h"

#include "base/mem.h"
#include "relay/maildir_inside.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

struct relay_maildir {
	pthread_t thread;
	pthread_mutex_t lock; /* over the queue and each job's state; never held with an owner's lock, nor over I/O */
	pthread_cond_t more;
	bool stop;
	struct relay_maildir_job *waiting, **waiting_last;
	size_t waiting_n;
	struct relay_maildir_desk desk; /* the thread's own */
};

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
			relay_maildir_write(&m->desk, j);
		if (fsync(m->desk.new))
			relay_maildir_take_back(&m->desk, jobs, errno);
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

/* ---- its life ---------------------------------------------------------------------------------- */

/* What could not be part of a file name becomes '_'; '/' and ':' are what Bernstein forbids. */
static void set_host(struct relay_maildir_desk *d, struct slice host)
{
	size_t n = host.n < sizeof d->host - 1 ? host.n : sizeof d->host - 1;
	for (size_t i = 0; i < n; i++) {
		char c = host.p[i];
		d->host[i] = c > ' ' && c < 0x7f && c != '/' && c != ':' ? c : '_';
	}
	d->host[n] = 0;
	if (n == 0)
		memcpy(d->host, "localhost", sizeof "localhost");
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
	relay_maildir_close(&(*m)->desk.tmp);
	relay_maildir_close(&(*m)->desk.new);
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
	set_host(&m->desk, host);
	bool opened = relay_maildir_open(path, &m->desk.tmp, &m->desk.new) == NULL;
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
