/* dns/resolv_conf.h - which name servers the system uses
 *
 * Reads the text of resolv.conf(5): the `nameserver` lines alone. What else stands there (search lists, options) is
 * for programs that are given short names; we ask for whole ones and have dns.timeout and dns.tries.
 * Pure: whoever has the file reads it, at the start or at a reload, not when a name is asked for.
 */
#ifndef DNS_RESOLV_CONF_H
#define DNS_RESOLV_CONF_H

#include "dns/servers.h"

/* Returns how many were found, DNS_SERVERS_MAX at most; later ones are left out, as is what is no address or has a
 * zone (fe80::1%eth0). */
size_t dns_resolv_conf_read(struct slice text, struct dns_server servers_r[DNS_SERVERS_MAX]);
/* Whom the C library asks when it finds none: 127.0.0.1. Returns 1. */
size_t dns_resolv_conf_default(struct dns_server servers_r[DNS_SERVERS_MAX]);

#endif
