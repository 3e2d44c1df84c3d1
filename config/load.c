/* The one file that knows libconfig, and the one that reads files. */
#include <errno.h>
#include <libconfig.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/mem.h"
#include "config/node.h"
#include "config/scan.h"

enum {
	FILE_MAX = 8 << 20, /* a settings file is never that long; a log given by mistake is */
	INCLUDES_DEEP = 8,  /* libconfig's own bound is 10 */
	INCLUDES_MAX = 500, /* a file that includes itself twice would be read without end */
};

struct loader {
	const char *name;   /* of the settings file, for faults */
	const char *folder; /* NULL: no includes */
	struct arena *arena;
	struct settings_faults *faults;
	unsigned includes;
};

static bool read_stream(FILE *f, struct buf *text)
{
	for (;;) {
		TRY(buf_reserve(text, 16384));
		size_t n = fread(text->data + text->end, 1, 16384, f);
		buf_grew(text, n);
		if (n == 0)
			return !ferror(f);
		if (buf_len(text) > FILE_MAX) {
			errno = EFBIG;
			return false;
		}
	}
}

/* False with errno. A pipe would block and a device never end, so only regular files are opened. */
static bool read_file(const char *path, struct buf *text)
{
	struct stat st;
	FILE *f;
	bool ok;

	TRY(stat(path, &st) == 0);
	errno = S_ISDIR(st.st_mode) ? EISDIR : EINVAL;
	TRY(S_ISREG(st.st_mode));
	f = fopen(path, "re");
	TRY(f);
	errno = ENOMEM;
	ok = read_stream(f, text);
	fclose(f);
	return ok;
}

/* As faults name an included file: beside the settings file, as that was given. */
static const char *included_name(struct loader *l, struct slice path)
{
	size_t folder = slice_rfind(slice_str(l->name), '/');
	struct buf name = { 0 };
	const char *kept = NULL;

	folder = l->name[folder] ? folder + 1 : 0;
	if (buf_put(&name, slice_of(l->name, folder)) && buf_put(&name, path))
		kept = arena_str(l->arena, buf_slice(&name));
	buf_release(&name);
	return kept ? kept : l->name;
}

static bool scan_text(struct loader *l, struct slice text, const char *file, unsigned depth);

static bool scan_included(struct loader *l, struct slice path, const char *file, uint32_t line, unsigned depth)
{
	struct buf full = { 0 }, text = { 0 };
	bool ok = false;

	if (!l->folder)
		settings_fault_add(l->faults, SETTINGS_ERROR, file, line, "@include is not possible here");
	else if (depth >= INCLUDES_DEEP || ++l->includes > INCLUDES_MAX)
		settings_fault_add(l->faults, SETTINGS_ERROR, file, line, "@include goes too deep");
	else if (!buf_printf(&full, "%s/%.*s", l->folder, SLICE_ARG(path)) || !read_file(full.data, &text))
		settings_fault_add(l->faults, SETTINGS_ERROR, file, line,
				   "cannot read the included file \"%.*s\": %s; it is looked for beside the "
				   "settings file",
				   SLICE_ARG(path), strerror(errno));
	else
		ok = scan_text(l, buf_slice(&text), included_name(l, path), depth + 1);
	buf_release(&full);
	buf_release(&text);
	return ok;
}

/* False when libconfig should not see the text at all. */
static bool scan_text(struct loader *l, struct slice text, const char *file, unsigned depth)
{
	struct scan s = scan_start(text);
	struct slice found;
	bool fits = true;

	if (slice_starts(text, SLICE("\xef\xbb\xbf"))) {
		settings_fault_add(l->faults, SETTINGS_ERROR, file, 1,
				   "the file begins with a byte order mark: save it without one");
		return false;
	}

	for (;;) {
		switch (scan_next(&s, &found)) {
		case SCAN_END:
			return fits;
		case SCAN_BIG_NUMBER:
			settings_fault_add(l->faults, SETTINGS_ERROR, file, s.line,
					   "the number %.*s is too large: a bare number goes up to 2147483647; "
					   "sizes and durations have units (\"4G\", \"30d\")",
					   (int)(found.n > 60 ? 60 : found.n), found.p);
			break;
		case SCAN_BARE_WORD: {
			int n = (int)(found.n > 60 ? 60 : found.n);
			settings_fault_add(l->faults, SETTINGS_ERROR, file, s.line,
					   "%.*s must stand in quotes: \"%.*s\"; only numbers, true and false have "
					   "none", n, found.p, n, found.p);
			fits = false;
			break;
		}
		case SCAN_INCLUDE:
			TRY(scan_included(l, found, file, s.line, depth));
			break;
		case SCAN_BAD_INCLUDE:
			settings_fault_add(l->faults, SETTINGS_ERROR, file, s.line,
					   "@include \"FILE\" stands at the start of a line of its own, its file in "
					   "double quotes");
			fits = false;
			break;
		case SCAN_LAST_COMMENT:
			if (depth == 0)
				break;
			settings_fault_add(l->faults, SETTINGS_ERROR, file, s.line,
					   "an included file may not end within a comment: add a line end");
			fits = false;
			break;
		case SCAN_NUL:
			settings_fault_add(l->faults, SETTINGS_ERROR, file, s.line, "a NUL byte is in the text");
			return false;
		case SCAN_OPEN_COMMENT:
			settings_fault_add(l->faults, SETTINGS_ERROR, file, s.line,
					   "this comment has no end: \"*/\" is missing");
			return false;
		case SCAN_OPEN_STRING:
			settings_fault_add(l->faults, SETTINGS_ERROR, file, s.line,
					   "this string has no end: a '\"' is missing");
			return false;
		}
	}
}

static bool convert(struct loader *l, const config_setting_t *from, struct node *to, unsigned depth);

static bool convert_children(struct loader *l, const config_setting_t *from, struct node *to, unsigned depth)
{
	int n = config_setting_length(from);

	if (depth >= NODE_DEPTH_MAX) {
		settings_fault_add(l->faults, SETTINGS_ERROR, to->file, to->line,
				   "too many brackets inside each other");
		return true;
	}
	to->children = arena_alloc(l->arena, (size_t)n * sizeof *to->children);
	TRY(to->children);
	to->count = (size_t)n;
	for (int i = 0; i < n; i++)
		TRY(convert(l, config_setting_get_elem(from, (unsigned)i), &to->children[i], depth + 1));
	return true;
}

static bool convert(struct loader *l, const config_setting_t *from, struct node *to, unsigned depth)
{
	const char *file = config_setting_source_file(from);
	const char *name = config_setting_name(from);

	to->file = file ? included_name(l, slice_str(file)) : l->name;
	to->line = config_setting_source_line(from);
	to->name = name ? arena_str(l->arena, slice_str(name)) : NULL;
	TRY(to->name || !name);
	switch (config_setting_type(from)) {
	case CONFIG_TYPE_INT:
		to->type = NODE_INT, to->integer = config_setting_get_int(from);
		return true;
	case CONFIG_TYPE_INT64:
		to->type = NODE_INT, to->integer = config_setting_get_int64(from);
		return true;
	case CONFIG_TYPE_FLOAT:
		to->type = NODE_REAL, to->real = config_setting_get_float(from);
		return true;
	case CONFIG_TYPE_BOOL:
		to->type = NODE_BOOL, to->boolean = config_setting_get_bool(from);
		return true;
	case CONFIG_TYPE_STRING:
		to->type = NODE_TEXT, to->text = arena_str(l->arena, slice_str(config_setting_get_string(from)));
		return to->text != NULL;
	case CONFIG_TYPE_ARRAY:
		to->type = NODE_ARRAY;
		break;
	case CONFIG_TYPE_LIST:
		to->type = NODE_LIST;
		break;
	default:
		to->type = NODE_GROUP;
		break;
	}
	return convert_children(l, from, to, depth);
}

static void parse_fault(struct loader *l, const config_t *config)
{
	const char *file = config_error_file(config), *text = config_error_text(config);
	bool syntax = text && !strcmp(text, "syntax error");

	settings_fault_add(l->faults, SETTINGS_ERROR, file ? included_name(l, slice_str(file)) : l->name,
			   (uint32_t)config_error_line(config), "%s%s", text ? text : "cannot be parsed",
			   syntax ? ": often a missing or trailing comma above" : "");
}

static struct node *parse(struct loader *l, const char *text)
{
	struct node *root = NULL;
	config_t config;

	config_init(&config);
	if (l->folder)
		config_set_include_dir(&config, l->folder);
	if (!config_read_string(&config, text)) {
		parse_fault(l, &config);
	} else {
		root = arena_alloc(l->arena, sizeof *root);
		if (!root || !convert(l, config_root_setting(&config), root, 0)) {
			l->faults->out_of_memory = true;
			l->faults->errors++;
		}
	}
	config_destroy(&config);
	return root;
}

struct node *node_parse(struct slice text, const char *name, const char *folder, struct arena *arena,
			struct settings_faults *faults)
{
	struct loader l = { .name = name, .folder = folder, .arena = arena, .faults = faults };
	size_t errors = faults->errors;
	struct node *root;
	const char *copy;

	if (!scan_text(&l, text, name, 0))
		return NULL;
	copy = arena_str(arena, text);
	if (!copy) {
		faults->out_of_memory = true;
		faults->errors++;
		return NULL;
	}
	root = parse(&l, copy);
	return faults->errors == errors ? root : NULL;
}

/* The folder that the path names, absolute; a link to a settings file counts where the link is. */
static bool folder_of(const char *path, char real[PATH_MAX])
{
	struct slice folder = slice_of(path, slice_rfind(slice_str(path), '/'));
	char text[PATH_MAX];

	if (!path[folder.n])
		folder = SLICE(".");
	else if (!folder.n)
		folder = SLICE("/");
	if (folder.n >= sizeof text) {
		errno = ENAMETOOLONG;
		return false;
	}
	memcpy(text, folder.p, folder.n);
	text[folder.n] = '\0';
	return realpath(text, real) != NULL;
}

struct settings *settings_load(const char *path, const struct settings_host *host, struct settings_faults *faults)
{
	char folder[PATH_MAX];
	struct buf text = { 0 };
	struct settings *s = NULL;

	if (folder_of(path, folder) && read_file(path, &text))
		s = settings_parse(buf_slice(&text), path, folder, host, faults);
	else
		settings_fault_add(faults, SETTINGS_ERROR, path, 0, "cannot be read: %s", strerror(errno));
	buf_release(&text);
	return s;
}
