#include "dns/name.h"

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

static bool labels_fit(struct slice s)
{
	while (s.n) {
		size_t n = slice_find(s, '.');
		if (n == 0 || n > DNS_LABEL_MAX || n + 1 == s.n)
			return false;
		s = slice_skip(s, n + 1);
	}
	return true;
}

bool dns_name_parse(struct slice text, struct dns_name *name_r)
{
	if (text.n && text.p[text.n - 1] == '.')
		text.n--;
	if (text.n > DNS_NAME_MAX || !labels_fit(text))
		return false;
	name_r->n = (uint8_t)text.n;
	for (size_t i = 0; i < text.n; i++)
		name_r->b[i] = lower(text.p[i]);
	return true;
}

static bool is_host_byte(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '-' ||
	       c == '_';
}

bool dns_name_is_host(struct slice name)
{
	if (name.n == 0 || name.n > DNS_NAME_MAX)
		return false;
	for (size_t i = 0; i < name.n; i++)
		if (!is_host_byte(name.p[i]))
			return false;
	return labels_fit(name);
}

enum { REVERSED_MAX = 64 };

/* Octets or half octets, the last one first, each with a dot behind it. */
static struct slice reverse(const struct ip *ip, char text[REVERSED_MAX])
{
	static const char hex[] = "0123456789abcdef";
	size_t n = 0;
	bool v4 = ip_is_v4(ip);
	for (int i = 15; i >= (v4 ? 12 : 0); i--) {
		char digits[SLICE_DIGITS];
		struct slice octet = slice_number(ip->b[i], digits);
		if (v4) {
			memcpy(text + n, octet.p, octet.n);
			n += octet.n;
			text[n++] = '.';
		} else {
			text[n++] = hex[ip->b[i] & 15];
			text[n++] = '.';
			text[n++] = hex[ip->b[i] >> 4];
			text[n++] = '.';
		}
	}
	return slice_of(text, n);
}

static bool join(struct slice head, struct slice tail, struct dns_name *name_r)
{
	char text[DNS_NAME_MAX + 1];
	if (head.n + tail.n > sizeof text)
		return false;
	memcpy(text, head.p, head.n);
	memcpy(text + head.n, tail.p, tail.n);
	return dns_name_parse(slice_of(text, head.n + tail.n), name_r);
}

void dns_name_of_ip(const struct ip *ip, struct dns_name *name_r)
{
	if (!dns_name_listed_ip(ip, ip_is_v4(ip) ? SLICE("in-addr.arpa") : SLICE("ip6.arpa"), name_r))
		__builtin_unreachable(); /* the longest has 72 bytes */
}

bool dns_name_listed_ip(const struct ip *ip, struct slice zone, struct dns_name *name_r)
{
	char text[REVERSED_MAX];
	return zone.n && join(reverse(ip, text), zone, name_r);
}

bool dns_name_listed_domain(struct slice domain, struct slice zone, struct dns_name *name_r)
{
	char text[DNS_NAME_MAX + 1];
	if (domain.n && domain.p[domain.n - 1] == '.')
		domain.n--;
	if (!domain.n || !zone.n || domain.n > DNS_NAME_MAX)
		return false;
	memcpy(text, domain.p, domain.n);
	text[domain.n] = '.';
	return join(slice_of(text, domain.n + 1), zone, name_r);
}

size_t dns_name_to_wire(const struct dns_name *name, uint8_t wire_r[DNS_WIRE_MAX])
{
	size_t n = 0;
	for (struct slice rest = dns_name_slice(name); rest.n;) {
		struct slice label = slice_cut(&rest, '.');
		wire_r[n++] = (uint8_t)label.n;
		memcpy(wire_r + n, label.p, label.n);
		n += label.n;
	}
	wire_r[n++] = 0;
	return n;
}

void dns_name_from_wire(const uint8_t *wire, struct dns_name *name_r)
{
	size_t n = 0;
	for (; *wire; wire += *wire + 1) {
		if (n)
			name_r->b[n++] = '.';
		for (size_t i = 1; i <= *wire; i++)
			name_r->b[n++] = wire[i] == '.' ? '\\' : lower((char)wire[i]);
	}
	name_r->n = (uint8_t)n;
}
