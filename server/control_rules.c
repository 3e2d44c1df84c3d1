/* rules; see ctl/commands.h */
#include "server/control_inside.h"

#include "base/mem.h"
#include "score/names.h"

#include <stdlib.h>

/* A rule's place in the list, and what it is sorted by. */
struct ranked {
	unsigned rule;
	int64_t fired;
};

static int more_first(const void *a, const void *b)
{
	const struct ranked *x = a, *y = b;
	if (x->fired != y->fired)
		return x->fired < y->fired ? 1 : -1;
	return x->rule > y->rule ? 1 : -1;
}

static void put_stages(struct ctl_json at, const struct score_ruleset *rules, unsigned rule)
{
	struct ctl_json list = ctl_json_put_array(at, "stages");
	unsigned stages = score_rule_stages(rules, rule);
	for (unsigned i = 0; i < SCORE_STAGES; i++)
		if (stages >> i & 1)
			ctl_json_put_text(list, NULL, slice_str(score_stage_names[i]));
}

void control_put_counts(struct ctl_json at, const struct generation *g, unsigned rule)
{
	const struct rule_counts *c = g->counts[rule];
	ctl_json_put_text(at, "name", slice_str(score_rule_name(g->rules, rule)));
	ctl_json_put_int(at, "fired", rule_count_sum(c, RULE_FIRED));
	ctl_json_put_int(at, "observed", rule_count_sum(c, RULE_OBSERVED));
	ctl_json_put_int(at, "decided", rule_count_sum(c, RULE_DECIDED));
	ctl_json_put_int(at, "charged", rule_count_sum(c, RULE_CHARGED));
}

static void put_rule(struct ctl_json list, const struct generation *g, unsigned rule)
{
	static const char *const STATE[] = { "enforce", "observe", "off" };
	const struct settings_rule *about = &g->settings->rules.items[rule];
	struct ctl_json at = ctl_json_put_object(list, NULL);
	control_put_counts(at, g, rule);
	ctl_json_put_text(at, "state", slice_str(STATE[about->state]));
	ctl_json_put_text(at, "action", slice_str(settings_action_name(about->action)));
	put_stages(at, g->rules, rule);
	ctl_json_put_double(at, "points", about->points);
	ctl_json_put_double(at, "charge", about->charge);
	ctl_json_put_double(at, "points_given", (double)rule_count_sum(g->counts[rule], RULE_POINTS_MILLI) / 1000);
	ctl_json_put_double(at, "charge_given", (double)rule_count_sum(g->counts[rule], RULE_CHARGE_MILLI) / 1000);
}

static bool put_rules(struct ctl_json list, const struct generation *g, size_t top)
{
	size_t n = score_rules_count(g->rules);
	struct ranked *order = mem_alloc((n + 1) * sizeof *order);
	TRY(order);
	for (unsigned i = 0; i < n; i++)
		order[i] = (struct ranked){ i,
			rule_count_sum(g->counts[i], RULE_FIRED) + rule_count_sum(g->counts[i], RULE_OBSERVED) };
	if (top)
		qsort(order, n, sizeof *order, more_first);
	for (size_t i = 0; i < n && (!top || i < top); i++)
		put_rule(list, g, order[i].rule);
	mem_free(&order);
	return true;
}

bool control_rules(void *arg, struct ctl_json args, struct ctl_json_doc *data_r, struct buf *error_r)
{
	size_t top = 0;
	if (ctl_json_int(args, "top", 0))
		TRY(control_top(args, 0, SCORE_RULES_MAX, &top, error_r));
	struct generation *g = control_generation(arg, NULL);
	struct ctl_json root = ctl_json_root_object(data_r);
	ctl_json_put_count(root, "total", score_rules_count(g->rules));
	ctl_json_put_bool(root, "enforce", g->settings->enforce);
	bool ok = put_rules(ctl_json_put_array(root, "rules"), g, top);
	generation_unref(&g);
	return ok || control_refuse(error_r, "out of memory");
}
