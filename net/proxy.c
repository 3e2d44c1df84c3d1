#include "net/proxy.h"

#include "base/crc32c.h"

static const struct slice SIGNATURE = SLICE_INIT("\r\n\r\n\0\r\nQUIT\n");

enum { HEAD = 16 }; /* signature, version and command, family, length */
enum { VERSION_2 = 0x20, CMD_LOCAL = 0, CMD_PROXY = 1 };
enum { FAM_UNSPEC = 0x00, FAM_TCP4 = 0x11, FAM_TCP6 = 0x21, FAM_UNIX_STREAM = 0x31 };
enum { TCP4_LENGTH = 12, TCP6_LENGTH = 36, UNIX_LENGTH = 216 };
enum {
	PP2_TYPE_ALPN = 0x01,
	PP2_TYPE_AUTHORITY = 0x02,
	PP2_TYPE_CRC32C = 0x03,
	PP2_TYPE_UNIQUE_ID = 0x05,
	PP2_TYPE_SSL = 0x20,
	PP2_SUBTYPE_SSL_VERSION = 0x21,
	PP2_SUBTYPE_SSL_CN = 0x22,
	PP2_SUBTYPE_SSL_CIPHER = 0x23
};
enum { PP2_CLIENT_SSL = 1, PP2_CLIENT_CERT_CONN = 2, PP2_CLIENT_CERT_SESS = 4 };
enum { TLV_HEAD = 3, SSL_HEAD = 5, FACT_MAX = 100, UNIQUE_ID_MAX = 128 /* 2.2.5 */ };

static unsigned byte_at(struct slice s, size_t i)
{
	return (unsigned char)s.p[i];
}

static uint16_t u16_at(struct slice s, size_t i)
{
	return (uint16_t)(byte_at(s, i) << 8 | byte_at(s, i + 1));
}

static uint32_t u32_at(struct slice s, size_t i)
{
	return (uint32_t)u16_at(s, i) << 16 | u16_at(s, i + 2);
}

/* ---- version 1: one line of text ---------------------------------------------------------------- */

static bool read_port(struct slice s, uint16_t *port_r)
{
	uint64_t n;
	if (s.n > 5 || (s.n > 1 && s.p[0] == '0') || !slice_u64(s, UINT16_MAX, &n))
		return false;
	*port_r = (uint16_t)n;
	return true;
}

static bool read_ip(struct slice s, bool v6, struct ip *ip_r)
{
	return (slice_find(s, ':') < s.n) == v6 && ip_parse(s, ip_r);
}

/* `line` is what stands between "PROXY " and CR LF. */
static bool read_v1(struct slice line, struct net_proxy *p)
{
	struct slice family = slice_cut(&line, ' ');
	bool v6 = slice_eq(family, SLICE("TCP6"));
	p->local = slice_eq(family, SLICE("UNKNOWN")); /* what follows it is to be ignored */
	if (p->local)
		return true;
	TRY(v6 || slice_eq(family, SLICE("TCP4")));
	TRY(read_ip(slice_cut(&line, ' '), v6, &p->src) && read_ip(slice_cut(&line, ' '), v6, &p->dst));
	return read_port(slice_cut(&line, ' '), &p->src_port) && read_port(line, &p->dst_port);
}

static enum net_proxy_result parse_v1(struct slice in, size_t *used_r, struct net_proxy *p)
{
	struct slice line = slice_of(in.p, in.n < NET_PROXY_V1_MAX ? in.n : NET_PROXY_V1_MAX);
	size_t end = slice_find(line, '\n');
	if (end == line.n)
		return line.n == NET_PROXY_V1_MAX ? NET_PROXY_BAD : NET_PROXY_MORE;
	if (line.p[end - 1] != '\r' || !read_v1(slice_of(line.p + 6, end - 7), p))
		return NET_PROXY_BAD;
	*used_r = end + 1;
	return NET_PROXY_OK;
}

/* ---- version 2: binary --------------------------------------------------------------------------- */

/* Cuts one TLV off the front; false when it does not fit. */
static bool cut_tlv(struct slice *s, unsigned *type_r, struct slice *value_r)
{
	TRY(s->n >= TLV_HEAD);
	size_t n = u16_at(*s, 1);
	TRY(s->n - TLV_HEAD >= n);
	*type_r = byte_at(*s, 0);
	*value_r = slice_of(s->p + TLV_HEAD, n);
	*s = slice_skip(*s, TLV_HEAD + n);
	return true;
}

static bool read_ssl(struct slice value, struct net_proxy *p)
{
	TRY(value.n >= SSL_HEAD);
	unsigned client = byte_at(value, 0);
	p->tls = client & PP2_CLIENT_SSL;
	p->verified = client & (PP2_CLIENT_CERT_CONN | PP2_CLIENT_CERT_SESS) && u32_at(value, 1) == 0;
	value = slice_skip(value, SSL_HEAD);
	while (value.n) {
		unsigned type;
		struct slice fact;
		TRY(cut_tlv(&value, &type, &fact));
		if (type == PP2_SUBTYPE_SSL_VERSION)
			p->version = fact;
		else if (type == PP2_SUBTYPE_SSL_CIPHER)
			p->cipher = fact;
		else if (type == PP2_SUBTYPE_SSL_CN)
			p->cn = fact;
	}
	return true;
}

/* 2.2.4: over the whole header, the checksum's own bytes as zero. */
static bool checksum_is_right(struct slice header, struct slice sum)
{
	static const char zero[4];
	TRY(sum.n == sizeof zero);
	size_t before = (size_t)(sum.p - header.p);
	uint32_t crc = crc32c(0, slice_of(header.p, before));
	crc = crc32c(crc, slice_of(zero, sizeof zero));
	return crc32c(crc, slice_skip(header, before + sizeof zero)) == u32_at(sum, 0);
}

static bool read_tlvs(struct slice header, struct slice tlvs, struct net_proxy *p)
{
	while (tlvs.n) {
		unsigned type;
		struct slice value;
		TRY(cut_tlv(&tlvs, &type, &value));
		if (type == PP2_TYPE_CRC32C)
			TRY(checksum_is_right(header, value));
		else if (type == PP2_TYPE_SSL)
			TRY(read_ssl(value, p));
		else if (type == PP2_TYPE_ALPN)
			p->alpn = value;
		else if (type == PP2_TYPE_AUTHORITY)
			p->authority = value;
		else if (type == PP2_TYPE_UNIQUE_ID)
			p->unique_id = value;
	}
	return true;
}

static void read_v4(struct slice s, size_t at, struct ip *ip_r)
{
	*ip_r = (struct ip){ .b = { [10] = 0xff, [11] = 0xff } };
	memcpy(ip_r->b + 12, s.p + at, 4);
}

/* The addresses; returns how long they are, SIZE_MAX when they cannot be. */
static size_t read_addresses(unsigned family, struct slice s, struct net_proxy *p)
{
	switch (family) {
	case FAM_TCP4:
		if (s.n < TCP4_LENGTH)
			return SIZE_MAX;
		read_v4(s, 0, &p->src);
		read_v4(s, 4, &p->dst);
		p->src_port = u16_at(s, 8);
		p->dst_port = u16_at(s, 10);
		return TCP4_LENGTH;
	case FAM_TCP6:
		if (s.n < TCP6_LENGTH)
			return SIZE_MAX;
		memcpy(p->src.b, s.p, sizeof p->src.b);
		memcpy(p->dst.b, s.p + 16, sizeof p->dst.b);
		p->src_port = u16_at(s, 32);
		p->dst_port = u16_at(s, 34);
		return TCP6_LENGTH;
	case FAM_UNIX_STREAM:
		p->local = true;
		return s.n < UNIX_LENGTH ? SIZE_MAX : UNIX_LENGTH;
	case FAM_UNSPEC: /* its length is nowhere said, so its TLVs cannot be found */
		p->local = true;
		return s.n;
	default: /* datagrams, and what is reserved */
		return SIZE_MAX;
	}
}

static bool read_v2(struct slice header, struct net_proxy *p)
{
	unsigned command = byte_at(header, 12);
	struct slice rest = slice_skip(header, HEAD);
	p->local = command == (VERSION_2 | CMD_LOCAL); /* family and the rest are to be discarded */
	if (p->local)
		return true;
	TRY(command == (VERSION_2 | CMD_PROXY));
	size_t n = read_addresses(byte_at(header, 13), rest, p);
	return n != SIZE_MAX && read_tlvs(header, slice_skip(rest, n), p);
}

static enum net_proxy_result parse_v2(struct slice in, size_t *used_r, struct net_proxy *p)
{
	if (in.n < HEAD)
		return NET_PROXY_MORE;
	size_t n = HEAD + (size_t)u16_at(in, 14);
	if (n > NET_PROXY_MAX)
		return NET_PROXY_BAD;
	if (in.n < n)
		return NET_PROXY_MORE;
	if (!read_v2(slice_of(in.p, n), p))
		return NET_PROXY_BAD;
	*used_r = n;
	return NET_PROXY_OK;
}

/* Do the first bytes, as many as there are of them, begin so? */
static bool may_begin(struct slice in, struct slice with)
{
	size_t n = in.n < with.n ? in.n : with.n;
	return n == 0 || memcmp(in.p, with.p, n) == 0;
}

enum net_proxy_result net_proxy_parse(struct slice in, size_t *used_r, struct net_proxy *p_r)
{
	*p_r = (struct net_proxy){ 0 };
	if (in.n >= 6 && slice_starts(in, SLICE("PROXY ")))
		return parse_v1(in, used_r, p_r);
	if (may_begin(in, SIGNATURE))
		return parse_v2(in, used_r, p_r);
	return may_begin(in, SLICE("PROXY ")) ? NET_PROXY_MORE : NET_PROXY_BAD;
}

/* ---- writing --------------------------------------------------------------------------------------- */

static size_t put(char *to, size_t n, struct slice s)
{
	if (s.n)
		memcpy(to + n, s.p, s.n);
	return n + s.n;
}

static size_t put_u16(char *to, size_t n, size_t v)
{
	to[n] = (char)(v >> 8);
	to[n + 1] = (char)v;
	return n + 2;
}

static size_t put_tlv(char *to, size_t n, unsigned type, struct slice value)
{
	to[n] = (char)type;
	return put(to, put_u16(to, n + 1, value.n), value);
}

/* verify is not 0: no certificate of the client was verified. */
static size_t put_ssl(char *to, size_t n, const struct net_proxy *p)
{
	size_t start = n;
	n = put_tlv(to, n, PP2_TYPE_SSL, SLICE("\1\0\0\0\1"));
	if (p->version.n && p->version.n <= FACT_MAX)
		n = put_tlv(to, n, PP2_SUBTYPE_SSL_VERSION, p->version);
	if (p->cipher.n && p->cipher.n <= FACT_MAX)
		n = put_tlv(to, n, PP2_SUBTYPE_SSL_CIPHER, p->cipher);
	put_u16(to, start + 1, n - start - TLV_HEAD);
	return n;
}

static size_t put_names(char *to, size_t n, const struct net_proxy *p)
{
	if (p->unique_id.n && p->unique_id.n <= UNIQUE_ID_MAX)
		n = put_tlv(to, n, PP2_TYPE_UNIQUE_ID, p->unique_id);
	if (p->authority.n && p->authority.n + TLV_HEAD <= NET_PROXY_MAX - n)
		n = put_tlv(to, n, PP2_TYPE_AUTHORITY, p->authority);
	return n;
}

size_t net_proxy_write(const struct net_proxy *p, char to[NET_PROXY_MAX])
{
	bool v4 = ip_is_v4(&p->src) && ip_is_v4(&p->dst);
	size_t skip = v4 ? 12 : 0, n = put(to, 0, SIGNATURE);
	to[n++] = (char)(VERSION_2 | (p->local ? CMD_LOCAL : CMD_PROXY));
	to[n++] = (char)(p->local ? FAM_UNSPEC : v4 ? FAM_TCP4 : FAM_TCP6);
	n += 2;
	if (!p->local) {
		n = put(to, n, slice_of((const char *)p->src.b + skip, sizeof p->src.b - skip));
		n = put(to, n, slice_of((const char *)p->dst.b + skip, sizeof p->dst.b - skip));
		n = put_u16(to, put_u16(to, n, p->src_port), p->dst_port);
		if (p->tls)
			n = put_ssl(to, n, p);
		n = put_names(to, n, p);
	}
	put_u16(to, 14, n - HEAD);
	return n;
}
