/* A header cut into fields: names are names, values are one line, all lies within the text; written as a mail would
 * have them, the same fields come out again. First byte: how many fields are wanted. */
#include "smtp/header.h"

#include "base/buf.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { FIELDS = 64, INPUT_MAX = 16 * 1024 };

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_field(const struct smtp_header_field *f, const char *text, size_t n)
{
	must(f->name.n > 0 && f->name.p >= text && f->value.p + f->value.n <= text + n);
	for (size_t i = 0; i < f->name.n; i++)
		must(f->name.p[i] > ' ' && f->name.p[i] <= '~' && f->name.p[i] != ':');
	must(slice_find(f->value, '\r') == f->value.n && slice_find(f->value, '\n') == f->value.n);
	must(slice_trim(f->value).n == f->value.n);
}

/* "Name: value", as a mail would have it. */
static void write_again(const struct smtp_header_field *f, size_t count, struct buf *out)
{
	for (size_t i = 0; i < count; i++)
		must(buf_puts(out, f[i].name, SLICE(": "), f[i].value, SLICE("\r\n")));
	must(buf_put(out, SLICE("\r\n")));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct smtp_header_field f[FIELDS], again[FIELDS];
	if (size < 1 || size > INPUT_MAX)
		return 0;
	size_t n = size - 1, max = data[0] % (FIELDS + 1);
	char *text = malloc(n + 1);
	must(text != NULL);
	memcpy(text, data + 1, n);
	size_t count = smtp_header_parse(text, n, f, max);
	must(count <= max);
	for (size_t i = 0; i < count; i++)
		check_field(&f[i], text, n);

	struct buf out = { 0 };
	write_again(f, count, &out);
	must(smtp_header_parse(out.data + out.start, buf_len(&out), again, FIELDS) == count);
	for (size_t i = 0; i < count; i++)
		must(slice_eq(f[i].name, again[i].name) && slice_eq(f[i].value, again[i].value));
	buf_release(&out);
	free(text);
	return 0;
}
