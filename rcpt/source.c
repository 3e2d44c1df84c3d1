#include "base/clock.h"
#include "base/escape.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/mem.h"
#include "rcpt/inside.h"
#include "rcpt/link.h"

#include <pthread.h>
#include <signal.h>

enum { BUCKETS = 256, TELL_EVERY_MS = 60000 };

struct rcpt_question {
	struct rcpt_question *next;	     /* that waits behind it */
	struct rcpt_question *bucket_next;
	struct rcpt_ask *asks; /* NULL: all were taken back */
	uint64_t hash, due_ms;
	bool waits;
	uint32_t rcpt_n;
	char rcpt[];
};

struct rcpt_source {
	struct rcpt_config config; /* its texts lie in `texts` */
	char *texts;
	struct hash_key key;
	pthread_mutex_t lock; /* guards all below */
	pthread_cond_t more, gone; /* a question; a thread that has ended */
	unsigned users, threads, idle;
	bool stop;
	struct rcpt_question *bucket[BUCKETS]; /* all that are open */
	struct rcpt_question *waiting, **waiting_last;
	unsigned waiting_n;
	bool failing;
	uint64_t tell_ms; /* a failure is not told again before */
};

/* ---- life ---- */

bool rcpt_config_check(const struct rcpt_config *c, char why_r[RCPT_WHY])
{
	switch (c->kind) {
	case RCPT_SQLITE:
		return rcpt_sqlite_check(c, why_r);
	case RCPT_PGSQL:
		return rcpt_pgsql_check(c, why_r);
	case RCPT_SOCKETMAP:
		break;
	}
	return rcpt_socketmap_check(c, why_r);
}

const char *rcpt_config_file(const struct rcpt_config *c, unsigned i, char path[RCPT_PATH])
{
	return c->kind == RCPT_PGSQL ? rcpt_pgsql_file(c, i, path) : NULL;
}

/* All texts one behind the other in one block. */
static bool copy_config(struct rcpt_source *s, const struct rcpt_config *c)
{
	s->config = *c;
	const char **texts[] = { &s->config.name, &s->config.file, &s->config.connect, &s->config.address,
		&s->config.query, &s->config.map };
	enum { TEXTS = sizeof texts / sizeof *texts };
	size_t n = 0;
	for (size_t i = 0; i < TEXTS; i++)
		n += strlen(*texts[i]) + 1;
	char *at = s->texts = mem_alloc(n);
	for (size_t i = 0; at && i < TEXTS; i++) {
		size_t size = strlen(*texts[i]) + 1;
		*texts[i] = memcpy(at, *texts[i], size);
		at += size;
	}
	return at != NULL;
}

struct rcpt_source *rcpt_source_new(const struct rcpt_config *c)
{
	struct rcpt_source *s = mem_zalloc(sizeof *s);
	if (!s || !copy_config(s, c)) {
		mem_free(&s);
		return NULL;
	}
	pthread_condattr_t monotonic;
	pthread_condattr_init(&monotonic);
	pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
	pthread_mutex_init(&s->lock, NULL);
	pthread_cond_init(&s->more, &monotonic);
	pthread_cond_init(&s->gone, &monotonic);
	pthread_condattr_destroy(&monotonic);
	s->key = hash_key_random();
	s->users = 1;
	s->waiting_last = &s->waiting;
	return s;
}

struct rcpt_source *rcpt_source_ref(struct rcpt_source *s)
{
	pthread_mutex_lock(&s->lock);
	s->users++;
	pthread_mutex_unlock(&s->lock);
	return s;
}

/* Gives the lock back; the last of users and threads takes the source with it. */
static void leave(struct rcpt_source *s)
{
	bool last = s->users == 0 && s->threads == 0;
	pthread_cond_broadcast(&s->gone);
	pthread_mutex_unlock(&s->lock);
	if (!last)
		return;
	pthread_cond_destroy(&s->more);
	pthread_cond_destroy(&s->gone);
	pthread_mutex_destroy(&s->lock);
	mem_free(&s->texts);
	mem_free(&s);
}

void rcpt_source_unref(struct rcpt_source **p)
{
	struct rcpt_source *s = *p;
	*p = NULL;
	if (!s)
		return;
	pthread_mutex_lock(&s->lock);
	s->users--;
	s->stop |= s->users == 0;
	if (s->stop)
		pthread_cond_broadcast(&s->more);
	leave(s);
}

static struct timespec at_ms(uint64_t ms)
{
	return (struct timespec){ .tv_sec = (time_t)(ms / 1000), .tv_nsec = (long)(ms % 1000) * 1000000 };
}

void rcpt_source_end(struct rcpt_source *s, uint64_t most_ms)
{
	struct timespec until = at_ms(clock_mono_ms() + most_ms);
	pthread_mutex_lock(&s->lock);
	s->stop = true;
	pthread_cond_broadcast(&s->more);
	while (s->threads && pthread_cond_timedwait(&s->gone, &s->lock, &until) == 0)
		;
	pthread_mutex_unlock(&s->lock);
}

const struct rcpt_config *rcpt_source_config(const struct rcpt_source *s)
{
	return &s->config;
}

bool rcpt_source_is(const struct rcpt_source *s, const struct rcpt_config *c)
{
	const struct rcpt_config *own = &s->config;
	return own->kind == c->kind && own->delimiter == c->delimiter && own->connections == c->connections &&
	       own->timeout_ms == c->timeout_ms && strcmp(own->name, c->name) == 0 &&
	       strcmp(own->file, c->file) == 0 && strcmp(own->connect, c->connect) == 0 &&
	       strcmp(own->address, c->address) == 0 && strcmp(own->query, c->query) == 0 &&
	       strcmp(own->map, c->map) == 0;
}

/* ---- what the log is told ---- */

/* True when it is to be told. The lock is held. */
static bool note(struct rcpt_source *s, bool failed, uint64_t now_ms)
{
	bool change = failed != s->failing;
	s->failing = failed;
	if (!failed)
		return change;
	if (now_ms < s->tell_ms)
		return false;
	s->tell_ms = now_ms + TELL_EVERY_MS;
	return true;
}

static void tell(const struct rcpt_source *s, bool failed, const char *why)
{
	struct buf shown = { 0 };
	if (!failed)
		log_info("recipient source %s: works again", s->config.name);
	else if (escape_logfmt(&shown, slice_str(why), RCPT_WHY))
		log_warn("recipient source %s: %.*s; recipients it is asked for are deferred (told once a minute)",
			s->config.name, SLICE_ARG(buf_slice(&shown)));
	buf_release(&shown);
}

/* ---- its threads ---- */

static void drop_from_bucket(struct rcpt_source *s, struct rcpt_question *q)
{
	struct rcpt_question **at = &s->bucket[q->hash % BUCKETS];
	while (*at != q)
		at = &(*at)->bucket_next;
	*at = q->bucket_next;
}

static struct rcpt_question *take(struct rcpt_source *s)
{
	struct rcpt_question *q = s->waiting;
	s->waiting = q->next;
	if (!s->waiting)
		s->waiting_last = &s->waiting;
	s->waiting_n--;
	q->waits = false;
	return q;
}

/* NULL: there was nothing to do for long, or the source ends. The lock is held. */
static struct rcpt_question *wait_for_question(struct rcpt_source *s)
{
	struct timespec until = at_ms(clock_mono_ms() + RCPT_IDLE_MS);
	int error = 0;
	s->idle++;
	while (!s->waiting && !s->stop && !error)
		error = pthread_cond_timedwait(&s->more, &s->lock, &until);
	s->idle--;
	return s->stop || !s->waiting ? NULL : take(s);
}

static void hand_over(struct rcpt_ask *asks, enum rcpt_answer answer)
{
	for (struct rcpt_ask *a = asks, *next; a; a = next) {
		next = a->next;
		a->answer = answer;
		rcpt_desk_hand(a);
	}
}

/* Asks without the lock, which is held again at the end. */
static void serve(struct rcpt_source *s, struct rcpt_link *link, struct rcpt_question *q)
{
	pthread_mutex_unlock(&s->lock);
	enum rcpt_answer answer = rcpt_link_ask(link, slice_of(q->rcpt, q->rcpt_n), q->due_ms);
	bool failed = answer == RCPT_FAILED;
	pthread_mutex_lock(&s->lock);
	bool told = note(s, failed, clock_mono_ms());
	drop_from_bucket(s, q);
	struct rcpt_ask *asks = q->asks;
	for (struct rcpt_ask *a = asks; a; a = a->next)
		a->question = NULL;
	pthread_mutex_unlock(&s->lock);
	if (told)
		tell(s, failed, link->why);
	hand_over(asks, answer);
	mem_free(&q);
	pthread_mutex_lock(&s->lock);
}

static void *run(void *arg)
{
	struct rcpt_source *s = arg;
	struct rcpt_link link = { .config = &s->config };
	pthread_mutex_lock(&s->lock);
	for (struct rcpt_question *q; (q = wait_for_question(s));)
		serve(s, &link, q);
	pthread_mutex_unlock(&s->lock);
	rcpt_link_close(&link);
	pthread_mutex_lock(&s->lock);
	s->threads--;
	leave(s);
	return NULL;
}

/* Signals are other threads' business. The lock is held. */
static void start_thread(struct rcpt_source *s)
{
	pthread_t thread;
	sigset_t all, before;
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	if (pthread_create(&thread, NULL, run, s) == 0) {
		pthread_setname_np(thread, "recipients");
		pthread_detach(thread);
		s->threads++;
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- questions ---- */

static struct rcpt_question *find(struct rcpt_source *s, uint64_t hash, struct slice rcpt)
{
	struct rcpt_question *q = s->bucket[hash % BUCKETS];
	while (q && !(q->hash == hash && slice_eq(slice_of(q->rcpt, q->rcpt_n), rcpt)))
		q = q->bucket_next;
	return q;
}

static struct rcpt_question *enter(struct rcpt_source *s, uint64_t hash, struct slice rcpt, uint64_t now_ms)
{
	bool room = s->waiting_n < RCPT_WAITING_MAX && !s->stop && rcpt.n <= RCPT_KEY_MAX;
	struct rcpt_question *q = room ? mem_zalloc(sizeof *q + rcpt.n) : NULL;
	if (!q)
		return NULL;
	memcpy(q->rcpt, rcpt.p, rcpt.n);
	q->rcpt_n = (uint32_t)rcpt.n;
	q->hash = hash;
	q->due_ms = now_ms + s->config.timeout_ms;
	q->waits = true;
	q->bucket_next = s->bucket[hash % BUCKETS];
	s->bucket[hash % BUCKETS] = q;
	*s->waiting_last = q;
	s->waiting_last = &q->next;
	s->waiting_n++;
	return q;
}

bool rcpt_source_put(struct rcpt_source *s, struct rcpt_ask *ask, struct slice rcpt, uint64_t now_ms)
{
	uint64_t hash = hash_bytes(&s->key, rcpt);
	pthread_mutex_lock(&s->lock);
	struct rcpt_question *q = find(s, hash, rcpt);
	if (!q)
		q = enter(s, hash, rcpt, now_ms);
	if (q) {
		ask->question = q;
		ask->next = q->asks;
		q->asks = ask;
	}
	if (s->waiting_n > s->idle && s->threads < s->config.connections)
		start_thread(s);
	pthread_cond_signal(&s->more);
	pthread_mutex_unlock(&s->lock);
	return q != NULL;
}

static void take_off_queue(struct rcpt_source *s, struct rcpt_question *q)
{
	struct rcpt_question **at = &s->waiting;
	while (*at != q)
		at = &(*at)->next;
	*at = q->next;
	if (!*at)
		s->waiting_last = at;
	s->waiting_n--;
}

bool rcpt_source_withdraw(struct rcpt_source *s, struct rcpt_ask *ask)
{
	pthread_mutex_lock(&s->lock);
	struct rcpt_question *q = ask->question;
	bool attached = q != NULL;
	if (attached) {
		struct rcpt_ask **at = &q->asks;
		while (*at != ask)
			at = &(*at)->next;
		*at = ask->next;
	}
	if (attached && !q->asks && q->waits) {
		take_off_queue(s, q);
		drop_from_bucket(s, q);
		mem_free(&q);
	}
	pthread_mutex_unlock(&s->lock);
	return attached;
}
