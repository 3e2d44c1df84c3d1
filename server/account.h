/* server/account.h - a session's own account of what the rules did, for `smtpguardctl explain`
 *
 * While a session runs, each rule that fires is noted with the stage, the moment and what it read then; at the
 * end of a mail (or of a session without one) the notes and the journal's fields become one record of
 * server/decisions.h. A session in which no rule fires owns no memory for it. When memory is out a note is
 * missing, nothing else.
 *
 * On the session's worker.
 */
#ifndef SERVER_ACCOUNT_H
#define SERVER_ACCOUNT_H

#include "score/rules.h"

struct session;
struct worker;
struct relay_done;
struct account;
struct peer;

/* After each test of a stage: notes the rules that fired in it. `read`: what they read. */
void account_note(struct session *s, enum score_stage stage, const struct score_readings *read);
/* The mail is over: makes its record; the notes of the mail and its recipients are dropped. */
void account_mail(struct session *s, const struct score_verdict *v, const char *verdict);
/* The session is over. Makes a record when it had no mail. */
void account_session(struct session *s, const char *verdict);
/* What became of a mail whose client had left. */
void account_orphan(struct worker *w, uint64_t id, const struct relay_done *d, const char *verdict);
/* A client that was turned away at the door, the `times`-th time since its last record. */
void account_away(struct worker *w, uint64_t id, const struct peer *peer, struct slice by, unsigned code,
	struct slice reply, uint32_t times);
void account_free(struct account **a);

#endif
