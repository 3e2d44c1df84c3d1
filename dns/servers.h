/* dns/servers.h - which of the name servers is asked first
 *
 * c-ares 1.18 begins every query at the first server and knows nothing of how the last one went: with the first one
 * dead each lookup would lose a try's time. So a server that was sent DNS_UNHEARD_MAX packets, over as long as two
 * tries, without a word from it, is asked last; after `retest_ms` it has its place again.
 * Pure: time is an argument.
 */
#ifndef DNS_SERVERS_H
#define DNS_SERVERS_H

#include "base/ip.h"

enum { DNS_SERVERS_MAX = 8, DNS_UNHEARD_MAX = 8 };

struct dns_server {
	struct ip ip;
	uint16_t port;
};

struct dns_servers {
	const struct dns_server *all; /* the settings' */
	size_t n;
	uint64_t patience_ms, retest_ms;
	unsigned order; /* counts how often it has changed */
	struct {
		unsigned unheard;
		uint64_t since_ms; /* of the first of them */
		uint64_t back_ms;  /* silent until then; 0: it is not */
	} state[DNS_SERVERS_MAX];
};

/* patience_ms: how long a server may be silent. All of them are taken for alive. */
void dns_servers_init(
	struct dns_servers *s, const struct dns_server *all, size_t n, uint64_t patience_ms, uint64_t retest_ms);
/* Which one this is, or n. */
size_t dns_servers_find(const struct dns_servers *s, const struct ip *ip, uint16_t port);
void dns_servers_sent(struct dns_servers *s, size_t which, uint64_t now_ms);
void dns_servers_heard(struct dns_servers *s, size_t which);
/* The servers whose time has come are in their place again. Returns `order`. */
unsigned dns_servers_look(struct dns_servers *s, uint64_t now_ms);
/* All n, the silent ones last. */
void dns_servers_in_order(const struct dns_servers *s, struct dns_server list_r[DNS_SERVERS_MAX]);

#endif
