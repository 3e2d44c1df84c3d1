/* trace; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/clock.h"
#include "base/mem.h"

static void put_line(struct ctl_json list, const struct transcript_line *l)
{
	char id[ID_TEXT];
	struct ctl_json at = ctl_json_put_object(list, NULL);
	id_format(l->session, id);
	control_put_time(at, "time", l->time_ms);
	ctl_json_put_text(at, "session", slice_str(id));
	ctl_json_put_text(at, "kind", slice_str(transcript_kind_names[l->kind]));
	ctl_json_put_text(at, "text", slice_of(l->text, l->n));
	if (l->cut)
		ctl_json_put_count(at, "cut", l->cut);
}

/* Several copies under the lock, so that no worker waits for all of it. */
static bool put_lines(struct app *app, uint32_t id, uint64_t from, struct transcript_line *room, struct ctl_json root)
{
	struct ctl_json list = ctl_json_put_array(root, "lines");
	struct transcript_taken got = { .next = from, .n = TRANSCRIPT_TAKE };
	uint64_t lost = 0;
	for (size_t n = 0; n < CTL_TRACE_LINES && got.n == TRANSCRIPT_TAKE; n += got.n) {
		TRY(transcripts_take(app->transcripts, id, got.next, clock_mono_ms(), room, &got));
		for (size_t i = 0; i < got.n; i++)
			put_line(list, &room[i]);
		lost += got.lost;
	}
	ctl_json_put_count(root, "trace", id);
	ctl_json_put_count(root, "next", got.next);
	ctl_json_put_count(root, "lost", lost);
	ctl_json_put_bool(root, "more", got.n == TRANSCRIPT_TAKE);
	return true;
}

static bool begin(struct app *app, struct slice client, struct ctl_json root, struct buf *error_r)
{
	struct ip_prefix clients;
	if (!ip_prefix_parse(client, &clients))
		return control_refuse(error_r, "trace wants a client's address or a prefix, as in: trace 192.0.2.7");
	uint32_t id = transcripts_begin(app->transcripts, &clients, clock_mono_ms());
	if (!id)
		return control_refuse(error_r, "8 traces are on already, or memory is out: end one of them first");
	ctl_json_put_count(root, "trace", id);
	ctl_json_put_count(root, "next", 0);
	ctl_json_put_array(root, "lines");
	return true;
}

bool control_trace(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct ctl_json root = ctl_json_root_object(data_r);
	struct slice client = ctl_json_text(args, "client");
	int64_t id = ctl_json_int(args, "trace", 0), from = ctl_json_int(args, "from", 0);
	if (client.n)
		return begin(app, client, root, error_r);
	if (id < 1 || id > UINT32_MAX || from < 0)
		return control_refuse(error_r, "trace wants { client } to begin, or { trace, from } to go on");
	if (ctl_json_bool(args, "end", false)) {
		ctl_json_put_bool(root, "ended", transcripts_end(app->transcripts, (uint32_t)id));
		return true;
	}
	struct transcript_line *room = mem_alloc(TRANSCRIPT_TAKE * sizeof *room);
	bool ok = room && put_lines(app, (uint32_t)id, (uint64_t)from, room, root);
	mem_free(&room);
	return ok || control_refuse(error_r, "this trace has ended: nobody asked for its lines for 10 s");
}
