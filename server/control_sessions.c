/* sessions; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/mem.h"

#include <stdlib.h>

/* How long a worker may take to list its sessions: it does so between two batches of events. */
enum { LIST_MS = 2000 };

static int older_first(const void *a, const void *b)
{
	const struct session_info *x = a, *y = b;
	return x->age_ms < y->age_ms ? 1 : x->age_ms > y->age_ms ? -1 : 0;
}

static void put_session(struct ctl_json list, const struct session_info *s, unsigned worker)
{
	char ip[IP_TEXT];
	ip_format(&s->client, ip);
	struct ctl_json at = ctl_json_put_object(list, NULL);
	ctl_json_put_text(at, "id", slice_str(s->id));
	ctl_json_put_text(at, "client", slice_str(ip));
	ctl_json_put_count(at, "port", s->port);
	ctl_json_put_text(at, "helo", slice_str(s->helo));
	ctl_json_put_text(at, "state", slice_str(s->state));
	ctl_json_put_text(at, "from", slice_str(s->from));
	ctl_json_put_count(at, "recipients", s->recipients);
	ctl_json_put_count(at, "age_ms", s->age_ms);
	ctl_json_put_text(at, "tls", slice_str(s->tls));
	ctl_json_put_count(at, "worker", worker);
}

/* All sessions of all workers, told by each; then the oldest of them are put. */
static bool list_sessions(struct app *app, struct session_info *all, size_t cap, size_t *n_r, uint64_t *open_r)
{
	*n_r = 0, *open_r = 0;
	for (unsigned i = 0; i < app->workers_n; i++) {
		struct session_list part = { .items = all + *n_r, .cap = cap - *n_r };
		if (!worker_list_sessions(&app->workers[i], &part, LIST_MS))
			return false;
		for (size_t k = 0; k < part.n; k++)
			part.items[k].worker = i;
		*n_r += part.n;
		*open_r += part.open;
	}
	qsort(all, *n_r, sizeof *all, older_first);
	return true;
}

bool control_sessions(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	int64_t top = ctl_json_int(args, "top", CTL_SESSIONS_TOP);
	if (top < 1 || top > CTL_SESSIONS_TOP_MAX)
		return control_refuse(error_r, "top: a number from 1 to 100000");
	size_t n, cap = atomic_load(&app->sessions) + 1024u;
	uint64_t open;
	struct session_info *all = mem_alloc(cap * sizeof *all);
	bool ok = all && list_sessions(app, all, cap, &n, &open);
	if (ok) {
		struct ctl_json root = ctl_json_root_object(data_r);
		ctl_json_put_count(root, "total", open);
		struct ctl_json list = ctl_json_put_array(root, "sessions");
		for (size_t i = 0; i < n && i < (size_t)top; i++)
			put_session(list, &all[i], all[i].worker);
	} else {
		control_refuse(
			error_r, "a worker did not answer in time: the server is overloaded or ending, try again");
	}
	mem_free(&all);
	return ok;
}
