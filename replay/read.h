/* replay/read.h - a line of `log.replay` back to a record
 *
 * A line may hold anything: what is not a record of this version gives a sentence, never a half-read record. Keys that
 * this version does not know are passed over. A reader belongs to one thread.
 */
#ifndef REPLAY_READ_H
#define REPLAY_READ_H

#include "ctl/json.h"
#include "replay/record.h"

/* A line longer than this is a fault: more than all values, charges and header fields of one record need. */
enum { REPLAY_LINE = 1024 * 1024 };

/* Zero-initialise. Holds what the texts of the last record point to. */
struct replay_reader {
	struct ctl_json_doc doc;
};

/* `line` without its '\n'. False: *why_r (lives on) says what is wrong. */
bool replay_read(
	struct replay_reader *reader, struct slice line, struct replay_record *record_r, const char **why_r) MUST_USE;
void replay_reader_release(struct replay_reader *reader);

#endif
