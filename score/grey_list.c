/* Looking into the tables of greylisting, and forgetting, for the administrator. */
#include <stdlib.h>

#include "score/grey_key.h"

bool score_grey_about(const struct score_store *s, struct slice text, struct score_grey_about *about_r)
{
	struct ip_prefix p;
	*about_r = (struct score_grey_about){ 0 };
	if (ip_prefix_parse(text, &p)) {
		struct score_key key =
			p.bits == 128 ? grey_net(s, &p.addr) : score_key_ip(s, SCORE_KEY_NET, &p.addr, p.bits);
		about_r->who = key.hash;
		return true;
	}
	if (slice_find(text, '/') < text.n)
		return false;
	if (slice_find(text, '@') < text.n) {
		struct grey_pair pair = grey_pair(s, text, text);
		about_r->sender = grey_digest(&pair.sender);
		about_r->recipient = grey_digest(&pair.recipient);
		return true;
	}
	about_r->who = score_key_text(s, SCORE_KEY_IDENTITY, text).hash;
	return slice_find(text, '.') < text.n;
}

static bool is_about(const struct score_slot *e, const struct score_grey_about *about)
{
	if (!about)
		return true;
	if (e->head.kind == SLOT_IDENTITY)
		return about->who && e->head.tag == slot_tag(about->who, IDENTITY_PURPOSE);
	return about->who ? e->u.try.who == about->who
			  : e->u.try.sender == about->sender || e->u.try.recipient == about->recipient;
}

/* --- lists --- */

static bool tell(const struct score_slot *e, const struct score_grey_limits *limits, uint64_t now_ms,
	struct score_grey_entry *entry_r)
{
	bool whole = e->head.kind == SLOT_IDENTITY;
	if (whole ? !grey_identity_holds(e, limits, now_ms) : !grey_try_holds(e, limits, now_ms))
		return false;
	*entry_r = (struct score_grey_entry){ .key = { .kind = e->head.key_kind, .len = e->head.key_len },
		.whole = whole,
		.allowed = whole && e->u.identity.allowed,
		.first_s = e->head.first_s,
		.last_s = e->head.last_s,
		.passed_s = whole ? e->u.identity.passed_s : e->u.try.passed_s };
	memcpy(entry_r->key.bytes, e->head.key, sizeof entry_r->key.bytes);
	entry_r->passed = entry_r->passed_s != 0;
	uint64_t until_s = entry_r->last_s + limits->keep_ms / 1000;
	if (whole && !entry_r->allowed)
		until_s = entry_r->passed_s + GREY_ALLOW_MS / 1000;
	else if (!entry_r->passed)
		until_s = entry_r->first_s + limits->window_ms / 1000;
	entry_r->until_s = until_s > UINT32_MAX ? UINT32_MAX : (uint32_t)until_s;
	return true;
}

static int comes_later(const struct score_grey_entry *a, const struct score_grey_entry *b)
{
	if (a->whole != b->whole)
		return a->whole ? -1 : 1;
	return (a->last_s < b->last_s) - (a->last_s > b->last_s);
}

static int in_order(const void *a, const void *b)
{
	return comes_later(a, b);
}

/* A heap with the one that comes last on top. */
static void sift_down(struct score_grey_entry *heap, size_t n, size_t at)
{
	for (size_t child; (child = 2 * at + 1) < n; at = child) {
		if (child + 1 < n && comes_later(&heap[child + 1], &heap[child]) > 0)
			child++;
		if (comes_later(&heap[child], &heap[at]) <= 0)
			return;
		struct score_grey_entry e = heap[at];
		heap[at] = heap[child];
		heap[child] = e;
	}
}

static void keep_first(struct score_grey_entry *heap, size_t *n, size_t max, const struct score_grey_entry *e)
{
	if (*n < max) {
		heap[(*n)++] = *e;
		for (size_t i = *n == max ? max / 2 : 0; i-- > 0;) /* full: it becomes a heap */
			sift_down(heap, max, i);
	} else if (comes_later(&heap[0], e) > 0) {
		heap[0] = *e;
		sift_down(heap, max, 0);
	}
}

size_t score_grey_list(struct score_store *s, const struct score_grey_limits *limits,
	const struct score_grey_about *about, uint64_t now_ms, struct score_grey_entry *entries_r, size_t max)
{
	static const enum score_table_name tables[] = { STORE_IDENTITIES, STORE_GREYLIST };
	size_t n = 0;
	for (unsigned t = 0; max && t < 2; t++) {
		struct slot_walk walk = { .table = &s->tables[tables[t]] };
		struct score_grey_entry entry;
		for (const struct score_slot *e; (e = slot_walk_next(&walk));)
			if (is_about(e, about) && tell(e, limits, now_ms, &entry))
				keep_first(entries_r, &n, max, &entry);
	}
	qsort(entries_r, n, sizeof *entries_r, in_order);
	return n;
}

size_t score_grey_forget(struct score_store *s, const struct score_grey_about *about)
{
	static const enum score_table_name tables[] = { STORE_IDENTITIES, STORE_GREYLIST };
	size_t n = 0;
	for (unsigned t = 0; t < 2; t++) {
		struct slot_walk walk = { .table = &s->tables[tables[t]] };
		for (struct score_slot *e; (e = slot_walk_next(&walk));) {
			if (!is_about(e, about))
				continue;
			slot_remove(walk.table, walk.locked, e);
			n++;
		}
	}
	return n;
}
