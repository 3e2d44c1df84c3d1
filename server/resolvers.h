/* server/resolvers.h - whom the workers ask: the settings' servers, or the system's */
#ifndef SERVER_RESOLVERS_H
#define SERVER_RESOLVERS_H

#include "config/settings.h"
#include "dns/resolver.h"

/* Without dns.servers /etc/resolv.conf is read, now; when it cannot be, or names none, `old` (NULL: there is none)
 * lends its servers, which is told as a warning about the settings at `path`. The cache's size is that of all workers
 * together. */
void resolvers_fill(struct dns_settings *d, const struct settings_dns *from, const struct dns_settings *old,
	const char *path, struct settings_faults *faults);

#endif
