/* server/dns_desk.h - where one thread asks the DNS: a worker for its sessions, the control thread for
 * `smtpguardctl test`
 */
#ifndef SERVER_DNS_DESK_H
#define SERVER_DNS_DESK_H

#include "dns/resolver.h"
#include "server/list_desk.h"
#include "server/spf_desk.h"

struct app;

struct dns_desk {
	struct app *app;
	struct dns_resolver *resolver;
	struct spf_desk spf;
	struct list_desk lists;
	uint64_t now_ms, wall_ms; /* of the thread's turn */
};

#endif
