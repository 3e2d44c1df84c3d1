/* ctl/answer.h - one answer of the control protocol, written and read
 *
 * {"ok":true,"data":...} or {"ok":false,"error":"a sentence that says what to do"}, on one line and
 * ended by LF; then the connection is closed. An answer without its LF was cut off.
 */
#ifndef CTL_ANSWER_H
#define CTL_ANSWER_H

#include "ctl/json.h"

/* Longest answer that a client reads: 20,000 sessions of 400 bytes, and some room. */
enum { CTL_ANSWER_MAX = 16 * 1024 * 1024 };

/* Not to be copied or moved: its handles point into it. */
struct ctl_answer {
	struct ctl_json_doc doc;
	bool ok;
	struct ctl_json data; /* when ok; node may be NULL (no data) */
	struct slice error;   /* when not ok; inside doc */
};

/* Append the line. `data` is emptied; without values in it "data" is null. False: out of memory. */
bool ctl_answer_write_ok(struct ctl_json_doc *data, struct buf *out) MUST_USE;
bool ctl_answer_write_error(struct slice error, struct buf *out) MUST_USE;

/* `line` with or without its LF. False: this is no answer, why_r says so. */
bool ctl_answer_read(struct slice line, struct ctl_answer *answer_r, struct buf *why_r) MUST_USE;
void ctl_answer_release(struct ctl_answer *answer);

#endif
