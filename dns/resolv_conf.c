#include "dns/resolv_conf.h"

enum { DOMAIN_PORT = 53 };

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static struct slice next_word(struct slice *line)
{
	size_t n = 0;
	while (line->n && is_blank(*line->p))
		*line = slice_skip(*line, 1);
	while (n < line->n && !is_blank(line->p[n]))
		n++;
	struct slice word = slice_of(line->p, n);
	*line = slice_skip(*line, n);
	return word;
}

static bool is_listed(const struct dns_server *servers, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (memcmp(&servers[i].ip, ip, sizeof *ip) == 0)
			return true;
	return false;
}

size_t dns_resolv_conf_read(struct slice text, struct dns_server servers_r[DNS_SERVERS_MAX])
{
	size_t n = 0;
	while (text.n && n < DNS_SERVERS_MAX) {
		struct slice line = slice_cut(&text, '\n');
		struct ip ip;
		if (!slice_eq(next_word(&line), SLICE("nameserver")))
			continue;
		if (ip_parse(next_word(&line), &ip) && !is_listed(servers_r, n, &ip))
			servers_r[n++] = (struct dns_server){ ip, DOMAIN_PORT };
	}
	return n;
}

size_t dns_resolv_conf_default(struct dns_server servers_r[DNS_SERVERS_MAX])
{
	servers_r[0].port = DOMAIN_PORT;
	return ip_parse(SLICE("127.0.0.1"), &servers_r[0].ip) ? 1 : 0;
}
