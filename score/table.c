#include "base/mem.h"
#include "score/slots.h"

/* As many shards as keep workers out of each other's way; no more, since a shard that is full cannot use the room of
 * another one, and large ones fill evenly. Small tables have fewer. */
enum { SHARD_BYTES = 256 * 1024, SHARD_BITS_MAX = 5 };

/* --- memory --- */

static unsigned shard_bits_for(uint64_t bytes)
{
	unsigned bits = 0;
	while (bits < SHARD_BITS_MAX && bytes >> (bits + 1) >= SHARD_BYTES)
		bits++;
	return bits;
}

/* Who finds a shard locked waits for an entry's update, some 100 ns: he looks a few times before he sleeps. */
static bool lock_init(pthread_mutex_t *lock)
{
	pthread_mutexattr_t attr;
	TRY(pthread_mutexattr_init(&attr) == 0);
	bool ok = pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP) == 0 &&
		  pthread_mutex_init(lock, &attr) == 0;
	(void)pthread_mutexattr_destroy(&attr);
	return ok;
}

bool table_init(struct score_table *t, uint64_t bytes, uint32_t slot_bytes)
{
	t->slot_bytes = slot_bytes;
	t->shard_bits = shard_bits_for(bytes);
	size_t shards = table_shards(t);
	t->shard_buckets = (uint32_t)(bytes / slot_bytes / STORE_BUCKET >> t->shard_bits);
	if (t->shard_buckets == 0)
		t->shard_buckets = 1;
	size_t each = table_shard_slots(t);
	t->memory_bytes = shards * each * (slot_bytes + 1);
	t->memory = mem_pages(t->memory_bytes); /* untouched pages cost nothing; the slots are cache lines */
	t->shards = mem_zalloc((shards + 1) * sizeof *t->shards);
	if (!t->memory || !t->shards)
		return false;
	uint8_t *marks = (uint8_t *)t->memory + shards * each * slot_bytes;
	for (size_t i = 0; i < shards; i++) {
		t->shards[i].marks = marks + i * each;
		if (!lock_init(&t->shards[i].lock))
			return false;
		t->shards[i].slots = (char *)t->memory + i * each * slot_bytes;
	}
	return true;
}

void table_free(struct score_table *t)
{
	for (size_t i = 0; t->shards && i < table_shards(t); i++)
		if (t->shards[i].slots)
			(void)pthread_mutex_destroy(&t->shards[i].lock);
	mem_free(&t->shards);
	mem_pages_free(&t->memory, t->memory_bytes);
}

/* --- buckets --- */

/* Bit i: slot i of the bucket has this mark. */
static uint64_t marked(const uint8_t *marks, uint8_t mark)
{
	uint64_t found = 0;
#ifdef __SSE2__
	typedef char sixteen __attribute__((vector_size(16)));
	for (unsigned i = 0; i < STORE_BUCKET; i += sizeof(sixteen)) {
		sixteen some;
		memcpy(&some, marks + i, sizeof some);
		found |= (uint64_t)(uint32_t)__builtin_ia32_pmovmskb128(some == (char)mark) << i;
	}
#else
	for (unsigned i = 0; i < STORE_BUCKET; i++)
		found |= (uint64_t)(marks[i] == mark) << i;
#endif
	return found;
}

static uint8_t mark_of(uint64_t tag)
{
	uint8_t mark = (uint8_t)tag;
	return mark < SLOT_FIRST_TAG ? (uint8_t)(mark + SLOT_FIRST_TAG) : mark;
}

/* First slots of the two buckets that an entry may lie in; both follow from its tag alone. The shard has the tag's
 * highest bits, a mark its lowest. */
static size_t home_of(const struct score_table *t, uint64_t tag)
{
	return (size_t)((tag & UINT32_MAX) * t->shard_buckets >> 32) * STORE_BUCKET;
}

static size_t second_of(const struct score_table *t, uint64_t tag)
{
	size_t at = (size_t)((tag >> 24 & UINT32_MAX) * t->shard_buckets >> 32) * STORE_BUCKET;
	return at != home_of(t, tag) ? at : (at + STORE_BUCKET) % table_shard_slots(t);
}

/* Where in a bucket an entry goes if it can: half of them have their seat even in a full table, and who looks for one
 * need not wait for the marks to know which slot to fetch from memory. */
static unsigned seat_of(uint64_t tag)
{
	return (unsigned)(tag >> 8) % STORE_BUCKET;
}

struct score_shard *slot_lock(struct score_table *t, uint64_t tag)
{
	struct score_shard *shard = slot_shard(t, tag);
	size_t home = home_of(t, tag);
	__builtin_prefetch(shard->marks + home); /* they come while the lock is taken */
	__builtin_prefetch(slot_nth(t, shard, home + seat_of(tag)), 1);
	(void)pthread_mutex_lock(&shard->lock);
	return shard;
}

struct score_shard *slot_lock_nth(struct score_table *t, size_t shard)
{
	(void)pthread_mutex_lock(&t->shards[shard].lock);
	return &t->shards[shard];
}

static struct slot_head *find_in(const struct score_table *t, struct score_shard *shard, size_t bucket, uint64_t tag)
{
	for (uint64_t some = marked(shard->marks + bucket, mark_of(tag)); some; some &= some - 1) {
		struct slot_head *e = slot_nth(t, shard, bucket + (unsigned)__builtin_ctzll(some));
		if (e->tag == tag)
			return e;
	}
	return NULL;
}

/* An entry lies in its second bucket only when the first has no empty slot, and a slot is never empty again. */
void *slot_find(const struct score_table *t, struct score_shard *shard, uint64_t tag)
{
	size_t home = home_of(t, tag);
	struct slot_head *e = find_in(t, shard, home, tag);
	if (e || marked(shard->marks + home, SLOT_EMPTY))
		return e;
	return find_in(t, shard, second_of(t, tag), tag);
}

/* A free slot of the bucket for the entry of `tag`; NULL: there is none. */
static struct slot_head *free_in(const struct score_table *t, struct score_shard *shard, size_t bucket, uint64_t tag)
{
	const uint8_t *marks = shard->marks + bucket;
	uint64_t some = marked(marks, SLOT_EMPTY) | marked(marks, SLOT_DELETED);
	unsigned seat = seat_of(tag);
	if (!some)
		return NULL;
	return slot_nth(t, shard, bucket + (some >> seat & 1 ? seat : (unsigned)__builtin_ctzll(some)));
}

/* Frees a slot of a full bucket: moves one of its entries to the other bucket that this may lie in. NULL: none can. */
static struct slot_head *make_room(const struct score_table *t, struct score_shard *shard, size_t bucket)
{
	for (size_t i = bucket; i < bucket + STORE_BUCKET; i++) {
		struct slot_head *e = slot_nth(t, shard, i);
		size_t home = home_of(t, e->tag);
		struct slot_head *to = free_in(t, shard, home == bucket ? second_of(t, e->tag) : home, e->tag);
		if (!to)
			continue;
		memcpy((void *)to, (const void *)e, t->slot_bytes);
		slot_mark(t, shard, to, e->tag);
		slot_mark(t, shard, e, SLOT_DELETED);
		return e;
	}
	return NULL;
}

void *slot_free_for(const struct score_table *t, struct score_shard *shard, uint64_t tag)
{
	struct slot_head *e = NULL;
	if (shard->used == table_shard_slots(t))
		return NULL;
	e = free_in(t, shard, home_of(t, tag), tag);
	if (!e)
		e = free_in(t, shard, second_of(t, tag), tag);
	if (!e)
		e = make_room(t, shard, home_of(t, tag));
	return e ? e : make_room(t, shard, second_of(t, tag));
}

void *slot_neighbours(const struct score_table *t, struct score_shard *shard, uint64_t tag)
{
	size_t some = seat_of(tag) / STORE_NEIGHBOURS * STORE_NEIGHBOURS;
	return slot_nth(t, shard, home_of(t, tag) + some);
}

void slot_mark(const struct score_table *t, struct score_shard *shard, const void *slot, uint64_t tag)
{
	size_t i = (size_t)((const char *)slot - shard->slots) / t->slot_bytes;
	shard->marks[i] = tag < SLOT_FIRST_TAG ? (uint8_t)tag : mark_of(tag);
}

/* --- walking --- */

static void walk_on(struct slot_walk *w)
{
	if (w->locked)
		slot_unlock(w->locked);
	w->locked = NULL;
	if (w->slot == table_shard_slots(w->table))
		w->slot = 0, w->shard++;
	if (w->shard < table_shards(w->table))
		w->locked = slot_lock_nth(w->table, w->shard);
}

void *slot_walk_next(struct slot_walk *w)
{
	size_t slots = table_shard_slots(w->table), stretch = STORE_STRETCH / w->table->slot_bytes;
	while (true) {
		if (!w->locked || w->slot == slots || w->slot >= w->until) {
			walk_on(w);
			if (!w->locked)
				return NULL;
			w->until = w->slot + stretch;
		}
		if (w->locked->used == 0)
			w->slot = slots;
		else if (slot_nth_is_used(w->locked, w->slot++))
			return slot_nth(w->table, w->locked, w->slot - 1);
	}
}
