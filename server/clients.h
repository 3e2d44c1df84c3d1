/* server/clients.h - how many connections each client, and each network, has open, over all workers
 *
 * Exact counts for limits.sessions_per_client and limits.sessions_per_net: the limits that keep one address, or one
 * rented block of them, from taking every session. A client is an IPv4 address or an IPv6 /64, a net an IPv4 /24 or an
 * IPv6 /48. The tables' size follows the number of open sessions, which is bounded itself.
 * Threads: any; striped locks that are leaves.
 */
#ifndef SERVER_CLIENTS_H
#define SERVER_CLIENTS_H

#include "base/ip.h"
#include "base/result.h"

struct clients;
struct clients *clients_new(void) MUST_USE;
void clients_free(struct clients **c);

/* UINT32_MAX: none. */
struct clients_limits {
	uint32_t each, net;
};
/* FULL: this client has as many as it may, or memory is out; NET_FULL: its net. */
enum clients_room { CLIENTS_ROOM, CLIENTS_FULL, CLIENTS_NET_FULL };
/* Counts one more connection where there is room. */
enum clients_room clients_enter(
	struct clients *c, const struct ip *client, const struct clients_limits *limits) MUST_USE;
void clients_leave(struct clients *c, const struct ip *client);
uint32_t clients_count(struct clients *c, const struct ip *client);

#endif
