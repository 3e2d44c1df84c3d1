/* A cache against a model: commands of four bytes (what, which name, how large, how long) on a few names. What the
 * cache gives back is what was put last, not over yet; it never has more than it may; what was put last of all is
 * there.
 */
#include "dns/cache.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { NAMES = 32, ENTRIES = 20, LARGEST = 4096 };

struct known {
	bool put;
	uint64_t until_ms;
	size_t n;
	char first;
};

static void must(bool holds)
{
	if (!holds)
		abort();
}

static struct dns_question name_of(unsigned which)
{
	struct dns_question q = { .type = which & 1 ? DNS_A : DNS_TXT };
	char text[] = "x.example";
	text[0] = (char)('a' + which / 2);
	must(dns_name_parse(slice_of(text, sizeof text - 1), &q.name));
	return q;
}

static void put(struct dns_cache *c, struct known *k, const uint8_t *p, uint64_t now_ms)
{
	static char records[LARGEST];
	struct dns_question q = name_of(p[1] % NAMES);
	struct dns_answer a = { .status = (enum dns_status)(p[0] / 4 % 3), .ttl_s = p[3] }, got;
	if (a.status == DNS_FOUND)
		a.records = slice_of(records, (size_t)p[2] * LARGEST / 256);
	memset(records, p[2], sizeof records);
	dns_cache_put(c, &q, &a, now_ms);
	*k = (struct known){ true, now_ms + dns_cache_keep_ms(&a), a.records.n, (char)p[2] };
	must(dns_cache_get(c, &q, 0, now_ms, &got));
}

static void get(struct dns_cache *c, const struct known *k, const uint8_t *p, uint64_t now_ms)
{
	struct dns_question q = name_of(p[1] % NAMES);
	struct dns_answer got;
	if (!dns_cache_get(c, &q, 0, now_ms, &got))
		return;
	must(k->put && now_ms < k->until_ms && got.records.n == k->n);
	must(k->n == 0 || (got.records.p[0] == k->first && got.records.p[k->n - 1] == k->first));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct known known[NAMES] = { 0 };
	struct dns_cache *c = dns_cache_new(ENTRIES);
	uint64_t now_ms = 1000;
	must(c);
	for (; size >= 4; data += 4, size -= 4) {
		struct known *k = &known[data[1] % NAMES];
		if (data[0] % 4 == 0)
			now_ms += (uint64_t)data[3] * 1000;
		else if (data[0] % 4 == 1)
			get(c, k, data, now_ms);
		else
			put(c, k, data, now_ms);
		must(dns_cache_entries(c) <= ENTRIES && dns_cache_bytes(c) <= ENTRIES * DNS_CACHE_ENTRY_BYTES);
	}
	dns_cache_free(&c);
	return 0;
}
