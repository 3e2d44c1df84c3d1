/* tools/show_rules.c - `rules` for people */
#include "tools/command.h"

#include <inttypes.h>

static void put_stages(struct tools_table *t, struct ctl_json stages)
{
	struct tools_out o = { 0 };
	for (size_t i = 0; i < ctl_json_len(stages); i++) {
		tools_print(&o, "%s", i ? "," : "");
		tools_print_value(&o, ctl_json_text(ctl_json_item(stages, i), NULL), TOOLS_CELL);
	}
	tools_table_value(t, buf_slice(&o.text));
	t->failed |= o.failed;
	buf_release(&o.text);
}

static void put_rule(struct tools_table *t, struct ctl_json r)
{
	tools_table_value(t, ctl_json_text(r, "name"));
	tools_table_value(t, ctl_json_text(r, "state"));
	tools_table_value(t, ctl_json_text(r, "action"));
	put_stages(t, ctl_json_get(r, "stages"));
	tools_table_print(t, "%" PRId64, ctl_json_int(r, "fired", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(r, "observed", 0));
	tools_table_print(t, "%" PRId64, ctl_json_int(r, "decided", 0));
	tools_table_print(t, "%.10g", ctl_json_double(r, "points_given", 0));
	tools_table_print(t, "%.10g", ctl_json_double(r, "charge_given", 0));
}

void tools_show_rules(struct ctl_json data, struct tools_out *o)
{
	struct ctl_json rules = ctl_json_get(data, "rules");
	struct tools_table t = { 0 };
	size_t n = ctl_json_len(rules);
	if (n)
		tools_table_heads(&t, "RULE|STATE|DO|STAGES|>FIRED|>OBSERVED|>DECIDED|>POINTS|>CHARGED");
	for (size_t i = 0; i < n; i++)
		put_rule(&t, ctl_json_item(rules, i));
	tools_table_write(&t, "", o);
	if (n == 0)
		tools_print(o, "no rule is set\n");
	else if (!ctl_json_bool(data, "enforce", true))
		tools_print(o, "enforce = false: the rules are tested and counted, and decide nothing\n");
}
