/* Rules, as far as they can be judged without compiling them. */
#include "config/check.h"
#include "config/types.h"

struct rule_check {
	const struct settings_rule *rule;
	const struct node *node;
	struct settings_faults *faults;
};

/* At the line of `key` where it is given, else where the rule begins. */
#define FAULT(c, severity, key, fmt, ...)                                                                              \
	do {                                                                                                           \
		const struct node *at_ = node_child((c)->node, key);                                                   \
		at_ = at_ ? at_ : (c)->node;                                                                           \
		settings_fault_add((c)->faults, severity, at_->file, at_->line, "rule \"%s\": " fmt, (c)->rule->name,  \
			##__VA_ARGS__);                                                                                \
	} while (0)

static bool given(const struct rule_check *c, const char *key)
{
	return node_child(c->node, key) != NULL;
}

/* A member that says more about one action: needed with it, a mistake without it. */
static void check_pair(const struct rule_check *c, const char *key, enum settings_action action, bool set)
{
	if (c->rule->action == action && !set)
		FAULT(c, SETTINGS_ERROR, "do", "do = \"%s\" needs `%s`", settings_action_name(action), key);
	if (c->rule->action != action && given(c, key))
		FAULT(c, SETTINGS_ERROR, key, "`%s` belongs to do = \"%s\"", key, settings_action_name(action));
}

/* What a reply may say is the business of who writes it on the wire. */
static void check_reply(const struct rule_check *c)
{
	enum settings_action action = c->rule->action;

	if (action == SETTINGS_DO_DEFER || action == SETTINGS_DO_REJECT || action == SETTINGS_DO_BLOCK ||
		action == SETTINGS_DO_GREYLIST)
		return;
	if (given(c, "reply"))
		FAULT(c, SETTINGS_ERROR, "reply",
			"`reply` belongs to do = \"defer\", \"reject\", \"block\" or \"greylist\"");
}

static void check_rule(const struct rule_check *c)
{
	const struct settings_rule *rule = c->rule;

	check_pair(c, "delay", SETTINGS_DO_WAIT, rule->delay_ms);
	check_pair(c, "hold", SETTINGS_DO_BLOCK, rule->hold_ms);
	check_pair(c, "rate", SETTINGS_DO_THROTTLE, rule->rate);
	check_pair(c, "header", SETTINGS_DO_TAG, *rule->header);
	check_reply(c);
	if (given(c, "to") && !given(c, "charge") && rule->action != SETTINGS_DO_DELETE)
		FAULT(c, SETTINGS_ERROR, "to", "`to` says whose record is charged, but there is no `charge`");
	if (!given(c, "points") && !given(c, "charge") && !given(c, "do"))
		FAULT(c, SETTINGS_WARNING, "name", "it does nothing: no `points`, no `charge`, no `do`");
}

/* Where it stands; members that a faulty file left out become "" so that all can be read on. */
static void rule_place(struct settings_rule *rule, const struct node *n, struct arena *arena)
{
	const struct node *name = node_child(n, "name"), *when = node_child(n, "when");

	rule->file = arena_str(arena, slice_str(n->file));
	rule->line = name ? name->line : n->line;
	rule->when_line = when ? when->line : rule->line;
	rule->name = rule->name ? rule->name : "?";
	if (rule->until && *rule->until)
		(void)!date_parse(slice_str(rule->until), &rule->until_ms);
}

static void check_unique(const struct rule_check *c, const struct settings_rules *rules, size_t index)
{
	for (size_t i = 0; i < index; i++)
		if (!strcmp(rules->items[i].name, c->rule->name) && name_valid(slice_str(c->rule->name))) {
			FAULT(c, SETTINGS_ERROR, "name", "the name is taken: %s:%u", rules->items[i].file,
				rules->items[i].line);
			return;
		}
}

void check_rules(struct settings *s, const struct node *root, struct settings_faults *faults)
{
	const struct node *list = node_child(root, "rules");

	for (size_t i = 0; i < s->rules.count; i++) {
		struct rule_check c = { &s->rules.items[i], &list->children[i], faults };
		if (c.node->type != NODE_GROUP)
			continue;
		rule_place(&s->rules.items[i], c.node, &s->arena);
		check_unique(&c, &s->rules, i);
		check_rule(&c);
	}
}
