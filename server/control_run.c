/* config, reload, drain, snapshot; see ctl/commands.h */
#include "server/control_inside.h"

#include "server/reload.h"
#include "server/keeper.h"

#include <unistd.h>

/* ---- config, reload, drain ---- */

bool control_config(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct buf text = { 0 };
	(void)args;
	struct generation *g = control_generation(app, NULL);
	bool ok = settings_dump(g->settings, &text);
	if (ok) {
		struct ctl_json root = ctl_json_root_object(data_r);
		ctl_json_put_text(root, "file", slice_str(app->settings_path));
		ctl_json_put_text(root, "text", buf_slice(&text));
	} else {
		ok = control_refuse(error_r, "out of memory");
	}
	buf_release(&text);
	generation_unref(&g);
	return ok;
}

/* "a, b, c" as elements of an array. */
static void put_names(struct ctl_json list, struct slice names)
{
	while (names.n)
		ctl_json_put_text(list, NULL, slice_trim(slice_cut(&names, ',')));
}

static bool tell_faults(const struct settings_faults *faults, struct buf *out)
{
	for (size_t i = 0; i < faults->count; i++) {
		if (i)
			TRY(buf_put(out, SLICE("\n")));
		TRY(settings_fault_format(&faults->items[i], out));
	}
	return true;
}

bool control_reload(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct settings_faults faults = { 0 };
	struct reload r = { 0 };
	(void)args;
	bool ok = reload_settings(app, &faults, &r);
	reload_tell(&faults);
	reload_tell_end(app, ok, &r);
	if (ok) {
		struct ctl_json root = ctl_json_root_object(data_r);
		put_names(ctl_json_put_array(root, "changed"), buf_slice(&r.changed));
		put_names(ctl_json_put_array(root, "needs_restart"), buf_slice(&r.needs_restart));
	} else if (!tell_faults(&faults, error_r)) {
		buf_clear(error_r);
	}
	settings_faults_release(&faults);
	reload_release(&r);
	return ok;
}

bool control_drain(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	uint64_t one = 1;
	(void)args;
	ctl_json_put_count(ctl_json_root_object(data_r), "sessions", atomic_load(&app->sessions));
	atomic_store(&app->drain_wanted, true);
	return write(app->commands, &one, sizeof one) == sizeof one ||
	       control_refuse(error_r, "the main thread cannot be reached");
}

bool control_snapshot(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	struct app *app = arg;
	struct keeper_info info;
	(void)args;
	enum keeper_outcome outcome = keeper_snapshot_now(app->keeper, KEEPER_WAIT_MS);
	keeper_info(app->keeper, &info);
	switch (outcome) {
	case KEEPER_WRITTEN:
		break;
	case KEEPER_FAILED:
		(void)!buf_printf(error_r, "%s: %s; the last good snapshot stays", info.path, info.error);
		return false;
	case KEEPER_WRITING:
		return control_refuse(error_r, "the snapshot is still being written; the log will say when it is done");
	case KEEPER_OFF:
		return control_refuse(error_r, "no snapshot: the server is ending and writes its last one by itself");
	}
	struct ctl_json root = ctl_json_root_object(data_r);
	ctl_json_put_text(root, "path", slice_str(info.path));
	ctl_json_put_count(root, "entries", info.entries);
	ctl_json_put_count(root, "bytes", info.bytes);
	ctl_json_put_count(root, "took_ms", info.last_took_ms);
	return true;
}
