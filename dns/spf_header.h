/* dns/spf_header.h - what SPF found, as header lines (RFC 7208 9, RFC 8601)
 *
 * Each value comes from outside. It is cut, quoted, and a byte that is no printable ASCII becomes '?', so nothing that
 * a client or a record says adds a line, a field or a comment; a line has less than 998 bytes (RFC 5322 2.1.1).
 * False: no memory, and the buffer may hold a part of it. Pure; any thread.
 */
#ifndef DNS_SPF_HEADER_H
#define DNS_SPF_HEADER_H

#include "base/buf.h"
#include "dns/spf.h"

/* Received-SPF: pass (...) receiver=...; client-ip=...; ... with its CR LF. The client is the one that was checked. */
bool dns_spf_received_write(
	const struct dns_spf_client *client, const struct dns_spf_result *r, struct buf *out) MUST_USE;
/* Authentication-Results: NAME; spf=... with its CR LF, where NAME is client->our_name. */
bool dns_spf_authentication_write(
	const struct dns_spf_client *client, const struct dns_spf_result *r, struct buf *out) MUST_USE;
/* The part of it that is SPF's: `spf=pass smtp.mailfrom=user@example.com`. */
bool dns_spf_method_write(
	const struct dns_spf_client *client, const struct dns_spf_result *r, struct buf *out) MUST_USE;

#endif
