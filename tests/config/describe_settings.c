/* The manuals of the settings, from the table: the target settings-manual. Without an argument docs/SETTINGS.md goes
 * to stdout; with one that manual page's part between its two marks is written anew. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/settings.h"

enum { PAGE_MAX = 1 << 20 };

static bool write_all(FILE *f, struct slice text)
{
	return f && fwrite(text.p, 1, text.n, f) == text.n && !fflush(f);
}

static bool renew(const char *path, struct slice settings)
{
	char *page = calloc(1, PAGE_MAX);
	FILE *in = fopen(path, "r");
	bool ok = page && in && fread(page, 1, PAGE_MAX - 1, in) > 0;
	char *from = ok ? strstr(page, SETTINGS_MAN_BEGIN) : NULL;
	char *to = from ? strstr(from, SETTINGS_MAN_END) : NULL;
	if (in)
		fclose(in);
	if (!to) {
		fprintf(stderr, "%s: the marks of the settings are not in it\n", path);
		free(page);
		return false;
	}
	from += strlen(SETTINGS_MAN_BEGIN);
	FILE *out = fopen(path, "w");
	ok = out && write_all(out, slice_of(page, (size_t)(from - page))) && write_all(out, settings) &&
	     write_all(out, slice_str(to));
	ok = out && !fclose(out) && ok;
	free(page);
	return ok;
}

int main(int argc, char **argv)
{
	struct buf out = { 0 };
	bool ok = argc > 1 ? settings_describe_man(&out) && renew(argv[1], buf_slice(&out))
			   : settings_describe(&out) && write_all(stdout, buf_slice(&out));

	buf_release(&out);
	return ok ? 0 : 1;
}
