/* smtp/policy_request.h - one request of Postfix's policy delegation protocol, read without any I/O
 *
 * Source: Postfix SMTPD_POLICY_README. Lines `name=value`, each ended by LF; an empty line ends the request. Names that
 * are not listed below are passed over; of one that comes twice the last counts; one that does not come has no value.
 * HELO, sender and recipient are the client's own words, and no word may keep us from judging who said it: bytes that
 * are control bytes or no UTF-8 become '?', and of a word that is too long a part is kept, of an address the end with
 * its domain. Whatever else is odd (a line without '=', a control byte in another value, too long a one) Postfix never
 * says: the request is *bad*, read to its end, and then worth no more than "there was one".
 *
 * Fed piece by piece: whole lines are taken off the front of `in`, the rest has to come again with more behind it.
 * Memory: the struct alone (2.1 KB); values live in it until the next request begins. Thread: the connection's.
 */
#ifndef SMTP_POLICY_REQUEST_H
#define SMTP_POLICY_REQUEST_H

#include "base/result.h"
#include "base/slice.h"
#include "smtp/addr.h"

enum {
	SMTP_POLICY_LINE = 8192, /* four times Postfix's line_length_limit: what a client makes Postfix say fits in. A
				  * longer one has no end for us: closed */
	SMTP_POLICY_ATTRIBUTES = 100,	      /* Postfix 3.7 sends 30; lines of a request beyond which it is closed */
	SMTP_POLICY_HELO_MAX = 255,	      /* of a longer one the beginning is kept */
	SMTP_POLICY_PATH_MAX = SMTP_PATH_MAX, /* of a longer one the end */
	SMTP_POLICY_WORD_OF_POSTFIX = 64,     /* all other values */
	SMTP_POLICY_ROOM = 2048		      /* bytes of the values that are kept: two paths, a HELO, small ones */
};

enum smtp_policy_attr {
	SMTP_POLICY_REQUEST,  /* "smtpd_access_policy" */
	SMTP_POLICY_STATE,    /* "RCPT": see smtp/policy.h */
	SMTP_POLICY_PROTOCOL, /* "SMTP", "ESMTP" */
	SMTP_POLICY_ADDRESS,  /* of the client; "unknown" where it has none */
	SMTP_POLICY_PORT,
	SMTP_POLICY_HELO,      /* empty: not said */
	SMTP_POLICY_SENDER,    /* empty: <> */
	SMTP_POLICY_RECIPIENT, /* empty: none, or several behind DATA */
	SMTP_POLICY_SIZE,      /* as MAIL said; behind the body, of the body */
	SMTP_POLICY_INSTANCE,  /* the same in all requests about one mail */
	SMTP_POLICY_TLS,       /* "TLSv1.3"; empty: in the clear */
	SMTP_POLICY_CIPHER,
	SMTP_POLICY_ATTRS
};

struct smtp_policy_request {
	uint16_t at[SMTP_POLICY_ATTRS], n[SMTP_POLICY_ATTRS]; /* private */
	uint16_t used, lines;				      /* private */
	bool bad;
	char room[SMTP_POLICY_ROOM];
};

enum smtp_policy_read {
	SMTP_POLICY_MORE, /* needs input */
	SMTP_POLICY_DONE, /* a whole request; unless bad its values may be asked for */
	SMTP_POLICY_WILD  /* no end in sight: whoever it is does not speak this protocol */
};

/* Before each request. */
void smtp_policy_request_begin(struct smtp_policy_request *r);
enum smtp_policy_read smtp_policy_request_read(struct smtp_policy_request *r, struct slice *in) MUST_USE;

static inline struct slice smtp_policy_value(const struct smtp_policy_request *r, enum smtp_policy_attr attr)
{
	return slice_of(r->room + r->at[attr], r->n[attr]);
}

#endif
