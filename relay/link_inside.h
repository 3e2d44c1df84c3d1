/* relay/link_inside.h - what the files that make up a link's state machine share
 *
 * link.c: life, events, the end; opening.c: greeting and EHLO; starttls.c: TLS; xclient.c: who the client is; proxy.c:
 * the same, said by a PROXY header; envelope.c: from MAIL to DATA; body.c: from 354 to the last reply; lmtp.c: where
 * each recipient has its own. A handler may end with the link GONE: callers look at the state before they go on.
 */
#ifndef RELAY_LINK_INSIDE_H
#define RELAY_LINK_INSIDE_H

#include "relay/finish.h"
#include "relay/link.h"

/* On to the next state, with its time limit. */
void relay_link_enter(struct relay *r, struct relay_link *link, enum relay_link_state state, uint64_t now_ms);
/* The connection broke, timed out, or said 421: its job gets another try or its answer, the link is closed. */
void relay_link_lost(struct relay *r, struct relay_link *link, const char *why, uint64_t now_ms);
/* Hears what has come, before the loop tells of it. */
void relay_link_listen(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* The backend is not what the settings need: out of service, loudly. The link is closed. */
void relay_link_unhealthy(struct relay *r, struct relay_link *link, struct slice why, uint64_t now_ms);
/* A command could not be written: no memory, or (it was checked before) not fit to be one. */
void relay_link_unsayable(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* The job is off. Back to the pool; `reset`: a transaction is open, RSET first. */
void relay_link_release(struct relay *r, struct relay_link *link, bool reset, uint64_t now_ms);

/* A reply in good form that cannot answer what was said: the job gets 451 4.3.0, the link is closed. Before the dot. */
void relay_link_nonsense(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* The reply's words become the job's answer so far. `rcpt`: of which recipient, or UINT16_MAX. */
void relay_link_keep(struct relay_link *link, const struct smtp_client_reply *reply, unsigned rcpt);

/* The job that the link has: its first words. */
void relay_link_begin(struct relay *r, struct relay_link *link, uint64_t now_ms);

void relay_opening_greeting(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);
void relay_opening_hello(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);

/* HELLO was answered. True: TLS comes next, or the link is gone; false: it goes on as it is. */
bool relay_tls_wanted(struct relay *r, struct relay_link *link, uint64_t now_ms) MUST_USE;
void relay_tls_reply(struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);
void relay_tls_late(struct relay *r, struct relay_link *link, uint64_t now_ms);
void relay_tls_shake(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* It could not be reached, does not work, or turns us away: out of service. The link is closed. */
void relay_link_turned_away(
	struct relay *r, struct relay_link *link, enum relay_state state, struct slice why, uint64_t now_ms);
/* It came to nothing before it was open, through no fault of the backend: closed, its job is tried once more. */
void relay_link_give_up(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* The greeting is over, or TLS begun: EHLO. */
void relay_link_hello(struct relay *r, struct relay_link *link, uint64_t now_ms);

/* The PROXY header in front of all else, where the settings want one: of the job's client, or (NULL) LOCAL. False:
 * memory. */
bool relay_proxy_head(struct relay *r, struct relay_link *link, const struct relay_job *job) MUST_USE;
/* What the backend said or did while the connection of a named client was opened: it is about that client. */
void relay_proxy_refused(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);
void relay_proxy_dropped(struct relay *r, struct relay_link *link, struct slice why, uint64_t now_ms);

/* The job's first words: XCLIENT where it is needed, else the envelope's. */
void relay_xclient_begin(struct relay *r, struct relay_link *link, uint64_t now_ms);
void relay_xclient_reply(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);
void relay_xclient_rehello(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);
/* The envelope is on its way behind it: the link is closed in every case. */
void relay_xforward_refused(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);

void relay_envelope_start(struct relay *r, struct relay_link *link, uint64_t now_ms);
void relay_envelope_reply(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);
void relay_envelope_data(
	struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);

void relay_body_begin(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* Writes what the connection takes. */
void relay_body_go_on(struct relay *r, struct relay_link *link, uint64_t now_ms);
/* Bytes have come while the body goes out. */
void relay_body_hears(struct relay_link *link);
void relay_body_early(struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);
void relay_body_reply(struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);

/* LMTP's replies to the body, one for each recipient. Begin: room to note them, and to remember them should only some
 * take it; false: there is none. End: that room is given back. */
bool relay_lmtp_begin(struct relay *r, struct relay_link *link) MUST_USE;
void relay_lmtp_end(struct relay *r, struct relay_link *link);
void relay_lmtp_reply(struct relay *r, struct relay_link *link, const struct smtp_client_reply *reply, uint64_t now_ms);

static inline bool relay_is_2xx(unsigned code)
{
	return code / 100 == 2;
}

#endif
