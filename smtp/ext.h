/* smtp/ext.h - the service extensions that both ends of this room can speak, as bits
 *
 * A set of them is an `unsigned`: what our EHLO announces and what a backend's EHLO offered. What may be announced
 * is the owner's to say: 8BITMIME, SMTPUTF8 and DSN only when every backend in question offers them, since
 * nothing is announced that would be dropped; PIPELINING, SIZE, CHUNKING, ENHANCEDSTATUSCODES, STARTTLS and LIMITS are
 * our own work (a body that came in chunks goes on behind DATA); XCLIENT to listed proxies alone. XFORWARD and
 * AUTH are read from a backend's EHLO only.
 */
#ifndef SMTP_EXT_H
#define SMTP_EXT_H

enum smtp_ext {
	SMTP_EXT_PIPELINING = 1u << 0,          /* RFC 2920 */
	SMTP_EXT_SIZE = 1u << 1,                /* RFC 1870 */
	SMTP_EXT_8BITMIME = 1u << 2,            /* RFC 6152 */
	SMTP_EXT_ENHANCEDSTATUSCODES = 1u << 3, /* RFC 2034 */
	SMTP_EXT_STARTTLS = 1u << 4,            /* RFC 3207 */
	SMTP_EXT_CHUNKING = 1u << 5,            /* RFC 3030 */
	SMTP_EXT_SMTPUTF8 = 1u << 6,            /* RFC 6531 */
	SMTP_EXT_DSN = 1u << 7,                 /* RFC 3461 */
	SMTP_EXT_XCLIENT = 1u << 8,             /* Postfix XCLIENT_README */
	SMTP_EXT_XFORWARD = 1u << 9,            /* Postfix XFORWARD_README */
	SMTP_EXT_LIMITS = 1u << 10,             /* RFC 9422 */
	SMTP_EXT_AUTH = 1u << 11,               /* RFC 4954 */
};

#endif
