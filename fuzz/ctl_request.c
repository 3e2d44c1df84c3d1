/* Any bytes as a control request: bounded, never a crash; what is taken is written and taken again as the same. */
#include "ctl/answer.h"
#include "ctl/request.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_round_trip(const struct ctl_request *req)
{
	struct buf line = { 0 }, why = { 0 };
	struct ctl_json_doc data = { 0 };
	struct ctl_answer answer;
	ctl_json_put_text(ctl_json_root_object(&data), "command", req->command);
	if (!ctl_answer_write_ok(&data, &line) || !ctl_answer_read(buf_slice(&line), &answer, &why))
		abort();
	if (!slice_eq(ctl_json_text(answer.data, "command"), req->command) ||
		buf_slice(&line).p[buf_len(&line) - 1] != '\n')
		abort();
	ctl_answer_release(&answer);
	buf_release(&line);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_of((const char *)data, size);
	struct ctl_request req;
	struct buf why = { 0 };
	enum ctl_request_result got = ctl_request_read(in, &req, &why);
	if (got == CTL_REQUEST_GOT) {
		check_round_trip(&req);
		ctl_request_release(&req);
	}
	bool line = slice_find(in, '\n') < in.n && slice_find(in, '\n') < CTL_REQUEST_MAX;
	if ((got == CTL_REQUEST_MORE) != (!line && in.n < CTL_REQUEST_MAX) ||
		(got == CTL_REQUEST_BAD && !buf_len(&why)))
		abort();
	buf_release(&why);
	return 0;
}
