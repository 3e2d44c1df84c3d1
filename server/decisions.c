#include "server/decisions.h"

#include "base/mem.h"

#include <pthread.h>
#include <stdatomic.h>

struct entry {
	uint64_t at; /* of its first byte, counted from the ring's birth: modulo `size` in `bytes` */
	uint64_t id, time_ms;
	uint64_t order; /* over all rings: the clock is too coarse to tell which of two mails was first */
	uint32_t len;
};

/* Numbers and places only grow: entry k lies in index[k % cap], byte p in bytes[p % size]. */
struct ring {
	_Alignas(64) pthread_mutex_t lock;
	struct entry *index;
	char *bytes;
	uint64_t cap, size;
	uint64_t first, next; /* entries kept: first <= k < next */
	uint64_t end;	      /* of the last record */
};

struct decisions {
	_Atomic uint64_t order;
	unsigned rings_n;
	struct ring rings[];
};

/* ---- life ---- */

static bool ring_init(struct ring *r, uint64_t cap)
{
	pthread_mutex_init(&r->lock, NULL);
	r->cap = cap;
	r->size = cap * DECISIONS_BYTES < 2 * DECISION_MAX ? 2 * DECISION_MAX : cap * DECISIONS_BYTES;
	r->index = mem_pages(cap * sizeof *r->index);
	r->bytes = mem_pages(r->size);
	return r->index && r->bytes;
}

static void ring_release(struct ring *r)
{
	if (!r->cap)
		return;
	if (r->index)
		mem_pages_free(&r->index, r->cap * sizeof *r->index);
	if (r->bytes)
		mem_pages_free(&r->bytes, r->size);
	pthread_mutex_destroy(&r->lock);
}

struct decisions *decisions_new(uint32_t records, unsigned workers)
{
	size_t bytes = sizeof(struct decisions) + workers * sizeof(struct ring);
	struct decisions *d = mem_pages(bytes); /* pages: their start is aligned for the rings */
	if (!d)
		return NULL;
	d->rings_n = workers;
	bool ok = true;
	for (unsigned i = 0; records && i < workers; i++)
		ok = ring_init(&d->rings[i], (records + workers - 1) / workers) && ok;
	if (!ok)
		decisions_free(&d);
	return d;
}

void decisions_free(struct decisions **d)
{
	if (!*d)
		return;
	for (unsigned i = 0; i < (*d)->rings_n; i++)
		ring_release(&(*d)->rings[i]);
	mem_pages_free(d, sizeof(struct decisions) + (*d)->rings_n * sizeof(struct ring));
}

/* ---- the ring ---- */

/* Where `len` bytes go: behind the last record, or at the ring's beginning when they would not lie in one piece. */
static uint64_t place(const struct ring *r, size_t len)
{
	uint64_t left = r->size - r->end % r->size;
	return left < len ? r->end + left : r->end;
}

static void push_out(struct ring *r, uint64_t end)
{
	while (r->first < r->next && (r->next - r->first == r->cap || r->index[r->first % r->cap].at + r->size < end))
		r->first++;
}

void decisions_put(struct decisions *d, unsigned worker, uint64_t id, uint64_t time_ms, struct slice record)
{
	struct ring *r = &d->rings[worker];
	if (!r->cap || record.n > DECISION_MAX)
		return;
	uint64_t order = atomic_fetch_add_explicit(&d->order, 1, memory_order_relaxed);
	pthread_mutex_lock(&r->lock);
	uint64_t at = place(r, record.n);
	push_out(r, at + record.n);
	if (record.n)
		memcpy(r->bytes + at % r->size, record.p, record.n);
	r->index[r->next++ % r->cap] = (struct entry){ at, id, time_ms, order, (uint32_t)record.n };
	r->end = at + record.n;
	pthread_mutex_unlock(&r->lock);
}

/* ---- the walk ---- */

bool decisions_walk_begin(struct decisions *d, const uint64_t *id, struct decisions_walk *walk_r)
{
	*walk_r = (struct decisions_walk){ .next = mem_zalloc(d->rings_n * sizeof *walk_r->next), .id = id };
	TRY(walk_r->next);
	for (unsigned i = 0; i < d->rings_n; i++) {
		if (!d->rings[i].cap)
			continue;
		pthread_mutex_lock(&d->rings[i].lock);
		walk_r->next[i] = d->rings[i].next;
		pthread_mutex_unlock(&d->rings[i].lock);
	}
	return true;
}

/* How many entries are looked at for an id before the lock is given back for a moment. */
enum { WALK_STRIDE = 1024 };

/* Moves `next` down to behind the newest entry that is wanted; *order_r is its place in time. False: none is left. */
static bool seek(struct ring *r, const uint64_t *id, uint64_t *next, uint64_t *order_r)
{
	bool found = false;
	while (r->cap && !found) {
		pthread_mutex_lock(&r->lock);
		uint64_t stop = *next > WALK_STRIDE ? *next - WALK_STRIDE : 0;
		stop = stop < r->first ? r->first : stop;
		while (!found && *next > stop) {
			const struct entry *e = &r->index[(*next - 1) % r->cap];
			found = !id || e->id == *id;
			*order_r = e->order;
			*next -= !found;
		}
		bool end = *next <= r->first;
		pthread_mutex_unlock(&r->lock);
		if (end)
			break;
	}
	return found;
}

/* False: it was pushed out, or memory is out. */
static bool take(struct ring *r, uint64_t k, struct buf *record_r)
{
	buf_clear(record_r);
	TRY(buf_reserve(record_r, DECISION_MAX));
	pthread_mutex_lock(&r->lock);
	bool there = k >= r->first;
	const struct entry *e = &r->index[k % r->cap];
	bool ok = there && buf_put(record_r, slice_of(r->bytes + e->at % r->size, e->len));
	pthread_mutex_unlock(&r->lock);
	return ok;
}

bool decisions_next(struct decisions *d, struct decisions_walk *walk, struct buf *record_r)
{
	for (;;) {
		unsigned best = d->rings_n;
		uint64_t newest = 0, order = 0;
		for (unsigned i = 0; i < d->rings_n; i++) {
			if (!seek(&d->rings[i], walk->id, &walk->next[i], &order) ||
				(best < d->rings_n && order < newest))
				continue;
			best = i;
			newest = order;
		}
		TRY(best < d->rings_n);
		if (take(&d->rings[best], --walk->next[best], record_r))
			return true;
	}
}

void decisions_walk_end(struct decisions_walk *walk)
{
	mem_free(&walk->next);
}

void decisions_info(struct decisions *d, struct decisions_info *info_r)
{
	*info_r = (struct decisions_info){ 0 };
	for (unsigned i = 0; i < d->rings_n; i++) {
		struct ring *r = &d->rings[i];
		if (!r->cap)
			continue;
		pthread_mutex_lock(&r->lock);
		uint64_t oldest = r->first < r->next ? r->index[r->first % r->cap].time_ms : 0;
		info_r->kept += r->next - r->first;
		info_r->ever += r->next;
		info_r->memory += r->size + r->cap * sizeof *r->index;
		pthread_mutex_unlock(&r->lock);
		if (oldest && (!info_r->oldest_ms || oldest < info_r->oldest_ms))
			info_r->oldest_ms = oldest;
	}
}

/* ---- fields: key, length in two bytes, value ---- */

enum { FIELD_HEAD = 3 };

enum decision_kind decision_kind_of(enum decision_key key)
{
	static const uint8_t KIND[DECISION_KEYS] = {
		[DECISION_TIME] = DECISION_KIND_NUMBER,
		[DECISION_MAIL] = DECISION_KIND_NUMBER,
		[DECISION_PORT] = DECISION_KIND_NUMBER,
		[DECISION_SIZE] = DECISION_KIND_NUMBER,
		[DECISION_OFFENCES] = DECISION_KIND_NUMBER,
		[DECISION_CODE] = DECISION_KIND_NUMBER,
		[DECISION_SCORE] = DECISION_KIND_DECIMAL,
		[DECISION_POINTS] = DECISION_KIND_DECIMAL,
		[DECISION_WAITED] = DECISION_KIND_NUMBER,
		[DECISION_BACKEND_MS] = DECISION_KIND_NUMBER,
		[DECISION_TOTAL] = DECISION_KIND_NUMBER,
		[DECISION_DNS_MS] = DECISION_KIND_NUMBER,
		[DECISION_LOOKUP_MS] = DECISION_KIND_NUMBER,
		[DECISION_RULE_POINTS] = DECISION_KIND_DECIMAL,
		[DECISION_RULE_OBSERVED] = DECISION_KIND_NUMBER,
		[DECISION_RULE_CANCELLED] = DECISION_KIND_NUMBER,
		[DECISION_READ_VALUE] = DECISION_KIND_DECIMAL,
		[DECISION_RULE_AFTER] = DECISION_KIND_NUMBER,
		[DECISION_RULE_TIMES] = DECISION_KIND_NUMBER,
		[DECISION_TO_CODE] = DECISION_KIND_NUMBER,
		[DECISION_TO_MORE] = DECISION_KIND_NUMBER,
		[DECISION_CONNECTIONS] = DECISION_KIND_NUMBER,
	};
	return (enum decision_kind)KIND[key];
}

static bool put(struct buf *record, enum decision_key key, const void *p, size_t n)
{
	char head[FIELD_HEAD] = { (char)key, (char)(n & 0xff), (char)(n >> 8) };
	TRY(n <= UINT16_MAX && buf_len(record) + FIELD_HEAD + n <= DECISION_MAX);
	return buf_puts(record, slice_of(head, sizeof head), slice_of(p, n));
}

bool decision_text(struct buf *record, enum decision_key key, struct slice value)
{
	return put(record, key, value.p, value.n);
}

bool decision_number(struct buf *record, enum decision_key key, uint64_t value)
{
	return put(record, key, &value, sizeof value);
}

bool decision_decimal(struct buf *record, enum decision_key key, double value)
{
	return put(record, key, &value, sizeof value);
}

bool decision_field(struct slice *record, struct decision_field *field_r)
{
	TRY(record->n >= FIELD_HEAD);
	size_t n = (size_t)(uint8_t)record->p[1] | (size_t)(uint8_t)record->p[2] << 8;
	*field_r = (struct decision_field){ .key = (enum decision_key)record->p[0] };
	struct slice value = slice_of(record->p + FIELD_HEAD, n);
	switch (decision_kind_of(field_r->key)) {
	case DECISION_KIND_TEXT:
		field_r->text = value;
		break;
	case DECISION_KIND_NUMBER:
		memcpy(&field_r->number, value.p, sizeof field_r->number);
		break;
	case DECISION_KIND_DECIMAL:
		memcpy(&field_r->decimal, value.p, sizeof field_r->decimal);
		break;
	}
	*record = slice_skip(*record, FIELD_HEAD + n);
	return true;
}
