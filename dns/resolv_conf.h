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
 * zone (fe80::1%eth0). With none it is 127.0.0.1, as in the C library: then 1 is returned. */
size_t dns_resolv_conf_read(struct slice text, struct dns_server servers_r[DNS_SERVERS_MAX]);

#endif
