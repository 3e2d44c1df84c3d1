/* tools/show_trial.c - `backend test` for people */
#include "tools/command.h"

#include <inttypes.h>

enum { REPLY = 160 };

static void label(struct tools_out *o, const char *name)
{
	tools_print(o, "  %-11s  ", name);
}

static void show_text(struct ctl_json at, const char *key, const char *name, struct tools_out *o)
{
	struct slice text = ctl_json_text(at, key);
	if (!text.n)
		return;
	label(o, name);
	tools_print_value(o, text, REPLY);
	tools_print(o, "\n");
}

/* "550 5.1.1 ..", behind what it answers. */
static void show_reply(struct ctl_json at, const char *key, const char *name, const char *to, struct tools_out *o)
{
	struct ctl_json reply = ctl_json_get(at, key);
	if (!ctl_json_is_object(reply))
		return;
	label(o, name);
	tools_print(o, "%s%" PRId64 " ", to, ctl_json_int(reply, "code", 0));
	tools_print_value(o, ctl_json_text(reply, "text"), REPLY);
	tools_print(o, "\n");
}

static void show_words(struct ctl_json list, size_t from, const char *between, struct tools_out *o)
{
	if (ctl_json_len(list) <= from)
		tools_print(o, "none");
	for (size_t i = from; i < ctl_json_len(list); i++) {
		tools_print(o, "%s", i > from ? between : "");
		tools_print_value(o, ctl_json_text(ctl_json_item(list, i), NULL), REPLY);
	}
}

static void show_ehlo(struct ctl_json b, struct tools_out *o)
{
	struct ctl_json lines = ctl_json_get(b, "ehlo");
	if (ctl_json_len(lines) < 2)
		return;
	label(o, "offers");
	show_words(lines, 1, ", ", o); /* the first is its name */
	tools_print(o, "\n");
}

static void show_tls(struct ctl_json b, struct tools_out *o)
{
	struct ctl_json tls = ctl_json_get(b, "tls");
	struct slice version = ctl_json_text(tls, "version"), fault = ctl_json_text(tls, "fault");
	label(o, "TLS");
	tools_print_value(o, ctl_json_text(tls, "set"), TOOLS_CELL);
	if (version.n) {
		tools_print(o, ": ");
		tools_print_value(o, version, TOOLS_CELL);
		tools_print(o, " ");
		tools_print_value(o, ctl_json_text(tls, "cipher"), TOOLS_CELL);
	} else if (fault.n) {
		tools_print(o, ": ");
		tools_print_value(o, fault, REPLY);
	} else {
		tools_print(o, ", %s", ctl_json_bool(tls, "offered", false) ? "offered" : "not offered");
	}
	tools_print(o, "\n");
}

static void show_identity(struct ctl_json b, struct tools_out *o)
{
	struct ctl_json id = ctl_json_get(b, "identity");
	label(o, "identity");
	tools_print_value(o, ctl_json_text(id, "set"), TOOLS_CELL);
	tools_print(o, "; XCLIENT: ");
	show_words(ctl_json_get(id, "xclient"), 0, " ", o);
	tools_print(o, "; XFORWARD: ");
	show_words(ctl_json_get(id, "xforward"), 0, " ", o);
	tools_print(o, "\n");
	show_reply(id, "first", "", "told one client: ", o);
	show_reply(id, "second", "", "and the next: ", o);
}

/* Whom it takes a stranger for, as seen from what it would do. */
static void show_standing(struct ctl_json b, struct tools_out *o)
{
	struct ctl_json stranger = ctl_json_get(b, "stranger");
	show_reply(b, "stranger", "relaying", "for a stranger: ", o);
	if (ctl_json_int(stranger, "code", 0) / 100 != 2)
		return;
	label(o, "");
	tools_print(o, "It takes the stranger for one of its own: relay.domains alone says what may pass.\n");
}

static void show_limits(struct ctl_json b, struct tools_out *o)
{
	char size[TOOLS_UNIT_TEXT];
	int64_t bytes = ctl_json_int(b, "size", 0), rcpts = ctl_json_int(b, "rcpt_max", 0);
	int64_t mails = ctl_json_int(b, "mail_max", 0);
	bool ends = ctl_json_bool(b, "slowed", false) || ctl_json_bool(b, "hung_up", false);
	if (!ctl_json_is_object(ctl_json_get(b, "unknown")))
		return;
	label(o, "limits");
	tools_print(o, "size %s", bytes ? tools_size(bytes, size) : "not said");
	if (rcpts)
		tools_print(o, ", %" PRId64 " recipients a mail", rcpts);
	if (mails)
		tools_print(o, ", %" PRId64 " mails a connection", mails);
	tools_print(o, "; bore %" PRId64 " refusals and %" PRId64 " RSETs%s\n", ctl_json_int(b, "refusals", 0),
		ctl_json_int(b, "rsets", 0), ends ? ", then slowed down or hung up" : "");
}

static void show_advice(struct ctl_json a, struct tools_out *o)
{
	struct ctl_json lines = ctl_json_get(a, "lines");
	struct slice where = ctl_json_text(a, "where");
	label(o, ctl_json_bool(a, "must", false) ? "MUST CHANGE" : "better");
	tools_print_value(o, ctl_json_text(a, "what"), 400);
	tools_print(o, "\n");
	if (!where.n)
		return;
	tools_print(o, "               ");
	tools_print_value(o, where, TOOLS_CELL);
	tools_print(o, "%s:\n", slice_eq(where, SLICE("master.cf")) ? ", below its line (Postfix)" : "");
	for (size_t i = 0; i < ctl_json_len(lines); i++) {
		tools_print(o, "                 ");
		tools_print_value(o, ctl_json_text(ctl_json_item(lines, i), NULL), REPLY);
		tools_print(o, "\n");
	}
}

static void show_one(struct ctl_json b, struct tools_out *o)
{
	char took[TOOLS_UNIT_TEXT];
	struct ctl_json advice = ctl_json_get(b, "advice");
	tools_print_value(o, ctl_json_text(b, "name"), TOOLS_CELL);
	tools_print(o, "  ");
	tools_print_value(o, ctl_json_text(b, "state"), TOOLS_CELL);
	tools_print(o, "  ");
	tools_print_value(o, ctl_json_text(b, "url"), 200);
	tools_print(o, "  (%s)\n", tools_duration(ctl_json_int(b, "took_ms", 0), took));
	show_text(b, "fault", "ended early", o);
	show_text(b, "greeting", "greeting", o);
	show_ehlo(b, o);
	if (ctl_json_len(ctl_json_get(b, "ehlo"))) {
		show_tls(b, o);
		show_identity(b, o);
	}
	show_reply(b, "mail", "sender", "<>: ", o);
	show_standing(b, o);
	show_reply(b, "unknown", "unknown", "", o);
	show_limits(b, o);
	for (size_t i = 0; i < ctl_json_len(advice); i++)
		show_advice(ctl_json_item(advice, i), o);
}

void tools_show_backend_test(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json backends = ctl_json_get(data, "backends");
	for (size_t i = 0; i < ctl_json_len(backends); i++)
		show_one(ctl_json_item(backends, i), o);
	tools_print(o, "%s\n",
		ctl_json_bool(data, "good", false) ? "Nothing to change."
						   : "See above for what to change; then ask again.");
}
