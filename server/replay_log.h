/* server/replay_log.h - log.replay: what the rules were asked, written down so that it can be asked again
 *
 * One line for each call of score/rules.h that a session makes (replay/record.h), from its first to its last. A session
 * is traced from its beginning or not at all: when log.replay is set by a reload, those that are open are left out.
 * Dry tests are none of a session, and what is decided beside the rules (limits, blocks at the door, protocol faults,
 * the backend's replies) is no call of theirs.
 *
 * base/writer.h writes: no worker waits for a disk. A line that was lost is seen by its missing number.
 *
 * Threads: replay_log_open() is the main and the control thread's, under app.lock; sessions call on their worker; the
 * rest may be called by any.
 */
#ifndef SERVER_REPLAY_LOG_H
#define SERVER_REPLAY_LOG_H

#include "base/result.h"
#include "replay/record.h"

struct replay_log;
struct replay_desk; /* a worker's own: what it writes a line with */
struct session;

/* NULL: out of memory. `start_ms`: the server's. */
struct replay_log *replay_log_new(uint64_t start_ms) MUST_USE;
/* Writes what is left. */
void replay_log_free(struct replay_log **l);
/* Opens the file, or opens it anew (rotation), with a head for this rule set; "": no more lines. To be called before
 * any session has the rule set. False (errno set): it could not be opened; what was open stays in use. Not as root: a
 * file that root made could not be opened again. */
bool replay_log_open(struct replay_log *l, const char *path, const struct score_ruleset *set) MUST_USE;

struct replay_log_info {
	bool wanted, on; /* wanted but not on: the file could not be opened */
	uint64_t lines, lost;
};
void replay_log_info(struct replay_log *l, struct replay_log_info *info_r);

/* --- a session's way; each costs one test when it is not traced --- */

/* The session has begun. */
void replay_trace(struct session *s);
/* Before a call: the line to be, for what this kind has beside the facts (NULL where it takes none). NULL: the session
 * is not traced. A test or event is noted by s->judgement.tape meanwhile. */
struct replay_record *replay_call(struct session *s, enum replay_kind kind, const struct score_facts *f);
/* Behind it: writes the line. `verdict` of a test. */
void replay_called(struct session *s, const struct score_verdict *verdict);
/* Both, for a call that says nothing more. */
void replay_tell(struct session *s, enum replay_kind kind);
void replay_desk_free(struct replay_desk **d);

#endif
