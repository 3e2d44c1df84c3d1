/* net/proxy.h - the PROXY protocol: who a proxy's client is, told in front of the first byte
 *
 * Source: "The PROXY protocol, versions 1 & 2" (HAProxy, proxy-protocol.txt); names below are the specification's.
 * No I/O. A header stands before everything else, TLS included, so whoever reads it must not take a byte more
 * than it has: look at the bytes (MSG_PEEK), and take off what the parser says.
 *
 * From peers that are listed, and from those alone, a header is required: one that is missing or bad ends the
 * connection without a word (specification, 2 and 4). Believing it from others is believing any client about its
 * address.
 *
 * Strict: version 1 in its canonical form only; version 2 with the families and lengths of the specification; TLVs
 * must fit into the header, one by one; a checksum that is there must be right. What a TLV says is a proxy's
 * word, any bytes: escape it before it is shown. Pure; any thread.
 */
#ifndef NET_PROXY_H
#define NET_PROXY_H

#include "base/ip.h"
#include "base/result.h"

enum {
	NET_PROXY_V1_MAX = 107, /* with its CR LF (2.1) */
	/* 2.2: what fits into one segment of any path and so arrives whole. A longer one is refused: nobody
	 * but a proxy with huge certificate names in its TLVs sends it, and all of it must be held before a byte of it
	 * is believed. */
	NET_PROXY_MAX = 536
};

struct net_proxy {
	/* No client is told of: LOCAL (the proxy's own check), UNKNOWN, or a family that has no address for us (UNSPEC,
	 * UNIX). The connection's own addresses hold; the members below are empty. */
	bool local;
	struct ip src, dst; /* the client; where it connected to */
	uint16_t src_port, dst_port;
	/* Version 2 alone. Slices point into the header. */
	bool tls;	      /* the client came by TLS: PP2_TYPE_SSL with PP2_CLIENT_SSL */
	bool verified;	      /* and gave a certificate that the proxy has verified */
	struct slice version; /* "TLSv1.3" */
	struct slice cipher;  /* "TLS_AES_256_GCM_SHA384" */
	struct slice cn;      /* of the client's certificate */
	struct slice alpn;
	struct slice authority; /* SNI */
	struct slice unique_id; /* of the connection, in the proxy's log */
};

enum net_proxy_result {
	NET_PROXY_MORE, /* as far as it goes it may be a header */
	NET_PROXY_OK,
	NET_PROXY_BAD /* it is none, or one that must not be believed */
};

/* `in`: all bytes from the first one on. OK: *used_r bytes of them are the header. Never MORE with NET_PROXY_MAX bytes
 * or more. */
enum net_proxy_result net_proxy_parse(struct slice in, size_t *used_r, struct net_proxy *p_r) MUST_USE;

/* Writes a header of version 2 and returns its length: LOCAL, or TCP with both addresses (an IPv4 one beside an IPv6
 * one goes as ::ffff:a.b.c.d) and TLVs: with `tls` its facts, version and cipher, which are left out when longer than
 * 100 bytes (no certificate name); the unique id, up to 128 bytes; the authority, when there is room for it yet. */
size_t net_proxy_write(const struct net_proxy *p, char to[NET_PROXY_MAX]) MUST_USE;

#endif
