/* From a text to checked settings. */
#include "config/settings.h"

#include "base/mem.h"
#include "config/check.h"
#include "config/read.h"
#include "config/types.h"

static void host_defaults(struct settings *s, const struct settings_host *host)
{
	struct slice name = slice_str(host ? host->hostname : NULL);

	if (!*s->server.hostname && domain_valid(name)) {
		const char *copy = arena_str(&s->arena, name);
		s->server.hostname = copy ? copy : "";
	}
}

static void read_tree(struct settings *s, const struct node *root, const char *folder,
		      struct settings_faults *faults)
{
	struct reader r = { .arena = &s->arena, .faults = faults, .folder = folder };

	read_rows(&r, settings_table, root, s);
	buf_release(&r.path);
}

/* Found in several passes, told in the order of the lines; faults of another file stay where they are. */
static void order_faults(struct settings_faults *f, size_t from)
{
	for (size_t i = from + 1; i < f->count; i++) {
		struct settings_fault fault = f->items[i];
		size_t to = i;

		while (to > from && !strcmp(f->items[to - 1].file, fault.file) && f->items[to - 1].line > fault.line) {
			f->items[to] = f->items[to - 1];
			to--;
		}
		f->items[to] = fault;
	}
}

struct settings *settings_parse(struct slice text, const char *name, const char *folder,
				const struct settings_host *host, struct settings_faults *faults)
{
	struct arena tree = { 0 };
	size_t before = faults->count;
	struct settings *s = mem_zalloc(sizeof *s);
	struct node *root = s ? node_parse(text, name, folder, &tree, faults) : NULL;

	if (!s) {
		faults->out_of_memory = true;
		faults->errors++;
	}
	if (root) {
		read_tree(s, root, folder, faults);
		host_defaults(s, host);
		if (!faults->out_of_memory) {
			check_settings(s, root, faults);
			check_rules(s, root, faults);
		}
	}
	order_faults(faults, before);
	arena_release(&tree);
	if (!root || faults->errors)
		settings_free(&s);
	return s;
}

void settings_free(struct settings **s)
{
	if (*s)
		arena_release(&(*s)->arena);
	mem_free(s);
}

const struct settings_recipient_source *settings_source_of(const struct settings *s,
							   const struct settings_recipients_step *step)
{
	for (size_t i = 0; i < s->recipient_sources.count; i++) {
		const struct settings_recipient_source *source = &s->recipient_sources.items[i];
		if (source->type == step->source && !strcmp(source->name, step->name))
			return source;
	}
	return NULL;
}

const char *settings_list_path(const struct settings *s, struct slice name)
{
	for (size_t i = 0; i < s->lists.count; i++)
		if (s->lists.items[i].name && slice_eq(slice_str(s->lists.items[i].name), name))
			return s->lists.items[i].path;
	return NULL;
}
