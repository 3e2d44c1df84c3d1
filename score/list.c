#include "score/list.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "score/regex.h"

struct range4 {
	uint32_t first, last;
};

struct net6 {
	struct ip addr;
	uint8_t bits;
};

/* A growing array of fixed-size items. */
struct vec {
	char *items;
	size_t n, cap, size;
};

struct score_list {
	struct hash_key key;
	struct vec names;    /* uint64_t, sorted when finished */
	struct vec v4;	     /* ranges, sorted and merged when finished */
	struct vec v6;	     /* nets, sorted when finished, none within another */
	struct vec patterns; /* struct score_regex * */
	size_t entries, faults, line;
	size_t tail_n; /* of a line that came in pieces */
	bool too_long, is_over;
	char tail[SCORE_LIST_LINE];
};

static bool vec_add(struct vec *v, const void *item)
{
	if (v->n == v->cap) {
		size_t cap = v->cap ? v->cap + v->cap / 2 : 64;
		char *bigger = mem_realloc(v->items, cap * v->size);
		TRY(bigger);
		v->items = bigger;
		v->cap = cap;
	}
	memcpy(v->items + v->n++ * v->size, item, v->size);
	return true;
}

struct score_list *score_list_new(const struct hash_key *key)
{
	struct score_list *l = mem_zalloc(sizeof *l);
	if (!l)
		return NULL;
	l->key = *key;
	l->names.size = sizeof(uint64_t);
	l->v4.size = sizeof(struct range4);
	l->v6.size = sizeof(struct net6);
	l->patterns.size = sizeof(struct score_regex *);
	return l;
}

/* --- entries --- */

static bool fault(struct score_list *l, struct buf *faults, const char *text)
{
	if (l->faults++ < SCORE_LIST_FAULTS)
		return buf_printf(faults, "%zu: %s\n", l->line, text);
	return true;
}

static uint32_t v4_of(const struct ip *ip)
{
	return (uint32_t)ip->b[12] << 24 | (uint32_t)ip->b[13] << 16 | (uint32_t)ip->b[14] << 8 | ip->b[15];
}

static bool add_prefix(struct score_list *l, const struct ip_prefix *p)
{
	l->entries++;
	if (!ip_is_v4(&p->addr) || p->bits < 96)
		return vec_add(&l->v6, &(struct net6){ p->addr, (uint8_t)p->bits });
	uint32_t first = v4_of(&p->addr), host = (uint32_t)(UINT64_C(0xffffffff) >> (p->bits - 96));
	return vec_add(&l->v4, &(struct range4){ first, first | host });
}

static bool add_pattern(struct score_list *l, struct slice s, struct buf *faults)
{
	char why[120], text[160];
	size_t at = 0, end = slice_rfind(s, '/');
	struct slice flags = slice_skip(s, end + 1);
	bool fold = slice_eq(flags, SLICE("i"));
	if (end == 0 || (flags.n && !fold))
		return fault(l, faults, "a pattern is written /.../ or /.../i");
	if (l->patterns.n == SCORE_LIST_PATTERNS)
		return fault(l, faults, "more than 1000 patterns in one list");
	struct score_regex *r = score_regex_new(slice_of(s.p + 1, end - 1), fold, &at, why, sizeof why);
	if (!r) {
		(void)snprintf(text, sizeof text, "pattern, at its byte %zu: %s", at + 1, why);
		return fault(l, faults, text);
	}
	l->entries++;
	if (vec_add(&l->patterns, &r))
		return true;
	score_regex_free(&r);
	return false;
}

static uint64_t name_hash(const struct score_list *l, struct slice s)
{
	char folded[SCORE_LIST_LINE];
	size_t n = s.n < sizeof folded ? s.n : sizeof folded;
	for (size_t i = 0; i < n; i++)
		folded[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? (char)(s.p[i] | 0x20) : s.p[i];
	return hash_bytes(&l->key, slice_of(folded, n));
}

static bool is_domain(struct slice s)
{
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		bool name = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
		if (!name && c != '-' && c != '_' && (unsigned char)c < 0x80 &&
			(c != '.' || i == 0 || s.p[i - 1] == '.'))
			return false;
	}
	return s.n > 0 && s.n <= 255 && s.p[s.n - 1] != '.';
}

/* A mistyped address: no domain has a last label of digits alone. */
static bool ends_in_number(struct slice s)
{
	size_t n = s.n;
	while (n > 0 && s.p[n - 1] >= '0' && s.p[n - 1] <= '9')
		n--;
	return n < s.n && (n == 0 || s.p[n - 1] == '.');
}

/* "domain", ".domain" and "user@domain" are told apart by their text, so one set holds them all. */
static bool add_name(struct score_list *l, struct slice s, struct buf *faults)
{
	size_t at = slice_rfind(s, '@');
	struct slice domain = at < s.n ? slice_skip(s, at + 1) : s.p[0] == '.' ? slice_skip(s, 1) : s;
	if (slice_starts(s, SLICE("*.")))
		return fault(l, faults, "a domain and all below it is written .example.com, without the *");
	if (ends_in_number(domain))
		return fault(l, faults, "not an address (four numbers from 0 to 255), and no domain ends in a number");
	if (at == 0 || !is_domain(domain))
		return fault(l, faults, "not an address, prefix, domain, .domain, user@domain or /pattern/");
	uint64_t hash = name_hash(l, s);
	l->entries++;
	return vec_add(&l->names, &hash);
}

/* Told once, however much follows. */
static bool over(struct score_list *l, struct buf *faults)
{
	if (l->is_over)
		return true;
	l->is_over = true;
	return fault(l, faults, "more than 20000000 entries in one list: this and what follows is left out");
}

static bool add_line(struct score_list *l, struct slice line, struct buf *faults)
{
	static const struct slice byte_order_mark = SLICE_INIT("\xef\xbb\xbf"); /* some editors put it first */
	struct ip_prefix p;
	if (l->line == 1 && slice_starts(line, byte_order_mark))
		line = slice_skip(line, byte_order_mark.n);
	if (line.n && line.p[line.n - 1] == '\r')
		line.n--;
	line = slice_trim(line);
	/* in a pattern and in a local part '#' may stand for itself; a comment has a blank before it */
	size_t hash = slice_find(line, '#');
	while (hash > 0 && hash < line.n && line.p[hash - 1] != ' ' && line.p[hash - 1] != '\t')
		hash += 1 + slice_find(slice_skip(line, hash + 1), '#');
	line = slice_trim(slice_of(line.p, hash < line.n ? hash : line.n));
	if (line.n == 0)
		return true;
	if (l->entries >= SCORE_LIST_ENTRIES)
		return over(l, faults);
	if (line.p[0] == '/')
		return add_pattern(l, line, faults);
	if (ip_prefix_parse(line, &p))
		return add_prefix(l, &p);
	/* what has only an address's bytes was meant as one */
	if (slice_find(line, '@') == line.n && (slice_find(line, ':') < line.n || slice_find(line, '/') < line.n))
		return fault(l, faults, "not an address or prefix (bits behind a prefix must be zero)");
	return add_name(l, line, faults);
}

/* --- bytes to lines --- */

static bool end_line(struct score_list *l, struct slice line, struct buf *faults)
{
	bool too_long = l->too_long || l->tail_n + line.n > sizeof l->tail;
	l->line++;
	if (l->tail_n && !too_long) {
		memcpy(l->tail + l->tail_n, line.p, line.n);
		line = slice_of(l->tail, l->tail_n + line.n);
	}
	l->tail_n = 0;
	l->too_long = false;
	return too_long ? fault(l, faults, "a line longer than 1024 bytes") : add_line(l, line, faults);
}

bool score_list_feed(struct score_list *l, struct slice bytes, struct buf *faults)
{
	size_t eol;
	while (eol = slice_find(bytes, '\n'), eol < bytes.n) {
		TRY(end_line(l, slice_of(bytes.p, eol), faults));
		bytes = slice_skip(bytes, eol + 1);
	}
	if (l->tail_n + bytes.n > sizeof l->tail) {
		l->too_long = true;
		bytes.n = 0;
	}
	if (bytes.n)
		memcpy(l->tail + l->tail_n, bytes.p, bytes.n);
	l->tail_n += bytes.n;
	return true;
}

/* --- sorting --- */

static int by_u64(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static int by_range4(const void *a, const void *b)
{
	const struct range4 *x = a, *y = b;
	return x->first < y->first ? -1 : x->first > y->first;
}

/* Of two with one address the wider first. */
static int by_net6(const void *a, const void *b)
{
	const struct net6 *x = a, *y = b;
	int order = memcmp(&x->addr, &y->addr, sizeof x->addr);
	return order ? order : x->bits - y->bits;
}

static bool is_within(const struct ip *ip, const struct net6 *net)
{
	struct ip masked = ip_mask(ip, net->bits);
	return memcmp(&masked, &net->addr, sizeof masked) == 0;
}

static void merge4(struct vec *v)
{
	struct range4 *r = (struct range4 *)(void *)v->items;
	size_t n = 0;
	for (size_t i = 0; i < v->n; i++) {
		if (n && r[i].first <= r[n - 1].last) {
			if (r[i].last > r[n - 1].last)
				r[n - 1].last = r[i].last;
			continue;
		}
		r[n++] = r[i];
	}
	v->n = n;
}

static void merge6(struct vec *v)
{
	struct net6 *r = (struct net6 *)(void *)v->items;
	size_t n = 0;
	for (size_t i = 0; i < v->n; i++)
		if (!n || !is_within(&r[i].addr, &r[n - 1]))
			r[n++] = r[i];
	v->n = n;
}

static void unique(struct vec *v)
{
	uint64_t *h = (uint64_t *)(void *)v->items;
	size_t n = 0;
	for (size_t i = 0; i < v->n; i++)
		if (!n || h[n - 1] != h[i])
			h[n++] = h[i];
	v->n = n;
}

static void vec_sort(struct vec *v, int (*by)(const void *, const void *))
{
	if (v->n)
		qsort(v->items, v->n, v->size, by);
}

/* Gives back what growing reserved too much. */
static void vec_shrink(struct vec *v)
{
	char *less = v->n && v->n < v->cap ? mem_realloc(v->items, v->n * v->size) : NULL;
	if (!less)
		return;
	v->items = less;
	v->cap = v->n;
}

bool score_list_finish(struct score_list *l, struct buf *faults)
{
	if (l->tail_n || l->too_long)
		TRY(end_line(l, slice_of("", 0), faults));
	if (l->faults > SCORE_LIST_FAULTS)
		TRY(buf_printf(faults, "%zu: and %zu more faults\n", l->line, l->faults - SCORE_LIST_FAULTS));
	vec_sort(&l->names, by_u64);
	vec_sort(&l->v4, by_range4);
	vec_sort(&l->v6, by_net6);
	unique(&l->names);
	merge4(&l->v4);
	merge6(&l->v6);
	vec_shrink(&l->names);
	vec_shrink(&l->v4);
	vec_shrink(&l->v6);
	return true;
}

/* --- lookups --- */

/* The values are hashes, evenly spread: where one must lie is guessed from its size, so that ten million
 * are searched in some four steps instead of 24. */
static bool has_hash(const struct vec *v, uint64_t wanted)
{
	const uint64_t *h = (const uint64_t *)(const void *)v->items;
	size_t low = 0, high = v->n; /* it lies in [low, high) */
	while (low < high && wanted >= h[low] && wanted <= h[high - 1]) {
		uint64_t span = h[high - 1] - h[low];
		size_t at = low;
		if (span)
			at += (size_t)((unsigned __int128)(wanted - h[low]) * (high - 1 - low) / span);
		if (h[at] == wanted)
			return true;
		if (h[at] < wanted)
			low = at + 1;
		else
			high = at;
	}
	return false;
}

static bool has_below(const struct score_list *l, struct slice domain)
{
	char dotted[257];
	if (domain.n == 0 || domain.n > 255)
		return false;
	dotted[0] = '.';
	memcpy(dotted + 1, domain.p, domain.n);
	struct slice rest = slice_of(dotted, domain.n + 1);
	while (rest.n > 1) {
		if (has_hash(&l->names, name_hash(l, rest)))
			return true;
		rest = slice_skip(rest, 1 + slice_find(slice_skip(rest, 1), '.'));
	}
	return false;
}

static enum score_match has_pattern(const struct score_list *l, struct slice s, struct score_effort *e)
{
	struct score_regex *const *r = (struct score_regex *const *)(const void *)l->patterns.items;
	enum score_match all = SCORE_MATCH_NO;
	for (size_t i = 0; i < l->patterns.n; i++) {
		enum score_match one = score_regex_match(r[i], s, e);
		if (one == SCORE_MATCH_YES)
			return one;
		if (one == SCORE_MATCH_GAVE_UP)
			all = one;
	}
	return all;
}

enum score_match score_list_has_name(const struct score_list *l, struct slice name, struct score_effort *e)
{
	size_t at = slice_rfind(name, '@');
	struct slice domain = at < name.n ? slice_skip(name, at + 1) : name;
	if (l->names.n && name.n) {
		if (name.p[0] != '.' && has_hash(&l->names, name_hash(l, name)))
			return SCORE_MATCH_YES;
		if (domain.n && domain.p[0] != '.' &&
			(has_hash(&l->names, name_hash(l, domain)) || has_below(l, domain)))
			return SCORE_MATCH_YES;
	}
	return has_pattern(l, name, e);
}

static bool has_v4(const struct vec *v, uint32_t ip)
{
	const struct range4 *r = (const struct range4 *)(const void *)v->items;
	size_t low = 0, high = v->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (ip > r[mid].last)
			low = mid + 1;
		else
			high = mid;
	}
	return low < v->n && ip >= r[low].first;
}

/* None lies within another, so it can only be the last that does not begin behind `ip`. */
static bool has_v6(const struct vec *v, const struct ip *ip)
{
	const struct net6 *r = (const struct net6 *)(const void *)v->items;
	size_t low = 0, high = v->n;
	while (low < high) {
		size_t mid = low + (high - low) / 2;
		if (memcmp(ip, &r[mid].addr, sizeof *ip) >= 0)
			low = mid + 1;
		else
			high = mid;
	}
	return low > 0 && is_within(ip, &r[low - 1]);
}

enum score_match score_list_has_ip(const struct score_list *l, const struct ip *ip, struct score_effort *e)
{
	if (ip_is_v4(ip) && has_v4(&l->v4, v4_of(ip)))
		return SCORE_MATCH_YES;
	if (has_v6(&l->v6, ip))
		return SCORE_MATCH_YES;
	if (l->patterns.n == 0)
		return SCORE_MATCH_NO;
	char text[IP_TEXT];
	return has_pattern(l, slice_of(text, ip_format(ip, text)), e);
}

size_t score_list_entries(const struct score_list *l)
{
	return l->entries;
}

size_t score_list_faults(const struct score_list *l)
{
	return l->faults;
}

size_t score_list_memory(const struct score_list *l)
{
	return sizeof *l + l->names.cap * l->names.size + l->v4.cap * l->v4.size + l->v6.cap * l->v6.size;
}

void score_list_free(struct score_list **l)
{
	if (!*l)
		return;
	struct score_regex **r = (struct score_regex **)(void *)(*l)->patterns.items;
	for (size_t i = 0; i < (*l)->patterns.n; i++)
		score_regex_free(&r[i]);
	mem_free(&(*l)->patterns.items);
	mem_free(&(*l)->names.items);
	mem_free(&(*l)->v4.items);
	mem_free(&(*l)->v6.items);
	mem_free(l);
}
