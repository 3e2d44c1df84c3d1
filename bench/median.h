/* bench/median.h - what the small benchmarks share: two clocks, and medians of REPEATS rounds */
#ifndef BENCH_MEDIAN_H
#define BENCH_MEDIAN_H

#include <stdlib.h>
#include <time.h>

enum { REPEATS = 5 };

static inline double seconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Of this thread alone: what others do on the machine is not in it, but for the caches they take. */
static inline double cpu_seconds(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static inline int by_value(const void *a, const void *b)
{
	const double *x = a, *y = b;
	return (*x > *y) - (*x < *y);
}

static inline double median(double v[REPEATS])
{
	qsort(v, REPEATS, sizeof *v, by_value);
	return v[REPEATS / 2];
}

#endif
