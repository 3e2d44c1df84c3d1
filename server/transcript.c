#include "server/transcript.h"

#include "base/mem.h"

const char *const transcript_kind_names[TRANSCRIPT_KINDS] = {
	[TRANSCRIPT_CONNECT] = "connect",
	[TRANSCRIPT_IN] = "in",
	[TRANSCRIPT_OUT] = "out",
	[TRANSCRIPT_TLS] = "tls",
	[TRANSCRIPT_LOOKUP] = "dns",
	[TRANSCRIPT_RULE] = "rule",
	[TRANSCRIPT_VERDICT] = "verdict",
	[TRANSCRIPT_BACKEND] = "backend",
	[TRANSCRIPT_OFFENCE] = "offence",
	[TRANSCRIPT_END] = "end",
};

struct transcript {
	pthread_mutex_t lock;
	_Atomic bool in_use; /* a glance without the lock */
	uint32_t id;
	struct ip_prefix clients;
	struct transcript_line *ring; /* TRANSCRIPT_LINES; owned while in use */
	uint64_t ever;		      /* lines put */
	uint64_t asked_ms;
};

struct transcripts *transcripts_new(void)
{
	struct transcripts *t = mem_zalloc(sizeof *t);
	if (t)
		t->each = mem_zalloc(TRANSCRIPTS_MAX * sizeof *t->each);
	if (!t || !t->each) {
		mem_free(&t);
		return NULL;
	}
	for (size_t i = 0; i < TRANSCRIPTS_MAX; i++)
		pthread_mutex_init(&t->each[i].lock, NULL);
	return t;
}

void transcripts_free(struct transcripts **p)
{
	struct transcripts *t = *p;
	for (size_t i = 0; t && i < TRANSCRIPTS_MAX; i++) {
		mem_free(&t->each[i].ring);
		pthread_mutex_destroy(&t->each[i].lock);
	}
	if (t)
		mem_free(&t->each);
	mem_free(p);
}

static bool is_in_use(const struct transcript *one)
{
	return atomic_load_explicit(&one->in_use, memory_order_relaxed);
}

/* Under its lock. */
static void finish(struct transcripts *t, struct transcript *one)
{
	mem_free(&one->ring);
	one->id = 0;
	atomic_store_explicit(&one->in_use, false, memory_order_relaxed);
	atomic_fetch_sub_explicit(&t->on, 1, memory_order_relaxed);
}

/* Under its lock. Clocks of two threads: now_ms may be a little before asked_ms. */
static bool is_forgotten(const struct transcript *one, uint64_t now_ms)
{
	return is_in_use(one) && now_ms > one->asked_ms + TRANSCRIPT_IDLE_MS;
}

/* Under its lock. */
static void keep(struct transcript *one, const struct transcript_line *head, struct slice text)
{
	struct transcript_line *l = &one->ring[one->ever++ % TRANSCRIPT_LINES];
	size_t n = text.n < TRANSCRIPT_TEXT ? text.n : TRANSCRIPT_TEXT, cut = text.n - n;
	l->time_ms = head->time_ms;
	l->session = head->session;
	l->kind = head->kind;
	l->n = (uint16_t)n;
	l->cut = (uint16_t)(cut < UINT16_MAX ? cut : UINT16_MAX);
	if (n)
		memcpy(l->text, text.p, n);
}

void transcripts_put(struct transcripts *t, const struct ip *client, uint64_t session, enum transcript_kind kind,
	struct slice text, uint64_t wall_ms, uint64_t now_ms)
{
	const struct transcript_line head = { .time_ms = wall_ms, .session = session, .kind = (uint8_t)kind };
	for (size_t i = 0; i < TRANSCRIPTS_MAX; i++) {
		struct transcript *one = &t->each[i];
		if (!is_in_use(one))
			continue;
		pthread_mutex_lock(&one->lock);
		if (is_forgotten(one, now_ms))
			finish(t, one);
		else if (is_in_use(one) && ip_prefix_has(&one->clients, client))
			keep(one, &head, text);
		pthread_mutex_unlock(&one->lock);
	}
}

static bool begin(struct transcripts *t, struct transcript *one, const struct ip_prefix *clients, uint64_t now_ms)
{
	if (is_forgotten(one, now_ms))
		finish(t, one);
	if (is_in_use(one))
		return false;
	one->ring = mem_alloc(TRANSCRIPT_LINES * sizeof *one->ring);
	if (!one->ring)
		return false;
	t->last_id = t->last_id == UINT32_MAX ? 1 : t->last_id + 1;
	one->id = t->last_id;
	one->clients = *clients;
	one->ever = 0;
	one->asked_ms = now_ms;
	atomic_store_explicit(&one->in_use, true, memory_order_relaxed);
	atomic_fetch_add_explicit(&t->on, 1, memory_order_relaxed);
	return true;
}

uint32_t transcripts_begin(struct transcripts *t, const struct ip_prefix *clients, uint64_t now_ms)
{
	bool begun = false;
	for (size_t i = 0; !begun && i < TRANSCRIPTS_MAX; i++) {
		pthread_mutex_lock(&t->each[i].lock);
		begun = begin(t, &t->each[i], clients, now_ms);
		pthread_mutex_unlock(&t->each[i].lock);
	}
	return begun ? t->last_id : 0;
}

/* The trace of this id, with its lock taken; NULL: there is none. */
static struct transcript *find(struct transcripts *t, uint32_t id)
{
	for (size_t i = 0; id && i < TRANSCRIPTS_MAX; i++) {
		struct transcript *one = &t->each[i];
		pthread_mutex_lock(&one->lock);
		if (one->id == id)
			return one;
		pthread_mutex_unlock(&one->lock);
	}
	return NULL;
}

bool transcripts_take(struct transcripts *t, uint32_t id, uint64_t from, uint64_t now_ms,
	struct transcript_line lines_r[TRANSCRIPT_TAKE], struct transcript_taken *taken_r)
{
	struct transcript *one = find(t, id);
	if (!one)
		return false;
	uint64_t oldest = one->ever > TRANSCRIPT_LINES ? one->ever - TRANSCRIPT_LINES : 0;
	uint64_t at = from > one->ever ? one->ever : from < oldest ? oldest : from;
	*taken_r = (struct transcript_taken){ .lost = at > from ? at - from : 0 };
	for (; taken_r->n < TRANSCRIPT_TAKE && at < one->ever; at++)
		lines_r[taken_r->n++] = one->ring[at % TRANSCRIPT_LINES];
	taken_r->next = at;
	one->asked_ms = now_ms;
	pthread_mutex_unlock(&one->lock);
	return true;
}

bool transcripts_end(struct transcripts *t, uint32_t id)
{
	struct transcript *one = find(t, id);
	if (!one)
		return false;
	finish(t, one);
	pthread_mutex_unlock(&one->lock);
	return true;
}
