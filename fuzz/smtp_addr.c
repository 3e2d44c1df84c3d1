/* What parses as a path is written back and parses to the same; nothing unfit gets through. First byte: flags. */
#include "smtp/addr.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void must(bool ok)
{
	if (!ok)
		abort();
}

static void check_bytes(struct slice addr, unsigned flags)
{
	for (size_t i = 0; i < addr.n; i++) {
		unsigned char c = (unsigned char)addr.p[i];
		must(c >= 32 && c != 127 && (c < 127 || flags & SMTP_PATH_UTF8));
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1)
		return 0;
	unsigned flags = data[0] & 7;
	struct slice in = slice_of((const char *)data + 1, size - 1), before = in;
	struct smtp_path path, again;
	if (smtp_path_parse(&in, flags, &path) != SMTP_PATH_OK) {
		must(in.p == before.p && in.n == before.n);
		return 0;
	}
	check_bytes(path.addr, flags);
	must(path.addr.n + 2 <= SMTP_PATH_MAX && path.local.n <= SMTP_LOCAL_MAX);
	must(path.addr.n == path.local.n + path.domain.n + (path.domain.n > 0));
	must(in.n < before.n && in.p[-1] == '>');

	struct buf out = { 0 };
	must(smtp_path_write(&path, &out));
	struct slice written = buf_slice(&out);
	must(smtp_path_parse(&written, flags, &again) == SMTP_PATH_OK && written.n == 0);
	must(slice_eq(path.addr, again.addr));
	must(slice_eq(path.local, again.local) && slice_eq(path.domain, again.domain));
	buf_release(&out);
	return 0;
}
