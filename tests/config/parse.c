#include "tests/config/parse.h"

#include <stdio.h>
#include <stdlib.h>

static const struct settings_host HOST = { .hostname = "host.example.com" };

static struct parsed finish(struct settings *s, struct settings_faults *faults)
{
	struct parsed p = { .s = s };

	for (size_t i = 0; i < faults->count; i++) {
		assert_true(settings_fault_format(&faults->items[i], &p.lines));
		assert_true(buf_put(&p.lines, SLICE("\n")));
	}
	assert_true(buf_put(&p.lines, slice_of("", 1)));
	assert_int_equal(s == NULL, faults->errors > 0);
	settings_faults_release(faults);
	return p;
}

struct parsed parse_text(const char *text)
{
	struct settings_faults faults = { 0 };
	struct settings *s = settings_parse(slice_str(text), "t.cfg", "/etc/sg", &HOST, &faults);

	return finish(s, &faults);
}

struct parsed parse_file(const char *path)
{
	struct settings_faults faults = { 0 };
	struct settings *s = settings_load(path, &HOST, &faults);

	return finish(s, &faults);
}

char *read_text(const char *path)
{
	enum { TEXT_MAX = 1 << 20 };
	FILE *f = fopen(path, "r");
	char *text = calloc(1, TEXT_MAX);

	assert_non_null(f);
	assert_non_null(text);
	assert_in_range(fread(text, 1, TEXT_MAX - 1, f), 1, TEXT_MAX - 2);
	fclose(f);
	return text;
}

void parsed_free(struct parsed *p)
{
	settings_free(&p->s);
	buf_release(&p->lines);
}

void assert_faults(const char *text, const char *lines)
{
	struct parsed p = parse_text(text);

	assert_string_equal(p.lines.data, lines);
	parsed_free(&p);
}

void assert_fault_in(const char *text, const char *line)
{
	struct parsed p = parse_text(text);

	if (!strstr(p.lines.data, line))
		print_error("not among the faults: %s\nof: %s\nwhich are:\n%s", line, text, p.lines.data);
	assert_non_null(strstr(p.lines.data, line));
	parsed_free(&p);
}

void assert_clean(const char *text)
{
	assert_faults(text, "");
}
