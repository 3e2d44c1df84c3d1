/* config/node.h - the settings file as a tree, free of the library that parsed it
 *
 * load.c makes it; read.c turns it into structs by the table. A tree lives in an arena of its own
 * and is dropped when the settings are built. Texts are NUL-terminated.
 */
#ifndef CONFIG_NODE_H
#define CONFIG_NODE_H

#include "config/settings.h"

enum node_type { NODE_BOOL, NODE_INT, NODE_REAL, NODE_TEXT, NODE_ARRAY, NODE_LIST, NODE_GROUP };

struct node {
	const char *name; /* NULL in arrays and lists */
	const char *file;
	uint32_t line;
	enum node_type type;
	union {
		bool boolean;
		int64_t integer;
		double real;
		const char *text;
	};
	struct node *children; /* of arrays, lists and groups, in the order of the file */
	size_t count;
};

/* How deep a tree may be: rules need 3. It bounds the recursion of everything that walks one. */
enum { NODE_DEPTH_MAX = 8 };

/* Parses a text with libconfig. NULL when it cannot be parsed, with faults that say where. */
struct node *node_parse(struct slice text, const char *name, const char *folder, struct arena *arena,
			struct settings_faults *faults) MUST_USE;

/* The child of that name, or NULL. */
const struct node *node_child(const struct node *group, const char *name);

/* What stands in the file, for a message: 20, "abc", [ ... ]. */
bool node_show(const struct node *n, struct buf *out) MUST_USE;

#endif
