/* smtp/server_core.h - what server.c, server_commands.c, server_bdat.c and server_answer.c share; private to the
 * server core
 *
 * A session is in one phase; within SMTP_PHASE_COMMAND its stage says which commands may come now. One
 * call of smtp_server_next() is one turn: it goes on until there is an event to tell.
 */
#ifndef SMTP_SERVER_CORE_H
#define SMTP_SERVER_CORE_H

#include "smtp/command.h"
#include "smtp/server.h"
#include "smtp/server_reply.h"

enum smtp_phase {
	SMTP_PHASE_GREETING, /* the banner is not yet said */
	SMTP_PHASE_COMMAND,  /* a command line comes next */
	SMTP_PHASE_SKIP,     /* the rest of a broken line comes next */
	SMTP_PHASE_ASKED,    /* a question is open */
	SMTP_PHASE_BODY,     /* after 354 */
	SMTP_PHASE_CHUNK,    /* after a BDAT */
	SMTP_PHASE_TLS,      /* after 220 to STARTTLS, until the handshake is done */
	SMTP_PHASE_CLOSED,   /* the last word is written */
};

enum smtp_stage {
	SMTP_STAGE_REJECTED, /* greeted with 554 */
	SMTP_STAGE_NEW,      /* no HELO yet */
	SMTP_STAGE_READY,    /* HELO was taken */
	SMTP_STAGE_MAIL,     /* MAIL was taken */
	SMTP_STAGE_TRIED,    /* and RCPTs, none of them taken */
	SMTP_STAGE_RCPT,     /* and at least one RCPT */
	SMTP_STAGE_CHUNKS,   /* and a BDAT, its LAST is still to come */
	SMTP_STAGE_DROPPED,  /* a BDAT was refused: the mail is gone, its other chunks may still come */
	SMTP_STAGES
};

enum smtp_server_flag {
	SMTP_SERVER_ESMTP = 1,      /* the open HELO question is EHLO */
	SMTP_SERVER_TLS = 2,
	SMTP_SERVER_TEASED = 4,
	SMTP_SERVER_BURST_TOLD = 8, /* this burst's pipelining offence was told */
	SMTP_SERVER_BEHIND = 16,    /* input was seen behind the open DATA */
	SMTP_SERVER_WARY = 32,      /* DATA was refused: a body may come although nobody asked */
	SMTP_SERVER_TOO_LONG = 64,  /* the line being skipped has not been answered yet */
	SMTP_SERVER_LAST_CHUNK = 128, /* of the BDAT that is taken or asked about */
	SMTP_SERVER_CHUNKED = 256,  /* the open DATA question is BDAT */
	SMTP_SERVER_UTF8 = 512,     /* this mail's MAIL said SMTPUTF8 */
	SMTP_SERVER_NO_MAIL = 1024, /* the last MAIL was not taken: the rest of its pipelined group may still come */
};

/* One call of smtp_server_next(). */
struct smtp_turn {
	struct slice *in;
	struct slice before; /* *in as it was at the beginning of the line */
	struct smtp_event *ev;
	bool told;
	enum smtp_event_kind kind;
};

void smtp_server_tell(struct smtp_turn *t, enum smtp_event_kind kind);
void smtp_server_ask(struct smtp_server *s, struct smtp_turn *t, enum smtp_event_kind question);
/* A reply was written or not: without memory for it the session is closed. */
void smtp_server_written(struct smtp_server *s, bool ok);
void smtp_server_reply(struct smtp_server *s, int code, struct slice text);
void smtp_server_say(struct smtp_server *s, enum smtp_reply_id reply);
/* Says the reply, a 5xx, tells the offence and counts it as an error. */
void smtp_server_offend(struct smtp_server *s, struct smtp_turn *t, enum smtp_offence offence, struct slice line,
			enum smtp_reply_id reply);
/* Says the reply and closes; the offence is told before SMTP_EV_CLOSE. */
void smtp_server_end(struct smtp_server *s, enum smtp_offence offence, enum smtp_reply_id reply);
/* DATA (or BDAT) was just refused: a body in the input must not run as commands. */
void smtp_server_data_refused(struct smtp_server *s, bool behind);
void smtp_server_count_error(struct smtp_server *s);

/* Sets up the core for a body, after 354. */
void smtp_server_begin_body(struct smtp_server *s);
/* SMTP_BODY_IN_DATA: tells SMTP_EV_BODY; _END: asks SMTP_EV_BODY_END; else nothing. */
void smtp_server_tell_body(struct smtp_server *s, struct smtp_turn *t, enum smtp_body_in_result result);

/* server_bdat.c. `wrong`: the command may not come now; its bytes are taken all the same. */
void smtp_server_run_bdat(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c,
			  enum smtp_reply_id wrong);
void smtp_server_answer_bdat(struct smtp_server *s, int code);
void smtp_server_take_chunk(struct smtp_server *s, struct smtp_turn *t);

/* Runs one whole, clean command line. */
void smtp_server_run(struct smtp_server *s, struct smtp_turn *t, const struct smtp_command *c);

#endif
