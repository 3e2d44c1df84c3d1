/* Any bytes as a settings file. What is accepted must survive a dump and be accepted again, alike. */
#include <stdlib.h>

#include "config/settings.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct settings_host HOST = { .hostname = "host.example.com" };

/* libconfig 1.5 drops the string it was collecting when a syntax error follows: 64 bytes for each such file. */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_suppressions(void)
{
	return "leak:libconfig.so";
}

/* NULL folder: nothing on disk is read. */
static struct settings *parse(struct slice text)
{
	struct settings_faults faults = { 0 };
	struct settings *s = settings_parse(text, "fuzz.cfg", NULL, &HOST, &faults);
	struct buf out = { 0 };

	for (size_t i = 0; i < faults.count; i++)
		if (!settings_fault_format(&faults.items[i], &out))
			abort();
	if (!s && !faults.errors)
		abort();
	buf_release(&out);
	settings_faults_release(&faults);
	return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct settings *s = parse(slice_of((const char *)data, size)), *again;
	struct buf once = { 0 }, twice = { 0 };

	if (!s)
		return 0;
	if (!settings_dump(s, &once))
		abort();
	again = parse(buf_slice(&once));
	if (!again || !settings_dump(again, &twice) || !slice_eq(buf_slice(&once), buf_slice(&twice)))
		abort();
	settings_free(&again);
	settings_free(&s);
	buf_release(&once);
	buf_release(&twice);
	return 0;
}
