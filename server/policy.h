/* server/policy.h - connections of a Postfix that asks what we think of its clients (check_policy_service)
 *
 * A listener with protocol = "policy" takes them, from listeners[].policy_from alone. Such a connection is a session
 * whose protocol core is smtp/policy.h in place of smtp/server.h: requests become the questions that their client would
 * have put, and from there all is as ever: lookups, rules, records, greylisting, journal, decision records. As behind
 * XCLIENT, each further client on the connection begins another session of ours; until the first one, and when one has
 * been quiet for long, the connection is *vacant*: it is nobody's, and neither journaled nor counted.
 *
 * What differs from a client's own session:
 *  - only what a rule or a block has decided is passed on as a refusal. Whatever goes wrong with ourselves (memory,
 *    limits, the end of the server) is DUNNO: Postfix stands there without us, too;
 *  - no backend and no recipient source is asked, no session is turned away by limits.sessions_per_client, and nobody
 *    can be seen to talk early: this is Postfix's to know;
 *  - a mail that nothing stands against is journaled as accepted by "policy", and is an `accepted` event, which makes
 *    clients known good, when END-OF-MESSAGE was asked about it;
 *  - that a client has left is not told: it has when Postfix names another, or nothing was asked for POLICY_QUIET_MS.
 *    A mail that is refused so far, which no body will follow, is journaled sooner. Should more be asked about them
 *    after all, or on another connection, they are new, and counted once more.
 */
#ifndef SERVER_POLICY_H
#define SERVER_POLICY_H

#include "server/session.h"
#include "smtp/policy.h"

/* Both at most limits.command_timeout. */
enum { POLICY_QUIET_MS = 60000, POLICY_REFUSED_MS = 5000 };
/* The most a request is held back by rules, whatever limits.delay is; then there are 40 s left for lookups:
 * Postfix gives up after smtpd_policy_service_timeout, 100 s. */
enum { POLICY_DELAY_MS = 60000 };

struct refusal;

struct policy {
	struct smtp_policy core;
	struct peer neighbour; /* the Postfix that asks */
	bool vacant;
	bool refused; /* the answer to come is a rule's or a block's */
};

/* A connection to a policy listener was accepted. Takes over fd. */
void policy_open(struct worker *w, int fd, const struct peer *peer);
/* In place of smtp_server_next() and talk_event(). */
enum smtp_event_kind policy_next(struct session *s, struct slice *in, struct smtp_event *ev_r) MUST_USE;
void policy_event(struct session *s, enum smtp_event_kind kind, const struct smtp_event *ev);
/* In place of smtp_server_answer(). */
void policy_answer(struct session *s, unsigned code, struct slice text);
/* Nothing stands against what is asked: in place of the go_on() of talk_steps. */
void policy_go_on(struct session *s);
/* What judge_stage() has refused is about to be said. */
void policy_note_refusal(struct session *s, const struct refusal *r);
/* Before its mail is journaled. */
void policy_settle(struct mail *m);
/* How long it may be quiet before policy_look() has something to do. */
uint64_t policy_quiet_ms(const struct session *s) MUST_USE;
void policy_look(struct session *s);
/* The connection ends, with a word to a request that is open. */
void policy_end(struct session *s, struct slice by);
static inline bool policy_is_vacant(const struct session *s)
{
	return s->policy && s->policy->vacant;
}
/* It is closed, and was nobody's. */
void policy_close_vacant(struct session *s);

#endif
