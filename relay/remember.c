#include "relay/remember.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/finish.h"

#include <errno.h>
#include <stdio.h>
#include <unistd.h>

/* The content is hashed in pieces of this size, wherever memory ends and the file begins. */
enum { PIECE = 16 * 1024 };
/* Date and Message-ID are among the first bytes of most mails. */
enum { LIKENESS = 1024 };

static uint64_t now_s(void)
{
	return clock_wall_ms() / 1000;
}

/* ---- digests ---- */

static uint64_t chain(const struct relay_state_head *keys, unsigned which, uint64_t so_far, struct slice bytes)
{
	struct hash_key key = keys->keys[which];
	key.k0 ^= so_far;
	return hash_bytes(&key, bytes);
}

static uint64_t size_of(const struct relay_body *b)
{
	return rope_size(b->mem) + (b->fd >= 0 ? b->fd_size : 0);
}

/* Of what the mail is about: sender, recipient and size. */
static uint64_t about(const struct relay_state_head *keys, const struct relay_mail *m, struct slice rcpt)
{
	uint64_t size = size_of(&m->body);
	uint64_t h = chain(keys, 0, size, m->sender);
	return chain(keys, 1, h, rcpt);
}

static bool read_file(const struct relay_body *b, uint64_t at, char *out, size_t n)
{
	while (n) {
		ssize_t got = pread(b->fd, out, n, (off_t)at);
		if (got < 0 && errno == EINTR)
			continue;
		TRY(got > 0);
		out += got;
		at += (uint64_t)got;
		n -= (size_t)got;
	}
	return true;
}

/* How far a body has been read: it is read once, however many blocks it has. */
struct cursor {
	const struct rope_block *block; /* NULL: on in the file */
	uint64_t at;			/* in the block */
	uint64_t file_at;
};

static bool read_piece(const struct relay_body *b, struct cursor *c, char *out, size_t n)
{
	size_t here = rope_copy(c->block, c->at, out, n);
	for (c->at += here; c->block && c->at >= c->block->bytes.n; c->block = c->block->next)
		c->at -= c->block->bytes.n;
	if (here == n)
		return true;
	uint64_t at = c->file_at;
	c->file_at += n - here;
	return read_file(b, at, out + here, n - here);
}

static bool hash_content(const struct relay_state_head *keys, const struct relay_mail *m, uint64_t content_r[2])
{
	char piece[PIECE];
	struct cursor c = { .block = m->body.mem };
	uint64_t size = size_of(&m->body);
	content_r[0] = content_r[1] = size;
	for (uint64_t at = 0; at < size; at += PIECE) {
		size_t n = size - at < PIECE ? (size_t)(size - at) : PIECE;
		TRY(read_piece(&m->body, &c, piece, n));
		for (unsigned i = 0; i < 2; i++)
			content_r[i] = chain(keys, i, content_r[i], slice_of(piece, n));
	}
	return true;
}

/* Once for all that is done with a mail. */
static bool hash_job(const struct relay_state_head *keys, struct relay_job *job)
{
	job->hashed = job->hashed || hash_content(keys, job->mail, job->content);
	return job->hashed;
}

static struct relay_state_record record_of(const struct relay_state_head *keys, const struct relay_mail *m,
	const uint64_t content[2], struct slice rcpt, uint64_t until_s)
{
	struct relay_state_record rec = { .kind = RELAY_STATE_HAS, .until_s = until_s, .about = about(keys, m, rcpt) };
	for (unsigned i = 0; i < 2; i++)
		rec.id[i] = chain(keys, i, chain(keys, i, content[i], m->sender), rcpt);
	return rec;
}

/* What tells cheaply that two mails cannot be the same; a retry has it again. */
static uint64_t likeness(const struct relay_state_head *keys, const struct relay_mail *m)
{
	char start[LIKENESS];
	uint64_t size = size_of(&m->body);
	size_t n = size < sizeof start ? (size_t)size : sizeof start;
	struct cursor c = { .block = m->body.mem };
	if (!read_piece(&m->body, &c, start, n))
		n = 0;
	return chain(keys, 1, chain(keys, 0, size, m->sender), slice_of(start, n));
}

void relay_expect(struct relay *r, struct relay_mail *m)
{
	struct relay_memory *memory = r->shared->memory;
	if (!memory)
		return;
	m->turn = relay_memory_turn(memory);
	if (m->watch)
		relay_watch_begin(&r->shared->watches, m->watch, likeness(relay_memory_keys(memory), m), m->turn);
}

bool relay_remember_enter(struct relay *r, struct relay_job *job)
{
	const struct relay_mail *m = job->mail;
	job->turn = m->turn ? m->turn : relay_memory_turn(r->shared->memory);
	job->place = relay_save_new(m->rcpts_n);
	return job->place != NULL;
}

/* ---- the retry ---- */

static bool any_about(struct relay_memory *memory, const struct relay_mail *m, uint64_t turn)
{
	for (size_t i = 0; i < m->rcpts_n; i++)
		if (relay_memory_about(memory, about(relay_memory_keys(memory), m, m->rcpts[i]), turn, now_s()))
			return true;
	return false;
}

static bool any_undecided(struct relay_memory *memory, const struct relay_job *job)
{
	const struct relay_mail *m = job->mail;
	for (size_t i = 0; i < m->rcpts_n; i++) {
		struct relay_state_record rec = record_of(relay_memory_keys(memory), m, job->content, m->rcpts[i], 0);
		if (relay_memory_undecided(memory, &rec, job->turn))
			return true;
	}
	return false;
}

/* Those that are missing, with their places in the mail, and what to forget in the end. */
static enum relay_recall sort_out(struct relay_memory *memory, struct relay_job *job)
{
	const struct relay_mail *m = job->mail;
	struct relay_save *had = relay_save_new(m->rcpts_n);
	char *list = mem_alloc(m->rcpts_n * (sizeof(struct slice) + sizeof(uint16_t)));
	struct slice *rcpts = (struct slice *)(void *)list;
	uint16_t *place = (uint16_t *)(void *)(rcpts + m->rcpts_n);
	size_t missing = 0;
	job->had = had;
	job->memory = list;
	if (!had || !list)
		return RELAY_RECALL_FAILED;
	had->n = 0;
	for (size_t i = 0; i < m->rcpts_n; i++) {
		struct relay_state_record rec = record_of(relay_memory_keys(memory), m, job->content, m->rcpts[i], 0);
		if (relay_memory_has(memory, &rec, now_s())) {
			rec.kind = RELAY_STATE_FORGET;
			had->records[had->n++] = rec;
		} else {
			rcpts[missing] = m->rcpts[i];
			place[missing++] = (uint16_t)i;
		}
	}
	job->rcpts = rcpts;
	job->rcpts_n = missing;
	job->rcpts_at = place;
	if (had->n == 0)
		relay_save_free(&job->had);
	return missing == m->rcpts_n ? RELAY_RECALL_NOTHING : missing ? RELAY_RECALL_SOME : RELAY_RECALL_ALL;
}

enum relay_recall relay_recall(struct relay *r, struct relay_job *job)
{
	struct relay_memory *memory = r->shared->memory;
	if (!memory)
		return RELAY_RECALL_NOTHING;
	/* first: who goes out of watch before this look is decided in the next */
	if (job->mail->watch && relay_watch_sees_gone(&r->shared->watches, job->mail->watch))
		return RELAY_RECALL_LOOK;
	if (relay_memory_is_empty(memory) || !any_about(memory, job->mail, job->turn))
		return RELAY_RECALL_NOTHING;
	if (!hash_job(relay_memory_keys(memory), job))
		return RELAY_RECALL_FAILED;
	return any_undecided(memory, job) ? RELAY_RECALL_WAIT : sort_out(memory, job);
}

/* ---- while the same mail is undecided ---- */

/* Its fate is decided in any worker's thread, and may be left out altogether: so it is looked at. */
enum { HELD_LOOK_MS = 50 };
/* In that time a worker that is not swamped has heard of its client's end. */
enum { GONE_LOOK_MS = 5 };

void relay_leave_undecided(struct relay *r, struct relay_job *job)
{
	if (job->save)
		relay_memory_leave_undecided(r->shared->memory, job->save, job->turn);
}

void relay_hold(struct relay *r, struct relay_job *job, enum relay_recall why, uint64_t now_ms)
{
	job->state = RELAY_JOB_HELD;
	job->next = r->held;
	r->held = job;
	relay_look_at(r, now_ms + (why == RELAY_RECALL_LOOK ? GONE_LOOK_MS : HELD_LOOK_MS));
}

void relay_hold_over(struct relay *r, struct relay_job *job)
{
	struct relay_job **from = &r->held;
	while (*from != job)
		from = &(*from)->next;
	*from = job->next;
}

void relay_look_at_held(struct relay *r, uint64_t now_ms)
{
	struct relay_job *held = r->held;
	r->held = NULL;
	for (struct relay_job *job, *next = held; (job = next);) {
		next = job->next;
		relay_begin(r, job, now_ms);
	}
}

void relay_recall_over(struct relay *r, struct relay_job *job)
{
	struct relay_save *had = job->had;
	if (!had || job->done.orphan || job->done.code / 100 != 2)
		return;
	job->had = NULL;
	had->next = r->served;
	r->served = had;
}

void relay_recall_forget(struct relay *r)
{
	for (struct relay_save *s; (s = r->served);) {
		r->served = s->next;
		relay_memory_submit(r->shared->memory, s);
	}
}

/* ---- what is remembered ---- */

bool relay_remember_prepare(struct relay *r, struct relay_job *job)
{
	struct relay_memory *memory = r->shared->memory;
	uint64_t until_s = now_s() + RELAY_MEMORY_DAYS * 24 * 3600;
	TRY(memory);
	const struct relay_state_head *keys = relay_memory_keys(memory);
	/* one that is over has forgotten the others already */
	bool over = job->state == RELAY_JOB_DONE;
	const struct slice *rcpts = over ? job->mail->rcpts : job->rcpts;
	size_t n = over ? job->mail->rcpts_n : job->rcpts_n;
	TRY(hash_job(keys, job));
	job->save = job->place ? job->place : relay_save_new(n);
	job->place = NULL;
	TRY(job->save);
	job->save->n = (uint32_t)n;
	for (size_t i = 0; i < n; i++)
		job->save->records[i] = record_of(keys, job->mail, job->content, rcpts[i], until_s);
	return true;
}

bool relay_remembers(const struct relay *r)
{
	return r->shared->memory != NULL;
}

static struct relay_save *undo_of(const struct relay_save *s)
{
	struct relay_save *undo = relay_save_new(s->n);
	for (uint32_t i = 0; undo && i < s->n; i++) {
		undo->records[i] = s->records[i];
		undo->records[i].kind = RELAY_STATE_FORGET;
	}
	return undo;
}

struct relay_save *relay_reply_doubted(struct relay *r, const struct relay_mail *m)
{
	struct relay_job job = { .mail = m, .rcpts = m->rcpts, .rcpts_n = m->rcpts_n, .turn = m->turn };
	if (!m->turn || !relay_remember_prepare(r, &job))
		return NULL;
	relay_leave_undecided(r, &job);
	return job.save;
}

void relay_reply_lost(struct relay *r, const struct relay_mail *m, struct relay_save **undo_r)
{
	struct relay_job job = { .mail = m, .rcpts = m->rcpts, .rcpts_n = m->rcpts_n };
	relay_note_longer(r, m->id); /* the disk is not waited for: a kill before it has this must leave the note */
	relay_recall_forget(r);	     /* what has served is forgotten before it is remembered anew */
	bool ready = relay_remember_prepare(r, &job);
	if (undo_r)
		*undo_r = ready ? undo_of(job.save) : NULL;
	if (!relay_remember(r, &job, NULL, false))
		log_warn("a mail was taken and its client did not hear that; it is not remembered and may come twice");
}

void relay_reply_heard(struct relay *r, struct relay_save **undo)
{
	if (*undo)
		relay_memory_submit(r->shared->memory, *undo);
	*undo = NULL;
}

bool relay_remember(struct relay *r, struct relay_job *job, const bool *took, bool wait)
{
	struct relay_save *s = job->save;
	TRY(s);
	if (took)
		relay_memory_narrow(r->shared->memory, s, took);
	for (uint32_t i = 0; i < s->n && !took; i++)
		s->records[i].kind = RELAY_STATE_UNHEARD;
	job->save = NULL;
	if (wait) {
		s->box = &r->saves;
		s->job = job;
		job->saving = s;
		job->state = RELAY_JOB_SAVING;
		r->saves_out++;
	}
	relay_memory_submit(r->shared->memory, s);
	return true;
}

void relay_remember_collect(struct relay *r, uint64_t now_ms)
{
	if (!r->saves_out)
		return;
	for (struct relay_save *s; (s = relay_save_collect(&r->saves));) {
		r->saves_out--;
		if (s->job)
			relay_finish_saved(r, s->job, s->error == 0, now_ms);
		mem_free(&s);
	}
}

void relay_remember_late(struct relay_job *job)
{
	job->saving->job = NULL;
	job->saving = NULL;
}

void relay_remember_release(struct relay *r)
{
	while (r->saves_out) {
		struct relay_save *s = relay_save_collect(&r->saves);
		if (!s) {
			usleep(1000);
			continue;
		}
		r->saves_out--;
		if (s->job)
			relay_job_free(&r->jobs, s->job);
		mem_free(&s);
	}
	relay_recall_forget(r);
	relay_save_box_clear(&r->saves);
}
