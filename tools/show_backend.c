/* tools/show_backend.c - `backend` for people */
#include "tools/command.h"

#include <inttypes.h>

static void show_identity(struct ctl_json b, struct tools_out *o)
{
	bool reusable = ctl_json_bool(b, "reusable", false);
	tools_print(o, "  identity     ");
	tools_print_value(o, ctl_json_text(b, "identity"), TOOLS_CELL);
	tools_print(o, ", %s\n", reusable ? "a connection serves many clients" : "a connection serves one client");
}

static void show_tls(struct ctl_json b, struct tools_out *o)
{
	struct ctl_json tls = ctl_json_get(b, "tls");
	struct slice set = ctl_json_text(tls, "set"), version = ctl_json_text(tls, "version");
	if (!set.n)
		return;
	tools_print(o, "  TLS          ");
	tools_print_value(o, set, TOOLS_CELL);
	tools_print(o, ", ");
	if (version.n)
		tools_print_value(o, version, TOOLS_CELL);
	else
		tools_print(o, "in the clear");
	tools_print(o, "%s\n", ctl_json_bool(tls, "failed", false) ? " for now: TLS failed" : "");
}

static void show_limits(struct ctl_json b, struct tools_out *o)
{
	char size[TOOLS_UNIT_TEXT];
	int64_t rcpts = ctl_json_int(b, "rcpt_max", 0), bytes = ctl_json_int(b, "size", 0);
	if (!rcpts && !bytes)
		return;
	tools_print(o, "  a mail has  ");
	if (rcpts)
		tools_print(o, " at most %" PRId64 " recipients%s", rcpts, bytes ? "," : "");
	if (bytes)
		tools_print(o, " up to %s", tools_size(bytes, size));
	tools_print(o, "\n");
}

static void show_caps(struct ctl_json b, struct tools_out *o)
{
	struct ctl_json caps = ctl_json_get(b, "caps");
	if (ctl_json_len(caps) == 0)
		return;
	tools_print(o, "  offers      ");
	for (size_t i = 0; i < ctl_json_len(caps); i++) {
		tools_print(o, " ");
		tools_print_value(o, ctl_json_text(ctl_json_item(caps, i), NULL), TOOLS_CELL);
	}
	tools_print(o, "\n");
}

static void show_one(struct ctl_json b, struct tools_out *o)
{
	struct ctl_json c = ctl_json_get(b, "connections");
	struct slice error = ctl_json_text(b, "last_error");
	tools_print_value(o, ctl_json_text(b, "name"), TOOLS_CELL);
	tools_print(o, "  ");
	tools_print_value(o, ctl_json_text(b, "state"), TOOLS_CELL);
	tools_print(o, "  ");
	tools_print_value(o, ctl_json_text(b, "url"), 200);
	tools_print(o, "\n  connections  %" PRId64 " open (%" PRId64 " busy, %" PRId64 " idle), at most %" PRId64 "\n",
		ctl_json_int(c, "open", 0), ctl_json_int(c, "busy", 0), ctl_json_int(c, "idle", 0),
		ctl_json_int(c, "limit", 0));
	tools_print(o, "  mails        %" PRId64 " delivered, %" PRId64 " failed, %" PRId64 " waiting\n",
		ctl_json_int(b, "delivered", 0), ctl_json_int(b, "failed", 0), ctl_json_int(b, "waiting", 0));
	show_identity(b, o);
	show_tls(b, o);
	show_limits(b, o);
	show_caps(b, o);
	if (error.n == 0)
		return;
	tools_print(o, "  last error   ");
	tools_print_value(o, error, 300);
	tools_print(o, "\n");
}

void tools_show_backend(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json backends = ctl_json_get(data, "backends");
	for (size_t i = 0; i < ctl_json_len(backends); i++)
		show_one(ctl_json_item(backends, i), o);
}
