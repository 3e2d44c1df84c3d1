/* Any bytes from a client: replies stay well-formed, bodies clean, and the events do not depend on the cut.
 *
 * First byte: settings; second: size of the pieces of the second run; the rest is what the client says.
 */
#include "tests/smtp/server_driver.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void run(struct driver *d, unsigned settings, struct slice in, size_t step)
{
	driver_init(d);
	d->config.errors = settings & 1 ? 3 : 0;
	d->config.junk = settings & 2 ? 3 : 0;
	d->config.recipients = settings & 4 ? 2 : 0;
	d->config.size_max = settings & 8 ? 20 : 0;
	d->config.ext |= settings & 64 ? SMTP_EXT_CHUNKING | SMTP_EXT_SMTPUTF8 | SMTP_EXT_DSN | SMTP_EXT_LIMITS : 0u;
	d->config.ext |= settings & 128 ? SMTP_EXT_XCLIENT : 0u;
	d->config.bare_newline = settings & 16 ? SMTP_STRAY_REFUSE : SMTP_STRAY_REPAIR;
	d->config.bare_cr = settings & 32 ? SMTP_STRAY_REFUSE : SMTP_STRAY_REPAIR;
	driver_feed_cut(d, in, step);
	if (d->broken)
		abort();
}

/* These depend on what has arrived at the moment of a reply, rightly. */
static bool depends_on_time(const struct driver *d)
{
	return d->offences[SMTP_OFFENCE_REFUSED_DATA] || d->offences[SMTP_OFFENCE_INJECTION];
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 3)
		return 0;
	struct slice in = slice_of((const char *)data + 2, size - 2);
	struct driver whole, cut;
	run(&whole, data[0], in, in.n);
	run(&cut, data[0], in, 1 + data[1] % 80);
	if (!depends_on_time(&whole) && !depends_on_time(&cut))
		if (!logs_are_equal(&whole, &cut) || !slice_eq(buf_slice(&whole.out), buf_slice(&cut.out)))
			abort();
	driver_free(&whole);
	driver_free(&cut);
	return 0;
}
