/* dns/channel.h - messages sent to the name servers, and their answers, through c-ares on a worker's loop
 *
 * c-ares sends, repeats, fails over to the next server and goes to TCP when an answer is cut. Its callbacks end here:
 * what came back is popped. The sockets are made, watched and closed by us, and c-ares reads no file.
 * The channel in use is replaced after DNS_CHANNEL_QUERIES or DNS_CHANNEL_MS (1.18 keeps its source port as long as
 * it is busy, and at a port that stays forged answers can be aimed), and when the order of the servers changes; the
 * one before ends its queries and goes.
 * Thread: the worker's.
 */
#ifndef DNS_CHANNEL_H
#define DNS_CHANNEL_H

#include "dns/answer.h"
#include "dns/servers.h"

struct net_io;
struct net_loop;
struct dns_query;
struct dns_channels;

enum { DNS_CHANNEL_QUERIES = 10000, DNS_CHANNEL_MS = 10 * 60 * 1000 };

/* Where to ask, and how long. */
struct dns_channel_settings {
	struct dns_server servers[DNS_SERVERS_MAX]; /* in order of preference */
	size_t servers_n;
	uint64_t timeout_ms; /* all tries at all servers fit into it, at 100 ms each at least */
	unsigned tries;	     /* at each server, at most */
	uint64_t retest_ms;  /* when a server that fell silent has its place again */
};

struct dns_channels *dns_channels_new(struct net_loop *l) MUST_USE;
/* Everything is closed and freed; what was not popped is lost. */
void dns_channels_free(struct dns_channels **c);
/* From now on; what is under way ends under the settings before. */
void dns_channels_configure(struct dns_channels *c, const struct dns_channel_settings *s, uint64_t now_ms);

/* Its reply will be popped, in any case; maybe at once. False: no memory. */
bool dns_channels_send(struct dns_channels *c, struct dns_query *query, uint64_t now_ms) MUST_USE;

struct dns_reply {
	struct dns_query *query;
	enum dns_failure failure; /* DNS_NO_FAILURE: there is a message */
	struct slice message;	  /* to this question, else unread; until the next call */
};
bool dns_channels_pop(struct dns_channels *c, struct dns_reply *reply_r) MUST_USE;

void dns_channels_on_io(struct dns_channels *c, struct net_io *io, unsigned events, uint64_t now_ms);
/* c-ares' own timeouts; call it every dns_channels_tick_ms() as long as queries are open. */
void dns_channels_on_tick(struct dns_channels *c, uint64_t now_ms);
uint64_t dns_channels_tick_ms(const struct dns_channels *c);
/* Frees what was closed; once in a turn, after the batch of events. */
void dns_channels_sweep(struct dns_channels *c);

/* Queries sent whose reply has not come. */
unsigned dns_channels_open(const struct dns_channels *c);
/* Connections made over TCP, since the start. */
uint64_t dns_channels_tcp(const struct dns_channels *c);
/* Ends all queries now: each has its reply to be popped. */
void dns_channels_abandon(struct dns_channels *c);

#endif
