/* server/clients.h - how many connections each client has open, over all workers
 *
 * Exact counts for limits.sessions_per_client: the limit that keeps one address from taking every
 * session. A client is an IPv4 address or an IPv6 /64. Its size follows the number of open sessions,
 * which is bounded itself.
 * Threads: any; striped locks that are leaves.
 */
#ifndef SERVER_CLIENTS_H
#define SERVER_CLIENTS_H

#include "base/ip.h"
#include "base/result.h"

struct clients;
struct clients *clients_new(void) MUST_USE;
void clients_free(struct clients **c);
/* Counts one more connection unless the client has `limit` already. False: it has, or memory is out. */
bool clients_enter(struct clients *c, const struct ip *client, uint32_t limit) MUST_USE;
void clients_leave(struct clients *c, const struct ip *client);
uint32_t clients_count(struct clients *c, const struct ip *client);

#endif
