/* Writes docs/SETTINGS.md to stdout: the target settings-manual. */
#include <stdio.h>

#include "config/settings.h"

int main(void)
{
	struct buf out = { 0 };
	struct slice text;
	bool ok = settings_describe(&out);

	text = buf_slice(&out);
	ok = ok && fwrite(text.p, 1, text.n, stdout) == text.n && !fflush(stdout);
	buf_release(&out);
	return ok ? 0 : 1;
}
