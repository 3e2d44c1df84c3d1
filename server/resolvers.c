#include "server/resolvers.h"

#include "dns/resolv_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* More than any hand has written into it; the first servers count. */
enum { RESOLV_CONF = 16 * 1024 };
#define PATH "/etc/resolv.conf"

/* NULL: it was read, perhaps up to a part. Else why not. */
static const char *read_system(char text_r[RESOLV_CONF], size_t *n_r)
{
	FILE *f = fopen(PATH, "re");
	*n_r = 0;
	if (!f)
		return strerror(errno);
	*n_r = fread(text_r, 1, RESOLV_CONF, f);
	const char *why = ferror(f) ? strerror(errno) : NULL;
	(void)fclose(f); /* it was only read */
	return why;
}

/* A file that names none, as while it is being written, means 127.0.0.1 at the start alone. */
static void use_system(struct dns_channel_settings *c, const struct dns_channel_settings *old, const char *path,
	struct settings_faults *faults)
{
	char text[RESOLV_CONF];
	size_t n;
	const char *why = read_system(text, &n);
	c->servers_n = dns_resolv_conf_read(slice_of(text, n), c->servers);
	if (!why && c->servers_n)
		return;
	if (old) {
		memcpy(c->servers, old->servers, sizeof c->servers);
		c->servers_n = old->servers_n;
	} else {
		c->servers_n = dns_resolv_conf_default(c->servers);
	}
	if (!why && !old)
		return; /* so does the C library */
	settings_fault_add(faults, SETTINGS_WARNING, path, 0,
		"dns.servers: " PATH ": %s; %s; mend it, or name servers in dns.servers",
		why ? why : "it names no server", old ? "those of before are asked" : "127.0.0.1 is asked");
}

void resolvers_fill(struct dns_settings *d, const struct settings_dns *from, const struct dns_settings *old,
	const char *path, struct settings_faults *faults)
{
	struct dns_channel_settings *c = &d->channel;
	*d = (struct dns_settings){ .cache_entries = from->cache };
	c->timeout_ms = from->timeout_ms;
	c->tries = from->tries;
	c->retest_ms = from->retest_ms;
	c->servers_n = from->servers.count < DNS_SERVERS_MAX ? from->servers.count : DNS_SERVERS_MAX;
	for (size_t i = 0; i < c->servers_n; i++)
		c->servers[i] = (struct dns_server){ from->servers.items[i].ip, from->servers.items[i].port };
	if (c->servers_n == 0)
		use_system(c, old ? &old->channel : NULL, path, faults);
}
