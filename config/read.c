#include "config/read.h"

#include <stdlib.h>

#include "config/suggest.h"
#include "config/types.h"

/* Goes one name deeper; the result leads back. */
static uint32_t path_enter(struct reader *r, const char *name)
{
	uint32_t before = r->path.end;

	if (!buf_printf(&r->path, "%s%s", buf_len(&r->path) ? "." : "", name))
		reader_no_memory(r);
	return before;
}

/* rules["harvest"], or listeners[2] where there is no name; counted from 1. */
static uint32_t path_enter_element(struct reader *r, const struct node *element, size_t index)
{
	const struct node *name = node_child(element, "name");
	uint32_t before = r->path.end;
	bool ok;

	if (name && name->type == NODE_TEXT)
		ok = buf_printf(&r->path, "[\"%.64s\"]", name->text);
	else
		ok = buf_printf(&r->path, "[%zu]", index + 1);
	if (!ok)
		reader_no_memory(r);
	return before;
}

static void path_leave(struct reader *r, uint32_t before)
{
	r->path.end = before;
}

/* A default, as if it stood in the file; line 0 tells that it does not. */
static struct node preset_node(const struct row *row, const char *text)
{
	struct node n = { .file = "", .type = kind_literal(row->kind) };

	switch (n.type) {
	case NODE_BOOL:
		n.boolean = !strcmp(text, "true");
		break;
	case NODE_INT:
		n.integer = strtoll(text, NULL, 10);
		break;
	case NODE_REAL:
		n.real = strtod(text, NULL);
		break;
	default:
		n.text = text;
		break;
	}
	return n;
}

static void read_one(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	struct node preset = preset_node(row, row->preset ? row->preset : "");

	kind_clear(row->kind, slot);
	if (!n && !row->preset)
		return;
	if (!n) {
		n = &preset;
	} else if ((row->flags & ROW_REQUIRED) && n->type == NODE_TEXT && !*n->text) {
		reader_fault(r, n, "%s is wanted", kind_noun(row->kind));
		return;
	}
	if (kind_read(r, row, n, slot) && (row->flags & ROW_NOT_BUILT) && n->line &&
	    strcmp(n->type == NODE_TEXT ? n->text : "", row->preset))
		reader_fault(r, n, "this is not built yet");
}

static bool many_alloc(struct reader *r, struct many *m, size_t count, size_t size)
{
	m->items = arena_alloc(r->arena, count * size);
	if (!m->items)
		return reader_no_memory(r);
	m->count = count;
	return true;
}

static void many_preset(struct reader *r, const struct row *row, struct many *m)
{
	struct slice left = slice_str(row->preset);
	size_t size = kind_size(row->kind), count = left.n ? 1 : 0;

	for (size_t i = 0; i < left.n; i++)
		count += left.p[i] == ',';
	if (!count || !many_alloc(r, m, count, size))
		return;
	for (size_t i = 0; i < count; i++) {
		const char *text = arena_str(r->arena, slice_trim(slice_cut(&left, ',')));
		struct node n = preset_node(row, text ? text : "");
		if (!text || !kind_read(r, row, &n, (char *)m->items + i * size))
			reader_no_memory(r);
	}
}

static void read_many(struct reader *r, const struct row *row, const struct node *n, struct many *m)
{
	bool brackets = n && (n->type == NODE_ARRAY || n->type == NODE_LIST);
	const struct node *items = brackets ? n->children : n;
	size_t count = brackets ? n->count : 1, size = kind_size(row->kind);
	bool right = true;

	if (!n) {
		if (row->preset)
			many_preset(r, row, m);
		return;
	}
	if (!count && (row->flags & ROW_NOT_EMPTY)) {
		reader_fault(r, n, "empty; %s is wanted at least", kind_noun(row->kind));
		return;
	}
	if (!count || !many_alloc(r, m, count, size))
		return;
	for (size_t i = 0; i < count; i++)
		right = kind_read(r, row, &items[i], (char *)m->items + i * size) && right;
	if (right && (row->flags & ROW_NOT_BUILT))
		reader_fault(r, n, "this is not built yet");
}

/* Something else in a group's place gets the defaults, so that no member is left without a value. */
static void read_group(struct reader *r, const struct row *row, const struct node *n, void *base)
{
	bool group = n && n->type == NODE_GROUP;

	if (n && !group)
		reader_fault(r, n, "a group { ... } is wanted");
	read_rows(r, row->rows, group ? n : NULL, base);
}

static void read_element(struct reader *r, const struct row *row, const struct node *n, size_t index, void *base)
{
	uint32_t before = path_enter_element(r, n, index);

	read_group(r, row, n, base);
	path_leave(r, before);
}

static void read_list(struct reader *r, const struct row *row, const struct node *n, struct many *m)
{
	size_t count = n ? n->count : (row->flags & ROW_ONE_DEFAULT ? 1 : 0);

	if (n && n->type != NODE_LIST && !(n->type == NODE_ARRAY && !n->count)) {
		reader_fault(r, n, "a list of groups ( { ... }, { ... } ) is wanted");
		return;
	}
	if (n && !count && (row->flags & ROW_NOT_EMPTY)) {
		reader_fault(r, n, "empty; one is wanted at least");
		return;
	}
	if (count && n && (row->flags & ROW_NOT_BUILT))
		reader_fault(r, n, "this is not built yet");
	if (!count || !many_alloc(r, m, count, row->size))
		return;
	for (size_t i = 0; i < count; i++)
		read_element(r, row, n ? &n->children[i] : NULL, i, (char *)m->items + i * row->size);
}

static void read_map(struct reader *r, const struct row *row, const struct node *n, struct many *m)
{
	struct settings_list *lists;

	if (n && n->type != NODE_GROUP) {
		reader_fault(r, n, "a group { NAME = \"PATH\"; ... } is wanted");
		return;
	}
	if (!n || !n->count || !many_alloc(r, m, n->count, sizeof *lists))
		return;
	lists = m->items;
	for (size_t i = 0; i < n->count; i++) {
		uint32_t before = path_enter(r, n->children[i].name);
		kind_clear(row->kind, &lists[i].path);
		lists[i].name = arena_str(r->arena, slice_str(n->children[i].name));
		lists[i].file = arena_str(r->arena, slice_str(n->children[i].file));
		lists[i].line = n->children[i].line;
		if (!lists[i].name || !lists[i].file)
			reader_no_memory(r);
		else if (n->children[i].type == NODE_TEXT && !*n->children[i].text)
			reader_fault(r, &n->children[i], "a path is wanted");
		else
			(void)!kind_read(r, row, &n->children[i], &lists[i].path);
		path_leave(r, before);
	}
}

static void read_row(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	switch (row->shape) {
	case SHAPE_ONE:
		read_one(r, row, n, slot);
		break;
	case SHAPE_MANY:
		read_many(r, row, n, slot);
		break;
	case SHAPE_GROUP:
		read_group(r, row, n, slot);
		break;
	case SHAPE_LIST:
		read_list(r, row, n, slot);
		break;
	case SHAPE_MAP:
		read_map(r, row, n, slot);
		break;
	}
}

static const struct row *row_find(const struct row *rows, const char *name)
{
	while (rows->name && strcmp(rows->name, name))
		rows++;
	return rows->name ? rows : NULL;
}

static void unknown_key(struct reader *r, const struct row *rows, const struct node *n)
{
	struct suggest near = { .wanted = slice_str(n->name) };
	uint32_t before = path_enter(r, n->name);

	for (const struct row *row = rows; row->name; row++)
		suggest_try(&near, row->name);
	settings_fault_add(r->faults, SETTINGS_ERROR, n->file, n->line, "%.*s is not a setting%s%s%s",
			   SLICE_ARG(buf_slice(&r->path)), near.best ? "; did you mean \"" : "",
			   near.best ? near.best : "", near.best ? "\"?" : "");
	path_leave(r, before);
}

/* What is missing has no line of its own: the group that it is missing from has. */
static void check_given(struct reader *r, const struct row *row, const struct node *group, const struct node *n)
{
	if (!n && group && (row->flags & ROW_REQUIRED))
		settings_fault_add(r->faults, SETTINGS_ERROR, group->file, group->line, "%.*s is missing",
				   SLICE_ARG(buf_slice(&r->path)));
	if (n && (row->flags & ROW_NO_EFFECT))
		settings_fault_add(r->faults, SETTINGS_NOTE, n->file, n->line, "%.*s has no effect in this version",
				   SLICE_ARG(buf_slice(&r->path)));
}

void read_rows(struct reader *r, const struct row *rows, const struct node *group, void *base)
{
	for (size_t i = 0; group && i < group->count; i++)
		if (!row_find(rows, group->children[i].name))
			unknown_key(r, rows, &group->children[i]);
	for (const struct row *row = rows; row->name; row++) {
		const struct node *n = node_child(group, row->name);
		uint32_t before = path_enter(r, row->name);

		check_given(r, row, group, n);
		read_row(r, row, n, (char *)base + row->offset);
		path_leave(r, before);
	}
}
