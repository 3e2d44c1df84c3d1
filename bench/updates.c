#include "bench/updates.h"

#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#include "bench/median.h"

#define T0 ((uint64_t)1767225600000u)
static const struct score_window window = { 1, 15000 };

/* --- the plain table --- */

/* Linear probing in 64-byte slots at a load of 0.6, cut into parts with a lock each; nothing ages, nothing ends. */
enum { PARTS = 256 };
struct plain_slot {
	uint64_t key, events, rest[6];
};
struct plain {
	pthread_mutex_t lock[PARTS];
	struct plain_slot *slots;
	uint64_t part_slots;
};

static bool plain_init(struct plain *p, uint64_t keys)
{
	p->part_slots = keys * 10 / 6 / PARTS + 64;
	size_t bytes = p->part_slots * PARTS * sizeof *p->slots;
	p->slots = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p->slots == MAP_FAILED)
		return false;
	(void)madvise(p->slots, bytes, MADV_HUGEPAGE);
	for (unsigned i = 0; i < PARTS; i++)
		(void)pthread_mutex_init(&p->lock[i], NULL);
	return true;
}

static void plain_free(struct plain *p)
{
	(void)munmap(p->slots, p->part_slots * PARTS * sizeof *p->slots);
}

static void plain_add(struct plain *p, uint64_t key)
{
	unsigned part = key % PARTS;
	struct plain_slot *slots = p->slots + part * p->part_slots;
	uint64_t i = (uint64_t)((unsigned __int128)key * p->part_slots >> 64);
	__builtin_prefetch(&slots[i], 1);
	(void)pthread_mutex_lock(&p->lock[part]);
	while (slots[i].key && slots[i].key != key)
		i = i + 1 < p->part_slots ? i + 1 : 0;
	slots[i].key = key;
	slots[i].events++;
	(void)pthread_mutex_unlock(&p->lock[part]);
}

/* --- updates of either --- */

struct job {
	struct score_store *store;
	struct plain *plain; /* NULL: the store is updated */
	uint64_t keys, updates, seed;
	double cpu_s;
};

static void update(const struct job *j, uint64_t n)
{
	struct ip ip = { { 0x20, 1, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) } };
	struct score_key key = score_key_ip(j->store, SCORE_KEY_CLIENT, &ip, 64);
	if (j->plain)
		plain_add(j->plain, key.hash);
	else
		(void)score_count_add(j->store, &key, &window, 1, n, T0);
}

static void *work(void *arg)
{
	struct job *j = arg;
	uint64_t x = j->seed;
	double begun = cpu_seconds();
	for (uint64_t i = 0; i < j->updates; i++) {
		x ^= x << 13, x ^= x >> 7, x ^= x << 17;
		update(j, x % j->keys);
	}
	j->cpu_s = cpu_seconds() - begun;
	return NULL;
}

/* Millions a second: by the clock, and by the CPU time of each thread (what it would be were nothing else running). */
static void measure(const struct job *what, unsigned threads, unsigned round, double *wall_r, double *cpu_r)
{
	pthread_t thread[2];
	struct job jobs[2];
	double begun = seconds(), rate = 0;
	for (unsigned t = 0; t < threads; t++) {
		jobs[t] = *what;
		jobs[t].seed += t * 7777 + round;
		if (pthread_create(&thread[t], NULL, work, &jobs[t]) != 0)
			abort();
	}
	for (unsigned t = 0; t < threads; t++) {
		(void)pthread_join(thread[t], NULL);
		rate += (double)jobs[t].updates / jobs[t].cpu_s;
	}
	*wall_r = (double)(what->updates * threads) / (seconds() - begun) / 1e6;
	*cpu_r = rate / 1e6;
}

static void compare(struct job *j, struct plain *plain, unsigned threads)
{
	double wall[2][REPEATS], cpu[2][REPEATS];
	for (unsigned r = 0; r < REPEATS; r++)
		for (unsigned p = 0; p < 2; p++) { /* in turn, so that both see the same machine */
			j->plain = p ? plain : NULL;
			measure(j, threads, r, &wall[p][r], &cpu[p][r]);
		}
	double ours = median(cpu[0]), theirs = median(cpu[1]);
	printf("updates, %u thread%s, million/s: %.2f (by CPU time %.2f)", threads, threads > 1 ? "s" : "",
		median(wall[0]), ours);
	printf("; plain table %.2f (%.2f); %.2f of it\n", median(wall[1]), theirs, ours / theirs);
}

void bench_updates(struct score_store *store, uint64_t keys)
{
	struct plain plain;
	struct score_store_stats st;
	struct job j = { .store = store, .keys = keys, .updates = keys, .seed = 88172645463325252u };
	if (!plain_init(&plain, keys))
		abort();
	double begun = cpu_seconds();
	for (uint64_t n = 0; n < keys; n++)
		update(&j, n);
	printf("new entries, 1 thread, by CPU time: %.2f million/s\n", (double)keys / (cpu_seconds() - begun) / 1e6);
	j.plain = &plain;
	for (uint64_t n = 0; n < keys; n++)
		update(&j, n);
	compare(&j, &plain, 1);
	compare(&j, &plain, 2);
	plain_free(&plain);
	score_store_stats(store, &st);
	printf("entries kept: %lu of %lu in %lu bytes, %.1f bytes each\n", (unsigned long)st.used, (unsigned long)keys,
		(unsigned long)st.memory, (double)st.memory / (double)st.used);
}
