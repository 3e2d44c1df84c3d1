/* See sample.h */
#include "sample.h"

#include <stdio.h>

bool sample_read(const char *name, struct buf *out)
{
	char path[200];
	snprintf(path, sizeof(path), "tests/tools/samples/%s", name);
	FILE *f = fopen(path, "r");
	bool ok = f && buf_reserve(out, 65536);
	if (ok)
		buf_grew(out, fread(out->data + out->end, 1, 65536, f));
	if (f)
		fclose(f);
	return ok;
}

bool sample_doc(const char *name, struct ctl_json_doc *doc_r)
{
	char file[100];
	struct buf text = { 0 }, why = { 0 };
	snprintf(file, sizeof(file), "%s.json", name);
	bool ok = sample_read(file, &text) && ctl_json_parse(buf_slice(&text), doc_r, &why);
	buf_release(&text);
	buf_release(&why);
	return ok;
}
