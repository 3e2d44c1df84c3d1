#include "smtp/header.h"

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The line end of the line that begins at `at`: the index of its LF, or n. */
static size_t line_end(const char *text, size_t n, size_t at)
{
	const char *lf = memchr(text + at, '\n', n - at);
	return lf ? (size_t)(lf - text) : n;
}

/* Behind the field that begins at `at`: its lines are followed by none that begins with a blank. */
static size_t field_end(const char *text, size_t n, size_t at)
{
	do {
		at = line_end(text, n, at);
		at += at < n;
	} while (at < n && is_blank(text[at]));
	return at;
}

/* RFC 5322 2.2.3: a line end is taken out, the blank behind it stays. Returns what is left. */
static struct slice unfold(char *text, size_t n)
{
	size_t to = 0;
	for (size_t i = 0; i < n; i++)
		if (text[i] != '\r' && text[i] != '\n')
			text[to++] = text[i];
	return slice_of(text, to);
}

static bool is_name(struct slice name)
{
	for (size_t i = 0; i < name.n; i++)
		if (name.p[i] <= ' ' || name.p[i] > '~')
			return false;
	return name.n > 0;
}

size_t smtp_header_parse(char *text, size_t n, struct smtp_header_field *fields_r, size_t max)
{
	size_t count = 0;
	for (size_t at = 0; at < n && count < max && text[at] != '\r';) {
		size_t end = field_end(text, n, at);
		struct slice value = unfold(text + at, end - at);
		bool has_colon = slice_find(value, ':') < value.n;
		struct slice name = slice_trim(slice_cut(&value, ':'));
		if (has_colon && is_name(name))
			fields_r[count++] = (struct smtp_header_field){ name, slice_trim(value) };
		at = end;
	}
	return count;
}
