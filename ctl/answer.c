/* ctl/answer.c - see ctl/answer.h */
#include "ctl/answer.h"

static bool write_line(struct ctl_json_doc *doc, struct buf *out)
{
	uint32_t end = out->end;
	bool ok = ctl_json_write(ctl_json_root(doc), CTL_JSON_LINE, out) && buf_put(out, SLICE("\n"));
	if (!ok)
		out->end = end;
	ctl_json_release(doc);
	return ok;
}

bool ctl_answer_write_ok(struct ctl_json_doc *data, struct buf *out)
{
	struct ctl_json_doc doc = { 0 };
	struct ctl_json root = ctl_json_root_object(&doc);
	ctl_json_put_bool(root, "ok", true);
	ctl_json_put_doc(root, "data", data);
	return write_line(&doc, out);
}

bool ctl_answer_write_error(struct slice error, struct buf *out)
{
	struct ctl_json_doc doc = { 0 };
	struct ctl_json root = ctl_json_root_object(&doc);
	ctl_json_put_bool(root, "ok", false);
	ctl_json_put_text(root, "error", error);
	return write_line(&doc, out);
}

bool ctl_answer_read(struct slice line, struct ctl_answer *answer_r, struct buf *why_r)
{
	*answer_r = (struct ctl_answer){ 0 };
	if (!ctl_json_parse(line, &answer_r->doc, why_r))
		return false;
	struct ctl_json root = ctl_json_root(&answer_r->doc);
	answer_r->ok = ctl_json_bool(root, "ok", false);
	answer_r->data = ctl_json_get(root, "data");
	answer_r->error = ctl_json_text(root, "error");
	if (answer_r->ok || ctl_json_is_text(ctl_json_get(root, "error")))
		return true;
	(void)!buf_put(why_r, SLICE("neither \"ok\" nor \"error\" in it"));
	ctl_answer_release(answer_r);
	return false;
}

void ctl_answer_release(struct ctl_answer *answer)
{
	ctl_json_release(&answer->doc);
	*answer = (struct ctl_answer){ 0 };
}
