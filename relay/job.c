#include "relay/job.h"

#include "base/mem.h"

/* Jobs kept for the next question; more than are under way at once on a busy worker. */
enum { SPARES = 64 };

void relay_jobs_init(struct relay_jobs *j)
{
	*j = (struct relay_jobs){ 0 };
	j->done_last = &j->done;
}

static void release_parts(struct relay_job *job)
{
	mem_free(&job->memory);
	relay_save_free(&job->had);
	relay_save_free(&job->place);
	relay_save_free(&job->save);
}

static void release(struct relay_job *job)
{
	release_parts(job);
	mem_free(&job);
}

void relay_jobs_release(struct relay_jobs *j)
{
	for (size_t i = 0; i < RELAY_TICKETS; i++)
		while (j->tickets[i]) {
			struct relay_job *job = j->tickets[i];
			relay_job_disown(job);
			if (job->state != RELAY_JOB_DONE)
				release(job);
		}
	for (struct relay_job *job; (job = relay_job_pop(j));)
		release(job);
	while (j->spare) {
		struct relay_job *job = j->spare;
		j->spare = job->next;
		release(job);
	}
}

static struct relay_job **bucket(struct relay_jobs *j, uint64_t ticket)
{
	/* tickets are our own server's handles, not a client's choice: a plain multiplication spreads them */
	return &j->tickets[(ticket * 0x9E3779B97F4A7C15ull) >> 52];
}

static struct relay_job *job_new(
	struct relay_jobs *j, enum relay_question q, const struct ip *client, uint64_t ticket, uint64_t now_ms)
{
	struct relay_job *job = j->spare;
	if (job) {
		j->spare = job->next;
		j->spares--;
		memset(job, 0, offsetof(struct relay_job, done.text));
	} else {
		job = mem_zalloc(sizeof *job);
		if (!job)
			return NULL;
	}
	job->asked_ms = now_ms;
	job->client = ip_client(client);
	job->done.ticket = ticket;
	job->done.question = q;
	job->done.failed_rcpt = UINT16_MAX;
	job->ticket_link = bucket(j, ticket);
	job->ticket_next = *job->ticket_link;
	if (job->ticket_next)
		job->ticket_next->ticket_link = &job->ticket_next;
	*job->ticket_link = job;
	j->open++;
	return job;
}

struct relay_job *relay_job_deliver(struct relay_jobs *j, const struct relay_mail *m, uint64_t now_ms)
{
	struct relay_job *job = job_new(j, RELAY_DELIVER, &m->client.ip, m->ticket, now_ms);
	if (job) {
		job->mail = m;
		job->rcpts = m->rcpts;
		job->rcpts_n = m->rcpts_n;
	}
	return job;
}

static struct slice copied(char **at, struct slice s)
{
	struct slice copy = slice_of(*at, s.n);
	if (s.n)
		memcpy(*at, s.p, s.n);
	*at += s.n;
	return copy;
}

/* What is said of a client in words. */
enum { TEXTS = 8 };
#define TEXTS_OF(c)                                                                                                    \
	{                                                                                                              \
		&(c)->name, &(c)->helo, &(c)->proto, &(c)->login, &(c)->tls_version, &(c)->tls_cipher,                 \
			&(c)->server_name, &(c)->session                                                               \
	}

struct relay_job *relay_job_rcpt(struct relay_jobs *j, const struct relay_client *c, struct slice sender,
	struct slice rcpt, uint64_t ticket, uint64_t now_ms)
{
	const struct slice *texts[] = TEXTS_OF(c);
	size_t all = sender.n + rcpt.n + 1;
	for (size_t i = 0; i < TEXTS; i++)
		all += texts[i]->n;
	char *memory = mem_alloc(all);
	struct relay_job *job = memory ? job_new(j, RELAY_RCPT, &c->ip, ticket, now_ms) : NULL;
	if (!job) {
		mem_free(&memory);
		return NULL;
	}
	char *at = job->memory = memory;
	job->own = (struct relay_mail){ .client = *c, .rcpts = &job->own_rcpt, .rcpts_n = 1, .ticket = ticket };
	job->own.body.fd = -1;
	struct slice *copies[] = TEXTS_OF(&job->own.client);
	for (size_t i = 0; i < TEXTS; i++)
		*copies[i] = copied(&at, *texts[i]);
	job->own.sender = copied(&at, sender);
	job->own_rcpt = copied(&at, rcpt);
	job->mail = &job->own;
	job->rcpts = &job->own_rcpt;
	job->rcpts_n = 1;
	return job;
}

struct relay_job *relay_job_find(struct relay_jobs *j, uint64_t ticket)
{
	struct relay_job *job = *bucket(j, ticket);
	while (job && job->done.ticket != ticket)
		job = job->ticket_next;
	return job;
}

void relay_job_disown(struct relay_job *job)
{
	if (!job->ticket_link)
		return;
	*job->ticket_link = job->ticket_next;
	if (job->ticket_next)
		job->ticket_next->ticket_link = job->ticket_link;
	job->ticket_link = NULL;
}

void relay_job_finish(struct relay_jobs *j, struct relay_job *job)
{
	job->state = RELAY_JOB_DONE;
	job->next = NULL;
	*j->done_last = job;
	j->done_last = &job->next;
}

struct relay_job *relay_job_pop(struct relay_jobs *j)
{
	struct relay_job *job = j->done;
	if (!job)
		return NULL;
	j->done = job->next;
	if (!j->done)
		j->done_last = &j->done;
	return job;
}

void relay_job_free(struct relay_jobs *j, struct relay_job *job)
{
	relay_job_disown(job);
	release_parts(job);
	j->open--;
	if (j->spares == SPARES) {
		mem_free(&job);
		return;
	}
	job->next = j->spare;
	j->spare = job;
	j->spares++;
}

void relay_answer(struct relay_done *d, enum relay_from from, unsigned code, struct slice text)
{
	d->from = from;
	d->code = (uint16_t)code;
	d->text_n = (uint16_t)(text.n < RELAY_TEXT_MAX ? text.n : RELAY_TEXT_MAX);
	if (d->text_n)
		memmove(d->text, text.p, d->text_n); /* it may be its own text already */
}

void relay_answer_us(struct relay_done *d, unsigned code, const char *text)
{
	relay_answer(d, RELAY_FROM_US, code, slice_str(text));
}
