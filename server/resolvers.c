#include "server/resolvers.h"

#include "base/log.h"
#include "dns/resolv_conf.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* More than any hand has written into it; the first servers count. */
enum { RESOLV_CONF = 16 * 1024 };

static void use_system(struct dns_channel_settings *c)
{
	char text[RESOLV_CONF];
	size_t n = 0;
	FILE *f = fopen("/etc/resolv.conf", "re");
	if (f) {
		n = fread(text, 1, sizeof text, f);
		(void)fclose(f); /* it was only read */
	} else {
		log_warn("dns: /etc/resolv.conf: %s; 127.0.0.1 is asked, name others in dns.servers", strerror(errno));
	}
	c->servers_n = dns_resolv_conf_read(slice_of(text, n), c->servers);
}

void resolvers_fill(struct dns_settings *d, const struct settings_dns *from)
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
		use_system(c);
}
