/* bench/snapshot.c - what a snapshot of many entries costs, beside writing and flushing as many bytes; medians of five
 *
 * bench_snapshot FOLDER [MB] [ENTRIES [keep]]: where the file goes (on the disk that is meant), score.memory, how many
 * records are made, and whether FOLDER/bench.snap is left there. Taken as USR1 takes it, restored with the file in the
 * page cache.
 */
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "bench/median.h"
#include "server/keeper.h"

enum { HALF_LIFE = 3600000, LONG_MS = 600000, NEVER = 7 * 24 * 3600 * 1000, PIECE = 1024 * 1024 };
static const struct hash_key secret = { 1, 2 };

static void need(bool ok, const char *what)
{
	if (ok)
		return;
	perror(what);
	exit(1);
}

static void fill(struct score_store *store, uint64_t entries)
{
	for (uint64_t n = 0; n < entries; n++) {
		struct ip ip = { { 0x20, 1, (uint8_t)n, (uint8_t)(n >> 8), (uint8_t)(n >> 16), (uint8_t)(n >> 24) } };
		struct score_key key = score_key_ip(store, SCORE_KEY_CLIENT, &ip, 64);
		score_record_charge(store, &key, 5, HALF_LIFE, n, clock_wall_ms());
	}
}

/* What dd bs=1M conv=fsync does, onto a new file. */
static double plain_write(const char *path, uint64_t bytes)
{
	static char piece[PIECE];
	double begun = seconds();
	(void)unlink(path);
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
	need(fd >= 0, path);
	for (uint64_t left = bytes; left;) {
		size_t n = left < PIECE ? left : PIECE;
		need(write(fd, piece, n) == (ssize_t)n, path);
		left -= n;
	}
	need(fsync(fd) == 0 && close(fd) == 0, path);
	double took = seconds() - begun;
	(void)unlink(path);
	return took;
}

static void bench_write(struct keeper *k, const char *plain_path)
{
	double ours[REPEATS], plain[REPEATS];
	struct keeper_info info = { 0 };
	for (unsigned r = 0; r < REPEATS; r++) {
		double begun = seconds();
		need(keeper_snapshot_now(k, LONG_MS) == KEEPER_WRITTEN, "snapshot");
		ours[r] = seconds() - begun;
		keeper_info(k, &info);
		plain[r] = plain_write(plain_path, info.bytes);
	}
	printf("%llu entries, %llu MB: written in %.0f ms", (unsigned long long)info.entries,
		(unsigned long long)info.bytes >> 20, 1e3 * median(ours));
	printf("; write and fsync of as many bytes: %.0f ms; %.2f x\n", 1e3 * median(plain),
		median(ours) / median(plain));
}

static void bench_restore(const char *path, uint64_t memory)
{
	double took[REPEATS], cpu[REPEATS];
	struct keeper_info info = { 0 };
	for (unsigned r = 0; r < REPEATS; r++) {
		struct score_store *store = score_store_new(memory, &secret);
		struct keeper *k = store ? keeper_new(store, path, NEVER) : NULL;
		need(k != NULL, "store");
		double begun = seconds(), cpu_begun = cpu_seconds();
		keeper_restore(k);
		took[r] = seconds() - begun;
		cpu[r] = cpu_seconds() - cpu_begun;
		keeper_info(k, &info);
		keeper_free(&k);
		score_store_free(&store);
	}
	printf("%llu entries restored in %.0f ms, %.0f ms of CPU time\n", (unsigned long long)info.restored_entries,
		1e3 * median(took), 1e3 * median(cpu));
}

int main(int argc, char **argv)
{
	char path[PATH_MAX], plain_path[PATH_MAX];
	const char *folder = argc > 1 ? argv[1] : ".";
	uint64_t memory = (argc > 2 ? strtoull(argv[2], NULL, 10) : 1024) << 20;
	uint64_t entries = argc > 3 ? strtoull(argv[3], NULL, 10) : 10000000;
	snprintf(path, sizeof path, "%s/bench.snap", folder);
	snprintf(plain_path, sizeof plain_path, "%s/bench.plain", folder);
	need(log_open(&(struct log_config){ .to = "/dev/null" }), "log");
	struct score_store *store = score_store_new(memory, &secret);
	struct keeper *k = store ? keeper_new(store, path, NEVER) : NULL;
	need(k != NULL, "store");
	fill(store, entries);
	need(keeper_start(k), "keeper");
	bench_write(k, plain_path);
	need(keeper_stop(k), "snapshot");
	keeper_free(&k);
	score_store_free(&store);
	bench_restore(path, memory);
	if (argc <= 4)
		(void)unlink(path);
	return 0;
}
