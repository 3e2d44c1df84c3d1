/* dns/message.h - DNS messages: a question written, an answer read
 *
 * Pure and bounded: an answer is data from an enemy. A name is read with pointers that only lead backward, labels
 * and jumps of a whole message are counted, so no message costs more than DNS_MESSAGE_WORK steps; aliases are
 * followed within the answer through DNS_CHAIN_MAX of them. A message that is wrong anywhere on the way to its records
 * is wrong as a whole. Nothing beyond the answer section and the SOA of the authority section is looked at.
 * Sources: RFC 1035 4; RFC 2181 5, 8; RFC 2308 (negative answers); RFC 6891 (EDNS).
 */
#ifndef DNS_MESSAGE_H
#define DNS_MESSAGE_H

#include "dns/answer.h"

enum {
	DNS_HEADER = 12,
	DNS_EDNS = 11, /* an OPT record without options */
	DNS_QUERY_MAX = DNS_HEADER + DNS_WIRE_MAX + 4 + DNS_EDNS,
	DNS_UDP_SIZE = 1232,	 /* what we take over UDP: is fragmented nowhere (DNS flag day 2020) */
	DNS_CHAIN_MAX = 12,	 /* aliases on the way to a record */
	DNS_MESSAGE_WORK = 20000 /* labels and pointers read in one message */
};

/* RFC 1035 4.1.1, RFC 6895 2.3 */
enum { DNS_RCODE_NOERROR, DNS_RCODE_NXDOMAIN = 3, DNS_RCODE_NOTIMP, DNS_RCODE_REFUSED };

/* A question with recursion desired and EDNS at its end. Returns its length. */
size_t dns_message_write(const struct dns_question *q, uint16_t id, uint8_t message_r[DNS_QUERY_MAX]);

/* The answer to that question. Its records lie in `room`. Whatever is wrong is told as FAILED: another question or no
 * answer at all is MALFORMED. Its id is not looked at: who sent the question knows it. ttl_s of a negative answer is
 * that of its SOA, 0 without one. */
struct dns_answer dns_message_read(
	struct slice message, const struct dns_question *q, char room[DNS_ANSWER_BYTES]) MUST_USE;

#endif
