/* server/held.h - what sessions hold in memory for their clients, with one cap for all of them
 *
 * Each session is bounded by itself: unread replies and unused input at 64 KB each, an envelope at 1 MB. Thousands that
 * fill that up on purpose would be gigabytes. So what a session holds beyond HELD_FREE is claimed of a common account
 * (limits.memory), and who finds it empty is sent away with 421, but for clients known good or allowed. Ordinary
 * sessions never come near HELD_FREE. Bodies have an account of their own (server/spool.h).
 * Threads: any; the account is one atomic figure.
 */
#ifndef SERVER_HELD_H
#define SERVER_HELD_H

#include "server/session.h"

enum { HELD_FREE = 16 * 1024 };

/* Brings the session's claim up to date. False: there is no room for what it holds. Never while its mail is with the
 * backend, whose answer must reach it. */
bool held_fits(struct session *s) MUST_USE;
/* The session is over. */
void held_release(struct session *s);

#endif
