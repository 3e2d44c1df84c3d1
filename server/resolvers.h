/* server/resolvers.h - whom the workers ask: the settings' servers, or the system's */
#ifndef SERVER_RESOLVERS_H
#define SERVER_RESOLVERS_H

#include "config/settings.h"
#include "dns/resolver.h"

/* Without dns.servers /etc/resolv.conf is read, now. The cache's size is that of all workers together. */
void resolvers_fill(struct dns_settings *d, const struct settings_dns *from);

#endif
