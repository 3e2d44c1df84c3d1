/* bench/replay.c - what a replay of recorded traffic takes
 *
 * bench_replay SMTPGUARDCTL SETTINGS [RECORDS]: records so many calls (1 million) of random sessions under the rules of
 * SETTINGS into a file, and lets the real smtpguardctl replay it under the same rules, three times.
 */
#include "base/mem.h"
#include "rulebook/rulebook.h"
#include "tests/replay/trace.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RECORDS = 1000000, ROUNDS = 3, FLUSH = 1 << 20 };

static void fail(const char *why)
{
	(void)fprintf(stderr, "bench_replay: %s\n", why);
	exit(1);
}

static struct score_ruleset *load(const char *path, struct rulebook_lists *lists, struct arena *a)
{
	struct settings_faults faults = { 0 };
	struct settings_host host = { .hostname = "bench.example" };
	struct hash_key key = hash_key_random();
	struct settings *s = settings_load(path, &host, &faults);
	if (!s || !rulebook_read_lists(lists, s, a, &key, &faults))
		fail("the settings cannot be read");
	return rulebook_compile(s, lists, &key, &faults); /* settings and lists live as long as the process */
}

static double cpu_s(const struct rusage *u)
{
	return (double)(u->ru_utime.tv_sec + u->ru_stime.tv_sec) +
	       (double)(u->ru_utime.tv_usec + u->ru_stime.tv_usec) / 1e6;
}

static void put_line(struct buf *out, const struct replay_record *record, FILE *f, bool last)
{
	if (!replay_record_write(record, out))
		fail("memory is out");
	if (!last && buf_len(out) < FLUSH)
		return;
	if (fwrite(buf_slice(out).p, 1, buf_len(out), f) != buf_len(out))
		fail("the file cannot be written");
	buf_clear(out);
}

static void record(struct score_ruleset *set, int fd, long records)
{
	static struct trace_world world;
	static struct trace trace;
	static struct replay_record r;
	struct hash_key key = hash_key_random();
	struct buf out = { 0 };
	struct rusage before, after;
	FILE *f = fdopen(dup(fd), "w");
	world.set = set;
	world.store = score_store_new(256u << 20, &key);
	if (!f || !world.store || !set)
		fail("no file, memory or rules");
	trace_open(&trace, 1);
	(void)getrusage(RUSAGE_SELF, &before);
	replay_record_head(&r, set, 1);
	put_line(&out, &r, f, false);
	for (long i = 1; i < records; i++) {
		trace_next(&trace);
		trace_call(&trace, &world, &r);
		put_line(&out, &r, f, i + 1 == records);
	}
	(void)getrusage(RUSAGE_SELF, &after);
	long bytes = ftell(f);
	(void)fclose(f);
	printf("judged and written   %8.2f s CPU, %.0f bytes a record\n", cpu_s(&after) - cpu_s(&before),
		(double)bytes / (double)records);
}

static double replay(const char *ctl, const char *settings, int fd)
{
	struct rusage used;
	int status;
	(void)fflush(stdout);
	(void)lseek(fd, 0, SEEK_SET);
	pid_t pid = fork();
	if (pid == 0) {
		int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
		(void)dup2(null, STDOUT_FILENO);
		(void)dup2(fd, STDIN_FILENO);
		(void)execl(ctl, ctl, "replay", "--check-same", "--rules", settings, "-", (char *)NULL);
		_exit(127);
	}
	if (pid < 0 || wait4(pid, &status, 0, &used) != pid || status != 0)
		fail("smtpguardctl replay failed, or found a verdict that changed");
	return cpu_s(&used);
}

static int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

int main(int argc, char **argv)
{
	char path[] = "/tmp/smtpguard-bench-replay-XXXXXX";
	double took[ROUNDS];
	struct rulebook_lists lists = { 0 };
	struct arena arena = { 0 };
	long records = argc > 3 ? strtol(argv[3], NULL, 10) : RECORDS;
	if (argc < 3 || records < 1)
		fail("usage: bench_replay SMTPGUARDCTL SETTINGS [RECORDS]");
	int fd = mkstemp(path);
	if (fd < 0)
		fail("no temporary file");
	(void)unlink(path); /* smtpguardctl reads it as its standard input */
	record(load(argv[2], &lists, &arena), fd, records);
	for (unsigned i = 0; i < ROUNDS; i++)
		took[i] = replay(argv[1], argv[2], fd);
	qsort(took, ROUNDS, sizeof *took, by_value);
	printf("replayed, median of %d %7.2f s CPU, %.0f records/s\n", ROUNDS, took[ROUNDS / 2],
		(double)records / took[ROUNDS / 2]);
	return 0;
}
