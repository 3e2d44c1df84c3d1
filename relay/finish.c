#include "relay/finish.h"

#include "base/log.h"
#include "relay/known.h"
#include "relay/remember.h"

/* Idle connections that turn out to have been closed by the backend cost no try, up to this many: after its
 * restart all of them are stale. */
enum { STALE_MAX = 3 };

/* Of a job that has a connection, as all have but those of a Maildir. */
static struct relay_backend *backend_of(const struct relay_job *job)
{
	return job->link->pool->backend;
}

static void count(atomic_ullong *n)
{
	atomic_fetch_add_explicit(n, 1, memory_order_relaxed);
}

static void off_link(struct relay *r, struct relay_job *job)
{
	relay_probe_over(r, job);
	if (job->link)
		job->link->job = NULL;
	job->link = NULL;
	r->pump = true;
}

bool relay_enqueue(struct relay *r, struct relay_job *job)
{
	r->pump = true;
	return relay_queue_put(relay_group_queue(job), job);
}

/* ---- answers ---- */

static void give_out(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	struct relay_done *d = &job->done;
	net_wheel_cancel(&r->wheel, &job->timer);
	if (job->began_ms) {
		d->waited_ms = (uint32_t)(job->began_ms - job->asked_ms);
		d->backend_ms = (uint32_t)(now_ms - job->began_ms);
	} else {
		d->waited_ms = (uint32_t)(now_ms - job->asked_ms);
	}
	if (job->dropped)
		relay_job_free(&r->jobs, job);
	else
		relay_job_finish(&r->jobs, job);
}

/* The leader's words serve those that asked the same only when they may be shared. */
static void settle_merged(struct relay *r, struct relay_job *leader, bool shareable, uint64_t now_ms)
{
	struct relay_job *job = leader->merged, *next;
	leader->merged = NULL;
	for (; job; job = next) {
		next = job->next;
		job->leader = NULL;
		if (shareable) {
			relay_answer(&job->done, leader->done.from, leader->done.code,
				slice_of(leader->done.text, leader->done.text_n));
			job->done.bad_recipient = leader->done.bad_recipient;
			memcpy(job->done.backend, leader->done.backend, sizeof job->done.backend);
			memcpy(job->done.group, leader->done.group, sizeof job->done.group);
			give_out(r, job, now_ms);
			continue;
		}
		job->alone = true;
		if (!relay_enqueue(r, job)) {
			relay_answer_us(&job->done, 451, "4.3.0 Out of memory, try again later");
			give_out(r, job, now_ms);
		}
	}
}

static void finish(struct relay *r, struct relay_job *job, bool shareable, uint64_t now_ms)
{
	off_link(r, job);
	relay_merge_end(r, job);
	settle_merged(r, job, shareable, now_ms);
	give_out(r, job, now_ms);
}

static void finish_us(struct relay *r, struct relay_job *job, const char *text, uint64_t now_ms)
{
	relay_answer_us(&job->done, 451, text);
	finish(r, job, false, now_ms);
}

/* Remembers a refusal when it may be remembered; true: it may also be told to others. */
static bool learn_refusal(struct relay *r, struct relay_job *job)
{
	struct relay_done *d = &job->done;
	struct slice text = slice_of(d->text, d->text_n);
	d->bad_recipient = relay_is_unknown_user(r->settings, d->code, text);
	if (d->bad_recipient)
		relay_known_bad(r, job->group, job->own_rcpt, d->code, text);
	return d->bad_recipient;
}

/* A disk may hang for ever. */
static void await_disk(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	off_link(r, job);
	job->timer.kind = RELAY_TIMER_JOB;
	net_wheel_arm(&r->wheel, &job->timer, now_ms + RELAY_SAVE_WITHIN_MS);
}

/* All have it. A client that has gone will bring it again all the same: that is answered without the backend. True: the
 * answer waits until that is on the disk. */
static bool taken(struct relay *r, struct relay_job *job)
{
	if (job->mail)
		return false;
	if (relay_remember(r, job, NULL, true))
		return true;
	log_warn("a mail was taken after its client had gone and is not remembered: it may come twice");
	return false;
}

void relay_finish_reply(struct relay *r, struct relay_job *job, unsigned code, struct slice text, uint64_t now_ms)
{
	relay_answer(&job->done, RELAY_FROM_BACKEND, code, text);
	if (job->link)
		count(code < 300 ? &backend_of(job)->n.delivered : &backend_of(job)->n.refused);
	if (code < 300 && taken(r, job))
		await_disk(r, job, now_ms);
	else
		finish(r, job, false, now_ms);
}

void relay_finish_exists(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	if (job->link)
		count(&backend_of(job)->n.probed);
	relay_known_ok(r, job->group, job->own_rcpt);
	finish(r, job, true, now_ms);
}

void relay_finish_refusal(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	struct relay_counters *n = &backend_of(job)->n;
	bool of_rcpt = job->done.failed_rcpt != UINT16_MAX;
	if (job->done.question == RELAY_DELIVER) {
		struct slice text = slice_of(job->done.text, job->done.text_n);
		job->done.bad_recipient = of_rcpt && relay_is_unknown_user(r->settings, job->done.code, text);
		count(&n->refused);
		finish(r, job, false, now_ms);
		return;
	}
	job->done.failed_rcpt = UINT16_MAX;
	count(&n->probed);
	/* a refused MAIL speaks of the sender or the client, whatever its code */
	finish(r, job, of_rcpt && learn_refusal(r, job), now_ms);
}

void relay_finish_partly(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	count(&backend_of(job)->n.refused);
	finish_us(r, job, "4.3.0 Not all recipients can be reached now, nothing was delivered, try again", now_ms);
}

/* ---- delivered in part ---- */

static void doubt(struct relay_job *job)
{
	struct relay_backend *b = backend_of(job);
	job->done.doubtful = true;
	count(&b->n.doubtful);
	log_warn("backend %s: no reply to a mail that was sent whole; its client is asked to try again and it may come "
		 "twice",
		b->name);
}

void relay_finish_saved(struct relay *r, struct relay_job *job, bool written, uint64_t now_ms)
{
	(void)written; /* told by the writer; the table has it all the same */
	give_out(r, job, now_ms);
}

void relay_finish_not_saved(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	log_error("relay.state: the disk has not taken in %u s what is to be remembered of a mail; until it does the "
		  "mail may come twice should the server be killed",
		RELAY_SAVE_WITHIN_MS / 1000);
	relay_remember_late(job);
	job->done.doubtful = true;
	give_out(r, job, now_ms);
}

void relay_finish_partly_taken(
	struct relay *r, struct relay_job *job, const bool *took, bool doubt_too, uint64_t now_ms)
{
	count(&backend_of(job)->n.refused);
	if (doubt_too)
		doubt(job);
	relay_answer_us(&job->done, 451, "4.3.0 Delivered to some recipients, try again for the others");
	bool known = (!job->mail || relay_remember_prepare(r, job)) && relay_remember(r, job, took, true);
	if (known) {
		await_disk(r, job, now_ms);
		return;
	}
	off_link(r, job);
	log_warn("a mail was delivered to some recipients and that cannot be remembered: it may come twice to them");
	job->done.doubtful = true;
	give_out(r, job, now_ms);
}

void relay_finish_recalled(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	relay_answer_us(&job->done, 250, "2.0.0 Ok: delivered before");
	job->done.cached = true;
	give_out(r, job, now_ms);
}

/* ---- second tries ---- */

static void retry(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	off_link(r, job);
	job->done.code = 0;
	job->done.failed_rcpt = UINT16_MAX;
	if (!relay_queue_put_back(relay_group_queue(job), job))
		finish_us(r, job, "4.3.0 Out of memory, try again later", now_ms);
}

/* Nobody waits for it any more: there is nothing to try again. */
static bool forsaken(const struct relay_job *job)
{
	return job->dropped && !job->merged;
}

void relay_finish_again(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	if (job->tries++ || forsaken(job)) {
		finish_us(r, job, "4.4.2 Connection to the mail system lost, try again", now_ms);
		return;
	}
	job->needs_fresh = true;
	retry(r, job, now_ms);
}

void relay_finish_unopened(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	job->lost_at = backend_of(job);
	retry(r, job, now_ms);
}

bool relay_finish_untold(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	const struct relay_client *c = &job->mail->client;
	if (job->nameless || (c->name.n == 0 && c->helo.n == 0) || forsaken(job)) {
		finish_us(r, job, "4.3.2 The mail system cannot take mail from your address now, try again later",
			now_ms);
		return false;
	}
	job->nameless = true;
	job->needs_fresh = true;
	retry(r, job, now_ms);
	return true;
}

void relay_finish_lost(struct relay *r, struct relay_job *job, bool used, bool heard, bool dot_is_out, uint64_t now_ms)
{
	if (dot_is_out) {
		doubt(job);
		finish_us(r, job, "4.4.2 Connection to the mail system lost, try again", now_ms);
		return;
	}
	bool stale = used && !heard && job->stale < STALE_MAX && !forsaken(job);
	if (!stale) {
		job->lost_at = backend_of(job);
		relay_finish_again(r, job, now_ms);
		return;
	}
	job->stale++;
	retry(r, job, now_ms);
}

void relay_finish_garbage(struct relay *r, struct relay_job *job, bool dot_is_out, uint64_t now_ms)
{
	if (dot_is_out)
		doubt(job);
	finish_us(r, job, "4.3.0 The mail system answered in a way that is not understood, try again later", now_ms);
}

void relay_finish_unsayable(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	finish_us(r, job, "4.3.0 This mail cannot be passed on now, try again later", now_ms);
}

void relay_finish_no_utf8(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	relay_answer_us(&job->done, 550, "5.6.7 The mail system does not take internationalized mail (SMTPUTF8)");
	finish(r, job, false, now_ms);
}

void relay_finish_unreachable(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	finish_us(r, job,
		job->tries ? "4.4.2 Connection to the mail system lost, try again"
			   : "4.3.2 Mail system not reachable, try again later",
		now_ms);
}

void relay_finish_late(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	bool began = job->done.question == RELAY_DELIVER && job->began_ms;
	finish_us(r, job,
		began ? "4.4.2 The mail system did not answer in time, try again"
		      : "4.3.2 Mail system busy, try again later",
		now_ms);
}
