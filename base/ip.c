#include "base/ip.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static const uint8_t V4_PREFIX[12] = { [10] = 0xff, [11] = 0xff };

bool ip_parse(struct slice s, struct ip *ip_r)
{
	char text[IP_TEXT];
	if (s.n == 0 || s.n >= sizeof text || memchr(s.p, 0, s.n))
		return false;
	memcpy(text, s.p, s.n);
	text[s.n] = 0;
	if (inet_pton(AF_INET, text, ip_r->b + 12) == 1) {
		memcpy(ip_r->b, V4_PREFIX, sizeof V4_PREFIX);
		return true;
	}
	return inet_pton(AF_INET6, text, ip_r->b) == 1;
}

/* By hand: inet_ntop(3) goes through printf, and each journal line has an address. */
static size_t format_v4(const uint8_t b[4], char *text_r)
{
	size_t n = 0;
	for (int i = 0; i < 4; i++) {
		char digits[SLICE_DIGITS];
		struct slice part = slice_number(b[i], digits);
		memcpy(text_r + n, part.p, part.n);
		n += part.n;
		text_r[n++] = i < 3 ? '.' : 0;
	}
	return n - 1;
}

size_t ip_format(const struct ip *ip, char text_r[IP_TEXT])
{
	if (ip_is_v4(ip))
		return format_v4(ip->b + 12, text_r);
	inet_ntop(AF_INET6, ip->b, text_r, IP_TEXT);
	return strlen(text_r);
}

bool ip_is_v4(const struct ip *ip)
{
	return memcmp(ip->b, V4_PREFIX, sizeof V4_PREFIX) == 0;
}

bool ip_is_loopback(const struct ip *ip)
{
	static const struct ip one = { .b = { [15] = 1 } };
	return ip_is_v4(ip) ? ip->b[12] == 127 : memcmp(ip->b, one.b, 16) == 0;
}

struct ip ip_mask(const struct ip *ip, unsigned bits)
{
	struct ip r = *ip;
	for (unsigned i = 0; i < 16; i++) {
		unsigned keep = bits > i * 8 ? bits - i * 8 : 0;
		if (keep < 8)
			r.b[i] &= (uint8_t)(0xff00u >> keep);
	}
	return r;
}

struct ip ip_client(const struct ip *ip)
{
	return ip_is_v4(ip) ? *ip : ip_mask(ip, 64);
}

bool ip_prefix_parse(struct slice s, struct ip_prefix *p_r)
{
	struct slice addr = slice_cut(&s, '/');
	if (!ip_parse(addr, &p_r->addr))
		return false;
	bool v4 = ip_is_v4(&p_r->addr) && slice_find(addr, ':') == addr.n;
	uint64_t bits = v4 ? 32 : 128;
	if (s.p != addr.p + addr.n && !slice_u64(s, bits, &bits))
		return false;
	p_r->bits = (uint8_t)(v4 ? bits + 96 : bits);
	struct ip masked = ip_mask(&p_r->addr, p_r->bits);
	return memcmp(&masked, &p_r->addr, sizeof masked) == 0;
}

bool ip_prefix_has(const struct ip_prefix *p, const struct ip *ip)
{
	unsigned whole = p->bits / 8, rest = p->bits % 8;
	if (memcmp(p->addr.b, ip->b, whole) != 0)
		return false;
	return rest == 0 || (ip->b[whole] & (0xff00u >> rest) & 0xff) == p->addr.b[whole];
}

bool ip_prefixes_have(const struct ip_prefix *p, size_t n, const struct ip *ip)
{
	for (size_t i = 0; i < n; i++)
		if (ip_prefix_has(&p[i], ip))
			return true;
	return false;
}

bool ip_port_parse(struct slice s, struct ip *ip_r, uint16_t *port_r)
{
	size_t colon = slice_rfind(s, ':');
	uint64_t port;
	if (colon == s.n || !slice_u64(slice_skip(s, colon + 1), 65535, &port))
		return false;
	struct slice addr = slice_of(s.p, colon);
	bool bracket = addr.n > 2 && addr.p[0] == '[' && addr.p[addr.n - 1] == ']';
	if (bracket)
		addr = slice_of(addr.p + 1, addr.n - 2);
	else if (slice_find(addr, ':') != addr.n)
		return false;
	*port_r = (uint16_t)port;
	return ip_parse(addr, ip_r);
}

void ip_from_sockaddr(const struct sockaddr_storage *sa, struct ip *ip_r, uint16_t *port_r)
{
	if (sa->ss_family == AF_INET6) {
		const struct sockaddr_in6 *in6 = (const void *)sa;
		memcpy(ip_r->b, &in6->sin6_addr, 16);
		*port_r = ntohs(in6->sin6_port);
	} else {
		const struct sockaddr_in *in = (const void *)sa;
		memcpy(ip_r->b, V4_PREFIX, sizeof V4_PREFIX);
		memcpy(ip_r->b + 12, &in->sin_addr, 4);
		*port_r = ntohs(in->sin_port);
	}
}

unsigned ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa_r)
{
	memset(sa_r, 0, sizeof *sa_r);
	if (ip_is_v4(ip)) {
		struct sockaddr_in *in = (void *)sa_r;
		in->sin_family = AF_INET;
		in->sin_port = htons(port);
		memcpy(&in->sin_addr, ip->b + 12, 4);
		return sizeof *in;
	}
	struct sockaddr_in6 *in6 = (void *)sa_r;
	in6->sin6_family = AF_INET6;
	in6->sin6_port = htons(port);
	memcpy(&in6->sin6_addr, ip->b, 16);
	return sizeof *in6;
}
