#include "dns/servers.h"

void dns_servers_init(
	struct dns_servers *s, const struct dns_server *all, size_t n, uint64_t patience_ms, uint64_t retest_ms)
{
	*s = (struct dns_servers){ .all = all, .n = n, .patience_ms = patience_ms, .retest_ms = retest_ms };
}

size_t dns_servers_find(const struct dns_servers *s, const struct ip *ip, uint16_t port)
{
	size_t i = 0;
	while (i < s->n && !(s->all[i].port == port && memcmp(&s->all[i].ip, ip, sizeof *ip) == 0))
		i++;
	return i;
}

void dns_servers_sent(struct dns_servers *s, size_t which, uint64_t now_ms)
{
	if (which >= s->n)
		return;
	if (s->state[which].unheard++ == 0)
		s->state[which].since_ms = now_ms;
	if (s->state[which].back_ms || s->state[which].unheard < DNS_UNHEARD_MAX ||
		now_ms - s->state[which].since_ms < s->patience_ms)
		return;
	s->state[which].back_ms = now_ms + s->retest_ms;
	s->order++;
}

void dns_servers_heard(struct dns_servers *s, size_t which)
{
	if (which >= s->n)
		return;
	s->state[which].unheard = 0;
	if (s->state[which].back_ms)
		s->order++;
	s->state[which].back_ms = 0;
}

unsigned dns_servers_look(struct dns_servers *s, uint64_t now_ms)
{
	for (size_t i = 0; i < s->n; i++)
		if (s->state[i].back_ms && s->state[i].back_ms <= now_ms)
			dns_servers_heard(s, i);
	return s->order;
}

void dns_servers_in_order(const struct dns_servers *s, struct dns_server list_r[DNS_SERVERS_MAX])
{
	size_t n = 0;
	for (int silent = 0; silent < 2; silent++)
		for (size_t i = 0; i < s->n; i++)
			if ((s->state[i].back_ms != 0) == silent)
				list_r[n++] = s->all[i];
}
