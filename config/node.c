#include "config/node.h"

const struct node *node_child(const struct node *group, const char *name)
{
	for (size_t i = 0; group && group->type == NODE_GROUP && i < group->count; i++)
		if (!strcmp(group->children[i].name, name))
			return &group->children[i];
	return NULL;
}

bool node_show(const struct node *n, struct buf *out)
{
	enum { TEXT_MAX = 80 };

	switch (n->type) {
	case NODE_BOOL:
		return buf_put(out, slice_str(n->boolean ? "true" : "false"));
	case NODE_INT:
		return buf_printf(out, "%lld", (long long)n->integer);
	case NODE_REAL:
		return buf_printf(out, "%g", n->real);
	case NODE_TEXT:
		return buf_printf(out, "\"%.*s\"%s", TEXT_MAX, n->text, strlen(n->text) > TEXT_MAX ? "..." : "");
	case NODE_ARRAY:
		return buf_put(out, SLICE("[ ... ]"));
	case NODE_LIST:
		return buf_put(out, SLICE("( ... )"));
	case NODE_GROUP:
		return buf_put(out, SLICE("{ ... }"));
	}
	return false;
}
