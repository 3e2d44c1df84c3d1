/* tests/smtp/client_end.h - a client core, what it said, and a server's replies by hand */
#ifndef TESTS_SMTP_CLIENT_END_H
#define TESTS_SMTP_CLIENT_END_H

#include "tests/base/cmocka_setup.h"

#include "smtp/client.h"

struct end {
	struct smtp_client c;
	struct buf out;
};

static inline void open_end(struct end *e)
{
	*e = (struct end){ 0 };
	smtp_client_init(&e->c, &e->out);
}

static inline void close_end(struct end *e)
{
	smtp_client_release(&e->c);
	buf_release(&e->out);
}

static inline void assert_said(struct end *e, const char *wanted)
{
	assert_slice(buf_slice(&e->out), wanted);
	buf_clear(&e->out);
}

/* Exactly one reply lies in `text`. */
static inline struct smtp_client_reply hear(struct end *e, const char *text)
{
	struct slice in = slice_str(text);
	struct smtp_client_reply reply = { 0 };
	assert_int_equal(smtp_client_next(&e->c, &in, &reply), SMTP_CLIENT_REPLY);
	assert_int_equal(in.n, 0);
	return reply;
}

static inline enum smtp_client_event hear_event(struct end *e, const char *text)
{
	struct slice in = slice_str(text);
	struct smtp_client_reply reply;
	return smtp_client_next(&e->c, &in, &reply);
}

/* Greeted and told `ehlo`, the lines behind the name. */
static inline void open_ready(struct end *e, const char *ehlo)
{
	open_end(e);
	assert_int_equal(hear(e, "220 mx ESMTP\r\n").to, SMTP_TO_GREETING);
	assert_true(smtp_client_ehlo(&e->c, SLICE("mx.example.org")));
	assert_said(e, "EHLO mx.example.org\r\n");
	assert_int_equal(hear(e, ehlo).to, SMTP_TO_EHLO);
}

#endif
