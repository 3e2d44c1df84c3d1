/* base/ip.h - addresses and prefixes
 *
 * One form for both families: 16 bytes, IPv4 as ::ffff:a.b.c.d (RFC 4291 2.5.5.2), so that a client
 * that reaches an IPv6 socket over IPv4 is the same client.
 */
#ifndef BASE_IP_H
#define BASE_IP_H

#include "base/slice.h"

struct ip {
	uint8_t b[16];
};

struct ip_prefix {
	struct ip addr; /* host bits are zero */
	uint8_t bits;	/* 0..128; an IPv4 /n is 96+n */
};

enum { IP_TEXT = 46 }; /* longest text form with its NUL */

/* "192.0.2.1", "2001:db8::1", "::ffff:192.0.2.1". No brackets, no zone. */
bool ip_parse(struct slice s, struct ip *ip_r);
/* Writes the canonical text (IPv4 dotted; IPv6 RFC 5952) with a NUL and returns its length. */
size_t ip_format(const struct ip *ip, char text_r[IP_TEXT]);
bool ip_is_v4(const struct ip *ip);
/* 127.0.0.0/8, ::1 */
bool ip_is_loopback(const struct ip *ip);
/* Only the first `bits` (of 128) are kept. */
struct ip ip_mask(const struct ip *ip, unsigned bits);
/* What counts as one client: an IPv4 address, an IPv6 /64. */
struct ip ip_client(const struct ip *ip);

/* "192.0.2.0/24", "2001:db8::/32", a bare address (/32, /128). Host bits that are set are refused:
 * they are mostly a typing error. */
bool ip_prefix_parse(struct slice s, struct ip_prefix *p_r);
bool ip_prefix_has(const struct ip_prefix *p, const struct ip *ip);
bool ip_prefixes_have(const struct ip_prefix *p, size_t n, const struct ip *ip);

/* "127.0.0.1:25", "[::1]:25". */
bool ip_port_parse(struct slice s, struct ip *ip_r, uint16_t *port_r);

struct sockaddr_storage;
void ip_from_sockaddr(const struct sockaddr_storage *sa, struct ip *ip_r, uint16_t *port_r);
/* Returns the length to give to bind(2) or connect(2). */
unsigned ip_to_sockaddr(const struct ip *ip, uint16_t port, struct sockaddr_storage *sa_r);

#endif
