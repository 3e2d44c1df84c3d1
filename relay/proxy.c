/* Telling the backend who the client is: the PROXY header in front of a connection. */
#include "base/log.h"
#include "net/proxy.h"
#include "relay/identity.h"
#include "relay/link_inside.h"

/* A destination of another family than the client's (XCLIENT named the client) would make the client's address be
 * written in a form that no list of the backend's knows. */
static struct ip dest_of(const struct relay_client *c)
{
	struct ip nowhere = { 0 };
	if (ip_is_v4(&c->ip))
		nowhere = (struct ip){ .b = { [10] = 0xff, [11] = 0xff } };
	return c->dest_port && ip_is_v4(&c->dest) == ip_is_v4(&c->ip) ? c->dest : nowhere;
}

static struct net_proxy header_of(const struct relay_client *c)
{
	return (struct net_proxy){
		.src = c->ip,
		.src_port = c->port,
		.dst = dest_of(c),
		.dst_port = c->dest_port,
		.tls = c->tls_version.n != 0,
		.version = c->tls_version,
		.cipher = c->tls_cipher,
		.authority = c->server_name,
		.unique_id = c->session,
	};
}

bool relay_proxy_head(struct relay *r, struct relay_link *l, const struct relay_job *job)
{
	char bytes[NET_PROXY_MAX];
	struct net_proxy header = { .local = true };
	if (job) {
		header = header_of(&job->mail->client);
		l->whom = relay_proxy_whom(r->shared, job);
	}
	l->named = job != NULL;
	l->retire = !job;
	return buf_put(&l->conn.out, slice_of(bytes, net_proxy_write(&header, bytes)));
}

/* Its client is turned away as such: the backend is in order. */
void relay_proxy_refused(struct relay *r, struct relay_link *l, const struct smtp_client_reply *reply, uint64_t now_ms)
{
	relay_link_keep(l, reply, UINT16_MAX);
	relay_finish_refusal(r, l->job, now_ms);
	relay_link_close(r, l);
}

/* Closed, silent or nonsense before it was open. That may be the client's doing: Postfix with inet_protocols = ipv4
 * hangs up on each IPv6 address, and one such client would stop all mail. A connection of our own finds out. */
void relay_proxy_dropped(struct relay *r, struct relay_link *l, struct slice why, uint64_t now_ms)
{
	struct relay_pool *p = l->pool;
	char ip[IP_TEXT];
	ip_format(&l->job->mail->client.ip, ip);
	log_warn("backend %s: takes no connection for %s: %.*s", p->backend->name, ip, SLICE_ARG(why));
	relay_finish_lost(r, l->job, false, false, false, now_ms);
	relay_link_close(r, l);
	if (!p->opening_n)
		relay_pool_open(r, p, NULL, now_ms);
}
