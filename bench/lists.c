/* bench/lists.c - what a large list costs: reading it, keeping it, asking it, and a reload
 *
 * bench_lists [ENTRIES]: four of ten entries are IPv4 addresses, one an IPv6 prefix, two domains, three mail addresses.
 * The text is made in memory as it is read, so that no disk is measured.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench/median.h"
#include "score/list.h"

enum { ASKED = 1000000 };

/* Spreads numbers over all 32 bits, none twice. */
static unsigned spread(uint64_t n)
{
	return (unsigned)(n * 2654435761u);
}

static size_t entry(uint64_t n, char *text, size_t max)
{
	unsigned x = spread(n);
	int len;
	if (n % 10 < 4)
		len = snprintf(text, max, "%u.%u.%u.%u\n", x >> 24, x >> 16 & 255, x >> 8 & 255, x & 255);
	else if (n % 10 < 5)
		len = snprintf(text, max, "2001:%x:%x::/48\n", x >> 16, x & 0xffff);
	else if (n % 10 < 7)
		len = snprintf(text, max, "%s%x.example.org\n", n % 2 ? "." : "", x);
	else
		len = snprintf(text, max, "somebody.%x@mail-%u.example.net\n", x, x % 1000);
	return (size_t)len;
}

static struct score_list *read_list(uint64_t entries, double *took_r)
{
	struct hash_key key = hash_key_random();
	struct score_list *l = score_list_new(&key);
	struct buf faults = { 0 };
	char piece[64 * 1024], line[80];
	size_t n = 0;
	double feeding = 0;
	for (uint64_t i = 0; l && i < entries;) {
		for (n = 0; i < entries && n + sizeof line <= sizeof piece; i++)
			n += entry(i, piece + n, sizeof line);
		double begun = cpu_seconds();
		if (!score_list_feed(l, slice_of(piece, n), &faults))
			abort();
		feeding += cpu_seconds() - begun;
	}
	double begun = cpu_seconds();
	if (!l || !score_list_finish(l, &faults) || buf_len(&faults))
		abort();
	*took_r = feeding + cpu_seconds() - begun;
	return l;
}

static long status_mb(const char *what)
{
	char line[128];
	long kb = 0;
	FILE *f = fopen("/proc/self/status", "r");
	while (f && fgets(line, sizeof line, f))
		if (strncmp(line, what, strlen(what)) == 0)
			kb = strtol(line + strlen(what) + 1, NULL, 10);
	if (f)
		(void)fclose(f);
	return kb / 1024;
}

static double ask_ips(const struct score_list *l, uint64_t entries, unsigned *found_r)
{
	double begun = cpu_seconds();
	for (uint64_t i = 0; i < ASKED; i++) {
		unsigned x = spread(i * 7919 % (entries * 2)); /* half of them are beyond the list */
		struct ip ip = { { [10] = 0xff,
			[11] = 0xff,
			[12] = (uint8_t)(x >> 24),
			[13] = (uint8_t)(x >> 16),
			[14] = (uint8_t)(x >> 8),
			[15] = (uint8_t)x } };
		*found_r += score_list_has_ip(l, &ip, &(struct score_effort){ 0 }) == SCORE_MATCH_YES;
	}
	return (cpu_seconds() - begun) / ASKED * 1e9;
}

static double ask_names(const struct score_list *l, uint64_t entries, unsigned *found_r)
{
	enum { TEXTS = 1000 };
	static char text[TEXTS][80];
	static size_t len[TEXTS];
	for (unsigned i = 0; i < TEXTS; i++)
		len[i] = entry(i * (entries / TEXTS) / 10 * 10 + 7, text[i], sizeof text[i]) - 1 - i % 2; /* half cut */
	double begun = cpu_seconds();
	for (unsigned i = 0; i < ASKED; i++)
		*found_r += score_list_has_name(l, slice_of(text[i % TEXTS], len[i % TEXTS]),
				    &(struct score_effort){ 0 }) == SCORE_MATCH_YES;
	return (cpu_seconds() - begun) / ASKED * 1e9;
}

int main(int argc, char **argv)
{
	uint64_t entries = argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000;
	double took[REPEATS], ips[REPEATS], names[REPEATS];
	unsigned found = 0;
	if (entries < 10000 || entries > SCORE_LIST_ENTRIES)
		return 1;
	struct score_list *old = read_list(entries, &took[0]);
	long one = status_mb("VmRSS:"), one_peak = status_mb("VmHWM:");
	for (unsigned r = 1; r < REPEATS; r++) { /* as a reload does: the next beside the old one */
		struct score_list *l = read_list(entries, &took[r]);
		score_list_free(&old);
		old = l;
	}
	for (unsigned r = 0; r < REPEATS; r++)
		ips[r] = ask_ips(old, entries, &found), names[r] = ask_names(old, entries, &found);
	printf("list of %lu entries: %.1f bytes each, read in %.2f s of CPU time\n", (unsigned long)entries,
		(double)score_list_memory(old) / (double)entries, median(took));
	printf("resident %ld MB (peak %ld MB); peak while reloading %ld MB\n", one, one_peak, status_mb("VmHWM:"));
	printf("an address asked for: %.0f ns; a mail address: %.0f ns (%u found)\n", median(ips), median(names),
		found);
	score_list_free(&old);
	return 0;
}
