#include "score/inspect.h"

#include <stdio.h>
#include <stdlib.h>

#include "score/slots.h"

/* --- keys as text --- */

static const char *const kind_names[SCORE_KEY_KINDS] = {
	[SCORE_KEY_CLIENT] = "client",
	[SCORE_KEY_NET] = "net",
	[SCORE_KEY_SENDER] = "sender",
	[SCORE_KEY_SENDER_DOMAIN] = "sender.domain",
	[SCORE_KEY_RECIPIENT] = "recipient",
	[SCORE_KEY_RECIPIENT_DOMAIN] = "recipient.domain",
	[SCORE_KEY_HELO] = "helo",
	[SCORE_KEY_CLIENT_NAME] = "client.name",
	[SCORE_KEY_AUTH_USER] = "auth.user",
	[SCORE_KEY_IDENTITY] = "identity",
	[SCORE_KEY_LISTENER] = "listener",
	[SCORE_KEY_ALL] = "all",
};

const char *score_key_kind_name(enum score_key_kind kind)
{
	return kind_names[kind];
}

bool score_key_kind_find(struct slice name, enum score_key_kind *kind_r)
{
	for (unsigned k = 0; k < SCORE_KEY_KINDS; k++) {
		if (slice_ieq(name, slice_str(kind_names[k]))) {
			*kind_r = (enum score_key_kind)k;
			return true;
		}
	}
	return false;
}

static size_t format_ip(const struct score_key *k, char text_r[SCORE_KEY_TEXT])
{
	struct ip ip;
	memcpy(ip.b, k->bytes, sizeof ip.b);
	unsigned bits = key_bits(k->len, k->bytes);
	size_t n = ip_format(&ip, text_r);
	if (bits >= 128)
		return n;
	unsigned width = bits >= 96 && ip_is_v4(&ip) ? bits - 96 : bits;
	return n + (size_t)snprintf(text_r + n, SCORE_KEY_TEXT - n, "/%u", width);
}

static size_t format_digest(const struct score_key *k, char text_r[SCORE_KEY_TEXT])
{
	uint64_t digest;
	memcpy(&digest, k->bytes, sizeof digest);
	return (size_t)snprintf(text_r, SCORE_KEY_TEXT, "#%016llx", (unsigned long long)digest);
}

size_t score_key_format(const struct score_key *k, char text_r[SCORE_KEY_TEXT])
{
	if (k->len == 0)
		return format_digest(k, text_r);
	if (k->kind == SCORE_KEY_CLIENT || k->kind == SCORE_KEY_NET)
		return format_ip(k, text_r);
	size_t n = k->len < SCORE_KEY_BYTES ? k->len : SCORE_KEY_BYTES;
	memcpy(text_r, k->bytes, n);
	memcpy(text_r + n, "...", 4);
	n += k->len > SCORE_KEY_BYTES ? 3 : 0;
	text_r[n] = '\0';
	return n;
}

/* No mail has such an address or domain: ".domain" means "and below" in lists alone, brackets were copied with it. */
static bool is_nobodys(struct slice text)
{
	return memchr(".<@", text.p[0], 3) || memchr(".>@", text.p[text.n - 1], 3);
}

/* Dots and digits that are no address: a slip of the hand, not a domain. */
static bool is_misspelled_address(struct slice text)
{
	for (size_t i = 0; i < text.n; i++)
		if (text.p[i] != '.' && (text.p[i] < '0' || text.p[i] > '9'))
			return false;
	return slice_find(text, '.') < text.n;
}

bool score_key_parse(const struct score_store *s, struct slice text, struct score_key *key_r)
{
	struct ip_prefix p;
	if (text.n == 0)
		return false;
	if (ip_prefix_parse(text, &p)) {
		bool v4 = p.bits >= 96 && ip_is_v4(&p.addr);
		bool client = p.bits == 128 || (!v4 && p.bits == 64);
		*key_r = score_key_ip(s, client ? SCORE_KEY_CLIENT : SCORE_KEY_NET, &p.addr,
			!client ? p.bits
			: v4	? 128
				: 64);
		return true;
	}
	if (slice_find(text, '/') < text.n || is_nobodys(text) || is_misspelled_address(text))
		return false;
	enum score_key_kind kind = SCORE_KEY_AUTH_USER;
	if (slice_find(text, '@') < text.n)
		kind = SCORE_KEY_SENDER;
	else if (slice_find(text, '.') < text.n)
		kind = SCORE_KEY_SENDER_DOMAIN;
	*key_r = score_key_text(s, kind, text);
	return true;
}

/* --- lists --- */

static struct score_key key_of(const struct slot_head *e)
{
	struct score_key k = { .kind = e->key_kind, .len = e->key_len };
	memcpy(k.bytes, e->key, sizeof k.bytes);
	return k;
}

/* A heap with the lowest on top: what is lower than it does not belong to the best. */
static void sift_down(struct score_entry *heap, size_t n, struct score_entry e)
{
	size_t at = 0;
	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && heap[child + 1].points < heap[child].points)
			child++;
		if (heap[child].points >= e.points)
			break;
		heap[at] = heap[child];
	}
	heap[at] = e;
}

static void sift_up(struct score_entry *heap, size_t at, struct score_entry e)
{
	for (; at && heap[(at - 1) / 2].points > e.points; at = (at - 1) / 2)
		heap[at] = heap[(at - 1) / 2];
	heap[at] = e;
}

struct best {
	struct score_entry *heap;
	size_t n, max;
	uint64_t half_life_ms, now_ms;
	int kind;
};

static void consider(struct best *b, const struct score_slot *e)
{
	if (e->head.kind != SLOT_RECORD || (b->kind >= 0 && e->head.key_kind != b->kind))
		return;
	double points = slot_points(e, b->half_life_ms, b->now_ms);
	if (b->n == b->max && points <= b->heap[0].points)
		return;
	struct score_entry entry = { key_of(&e->head), points, e->head.first_s, e->head.last_s };
	if (b->n < b->max)
		sift_up(b->heap, b->n++, entry);
	else
		sift_down(b->heap, b->n, entry);
}

size_t score_store_list(struct score_store *s, int kind, uint64_t half_life_ms, uint64_t now_ms,
	struct score_entry *entries_r, size_t max)
{
	struct best b = { entries_r, 0, max, half_life_ms, now_ms, kind };
	struct slot_walk walk = { .table = &s->tables[STORE_MAIN] };
	for (const struct score_slot *e; max && (e = slot_walk_next(&walk));)
		consider(&b, e);
	for (size_t n = b.n; n > 1; n--) { /* the lowest goes to the end */
		struct score_entry last = b.heap[n - 1];
		b.heap[n - 1] = b.heap[0];
		sift_down(b.heap, n - 1, last);
	}
	return b.n;
}

static int ends_earlier(const void *a, const void *b)
{
	const struct score_held *x = a, *y = b;
	return (x->hold.until_ms > y->hold.until_ms) - (x->hold.until_ms < y->hold.until_ms);
}

size_t score_hold_list(struct score_store *s, uint64_t now_ms, struct score_held *held_r, size_t max)
{
	struct slot_walk walk = { .table = &s->tables[STORE_HOLDS] };
	size_t n = 0;
	for (const struct hold_slot *e; (e = slot_walk_next(&walk));) {
		if (n == max || e->until_s <= now_ms / 1000)
			continue;
		held_r[n].key = key_of(&e->head);
		hold_tell(e, &held_r[n++].hold);
	}
	qsort(held_r, n, sizeof *held_r, ends_earlier);
	return n;
}

/* --- one key --- */

bool score_store_show(struct score_store *s, const struct score_key *key, uint64_t half_life_ms,
	const struct score_known_limits *limits, uint64_t now_ms, struct score_shown *shown_r)
{
	memset(shown_r, 0, sizeof *shown_r);
	shown_r->record = score_record_get(s, key, half_life_ms, now_ms);
	score_known_get(s, key, limits, &shown_r->known);
	bool held = score_hold_get(s, key, now_ms, &shown_r->hold);
	return held || shown_r->record.first_s || shown_r->known.first_s;
}

bool score_store_delete(struct score_store *s, const struct score_key *key, bool all)
{
	bool found = score_record_delete(s, key);
	if (!all)
		return found;
	bool known = score_known_delete(s, key), held = score_hold_lift(s, key);
	return found || known || held;
}
