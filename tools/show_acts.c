/* tools/show_acts.c - `config`, `reload`, `drain` and `forget` for people */
#include "tools/command.h"

#include <inttypes.h>

void tools_show_config(struct ctl_json data, struct tools_out *o)
{
	tools_print_lines(o, ctl_json_text(data, "text"));
}

static void show_names(const char *label, struct ctl_json names, struct tools_out *o)
{
	if (ctl_json_len(names) == 0)
		return;
	tools_print(o, "%s\n", label);
	for (size_t i = 0; i < ctl_json_len(names); i++) {
		tools_print(o, "  ");
		tools_print_value(o, ctl_json_text(ctl_json_item(names, i), NULL), 200);
		tools_print(o, "\n");
	}
}

void tools_show_reload(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json changed = ctl_json_get(data, "changed");
	struct ctl_json restart = ctl_json_get(data, "needs_restart");
	if (ctl_json_len(changed) == 0 && ctl_json_len(restart) == 0)
		tools_print(o, "reloaded; no setting has changed\n");
	show_names("reloaded; changed:", changed, o);
	show_names("needs a restart, the old value holds until then:", restart, o);
}

void tools_show_drain(struct ctl_json data, struct tools_out *o)
{
	tools_print(
		o, "draining: no new sessions are taken, %" PRId64 " are open\n", ctl_json_int(data, "sessions", 0));
}

void tools_show_forget(struct ctl_json data, struct tools_out *o)
{
	bool forgotten = ctl_json_bool(data, "forgotten", false);
	tools_print(o, "%s\n", forgotten ? "forgotten" : "the recipient cache does not know this address");
}
