/* smtp/policy.h - Postfix asks what we think of its client: the server's side of policy delegation, without any I/O
 *
 * Source: Postfix SMTPD_POLICY_README, access(5). The same shape as smtp/server.h, and the same events: a request tells
 * where Postfix is with its client, and becomes the questions that such a client would have put to us, had it spoken to
 * us itself, as far as they were not put before. One owner so serves both.
 *
 *     protocol_state        questions, those behind us left out
 *     CONNECT               XCLIENT: another client (address, port)
 *     EHLO HELO VRFY ETRN   .. and HELO, where one was said
 *     MAIL                  .. and MAIL, for another `instance`; before it RSET, no question, ends the mail before
 *     RCPT                  .. and RCPT
 *     DATA BDAT             .. and DATA; RCPT before it, if it names one and none was asked about
 *     END-OF-MESSAGE        .. and BODY_END, which ends the mail
 *
 * Each question wants one smtp_policy_answer(). Below 400: the next one is put; when all are answered the request is,
 * with `action=DUNNO`, never OK, which would open a relay. From 400 on, the request is answered with
 * `action=CODE TEXT`: Postfix says this to its client, and hangs up behind a 421. A refusal of a client, a HELO or a
 * mail holds for all further requests about the same, which are answered without a question; 421 is one of the client.
 *
 * A bad request, and one that is no question about a client, is answered DUNNO; the former is told (OFFENCE, code 0).
 * What has no end closes.
 *
 * Memory: the struct (4 KB); what is not kept lies in `out`. Thread: the connection's.
 */
#ifndef SMTP_POLICY_H
#define SMTP_POLICY_H

#include "smtp/policy_request.h"
#include "smtp/server.h"

enum { SMTP_POLICY_WORD_MAX = 512 };

struct smtp_policy {
	struct buf *out;
	struct smtp_policy_request request; /* in question */
	/* private: whom and what the owner knows, */
	struct ip ip;
	uint16_t port;
	bool has_client, has_mail, has_rcpt, has_data;
	uint8_t helo_n, instance_n;
	char helo[SMTP_POLICY_HELO_MAX], instance[SMTP_POLICY_WORD_OF_POSTFIX];
	/* where we are, */
	uint8_t phase, step, level;
	bool other_client, other_mail;
	/* and a refusal that still holds. */
	uint8_t holds_for;
	uint16_t word_n;
	char word[SMTP_POLICY_WORD_MAX];
};

/* `out` must outlive it. */
void smtp_policy_init(struct smtp_policy *p, struct buf *out);
/* MORE, WAIT, CLOSE, RSET, OFFENCE or a question, as of smtp/server.h. Of an event's members set are: XCLIENT: xclient
 * (ADDR, PORT); HELO: name, esmtp; MAIL: path, params.size; RCPT: path, params; OFFENCE: offence, code. */
enum smtp_event_kind smtp_policy_next(struct smtp_policy *p, struct slice *in, struct smtp_event *ev_r) MUST_USE;
/* `text` as of smtp_server_answer(). With no question open nothing happens. */
void smtp_policy_answer(struct smtp_policy *p, unsigned code, struct slice text);
/* It could not be judged: DUNNO, whatever is still to be asked; what was asked now will be asked again. */
void smtp_policy_pass(struct smtp_policy *p);
/* The owner has forgotten its mail, or its client too. Between requests. */
void smtp_policy_forget_mail(struct smtp_policy *p);
void smtp_policy_forget(struct smtp_policy *p);

#endif
