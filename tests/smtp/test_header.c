#include "smtp/header.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

/* Each header and its fields as "name=value" joined by '|'. */
static const struct {
	const char *text, *fields;
} VECTORS[] = {
	{ "", "" },
	{ "\r\n", "" },
	{ "Subject: hello\r\n\r\n", "Subject=hello" },
	{ "A: 1\r\nB:2\r\na:  3 \t\r\n\r\nC: body\r\n", "A=1|B=2|a=3" },
	{ "Subject: a\r\n\tlong\r\n  one\r\nX: y\r\n\r\n", "Subject=a\tlong  one|X=y" },
	{ "Old : blank before the colon\r\n\r\n", "Old=blank before the colon" },
	{ "no colon here\r\nX: y\r\n", "X=y" },
	{ ": no name\r\nb d: blank within\r\nX: y: z\r\n", "X=y: z" },
	{ "Empty:\r\nX:\r\n y\r\n", "Empty=|X=y" },
	{ "Cut: of", "Cut=of" },
	{ "\x80: high\r\nX: \xff\r\n", "X=\xff" },
};

static void parse(const char *text, size_t n, size_t max, char fields_r[200])
{
	struct smtp_header_field f[8];
	char *copy = malloc(n + 1), *to = fields_r; /* of its own, so that a read beyond it is seen */
	if (n)
		memcpy(copy, text, n);
	size_t count = smtp_header_parse(copy, n, f, max);
	assert_true(count <= max);
	*to = 0;
	for (size_t i = 0; i < count; i++)
		to += snprintf(to, (size_t)(fields_r + 200 - to), "%s%.*s=%.*s", i ? "|" : "", SLICE_ARG(f[i].name),
			SLICE_ARG(f[i].value));
	free(copy);
}

static void vectors(void **state)
{
	(void)state;
	char got[200];
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
		parse(VECTORS[i].text, strlen(VECTORS[i].text), 8, got);
		assert_string_equal(got, VECTORS[i].fields);
	}
}

/* A first line that continues nothing has no name of its own, and takes none of the next. */
static void continues_nothing(void **state)
{
	(void)state;
	char got[200];
	parse(" x: 1\r\nX: y\r\n", 13, 8, got);
	assert_string_equal(got, "x=1|X=y");
}

static void no_more_than_asked(void **state)
{
	(void)state;
	char got[200];
	parse("A:1\r\nB:2\r\nC:3\r\n", 15, 2, got);
	assert_string_equal(got, "A=1|B=2");
	parse("A:1\r\n", 5, 0, got);
	assert_string_equal(got, "");
}

/* Wherever a text is cut off, what was whole before the cut stays the same. */
static void cut_anywhere(void **state)
{
	(void)state;
	const char *text = "A: 1\r\nB: x\r\n y\r\nC: 3\r\n\r\n";
	char got[200];
	for (size_t n = 0; n <= strlen(text); n++) {
		parse(text, n, 8, got);
		assert_true(n < 6 || strncmp(got, "A=1", 3) == 0);
		assert_true(n < 16 || strncmp(got, "A=1|B=x y", 9) == 0);
	}
	assert_string_equal(got, "A=1|B=x y|C=3");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(continues_nothing),
		cmocka_unit_test(no_more_than_asked),
		cmocka_unit_test(cut_anywhere),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
