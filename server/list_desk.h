/* server/list_desk.h - what a worker does about DNS lists beside its sessions: it tests them, and tells what changes
 *
 * Each list is tested by the worker that looks first when a test is due, through its own resolver. A list that goes
 * out of play or comes back is told in the log and, as an alert, by mail.
 *
 * On the worker.
 */
#ifndef SERVER_LIST_DESK_H
#define SERVER_LIST_DESK_H

#include "dns/resolver.h"
#include "server/dns_lists.h"

struct dns_desk;
struct worker;

struct list_test {
	struct dns_list_test found;
	uint64_t began_ms;
	uint8_t open;	/* of its two questions */
	bool void_test; /* we could not ask: it says nothing of the list */
};

struct list_desk {
	struct worker *worker;			   /* NULL: of a thread that tests and tells nothing */
	uint64_t next_ms;			   /* a test may be due */
	struct list_test tests[SCORE_LOOKUPS_MAX]; /* under way, of the worker's generation */
	uint64_t shared;			   /* of decoys, while answers are delivered; 0: not yet made */
	bool sharing;
};

/* The desk's questions, to tell them from the sessions' and from SPF's. */
#define LIST_TICKET ((uint64_t)1 << 62)
static inline bool list_is_ticket(uint64_t ticket)
{
	return ticket == LIST_TICKET;
}

/* Another generation: tests under way are forgotten. */
void list_desk_configure(struct worker *w);
/* Once a turn: begins the tests that are due. */
void list_desk_on_time(struct worker *w);
int list_desk_sleep_ms(const struct list_desk *d, uint64_t now_ms);
void list_desk_answer(struct worker *w, const struct dns_result *result);

/* What a list has said of a client; `use` may be of another generation than the worker's. */
void list_desk_heard(struct dns_desk *d, const struct dns_list_use *use, const struct dns_list_word *word);
void list_desk_decoy_was_listed(struct dns_desk *d, const struct dns_list_use *use);
/* Did the list fail, and not we? */
bool list_desk_is_failure(const struct dns_answer *a);

/* The name that confirms a listing which came just now. Listings that are delivered in one go share it: all of them
 * came before it is asked. False: the zone is too long. */
bool list_desk_decoy(struct list_desk *d, const struct dns_list_use *use, struct dns_name *name_r) MUST_USE;
/* Answers are being delivered. */
void list_desk_share(struct list_desk *d, bool sharing);

#endif
