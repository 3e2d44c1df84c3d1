/* ctl/request.h - one request of the control protocol, written and read
 *
 * A request is one line: {"command":"sessions","args":{"top":20}} and LF. `args` may be left out; any
 * other key is refused, so that a newer smtpguardctl is told and not misunderstood. Bytes behind the
 * line are ignored: a connection carries one request and one answer (ctl/answer.h).
 */
#ifndef CTL_REQUEST_H
#define CTL_REQUEST_H

#include "ctl/json.h"

/* Longest line with its LF. Bounds what a peer makes the control thread hold and parse. */
enum { CTL_REQUEST_MAX = 8192 };

/* Not to be copied or moved: its handles point into it. */
struct ctl_request {
	struct ctl_json_doc doc;
	struct slice command; /* inside doc */
	struct ctl_json args; /* always an object: empty when there were none */
};

enum ctl_request_result {
	CTL_REQUEST_MORE, /* the line is not complete */
	CTL_REQUEST_GOT,
	CTL_REQUEST_BAD, /* why_r is a sentence for the answer */
};

/* `in` is all that came so far. The result depends on the bytes alone, not on how they were cut. */
enum ctl_request_result ctl_request_read(struct slice in, struct ctl_request *req_r, struct buf *why_r) MUST_USE;
void ctl_request_release(struct ctl_request *req);

/* Appends the line. `args` (an object, or an empty document, or NULL) is emptied. False: out of memory. */
bool ctl_request_write(const char *command, struct ctl_json_doc *args, struct buf *out) MUST_USE;

#endif
