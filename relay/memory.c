/* The table of relay/memory.h. */
#include "relay/memory_inside.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "relay/relay.h"

#include <string.h>

enum { TELL_EVICTED_EVERY_MS = 60000 };

/* ---- boxes ---- */

void relay_save_box_init(struct relay_save_box *b, struct net_wake *wake)
{
	*b = (struct relay_save_box){ .wake = wake };
	pthread_mutex_init(&b->lock, NULL);
}

void relay_save_box_clear(struct relay_save_box *b)
{
	pthread_mutex_destroy(&b->lock);
}

struct relay_save *relay_save_collect(struct relay_save_box *b)
{
	pthread_mutex_lock(&b->lock);
	struct relay_save *s = b->done;
	if (s)
		b->done = s->next;
	pthread_mutex_unlock(&b->lock);
	return s;
}

void relay_save_over(struct relay_save *s, int error)
{
	struct relay_save_box *b = s->box;
	if (!b) {
		mem_free(&s);
		return;
	}
	s->error = error;
	pthread_mutex_lock(&b->lock);
	s->next = b->done;
	b->done = s;
	if (b->wake)
		net_wake_up(b->wake); /* under the lock: who has collected the last one may give the box up */
	pthread_mutex_unlock(&b->lock);
}

struct relay_save *relay_save_new(size_t n)
{
	struct relay_save *s = mem_zalloc(sizeof *s + n * sizeof s->records[0]);
	if (s)
		s->n = (uint32_t)n;
	return s;
}

/* ---- the undecided ---- */

/* Under the lock. */
static void decide(struct relay_save *s)
{
	struct relay_memory *m = s->undecided_in;
	if (!m)
		return;
	struct relay_save **from = &m->undecided;
	while (*from != s)
		from = &(*from)->undecided_next;
	*from = s->undecided_next;
	s->undecided_in = NULL;
	atomic_fetch_sub(&m->undecided_n, 1);
}

void relay_save_free(struct relay_save **s)
{
	struct relay_memory *m = *s ? (*s)->undecided_in : NULL;
	if (m) {
		pthread_mutex_lock(&m->lock);
		decide(*s);
		pthread_mutex_unlock(&m->lock);
	}
	mem_free(s);
}

uint64_t relay_memory_turn(struct relay_memory *m)
{
	return atomic_fetch_add(&m->turns, 1);
}

void relay_memory_leave_undecided(struct relay_memory *m, struct relay_save *s, uint64_t turn)
{
	pthread_mutex_lock(&m->lock);
	s->undecided_in = m;
	s->undecided_next = m->undecided;
	s->turn = turn;
	m->undecided = s;
	atomic_fetch_add(&m->undecided_n, 1);
	pthread_mutex_unlock(&m->lock);
}

static bool has_digest(const struct relay_save *s, uint64_t about, const uint64_t id[2])
{
	for (uint32_t i = 0; i < s->n; i++)
		if (s->records[i].about == about && (!id || memcmp(s->records[i].id, id, sizeof s->records[i].id) == 0))
			return true;
	return false;
}

/* Under the lock. */
static bool is_undecided(const struct relay_memory *m, uint64_t about, const uint64_t id[2], uint64_t turn)
{
	const struct relay_save *s = m->undecided;
	while (s && (s->turn >= turn || !has_digest(s, about, id)))
		s = s->undecided_next;
	return s != NULL;
}

bool relay_memory_undecided(struct relay_memory *m, const struct relay_state_record *rec, uint64_t turn)
{
	pthread_mutex_lock(&m->lock);
	bool undecided = is_undecided(m, rec->about, rec->id, turn);
	pthread_mutex_unlock(&m->lock);
	return undecided;
}

void relay_memory_narrow(struct relay_memory *m, struct relay_save *s, const bool *took)
{
	uint32_t n = 0;
	pthread_mutex_lock(&m->lock);
	for (uint32_t i = 0; i < s->n; i++)
		if (took[i])
			s->records[n++] = s->records[i];
	s->n = n;
	pthread_mutex_unlock(&m->lock);
}

/* ---- the table ---- */

/* Entries lie in a ring in the order of their making; those with the same `about` modulo a power of two are chained
 * by their places. Place 0 is never used, so that zeroed memory is an empty table. */

struct relay_memory *relay_memory_new(uint32_t entries)
{
	struct relay_memory *m = mem_zalloc(sizeof *m);
	if (!m)
		return NULL;
	m->places = entries + 1;
	for (m->chains = 16; m->chains < m->places; m->chains *= 2)
		;
	m->entries = mem_pages(m->places * sizeof *m->entries);
	m->first = mem_pages(m->chains * sizeof *m->first);
	m->at = 1;
	m->turns = 1;
	m->fd = -1;
	m->head = (struct relay_state_head){ { hash_key_random(), hash_key_random() }, 0 };
	pthread_mutex_init(&m->lock, NULL);
	pthread_cond_init(&m->more, NULL);
	if (!m->entries || !m->first)
		relay_memory_free(&m);
	return m;
}

void relay_memory_free(struct relay_memory **mp)
{
	struct relay_memory *m = *mp;
	if (!m)
		return;
	relay_memory_end_writer(m);
	if (m->entries)
		mem_pages_free(&m->entries, m->places * sizeof *m->entries);
	if (m->first)
		mem_pages_free(&m->first, m->chains * sizeof *m->first);
	pthread_cond_destroy(&m->more);
	pthread_mutex_destroy(&m->lock);
	mem_free(mp);
}

static uint32_t *chain_of(struct relay_memory *m, uint64_t about)
{
	return &m->first[about & (m->chains - 1)];
}

static bool is_same(const struct relay_memory_entry *e, const struct relay_state_record *rec)
{
	return e->about == rec->about && e->id[0] == rec->id[0] && e->id[1] == rec->id[1];
}

static uint32_t find(struct relay_memory *m, const struct relay_state_record *rec)
{
	uint32_t at = *chain_of(m, rec->about);
	while (at && !is_same(&m->entries[at], rec))
		at = m->entries[at].next;
	return at;
}

static void take_out(struct relay_memory *m, uint32_t at)
{
	uint32_t *from = chain_of(m, m->entries[at].about);
	while (*from != at)
		from = &m->entries[*from].next;
	*from = m->entries[at].next;
	m->entries[at].until_s = 0;
	if (m->entries[at].partial)
		atomic_fetch_sub(&m->held, 1);
	atomic_fetch_sub(&m->count, 1);
}

/* The next place, in the order of time, that is not kept by a partial delivery. False: all are. */
static bool find_place(struct relay_memory *m, uint64_t now_s)
{
	for (uint32_t looks = 1; looks < m->places; looks++) {
		const struct relay_memory_entry *e = &m->entries[m->at];
		if (!e->partial || e->until_s <= now_s)
			return true;
		m->at = m->at + 1 < m->places ? m->at + 1 : 1;
	}
	return false;
}

static void set_partial(struct relay_memory *m, struct relay_memory_entry *e)
{
	if (!e->partial)
		atomic_fetch_add(&m->held, 1);
	e->partial = true;
}

/* False: one is forgotten before its time, the oldest that is not kept, or this one when all are. */
static bool put_in(struct relay_memory *m, const struct relay_state_record *rec)
{
	uint64_t now_s = clock_wall_ms() / 1000;
	TRY(find_place(m, now_s));
	struct relay_memory_entry *e = &m->entries[m->at];
	bool was_free = e->until_s <= now_s;
	if (e->until_s)
		take_out(m, m->at);
	uint32_t *chain = chain_of(m, rec->about);
	*e = (struct relay_memory_entry){
		.until_s = rec->until_s, .about = rec->about, .id = { rec->id[0], rec->id[1] }, .next = *chain
	};
	if (rec->kind == RELAY_STATE_HAS)
		set_partial(m, e);
	*chain = m->at;
	if (m->at > m->used)
		m->used = m->at;
	m->at = m->at + 1 < m->places ? m->at + 1 : 1;
	atomic_fetch_add(&m->count, 1);
	return was_free;
}

bool relay_memory_apply(struct relay_memory *m, const struct relay_state_record *rec)
{
	uint32_t at = find(m, rec);
	if (rec->kind == RELAY_STATE_FORGET) {
		if (at)
			take_out(m, at);
	} else if (at) {
		m->entries[at].until_s = rec->until_s;
		if (rec->kind == RELAY_STATE_HAS)
			set_partial(m, &m->entries[at]);
	} else {
		return put_in(m, rec);
	}
	return true;
}

/* ---- places for partial deliveries ---- */

/* Those whose time is over keep none. */
static void drop_old(struct relay_memory *m)
{
	uint64_t now_s = clock_wall_ms() / 1000;
	for (uint32_t at = 1; at <= m->used; at++)
		if (m->entries[at].until_s && m->entries[at].until_s <= now_s)
			take_out(m, at);
}

static void tell_full(bool full)
{
	if (full)
		log_warn("relay.remember: no place for partial deliveries is left; until retries or time give some "
			 "back, a mail to an LMTP backend has one recipient, or a few");
	else
		log_info("relay.remember: there are places for partial deliveries again");
}

bool relay_memory_reserve(struct relay_memory *m, uint32_t n)
{
	pthread_mutex_lock(&m->lock);
	if (!m->full && relay_memory_room(m) < n)
		drop_old(m);
	bool ok = relay_memory_room(m) >= n, changed = m->full == ok;
	m->full = !ok;
	if (ok)
		atomic_fetch_add(&m->held, n);
	pthread_mutex_unlock(&m->lock);
	if (changed)
		tell_full(!ok);
	return ok;
}

void relay_memory_unreserve(struct relay_memory *m, uint32_t n)
{
	atomic_fetch_sub(&m->held, n);
}

uint32_t relay_memory_room(const struct relay_memory *m)
{
	uint32_t held = atomic_load(&m->held), all = m->places - 1;
	return held < all ? all - held : 0;
}

const struct relay_state_head *relay_memory_keys(const struct relay_memory *m)
{
	return &m->head;
}

bool relay_memory_is_empty(const struct relay_memory *m)
{
	/* in the order in which a save goes from one to the other */
	return atomic_load_explicit(&m->undecided_n, memory_order_acquire) == 0 &&
	       atomic_load_explicit(&m->count, memory_order_relaxed) == 0;
}

uint64_t relay_memory_evicted(const struct relay_memory *m)
{
	return atomic_load(&m->evicted);
}

size_t relay_memory_count(const struct relay_memory *m)
{
	return atomic_load(&m->count);
}

int relay_memory_error(const struct relay_memory *m)
{
	return atomic_load(&m->error);
}

bool relay_memory_about(struct relay_memory *m, uint64_t about, uint64_t turn, uint64_t now_s)
{
	pthread_mutex_lock(&m->lock);
	uint32_t at = *chain_of(m, about);
	while (at && (m->entries[at].about != about || m->entries[at].until_s <= now_s))
		at = m->entries[at].next;
	bool known = at || is_undecided(m, about, NULL, turn);
	pthread_mutex_unlock(&m->lock);
	return known;
}

bool relay_memory_has(struct relay_memory *m, const struct relay_state_record *rec, uint64_t now_s)
{
	pthread_mutex_lock(&m->lock);
	uint32_t at = find(m, rec);
	bool has = at && m->entries[at].until_s > now_s;
	pthread_mutex_unlock(&m->lock);
	return has;
}

/* How many were evicted since it was told; 0: none, or it is too soon to tell again. Under the lock. */
static unsigned long long evicted_untold(struct relay_memory *m)
{
	unsigned long long all = atomic_load(&m->evicted), n = all - m->evicted_told;
	uint64_t now_ms = n ? clock_mono_ms() : 0;
	if (n == 0 || now_ms < m->tell_evicted_ms)
		return 0;
	m->evicted_told = all;
	m->tell_evicted_ms = now_ms + TELL_EVICTED_EVERY_MS;
	return n;
}

static void tell_evicted(unsigned long long n)
{
	if (n)
		log_warn("relay.remember is full: recipients forgotten whose clients have not heard that the mail "
			 "was taken: %llu; they may get it twice; raise relay.remember and restart (told once a "
			 "minute)",
			n);
}

void relay_memory_submit(struct relay_memory *m, struct relay_save *s)
{
	s->next = NULL;
	pthread_mutex_lock(&m->lock);
	for (uint32_t i = 0; i < s->n; i++)
		if (!relay_memory_apply(m, &s->records[i]))
			atomic_fetch_add(&m->evicted, 1);
	unsigned long long untold = evicted_untold(m);
	decide(s); /* no retry sees neither */
	bool written = m->writing;
	if (written) {
		*(m->waiting ? &m->waiting_last->next : &m->waiting) = s;
		m->waiting_last = s;
		pthread_cond_signal(&m->more);
	}
	pthread_mutex_unlock(&m->lock);
	tell_evicted(untold);
	if (!written)
		relay_save_over(s, 0);
}
