/* tools/trace.c - `trace`: asks again and again for what the sessions of a client say and hear, and prints it
 *
 * The control protocol stays one question and one answer; see `trace` in ctl/commands.h.
 */
#include "base/clock.h"
#include "ctl/client.h"
#include "ctl/commands.h"
#include "tools/command.h"
#include "tools/live.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>

enum { POLL_MS = 200 };

/* ---- lines ---- */

/* Of "2026-11-22T00:51:23.123Z" what is behind the day. */
enum { TIME_AT = 11 };

static void show_line(struct ctl_json l, struct tools_out *o)
{
	struct slice kind = ctl_json_text(l, "kind"), text = ctl_json_text(l, "text");
	int64_t cut = ctl_json_int(l, "cut", 0);
	tools_print_value(o, slice_skip(ctl_json_text(l, "time"), TIME_AT), TOOLS_CELL);
	tools_print(o, " ");
	tools_print_value(o, ctl_json_text(l, "session"), TOOLS_CELL);
	if (slice_eq(kind, SLICE("in"))) {
		tools_print(o, " C: ");
	} else if (slice_eq(kind, SLICE("out"))) {
		tools_print(o, " S: ");
	} else {
		tools_print(o, " -- ");
		tools_print_value(o, kind, TOOLS_CELL);
		tools_print(o, " ");
	}
	tools_print_value(o, text, text.n);
	if (cut > 0)
		tools_print(o, " ... %" PRId64 " bytes more", cut);
	tools_print(o, "\n");
}

void tools_show_trace(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json lines = ctl_json_get(data, "lines");
	int64_t lost = ctl_json_int(data, "lost", 0);
	if (lost > 0)
		tools_print(o, "... %" PRId64 " lines lost\n", lost);
	for (size_t i = 0; i < ctl_json_len(lines); i++)
		show_line(ctl_json_item(lines, i), o);
}

/* One object a line. */
static void show_json(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json lines = ctl_json_get(data, "lines");
	int64_t lost = ctl_json_int(data, "lost", 0);
	if (lost > 0)
		tools_print(o, "{\"lost\":%" PRId64 "}\n", lost);
	for (size_t i = 0; i < ctl_json_len(lines); i++)
		o->failed |= !ctl_json_write(ctl_json_item(lines, i), CTL_JSON_LINE, &o->text) ||
			     !buf_put(&o->text, SLICE("\n"));
}

/* ---- asking ---- */

struct watch {
	const struct tools_live *live;
	int64_t id, next, left; /* left: lines that may still be shown */
	uint64_t until_ms;
	bool more;
};

static bool fault(struct buf *error, struct slice sentence)
{
	if (!buf_put(error, sentence))
		buf_clear(error);
	return false;
}

static bool ask(struct watch *w, struct ctl_json_doc *args, struct ctl_answer *answer, struct buf *error)
{
	if (ctl_client_ask(w->live->socket, "trace", args, TOOLS_LIVE_ANSWER_MS, answer, error) == CTL_CLIENT_FAILED)
		return false;
	return answer->ok || fault(error, answer->error);
}

/* Only the first `left` of them. */
static void keep_to_max(struct watch *w, struct ctl_json data, struct tools_out *o)
{
	struct slice all = buf_slice(&o->text);
	int64_t n = (int64_t)ctl_json_len(ctl_json_get(data, "lines"));
	if (n <= w->left) {
		w->left -= n;
		return;
	}
	size_t end = 0;
	int64_t keep = w->left + (ctl_json_int(data, "lost", 0) > 0);
	for (; keep > 0 && end < all.n; keep--)
		end += slice_find(slice_skip(all, end), '\n') + 1;
	o->text.end = o->text.start + (uint32_t)end;
	w->left = 0;
}

/* False: the screen or the memory is gone. */
static bool show(struct watch *w, struct ctl_json data)
{
	struct tools_out o = { 0 };
	if (w->live->json)
		show_json(data, &o);
	else
		tools_show_trace(data, &o);
	keep_to_max(w, data, &o);
	struct slice text = buf_slice(&o.text);
	bool ok = !o.failed && fwrite(text.p ? text.p : "", 1, text.n, stdout) == text.n && fflush(stdout) == 0;
	buf_release(&o.text);
	return ok;
}

static bool take(struct watch *w, struct buf *error)
{
	struct ctl_json_doc args = { 0 };
	struct ctl_answer answer;
	struct ctl_json at = ctl_json_root_object(&args);
	ctl_json_put_int(at, "trace", w->id);
	ctl_json_put_int(at, "from", w->next);
	bool ok = ask(w, &args, &answer, error);
	if (ok) {
		w->next = ctl_json_int(answer.data, "next", w->next);
		w->more = ctl_json_bool(answer.data, "more", false);
		ok = show(w, answer.data) || fault(error, SLICE("cannot write to standard output"));
	}
	ctl_answer_release(&answer);
	ctl_json_release(&args);
	return ok;
}

static void end(struct watch *w)
{
	struct ctl_json_doc args = { 0 };
	struct ctl_answer answer;
	struct buf error = { 0 };
	struct ctl_json at = ctl_json_root_object(&args);
	ctl_json_put_int(at, "trace", w->id);
	ctl_json_put_bool(at, "end", true);
	(void)ask(w, &args, &answer, &error); /* if not, it ends by itself */
	ctl_answer_release(&answer);
	ctl_json_release(&args);
	buf_release(&error);
}

static bool begin(struct watch *w, struct ctl_json_doc *typed, struct buf *error)
{
	struct ctl_json_doc args = { 0 };
	struct ctl_answer answer;
	ctl_json_put_text(ctl_json_root_object(&args), "client", ctl_json_text(ctl_json_root(typed), "client"));
	bool ok = ask(w, &args, &answer, error);
	if (ok)
		w->id = ctl_json_int(answer.data, "trace", 0);
	ctl_answer_release(&answer);
	ctl_json_release(&args);
	return ok;
}

/* True: somebody has pressed Ctrl-C, or wants an end in another way. */
static bool wait_for_end(const sigset_t *signals)
{
	const struct timespec poll = { .tv_nsec = POLL_MS * 1000000L };
	return sigtimedwait(signals, NULL, &poll) > 0;
}

bool tools_trace(const struct tools_live *live, struct ctl_json_doc *args, struct buf *error_r)
{
	struct watch w = { .live = live };
	struct ctl_json typed = ctl_json_root(args);
	int64_t for_s = ctl_json_int(typed, "for_s", 0);
	sigset_t signals;
	w.left = ctl_json_int(typed, "max", INT64_MAX);
	w.until_ms = for_s ? clock_mono_ms() + (uint64_t)for_s * 1000 : UINT64_MAX;
	sigemptyset(&signals);
	sigaddset(&signals, SIGINT);
	sigaddset(&signals, SIGTERM);
	sigaddset(&signals, SIGHUP);
	sigprocmask(SIG_BLOCK, &signals, NULL);
	if (!begin(&w, args, error_r))
		return false;
	bool ok = true, ended = false;
	while (ok && !ended && w.left > 0) {
		ended = (!w.more && wait_for_end(&signals)) || clock_mono_ms() >= w.until_ms;
		ok = take(&w, error_r);
	}
	if (ok)
		end(&w);
	return ok;
}
