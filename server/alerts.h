/* server/alerts.h - tells the administrator by mail: the rules' action `mail`, and the alarm of a known-good client
 *
 * An alert is a mail of our own, handed straight to the first backend (relay_deliver). It never goes through a
 * session: no rule judges it, no event is counted, so an alert cannot cause the next one. There is no queue:
 * one that the backend does not take is logged, and the next occasion tells it again.
 *
 * At most one goes out for each rule and key in alerts.every, and ALERTS_MAX in that time over all: a flood with ten
 * thousand senders must not become a flood of mail. The log has a line for each that is told.
 *
 * Two objects: one `alerts` for the process, which remembers what was told (any thread; a leaf lock), and one
 * `alert_desk` for each worker with the mails that are under way (that worker's thread).
 */
#ifndef SERVER_ALERTS_H
#define SERVER_ALERTS_H

#include "base/result.h"
#include "config/settings.h"
#include "relay/relay.h"

/* --- what was told --- */

enum { ALERTS_MAX = 100 };

struct alerts;
struct alerts *alerts_new(void) MUST_USE;
void alerts_free(struct alerts **a);

enum alert_turn {
	ALERT_TELL,	/* and it is remembered as told */
	ALERT_TOLD,	/* it was, less than every_ms ago */
	ALERT_FULL,	/* ALERTS_MAX others were */
	ALERT_FULL_NOW, /* the same, for the first time since: worth a line in the log */
};
/* May rule `rule` tell about `key` (any text, "sender x@y") now? */
enum alert_turn alerts_ask(
	struct alerts *a, struct slice rule, struct slice key, uint64_t every_ms, uint64_t now_ms) MUST_USE;
/* It could not be told after all: the next occasion may. */
void alerts_forget(struct alerts *a, struct slice rule, struct slice key);

/* --- the mail --- */

/* Evidence. Values may be hostile: they are escaped. Empty ones are left out. */
struct alert {
	struct slice rule;     /* or what else tells: "DNS list" */
	struct slice sentence; /* of what is no rule: what has happened; of rules empty */
	struct slice key;      /* what it is about: "client 192.0.2.7" */
	struct slice action;   /* empty: the rule only tells; "reject": what a known-good client was spared */
	struct slice client, helo, sender, recipient;
	struct slice fired; /* "harvest:20 tell:0" */
	struct slice id;    /* of the decision */
	double score, points;
	uint64_t wall_ms;
};

/* The whole mail, head and text. False: memory is out. */
bool alert_write(
	const struct alert *a, const struct settings_alerts *to, struct slice hostname, struct buf *out) MUST_USE;

/* --- on their way --- */

enum { ALERT_DESK_MAX = 8 };

struct alert_desk {
	struct alert_mail *under_way[ALERT_DESK_MAX];
	uint32_t made;
};
/* Tickets of alerts: no session has this seat. */
#define ALERT_TICKETS (0xffffffull << 40)
static inline bool alert_is_ticket(uint64_t ticket)
{
	return ticket >= ALERT_TICKETS;
}

/* Writes the alert and hands it on. False: ALERT_DESK_MAX are under way, or memory is out. */
bool alert_desk_send(struct alert_desk *d, struct relay *relay, const struct alert *a, const struct settings_alerts *to,
	struct slice hostname, uint64_t now_ms) MUST_USE;
/* What came out of relay_pop() for one of our tickets: a failure is logged and `told` forgets it. */
void alert_desk_answer(struct alert_desk *d, struct alerts *told, const struct relay_done *done);
/* After relay_free(). */
void alert_desk_release(struct alert_desk *d);

#endif
