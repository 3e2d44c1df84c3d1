/* ctl/request.c - see ctl/request.h */
#include "ctl/request.h"

static enum ctl_request_result bad(struct buf *why_r, const char *sentence)
{
	(void)!buf_put(why_r, slice_str(sentence));
	return CTL_REQUEST_BAD;
}

/* Without args the handler still gets an object, so that it needs no second way. */
static bool args_of(struct ctl_request *req)
{
	struct ctl_json root = ctl_json_root(&req->doc);
	req->args = ctl_json_get(root, "args");
	if (!req->args.node)
		req->args = ctl_json_put_object(root, "args");
	return ctl_json_is_object(req->args);
}

static enum ctl_request_result parse(struct slice line, struct ctl_request *req, struct buf *why_r)
{
	struct buf why = { 0 };
	if (!ctl_json_parse(line, &req->doc, &why)) {
		(void)!buf_printf(why_r, "the request cannot be read as JSON: %.*s", SLICE_ARG(buf_slice(&why)));
		buf_release(&why);
		return CTL_REQUEST_BAD;
	}
	struct ctl_json root = ctl_json_root(&req->doc);
	if (!ctl_json_is_text(ctl_json_get(root, "command")))
		return bad(why_r, "the request has no \"command\"");
	req->command = ctl_json_text(root, "command");
	bool has_args = ctl_json_get(root, "args").node != NULL;
	if (ctl_json_len(root) != (has_args ? 2 : 1))
		return bad(why_r, "a request has a \"command\" and \"args\", and no other key");
	if (!args_of(req))
		return bad(why_r, "\"args\" must be an object");
	return CTL_REQUEST_GOT;
}

enum ctl_request_result ctl_request_read(struct slice in, struct ctl_request *req_r, struct buf *why_r)
{
	*req_r = (struct ctl_request){ 0 };
	struct slice head = slice_of(in.p, in.n < CTL_REQUEST_MAX ? in.n : CTL_REQUEST_MAX);
	size_t end = slice_find(head, '\n');
	if (end == head.n && in.n < CTL_REQUEST_MAX)
		return CTL_REQUEST_MORE;
	if (end == head.n)
		return bad(why_r, "the request is longer than 8 KB");
	enum ctl_request_result got = parse(slice_of(in.p, end), req_r, why_r);
	if (got != CTL_REQUEST_GOT)
		ctl_request_release(req_r);
	return got;
}

void ctl_request_release(struct ctl_request *req)
{
	ctl_json_release(&req->doc);
	*req = (struct ctl_request){ 0 };
}

bool ctl_request_write(const char *command, struct ctl_json_doc *args, struct buf *out)
{
	struct ctl_json_doc doc = { 0 };
	struct ctl_json root = ctl_json_root_object(&doc);
	ctl_json_put_text(root, "command", slice_str(command));
	if (args && (args->root || args->failed))
		ctl_json_put_doc(root, "args", args);
	bool ok = ctl_json_write(root, CTL_JSON_LINE, out) && buf_put(out, SLICE("\n"));
	ctl_json_release(&doc);
	return ok;
}
