/* server/dns_lists.h - the DNS lists that the rules of a generation read, and whether each may be believed
 *
 * A table by the numbers of score/lookup.h: which answers of a list count, what people are shown instead of its zone,
 * and its *watch*: what all workers together know of its health (dns/list_health.h). Lists of the same zone and kind
 * share a watch, and a reload hands it on.
 *
 * Threads: a table is immutable, as its generation is; a watch has a leaf lock of its own, held for a few instructions.
 */
#ifndef SERVER_DNS_LISTS_H
#define SERVER_DNS_LISTS_H

#include "base/arena.h"
#include "config/settings.h"
#include "dns/list_health.h"
#include "score/lookup.h"

struct list_watch;

struct dns_list_use {
	const struct score_lookup *about;
	struct list_watch *watch;	     /* NULL: only rules that are off read it */
	bool first;			     /* of the table with this watch */
	const struct dns_list_range *ranges; /* that count; none: as dns/list.h says */
	size_t ranges_n;
};

struct dns_lists {
	struct dns_list_use *items; /* by lookup */
	unsigned n;
};

/* The table lies in `a`. `old` (may be NULL) hands its watches on. Zero-initialise. False: memory is out; release it
 * all the same. */
bool dns_lists_open(struct dns_lists *l, const struct score_ruleset *rules, const struct settings *s,
	const struct dns_lists *old, struct arena *a) MUST_USE;
void dns_lists_release(struct dns_lists *l);

/* Those that are out of play: 1 << lookup. */
uint64_t dns_lists_out(const struct dns_lists *l);
/* Why; DNS_LIST_FINE: it is not. */
enum dns_list_fault dns_list_fault_of(const struct dns_list_use *u);

/* As in dns/list_health.h; what changed is told by the caller. */
struct dns_list_news {
	bool changed;
	enum dns_list_fault fault; /* now */
	uint64_t next_test_ms;
};
struct dns_list_news dns_list_note_word(
	const struct dns_list_use *u, const struct dns_list_word *word, uint64_t now_ms);
struct dns_list_news dns_list_note_test(
	const struct dns_list_use *u, const struct dns_list_test *test, uint64_t now_ms);
struct dns_list_news dns_list_note_decoy(const struct dns_list_use *u, uint64_t now_ms);

/* Whoever asks first when a test is due, makes it. *next_ms_r: when the next one is. */
bool dns_list_claim_test(const struct dns_list_use *u, uint64_t now_ms, uint64_t *next_ms_r) MUST_USE;

/* A copy, for people. */
struct dns_list_health dns_list_look(const struct dns_list_use *u);

#endif
