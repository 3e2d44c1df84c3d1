/* tools/show_health.c - `health` for people */
#include "tools/command.h"

void tools_show_health(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json checks = ctl_json_get(data, "checks");
	struct tools_table t = { .columns = 3 };
	tools_print_value(o, ctl_json_text(data, "status"), TOOLS_CELL);
	tools_print(o, "\n");
	for (size_t i = 0; i < ctl_json_len(checks); i++) {
		struct ctl_json check = ctl_json_item(checks, i);
		tools_table_print(&t, "%s", ctl_json_bool(check, "ok", false) ? "ok" : "FAULT");
		tools_table_value(&t, ctl_json_text(check, "name"));
		tools_table_value(&t, ctl_json_text(check, "text"));
	}
	tools_table_write(&t, "  ", o);
}
