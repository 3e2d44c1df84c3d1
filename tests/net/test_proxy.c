/* PROXY headers: the forms of the specification, what must be refused, every cut, and the way back. */
#include "tests/base/cmocka_setup.h"

#include "base/crc32c.h"
#include "net/proxy.h"

#include <stdlib.h>

#define SIG "\r\n\r\n\0\r\nQUIT\n"
#define TCP4 "\xc0\x00\x02\x07\xc6\x33\x64\x01\x10\xe1\x00\x19" /* 192.0.2.7:4321 -> 198.51.100.1:25 */
#define TCP6 "\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\1\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\2\x10\xe1\x00\x19"

struct vector {
	struct slice in;
	enum net_proxy_result want;
	const char *src, *dst; /* NULL: local */
	uint16_t src_port, dst_port;
};

#define BAD(s) { SLICE_INIT(s), NET_PROXY_BAD, NULL, NULL, 0, 0 }
#define LOCAL(s) { SLICE_INIT(s), NET_PROXY_OK, NULL, NULL, 0, 0 }

static const struct vector VECTORS[] = {
	/* 2.1: the examples of the specification */
	{ SLICE_INIT("PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n"), NET_PROXY_OK, "255.255.255.255",
		"255.255.255.255", 65535, 65535 },
	{ SLICE_INIT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
		     "65535 65535\r\n"),
		NET_PROXY_OK, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		65535, 65535 },
	{ SLICE_INIT("PROXY TCP4 192.168.0.1 192.168.0.11 56324 443\r\n"), NET_PROXY_OK, "192.168.0.1", "192.168.0.11",
		56324, 443 },
	{ SLICE_INIT("PROXY TCP6 2001:db8::1 ::1 1 0\r\n"), NET_PROXY_OK, "2001:db8::1", "::1", 1, 0 },
	LOCAL("PROXY UNKNOWN\r\n"),
	LOCAL("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	      "65535\r\n"),
	BAD("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 "
	    "655355\r\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n"),
	BAD("PROXY TCP4  192.0.2.1 192.0.2.2 1 2\r\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2 000001 2\r\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2 -1 2\r\n"),
	BAD("PROXY TCP4 192.0.2.1 192.0.2.2  2\r\n"),
	BAD("PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n"),
	BAD("PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n"),
	BAD("PROXY TCP4 ::1 ::2 1 2\r\n"),
	BAD("PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n"),
	BAD("PROXY TCP6 ::1 192.0.2.2 1 2\r\n"),
	BAD("PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n"),
	BAD("PROXY \r\n"),
	BAD("PROXY\r\n"),
	BAD("proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n"),
	BAD("EHLO x\r\n"),
	BAD("\x16\x03\x01"),
	/* 2.2 */
	{ SLICE_INIT(SIG "\x21\x11\0\x0c" TCP4), NET_PROXY_OK, "192.0.2.7", "198.51.100.1", 4321, 25 },
	{ SLICE_INIT(SIG "\x21\x21\0\x24" TCP6), NET_PROXY_OK, "2001:db8::1", "2001:db8::2", 4321, 25 },
	LOCAL(SIG "\x20\x00\0\0"),
	LOCAL(SIG "\x20\x11\0\x0c" TCP4),
	LOCAL(SIG "\x20\xff\0\x03" "\x03\xff\xff"), /* all of it is to be discarded */
	LOCAL(SIG "\x21\x00\0\0"),
	LOCAL(SIG "\x21\x00\0\x03" "abc"),
	BAD(SIG "\x21\x31\0\x0c" TCP4),
	BAD(SIG "\x21\x12\0\x0c" TCP4), /* datagrams */
	BAD(SIG "\x21\x13\0\x0c" TCP4),
	BAD(SIG "\x21\x41\0\x0c" TCP4),
	BAD(SIG "\x21\x11\0\x0b" TCP4),
	BAD(SIG "\x21\x21\0\x0c" TCP4),
	BAD(SIG "\x11\x11\0\x0c" TCP4), /* version 1 is text */
	BAD(SIG "\x22\x11\0\x0c" TCP4), /* no such command */
	BAD(SIG "\x21\x11\x02\x09" TCP4), /* 537 bytes */
	/* TLVs */
	{ SLICE_INIT(SIG "\x21\x11\0\x0f" TCP4 "\x04\0\0"), NET_PROXY_OK, "192.0.2.7", "198.51.100.1", 4321, 25 },
	{ SLICE_INIT(SIG "\x21\x11\0\x11" TCP4 "\xee\0\2xx"), NET_PROXY_OK, "192.0.2.7", "198.51.100.1", 4321, 25 },
	BAD(SIG "\x21\x11\0\x0d" TCP4 "\x04"),
	BAD(SIG "\x21\x11\0\x0e" TCP4 "\x04\0"),
	BAD(SIG "\x21\x11\0\x0f" TCP4 "\x04\0\1"),
	BAD(SIG "\x21\x11\0\x10" TCP4 "\x04\xff\xffx"),
	BAD(SIG "\x21\x11\0\x13" TCP4 "\x20\0\4\1\0\0\0"),
	BAD(SIG "\x21\x11\0\x15" TCP4 "\x20\0\6\1\0\0\0\0\x21"),
	BAD(SIG "\x21\x11\0\x17" TCP4 "\x20\0\x08\1\0\0\0\0\x21\0\1"),
	BAD(SIG "\x21\x11\0\x13" TCP4 "\x03\0\4\0\0\0\0"), /* a wrong checksum */
	BAD(SIG "\x21\x11\0\x12" TCP4 "\x03\0\3\0\0\0"),
};

static void assert_ip(const struct ip *ip, const char *want)
{
	struct ip wanted;
	assert_true(ip_parse(slice_str(want), &wanted));
	assert_memory_equal(ip->b, wanted.b, sizeof wanted.b);
}

/* As an exact block of its own, for the sanitizer. */
static enum net_proxy_result parse(struct slice in, size_t *used_r, struct net_proxy *p_r)
{
	char *exact = malloc(in.n ? in.n : 1);
	assert_non_null(exact);
	if (in.n)
		memcpy(exact, in.p, in.n);
	enum net_proxy_result r = net_proxy_parse(slice_of(exact, in.n), used_r, p_r);
	free(exact);
	return r;
}

static void check(const struct vector *v)
{
	struct net_proxy p;
	size_t used = 0;
	enum net_proxy_result got = parse(v->in, &used, &p);
	if (got != v->want)
		fail_msg("\"%.*s\": got %d", SLICE_ARG(v->in), (int)got);
	if (got != NET_PROXY_OK)
		return;
	assert_int_equal(used, v->in.n);
	assert_int_equal(p.local, v->src == NULL);
	if (p.local)
		return;
	assert_ip(&p.src, v->src);
	assert_ip(&p.dst, v->dst);
	assert_int_equal(p.src_port, v->src_port);
	assert_int_equal(p.dst_port, v->dst_port);
}

static void vectors(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++)
		check(&VECTORS[i]);
}

/* Of a good header every beginning is MORE, and what is behind it changes nothing. A bad one never becomes good. */
static void every_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof VECTORS / sizeof VECTORS[0]; i++) {
		const struct vector *v = &VECTORS[i];
		struct net_proxy p;
		size_t used;
		for (size_t n = 0; n < v->in.n; n++) {
			enum net_proxy_result got = parse(slice_of(v->in.p, n), &used, &p);
			assert_true(got == NET_PROXY_MORE || (got == NET_PROXY_BAD && v->want == NET_PROXY_BAD));
		}
		char behind[700];
		memset(behind, 'x', sizeof behind);
		memcpy(behind, v->in.p, v->in.n);
		if (v->want == NET_PROXY_OK) {
			assert_int_equal(parse(slice_of(behind, sizeof behind), &used, &p), NET_PROXY_OK);
			assert_int_equal(used, v->in.n);
		} else {
			assert_int_equal(parse(slice_of(behind, sizeof behind), &used, &p), NET_PROXY_BAD);
		}
	}
}

static void a_line_without_end(void **state)
{
	(void)state;
	char line[200];
	struct net_proxy p;
	size_t used;
	memset(line, 'x', sizeof line);
	memcpy(line, "PROXY UNKNOWN ", 14);
	for (size_t n = 0; n < sizeof line; n++)
		assert_int_equal(
			parse(slice_of(line, n), &used, &p), n < NET_PROXY_V1_MAX ? NET_PROXY_MORE : NET_PROXY_BAD);
}

static void a_unix_socket_has_no_address_for_us(void **state)
{
	(void)state;
	char header[16 + 216 + 3] = SIG "\x21\x31\0\xdb";
	struct net_proxy p;
	size_t used;
	memcpy(header + 16 + 216, "\x04\0\0", 3);
	assert_int_equal(parse(slice_of(header, sizeof header), &used, &p), NET_PROXY_OK);
	assert_true(p.local && used == sizeof header);
	header[15] = (char)0xd7;
	assert_int_equal(parse(slice_of(header, sizeof header), &used, &p), NET_PROXY_BAD);
}

static void facts_of_tls(void **state)
{
	(void)state;
	static const struct slice in = SLICE_INIT(
		SIG "\x21\x11\0\x48" TCP4 "\x01\0\4smtp\x02\0\6mx.tld\x20\0\x29\7\0\0\0\0\x21\0\7TLSv1.3\x22\0\4"
		    "me=1\x25\0\1R\x23\0\6AES256\x24\0\3SHA");
	struct net_proxy p;
	size_t used;
	assert_int_equal(net_proxy_parse(in, &used, &p), NET_PROXY_OK);
	assert_true(p.tls && p.verified);
	assert_slice(p.version, "TLSv1.3");
	assert_slice(p.cipher, "AES256");
	assert_slice(p.cn, "me=1");
	assert_slice(p.alpn, "smtp");
	assert_slice(p.authority, "mx.tld");
}

/* PP2_CLIENT_SSL and a verified certificate are told apart from one that failed, and from none. */
static void certificates(void **state)
{
	(void)state;
	static const struct {
		unsigned char client, verify;
		bool tls, verified;
	} cases[] = { { 0, 0, false, false }, { 1, 0, true, false }, { 3, 0, true, true }, { 5, 0, true, true },
		{ 3, 1, true, false } };
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		char in[] = SIG "\x21\x11\0\x14" TCP4 "\x20\0\5\0\0\0\0\0";
		struct net_proxy p;
		size_t used;
		in[31] = (char)cases[i].client;
		in[35] = (char)cases[i].verify;
		assert_int_equal(net_proxy_parse(slice_of(in, sizeof in - 1), &used, &p), NET_PROXY_OK);
		assert_int_equal(p.tls, cases[i].tls);
		assert_int_equal(p.verified, cases[i].verified);
	}
}

static void a_checksum_is_checked(void **state)
{
	(void)state;
	char in[] = SIG "\x21\x11\0\x16" TCP4 "\x03\0\4\0\0\0\0\x04\0\0";
	struct slice header = slice_of(in, sizeof in - 1);
	uint32_t crc = crc32c(0, header);
	struct net_proxy p;
	size_t used;
	for (int i = 0; i < 4; i++)
		in[31 + i] = (char)(crc >> (24 - 8 * i));
	assert_int_equal(net_proxy_parse(header, &used, &p), NET_PROXY_OK);
	for (size_t i = 14; i < header.n; i++) { /* any byte of it, the length as well, but for the word "checksum" */
		if (i == 28)
			continue;
		in[i] ^= 1;
		assert_int_not_equal(net_proxy_parse(header, &used, &p), NET_PROXY_OK);
		in[i] ^= 1;
	}
}

static void assert_same(const struct net_proxy *p)
{
	char to[NET_PROXY_MAX];
	struct net_proxy back;
	size_t used, n = net_proxy_write(p, to);
	assert_true(n <= sizeof to);
	assert_int_equal(parse(slice_of(to, n), &used, &back), NET_PROXY_OK);
	assert_int_equal(used, n);
	assert_int_equal(net_proxy_parse(slice_of(to, n), &used, &back), NET_PROXY_OK);
	assert_int_equal(back.local, p->local);
	if (p->local)
		return;
	assert_memory_equal(back.src.b, p->src.b, 16);
	assert_memory_equal(back.dst.b, p->dst.b, 16);
	assert_int_equal(back.src_port, p->src_port);
	assert_int_equal(back.dst_port, p->dst_port);
	assert_int_equal(back.tls, p->tls);
	assert_false(back.verified);
	assert_true(slice_eq(back.version, p->tls && p->version.n <= 100 ? p->version : SLICE("")));
	assert_true(slice_eq(back.cipher, p->tls && p->cipher.n <= 100 ? p->cipher : SLICE("")));
	assert_true(slice_eq(back.unique_id, p->unique_id.n <= 128 ? p->unique_id : SLICE("")));
	assert_true(slice_eq(back.authority, back.authority.n ? p->authority : SLICE("")));
}

static void what_is_written_is_read(void **state)
{
	(void)state;
	static const char *const addresses[] = { "192.0.2.7", "198.51.100.255", "2001:db8::7", "::1", "0.0.0.0" };
	static char text[300];
	memset(text, 'c', sizeof text);
	for (unsigned i = 0; i < 5 * 5 * 2 * 4; i++) {
		static const size_t lengths[] = { 0, 7, 100, 101 };
		struct net_proxy p = { .src_port = (uint16_t)(i * 331), .dst_port = 25, .tls = i & 1 };
		assert_true(ip_parse(slice_str(addresses[i / 2 % 5]), &p.src));
		assert_true(ip_parse(slice_str(addresses[i / 10 % 5]), &p.dst));
		p.version = slice_of(text, lengths[i / 50]);
		p.cipher = slice_of(text, lengths[3 - i / 50]);
		assert_same(&p);
		p.unique_id = slice_of(text, i % 3 ? 128 : 129);
		p.authority = slice_of(text, i % 2 ? 255 : 20);
		assert_same(&p);
	}
	assert_same(&(struct net_proxy){ .local = true });
}

/* The bytes themselves, as another implementation expects them. */
static void the_written_form(void **state)
{
	(void)state;
	char to[NET_PROXY_MAX];
	struct net_proxy p = { .src_port = 4321, .dst_port = 25, .tls = true, .version = SLICE_INIT("TLSv1.3"),
		.cipher = SLICE_INIT("X") };
	assert_true(ip_parse(SLICE("192.0.2.7"), &p.src) && ip_parse(SLICE("198.51.100.1"), &p.dst));
	struct slice want = SLICE(SIG "\x21\x11\0\x22" TCP4 "\x20\0\x13\1\0\0\0\1\x21\0\7TLSv1.3\x23\0\1X");
	assert_true(slice_eq(slice_of(to, net_proxy_write(&p, to)), want));
	p.tls = false;
	p.unique_id = SLICE("c1");
	p.authority = SLICE("mx.tld");
	want = SLICE(SIG "\x21\x11\0\x1a" TCP4 "\5\0\2c1\2\0\6mx.tld");
	assert_true(slice_eq(slice_of(to, net_proxy_write(&p, to)), want));
	p.local = true;
	assert_true(slice_eq(slice_of(to, net_proxy_write(&p, to)), SLICE(SIG "\x20\0\0\0")));
}

/* With all that can be said the last name is left out before the header is longer than a reader takes. */
static void the_longest_form(void **state)
{
	(void)state;
	static char text[300];
	memset(text, 'c', sizeof text);
	struct net_proxy back, p = { .tls = true, .version = slice_of(text, 100), .cipher = slice_of(text, 100),
		.unique_id = slice_of(text, 128) };
	char to[NET_PROXY_MAX];
	size_t used;
	for (size_t n = 0; n < sizeof text; n++) {
		p.authority = slice_of(text, n);
		size_t written = net_proxy_write(&p, to);
		assert_true(written <= NET_PROXY_MAX);
		assert_int_equal(net_proxy_parse(slice_of(to, written), &used, &back), NET_PROXY_OK);
		assert_int_equal(back.authority.n, n <= NET_PROXY_MAX - 400 ? n : 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors),
		cmocka_unit_test(every_cut),
		cmocka_unit_test(a_line_without_end),
		cmocka_unit_test(a_unix_socket_has_no_address_for_us),
		cmocka_unit_test(facts_of_tls),
		cmocka_unit_test(certificates),
		cmocka_unit_test(a_checksum_is_checked),
		cmocka_unit_test(what_is_written_is_read),
		cmocka_unit_test(the_written_form),
		cmocka_unit_test(the_longest_form),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
