/* ctl/client.h - the asking end of the control socket */
#ifndef CTL_CLIENT_H
#define CTL_CLIENT_H

#include "ctl/answer.h"

enum ctl_client_result {
	CTL_CLIENT_ANSWERED, /* answer_r holds the answer; it may be an error (answer_r->ok) */
	CTL_CLIENT_FAILED,   /* error_r is a sentence: what is wrong, and what to check */
};

/* Connects to `path`, asks, waits for the answer; all in all at most timeout_ms. `args` is emptied,
 * and may be NULL. The answer is the caller's to release, whatever the result. Blocks. */
enum ctl_client_result ctl_client_ask(const char *path, const char *command, struct ctl_json_doc *args,
	uint64_t timeout_ms, struct ctl_answer *answer_r, struct buf *error_r) MUST_USE;

#endif
