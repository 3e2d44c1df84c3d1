/* tools/command.c - finding a command by its name; see tools/command.h */
#include "tools/command.h"

const struct tools_command *tools_command_find(const char *name)
{
	for (size_t i = 0; i < tools_n_commands; i++)
		if (strcmp(tools_commands[i].name, name) == 0)
			return &tools_commands[i];
	return NULL;
}

static size_t min3(size_t a, size_t b, size_t c)
{
	size_t m = a < b ? a : b;
	return m < c ? m : c;
}

enum { TYPED_MAX = 32 };

/* Edit distance (Levenshtein) with one row of memory. Both are at most TYPED_MAX long. */
static size_t distance(struct slice a, struct slice b)
{
	size_t row[TYPED_MAX + 1];
	for (size_t j = 0; j <= b.n; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.n; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.n; j++) {
			size_t above = row[j];
			row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (a.p[i - 1] != b.p[j - 1]));
			diagonal = above;
		}
	}
	return row[b.n];
}

const struct tools_command *tools_command_near(const char *typed)
{
	const struct tools_command *best = NULL;
	struct slice t = slice_str(typed);
	size_t best_off = 3;
	if (t.n < 2 || t.n > TYPED_MAX)
		return NULL;
	for (size_t i = 0; i < tools_n_commands; i++) {
		struct slice name = slice_str(tools_commands[i].name);
		bool begins = slice_starts(name, t) || slice_starts(t, name);
		size_t off = begins ? 0 : distance(t, name);
		if (off < best_off) {
			best_off = off;
			best = &tools_commands[i];
		}
	}
	return best;
}
