#include "relay/relay.h"

#include "base/log.h"
#include "base/mem.h"
#include "relay/finish.h"
#include "relay/internal.h"
#include "relay/known.h"
#include "relay/link.h"
#include "relay/local.h"
#include "relay/remember.h"

/* What a backend can do is asked anew this often; it may have been changed without our losing a connection. One that
 * does not work is looked after sooner, so that no mail is needed to find it back. */
enum { NOTES_MS = 20 }; /* a worker with nothing to do wakes up for its notes: soon, but not for each mail */
enum { REFRESH_MS = 5 * 60 * 1000, REVIVE_MS = RELAY_BACKOFF_MAX_MS };

/* ---- life ---- */

struct relay_pool *relay_pool_of(struct relay *r, struct relay_group *g, struct relay_backend *b)
{
	for (struct relay_pool *p = r->pools; p; p = p->next)
		if (p->backend == b)
			return p;
	struct relay_pool *p = mem_zalloc(sizeof *p);
	if (!p)
		return NULL;
	p->backend = b;
	p->group = g;
	p->next = r->pools;
	r->pools = p;
	relay_backend_join(b, r->worker);
	return p;
}

/* Does it work? */
static bool refresh_one(struct relay *r, struct relay_pool *p, bool due, uint64_t now_ms)
{
	if (!p || p->backend->kind == RELAY_MAILDIR)
		return true;
	bool works = atomic_load(&p->backend->state) == RELAY_UP;
	if (due)
		atomic_store(&p->backend->no_reuse, false);
	if ((due || !works) && !p->opening_n)
		relay_pool_open(r, p, NULL, now_ms);
	return works;
}

/* One connection to each backend, so that it is known before the first mail what it can do. */
static void refresh(struct relay *r, uint64_t now_ms)
{
	bool all_work = true, due = now_ms >= r->refresh_due_ms;
	for (struct relay_group *g = r->draining ? NULL : r->groups; g; g = g->next)
		for (size_t i = 0; i < g->settings->c.backends_n && !g->gone; i++)
			all_work &= refresh_one(r, relay_pool_of(r, g, g->settings->backends[i]), due, now_ms);
	if (due)
		r->refresh_due_ms = now_ms + REFRESH_MS;
	net_wheel_arm(&r->wheel, &r->refresh, all_work ? r->refresh_due_ms : now_ms + REVIVE_MS);
}

struct relay *relay_new(
	struct relay_shared *s, struct net_loop *l, struct net_wake *wake, unsigned worker, uint64_t now_ms)
{
	struct relay *r = worker < RELAY_WORKERS_MAX ? mem_zalloc(sizeof *r) : NULL;
	if (!r)
		return NULL;
	r->shared = s;
	r->loop = l;
	r->wake = wake;
	r->worker = worker;
	r->now_ms = now_ms;
	r->settings = relay_shared_settings(s);
	r->refresh.kind = RELAY_TIMER_REFRESH;
	net_wheel_init(&r->wheel, now_ms);
	relay_jobs_init(&r->jobs);
	relay_maildir_owner_init(&r->local_owner, wake);
	relay_save_box_init(&r->saves, wake);
	r->intents = relay_intents_of(s->intents, worker);
	for (unsigned i = 0; i < RELAY_INTENTS; i++)
		r->free_intents[r->free_intents_n++] = (uint16_t)(RELAY_INTENTS - 1 - i);
	if (!relay_groups_take_on(r)) {
		relay_groups_release(r);
		relay_settings_unref(&r->settings);
		mem_free(&r);
		return NULL;
	}
	atomic_store(&s->wakes[worker], wake);
	if (worker == 0)
		refresh(r, now_ms);
	return r;
}

void relay_configure(struct relay *r, uint64_t now_ms)
{
	struct relay_settings *old = r->settings;
	r->now_ms = now_ms;
	r->settings = relay_shared_settings(r->shared);
	if (!relay_groups_take_on(r))
		log_error("relay.groups: out of memory; mail for the new ones is answered 451");
	for (struct relay_pool *p = r->pools; p; p = p->next) {
		net_tls_session_free(&p->tls);
		relay_pool_retire(r, p, false, now_ms);
	}
	relay_settings_unref(&old);
	r->refresh_due_ms = 0;
	if (r->worker == 0)
		refresh(r, now_ms);
	r->pump = true;
	relay_dispatch(r, now_ms);
}

static void free_dead(struct relay *r)
{
	while (r->dead) {
		struct relay_link *link = r->dead;
		r->dead = link->next;
		relay_link_free(link);
	}
}

void relay_free(struct relay **rp)
{
	struct relay *r = *rp;
	if (!r)
		return;
	atomic_store(&r->shared->wakes[r->worker], NULL);
	relay_local_release(r);
	relay_remember_release(r);
	for (struct relay_pool *p = r->pools, *next; p; p = next) {
		next = p->next;
		while (p->links) {
			struct relay_job *job = p->links->job;
			if (job) {
				relay_probe_over(r, job);
				job->link = NULL;
				if (!job->ticket_link)
					relay_job_free(&r->jobs, job);
			}
			p->links->job = NULL;
			relay_link_close(r, p->links);
		}
		relay_permit_hunger(p->backend, r->worker, false);
		net_tls_session_free(&p->tls);
		mem_free(&p);
	}
	free_dead(r);
	atomic_fetch_sub(&r->shared->waiting, r->published);
	relay_jobs_release(&r->jobs);
	relay_notes_clear(r);
	relay_groups_release(r);
	relay_settings_unref(&r->settings);
	mem_free(rp);
}

/* ---- what is asked ---- */

static void arm(struct relay *r, struct relay_job *job, uint64_t due_ms)
{
	job->timer.kind = RELAY_TIMER_JOB;
	net_wheel_arm(&r->wheel, &job->timer, due_ms);
}

static enum relay_check known(struct relay_done *d, uint64_t ticket, unsigned code, const char *text)
{
	d->ticket = ticket;
	if (text)
		relay_answer_us(d, code, text);
	d->cached = true;
	return RELAY_KNOWN;
}

static enum relay_check ask(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	job->probe_slot = relay_probe_slot(r->shared, &job->client);
	if (!relay_merge_join(r, job)) {
		if (!relay_enqueue(r, job)) {
			relay_job_free(&r->jobs, job);
			return RELAY_KNOWN;
		}
		relay_merge_lead(r, job);
	}
	arm(r, job, now_ms + RELAY_PROBE_WITHIN_MS);
	relay_dispatch(r, now_ms);
	return RELAY_ASKED;
}

enum relay_check relay_check_rcpt(struct relay *r, const struct relay_client *client, struct slice sender,
	uint64_t size, struct slice rcpt, uint64_t ticket, uint64_t now_ms, struct relay_done *answer_r)
{
	r->now_ms = now_ms;
	*answer_r = (struct relay_done){ .question = RELAY_RCPT, .failed_rcpt = UINT16_MAX };
	struct relay_group *g = relay_group_of(r, rcpt);
	enum relay_known state = g ? relay_known_get(r, g, rcpt, answer_r) : RELAY_KNOWN_SUSPECT;
	if (state == RELAY_KNOWN_BAD)
		return known(answer_r, ticket, 0, NULL);
	if (state == RELAY_KNOWN_OK || (state == RELAY_KNOWN_NOT && !r->settings->c.ask_backend))
		return known(answer_r, ticket, 250, "2.1.5 Ok");
	struct relay_job *job = g ? relay_job_rcpt(&r->jobs, client, sender, rcpt, ticket, now_ms) : NULL;
	if (job) {
		job->group = g;
		job->size = size;
	}
	if (job && ask(r, job, now_ms) == RELAY_ASKED)
		return RELAY_ASKED;
	return known(answer_r, ticket, 451, "4.3.0 Out of memory, try again later");
}

void relay_begin(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	enum relay_recall recall = relay_recall(r, job);
	switch (recall) {
	case RELAY_RECALL_NOTHING:
	case RELAY_RECALL_SOME:
		if (!relay_enqueue(r, job))
			relay_finish_unsayable(r, job, now_ms);
		return;
	case RELAY_RECALL_WAIT:
	case RELAY_RECALL_LOOK:
		relay_hold(r, job, recall, now_ms);
		return;
	case RELAY_RECALL_ALL:
		relay_finish_recalled(r, job, now_ms);
		return;
	case RELAY_RECALL_FAILED:
		relay_finish_unsayable(r, job, now_ms);
	}
}

/* A reload may have given a recipient's domain to another group since its RCPT, or to nobody. The server's own mail may
 * go anywhere, as one of relay.clients. */
static bool is_of_one_group(const struct relay *r, const struct relay_job *job)
{
	if (job->mail->own)
		return true;
	for (size_t i = 0; i < job->rcpts_n; i++) {
		struct slice domain = relay_domain_of(job->rcpts[i]);
		if (r->groups->next && relay_group_of(r, job->rcpts[i]) != job->group)
			return false;
		if (domain.n && !relay_settings_may_relay(r->settings, &job->mail->client.ip, domain))
			return false;
	}
	return true;
}

bool relay_deliver(struct relay *r, const struct relay_mail *m, uint64_t now_ms)
{
	r->now_ms = now_ms;
	struct relay_group *g = relay_group_of(r, m->rcpts[0]);
	struct relay_job *job = g ? relay_job_deliver(&r->jobs, m, now_ms) : NULL;
	TRY(job);
	job->group = g;
	if (r->shared->memory && !relay_remember_enter(r, job)) {
		relay_job_free(&r->jobs, job);
		return false;
	}
	arm(r, job, (m->dot_ms ? m->dot_ms : now_ms) + RELAY_ANSWER_WITHIN_MS);
	if (is_of_one_group(r, job))
		relay_begin(r, job, now_ms);
	else
		relay_finish_unsayable(r, job, now_ms);
	relay_dispatch(r, now_ms);
	return true;
}

/* ---- what is taken back ---- */

static void take_off_queue(struct relay_job *job)
{
	relay_queue_remove(relay_group_queue(job), job);
}

/* Closes the link under a running job before its dot: nothing is delivered. */
static void break_off(struct relay *r, struct relay_job *job)
{
	struct relay_link *link = job->link;
	relay_probe_over(r, job);
	link->job = NULL;
	job->link = NULL;
	relay_link_close(r, link);
}

/* The mail may be delivered: its dot is out, or it is being written to a Maildir. */
static bool cannot_be_stopped(struct relay *r, struct relay_job *job)
{
	if (job->state == RELAY_JOB_SAVING)
		return true;
	return job->link ? relay_link_dot_is_out(job->link) : !relay_local_cancel(r, job);
}

/* Its client goes without the answer and will bring the mail again. What must be remembered for that is made ready
 * while the mail is there; if it was taken already, it is remembered now. */
static void unheard(struct relay *r, struct relay_job *job)
{
	bool taken = job->state == RELAY_JOB_DONE && job->done.code / 100 == 2;
	if (job->state == RELAY_JOB_SAVING || (job->state == RELAY_JOB_DONE && !taken))
		return;
	bool ready = relay_remember_prepare(r, job);
	if (!taken)
		relay_leave_undecided(r, job);
	if (taken && (!ready || !relay_remember(r, job, NULL, false)))
		log_warn("a mail was taken after its client had gone and is not remembered: it may come twice");
}

static void cancel_delivery(struct relay *r, struct relay_job *job)
{
	bool runs = job->state == RELAY_JOB_RUNNING || job->state == RELAY_JOB_SAVING;
	bool out = job->state == RELAY_JOB_DONE || (runs && cannot_be_stopped(r, job));
	if (out)
		unheard(r, job);
	job->mail = NULL;
	if (out) {
		relay_job_disown(job);
		job->done.orphan = true;
		return;
	}
	if (job->state == RELAY_JOB_QUEUED)
		take_off_queue(job);
	else if (job->state == RELAY_JOB_HELD)
		relay_hold_over(r, job);
	else if (job->link)
		break_off(r, job);
	net_wheel_cancel(&r->wheel, &job->timer);
	relay_note_over(r, job);
	relay_job_free(&r->jobs, job);
}

static void cancel_rcpt(struct relay *r, struct relay_job *job)
{
	if (job->state == RELAY_JOB_MERGED) {
		relay_merge_leave(job);
		net_wheel_cancel(&r->wheel, &job->timer);
		relay_job_free(&r->jobs, job);
		return;
	}
	if (job->state == RELAY_JOB_QUEUED && !job->merged) {
		take_off_queue(job);
		relay_merge_end(r, job);
		net_wheel_cancel(&r->wheel, &job->timer);
		relay_job_free(&r->jobs, job);
		return;
	}
	/* it runs, or others wait for its answer: it goes on without its owner */
	relay_job_disown(job);
	job->dropped = true;
}

void relay_cancel(struct relay *r, uint64_t ticket, uint64_t now_ms)
{
	r->now_ms = now_ms;
	struct relay_job *job = relay_job_find(&r->jobs, ticket);
	if (!job)
		return;
	if (job->done.question == RELAY_DELIVER)
		cancel_delivery(r, job);
	else
		cancel_rcpt(r, job);
	r->pump = true;
	relay_dispatch(r, now_ms);
}

/* ---- what happens ---- */

void relay_on_io(struct relay *r, struct net_io *io, unsigned events, uint64_t now_ms)
{
	r->now_ms = now_ms;
	relay_link_on_io(r, container_of(io, struct relay_link, conn.io), events, now_ms);
	relay_dispatch(r, now_ms);
}

static void job_is_late(struct relay *r, struct relay_job *job, uint64_t now_ms)
{
	if (job->state == RELAY_JOB_SAVING) {
		relay_finish_not_saved(r, job, now_ms);
		return;
	}
	if (job->state == RELAY_JOB_RUNNING) {
		if (cannot_be_stopped(r, job))
			return; /* it may be delivered: only the backend's word, or its silence of 10 minutes, ends it
				 */
		if (job->link)
			break_off(r, job);
	} else if (job->state == RELAY_JOB_QUEUED) {
		take_off_queue(job);
	} else if (job->state == RELAY_JOB_MERGED) {
		relay_merge_leave(job);
	} else if (job->state == RELAY_JOB_HELD) {
		relay_hold_over(r, job);
	}
	relay_finish_late(r, job, now_ms);
}

void relay_on_time(struct relay *r, uint64_t now_ms)
{
	r->now_ms = now_ms;
	free_dead(r);
	if (r->over_n)
		relay_notes_clear(r);
	if (r->served)
		relay_recall_forget(r);
	for (struct net_timer *t; (t = net_wheel_pop(&r->wheel, now_ms));) {
		if (t->kind == RELAY_TIMER_LINK)
			relay_link_on_time(r, container_of(t, struct relay_link, timer), now_ms);
		else if (t->kind == RELAY_TIMER_JOB)
			job_is_late(r, container_of(t, struct relay_job, timer), now_ms);
		else
			refresh(r, now_ms);
	}
	if (r->look_ms && now_ms >= r->look_ms) {
		r->look_ms = 0;
		r->pump = true;
		relay_look_at_held(r, now_ms);
	}
	relay_dispatch(r, now_ms);
}

void relay_on_wake(struct relay *r, uint64_t now_ms)
{
	r->now_ms = now_ms;
	relay_local_collect(r, now_ms);
	relay_remember_collect(r, now_ms);
	r->pump = true;
	relay_dispatch(r, now_ms);
}

int relay_sleep_ms(const struct relay *r, uint64_t now_ms)
{
	if (r->jobs.done)
		return 0;
	int sleep = net_wheel_sleep_ms(&r->wheel, now_ms);
	if (r->served && (sleep < 0 || sleep > NOTES_MS))
		sleep = NOTES_MS;
	if (r->over_n && (sleep < 0 || sleep > NOTES_MS))
		sleep = r->over[0].due_ms ? NOTES_MS * 10 : NOTES_MS;
	if (!r->look_ms)
		return sleep;
	int look = r->look_ms > now_ms ? (int)(r->look_ms - now_ms) : 0;
	return sleep < 0 || look < sleep ? look : sleep;
}

bool relay_pop(struct relay *r, struct relay_done *done_r)
{
	for (struct relay_job *job; (job = relay_job_pop(&r->jobs));) {
		bool wanted = !job->dropped;
		if (wanted) {
			memcpy(done_r, &job->done, offsetof(struct relay_done, text));
			memcpy(done_r->text, job->done.text, job->done.text_n);
		}
		relay_note_over(r, job);
		relay_recall_over(r, job);
		relay_job_free(&r->jobs, job);
		if (wanted)
			return true;
	}
	return false;
}

void relay_drain(struct relay *r, uint64_t now_ms)
{
	r->now_ms = now_ms;
	r->draining = r->pump = true;
	net_wheel_cancel(&r->wheel, &r->refresh);
	relay_dispatch(r, now_ms);
}

void relay_abandon(struct relay *r, uint64_t now_ms)
{
	r->now_ms = now_ms;
	for (struct relay_pool *p = r->pools; p; p = p->next)
		for (struct relay_link *l = p->links, *next; l; l = next) {
			next = l->next;
			if (l->job && relay_link_dot_is_out(l))
				relay_link_broke(r, l, now_ms);
		}
}

bool relay_is_idle(const struct relay *r)
{
	for (const struct relay_pool *p = r->pools; p; p = p->next)
		if (p->links_n)
			return false;
	return r->jobs.open == 0;
}
