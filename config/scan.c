#include "config/scan.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

struct scan scan_start(struct slice text)
{
	return (struct scan){ .left = text, .line = 1, .line_start = true };
}

static struct slice take(struct scan *s, size_t n)
{
	struct slice taken = slice_of(s->left.p, n < s->left.n ? n : s->left.n);

	for (size_t i = 0; i < taken.n; i++)
		s->newlines += taken.p[i] == '\n';
	s->left = slice_skip(s->left, n);
	return taken;
}

/* A number or a word: everything up to a byte that can stand in neither. 1e-10 stays one word. */
static size_t word_length(struct slice s)
{
	bool number = !isalpha((unsigned char)s.p[0]);
	size_t n = 1;

	while (n < s.n) {
		unsigned char c = (unsigned char)s.p[n], before = (unsigned char)s.p[n - 1];
		bool sign = c == '-' || c == '+';
		if (!isalnum(c) && c != '_' && c != '*' && c != '.' && (!sign || (number && tolower(before) != 'e')))
			break;
		n++;
	}
	return n;
}

/* The library reads with atoi(), atoll() and strtoul(): all wrap or saturate without a word. Only
 * with L a number may be wider than 32 bits. */
static bool number_fits(struct slice s)
{
	char text[32];
	bool hex = s.n > 2 && s.p[0] == '0' && tolower((unsigned char)s.p[1]) == 'x';
	size_t digits = s.n;
	long long value;

	while (digits && s.p[digits - 1] == 'L')
		digits--;
	if (!hex && (slice_find(s, '.') < s.n || slice_find(s, 'e') < s.n || slice_find(s, 'E') < s.n))
		return true;
	if (digits >= sizeof text)
		return false;
	memcpy(text, s.p, digits);
	text[digits] = '\0';
	errno = 0;
	value = strtoll(text, NULL, hex ? 16 : 10);
	return !errno && (digits < s.n || (value >= INT32_MIN && value <= INT32_MAX));
}

/* As the library's lexer has it: a line of blanks, @include, blanks, and a string. */
static bool include_path(struct slice s, struct slice *path_r)
{
	s = slice_skip(s, sizeof "@include" - 1);
	size_t blanks = s.n;

	while (s.n && (s.p[0] == ' ' || s.p[0] == '\t'))
		s = slice_skip(s, 1);
	if (blanks == s.n || !s.n || s.p[0] != '"')
		return false;
	s = slice_skip(s, 1);
	*path_r = slice_of(s.p, slice_find(s, '"'));
	return path_r->n < s.n;
}

static enum scan_kind scan_string(struct scan *s)
{
	size_t i = 1;

	while (i < s->left.n && s->left.p[i] != '"')
		i += s->left.p[i] == '\\' ? 2 : 1;
	bool closed = i < s->left.n;
	take(s, i + 1);
	return closed ? SCAN_END : SCAN_OPEN_STRING;
}

static enum scan_kind scan_comment(struct scan *s)
{
	const char *end;

	if (!slice_starts(s->left, SLICE("/*"))) {
		take(s, slice_find(s->left, '\n'));
		return s->left.n ? SCAN_END : SCAN_LAST_COMMENT;
	}
	end = memmem(s->left.p + 2, s->left.n - 2, "*/", 2);
	take(s, end ? (size_t)(end + 2 - s->left.p) : s->left.n);
	return end ? SCAN_END : SCAN_OPEN_COMMENT;
}

/* A number with a unit, or a word where a value stands and that is neither true nor false. */
static bool is_bare(struct slice word, bool name, bool value)
{
	if (name)
		return value && !slice_ieq(word, SLICE("true")) && !slice_ieq(word, SLICE("false"));
	return !slice_starts(word, SLICE("0x")) && !slice_starts(word, SLICE("0X")) &&
	       memchr("smhdkMG", word.p[word.n - 1], 7);
}

static enum scan_kind scan_word(struct scan *s, struct slice *text_r)
{
	bool name = isalpha((unsigned char)s->left.p[0]) || s->left.p[0] == '*';

	*text_r = take(s, word_length(s->left));
	if (is_bare(*text_r, name, s->value))
		return SCAN_BARE_WORD;
	return name || number_fits(*text_r) ? SCAN_END : SCAN_BIG_NUMBER;
}

static enum scan_kind scan_include(struct scan *s, bool line_start, struct slice *text_r)
{
	bool meant = slice_starts(s->left, SLICE("@include"));
	bool include = meant && line_start && include_path(s->left, text_r);

	take(s, include ? (size_t)(text_r->p + text_r->n + 1 - s->left.p) : 1);
	return include ? SCAN_INCLUDE : meant ? SCAN_BAD_INCLUDE : SCAN_END;
}

/* One token; SCAN_END when there is nothing to tell about it. */
static enum scan_kind scan_token(struct scan *s, bool line_start, struct slice *text_r)
{
	unsigned char c = (unsigned char)s->left.p[0];

	if (c == '\0') {
		s->left = slice_of("", 0);
		return SCAN_NUL;
	}
	if (c == '"')
		return scan_string(s);
	if (c == '#' || slice_starts(s->left, SLICE("//")) || slice_starts(s->left, SLICE("/*")))
		return scan_comment(s);
	if (c == '@')
		return scan_include(s, line_start, text_r);
	if (isalnum(c) || c == '-' || c == '+' || c == '*')
		return scan_word(s, text_r);
	take(s, 1);
	return SCAN_END;
}

enum scan_kind scan_next(struct scan *s, struct slice *text_r)
{
	while (s->left.n) {
		char c = s->left.p[0];
		bool line_start = s->line_start;
		enum scan_kind kind;

		*text_r = slice_of("", 0);
		s->line += s->newlines;
		s->newlines = 0;
		kind = scan_token(s, line_start, text_r);
		s->line_start = c == '\n' || (line_start && (c == ' ' || c == '\t'));
		s->value = c == '=' || c == ':' || (s->value && (isspace((unsigned char)c) || c == '#' || c == '/'));
		if (kind != SCAN_END)
			return kind;
	}
	return SCAN_END;
}
