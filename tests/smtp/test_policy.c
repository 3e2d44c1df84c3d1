#include "tests/base/cmocka_setup.h"

#include "smtp/policy.h"

#include <stdio.h>

/* What the core asks about in one run, and what it says: the owner below refuses whatever holds "no". */
struct run {
	struct smtp_policy p;
	struct buf out, log;
	enum smtp_event_kind passes; /* the question that it cannot judge; MORE: it can all */
};

static bool note(struct run *r, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	char ip[IP_TEXT];
	switch (kind) {
	case SMTP_EV_XCLIENT:
		ip_format(&ev->xclient.ip, ip);
		return buf_printf(&r->log, "client %s %u\n", ip, ev->xclient.port);
	case SMTP_EV_HELO:
		return buf_printf(&r->log, "%s %.*s\n", ev->esmtp ? "ehlo" : "helo", SLICE_ARG(ev->name));
	case SMTP_EV_MAIL:
		return buf_printf(
			&r->log, "mail %.*s %llu\n", SLICE_ARG(ev->path.addr), (unsigned long long)ev->params.size);
	case SMTP_EV_RCPT:
		return buf_printf(&r->log, "rcpt %.*s\n", SLICE_ARG(ev->path.addr));
	case SMTP_EV_DATA:
		return buf_printf(&r->log, "data\n");
	case SMTP_EV_BODY_END:
		return buf_printf(&r->log, "end\n");
	case SMTP_EV_RSET:
		return buf_printf(&r->log, "rset\n");
	case SMTP_EV_OFFENCE:
		return buf_printf(&r->log, "offence\n");
	default:
		return false;
	}
}

static void answer(struct run *r, enum smtp_event_kind kind, const struct smtp_event *ev)
{
	struct slice about = kind == SMTP_EV_HELO ? ev->name : ev->path.addr;
	bool named = kind == SMTP_EV_HELO || kind == SMTP_EV_MAIL || kind == SMTP_EV_RCPT;
	if (kind == SMTP_EV_RSET || kind == SMTP_EV_OFFENCE)
		return;
	if (r->passes == kind)
		smtp_policy_pass(&r->p);
	else if (named && slice_istarts(about, SLICE("no")))
		smtp_policy_answer(&r->p, 450, SLICE("4.7.1 not\nyou \x01"));
	else if (named && slice_istarts(about, SLICE("ban")))
		smtp_policy_answer(&r->p, 421, SLICE("4.7.0 gone"));
	else
		smtp_policy_answer(&r->p, 250, SLICE("ok"));
}

/* False: closed. */
static bool feed(struct run *r, struct slice *in)
{
	for (;;) {
		struct smtp_event ev;
		enum smtp_event_kind kind = smtp_policy_next(&r->p, in, &ev);
		if (kind == SMTP_EV_MORE || kind == SMTP_EV_CLOSE)
			return kind == SMTP_EV_MORE;
		assert_true(note(r, kind, &ev));
		answer(r, kind, &ev);
	}
}

static void feed_cut(struct run *r, const char *text, size_t step)
{
	struct slice all = slice_str(text);
	struct buf in = { 0 };
	smtp_policy_init(&r->p, &r->out);
	for (size_t at = 0; at < all.n; at += step) {
		assert_true(buf_put(&in, slice_of(all.p + at, step < all.n - at ? step : all.n - at)));
		struct slice rest = buf_slice(&in);
		bool open = feed(r, &rest);
		buf_consume(&in, buf_len(&in) - rest.n);
		if (!open)
			break;
	}
	buf_release(&in);
}

static void check(const char *text, const char *log, const char *out, enum smtp_event_kind passes)
{
	for (size_t step = 1; step < 40; step++) {
		struct run r = { .passes = passes };
		feed_cut(&r, text, step == 39 ? strlen(text) + 1 : step);
		assert_slice(buf_slice(&r.log), log);
		assert_slice(buf_slice(&r.out), out);
		buf_release(&r.log);
		buf_release(&r.out);
	}
}

#define ASK "request=smtpd_access_policy\nprotocol_name=ESMTP\nclient_address=192.0.2.1\nclient_port=7\n"
#define REQ(state, helo, sender, rcpt, instance)                                                                       \
	ASK "protocol_state=" state "\nhelo_name=" helo "\nsender=" sender "\nrecipient=" rcpt "\ninstance=" instance  \
	    "\nsize=9\nwhat_else=we do not know\n\n"
#define DUNNO "action=DUNNO\n\n"
#define NOT_YOU "action=450 4.7.1 not you ?\n\n"

static void steps(void **state)
{
	(void)state;
	check(REQ("RCPT", "h", "a@b", "c@d", "1") REQ("RCPT", "h", "a@b", "e@d", "1") REQ("DATA", "h", "a@b", "", "1")
			REQ("END-OF-MESSAGE", "h", "a@b", "", "1"),
		"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt c@d\nrcpt e@d\ndata\nend\n", DUNNO DUNNO DUNNO DUNNO,
		false);
	check(REQ("CONNECT", "", "", "", "1") REQ("EHLO", "h", "", "", "1") REQ("VRFY", "i", "", "x@y", "1")
			REQ("MAIL", "i", "a@b", "", "1"),
		"client 192.0.2.1 7\nehlo h\nehlo i\nmail a@b 9\n", DUNNO DUNNO DUNNO DUNNO, SMTP_EV_MORE);
	check(REQ("RCPT", "h", "a@b", "c@d", "1") REQ("DATA", "h", "a@b", "c@d", "1"),
		"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt c@d\ndata\n", DUNNO DUNNO, SMTP_EV_MORE);
	check(REQ("END-OF-MESSAGE", "h", "", "c@d", "1") REQ("DATA", "h", "", "", "2"),
		"client 192.0.2.1 7\nehlo h\nmail  9\nrcpt c@d\ndata\nend\nmail  9\ndata\n", DUNNO DUNNO, SMTP_EV_MORE);
	check(REQ("RCPT", "h", "a@b", "c@d", "1") REQ("RCPT", "h", "a@b", "c@d", "2") ASK
		"client_port=8\nprotocol_state=CONNECT\n\n",
		"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt c@d\nrset\nmail a@b 9\nrcpt c@d\nrset\nclient 192.0.2.1 "
		"8\n",
		DUNNO DUNNO DUNNO, SMTP_EV_MORE);
}

static void refusals(void **state)
{
	(void)state;
	check(REQ("RCPT", "h", "no@b", "c@d", "1") REQ("RCPT", "h", "no@b", "e@d", "1")
			REQ("RCPT", "h", "a@b", "c@d", "2"),
		"client 192.0.2.1 7\nehlo h\nmail no@b 9\nmail a@b 9\nrcpt c@d\n", NOT_YOU NOT_YOU DUNNO, SMTP_EV_MORE);
	check(REQ("RCPT", "no", "a@b", "c@d", "1") REQ("RCPT", "no", "a@b", "c@d", "2")
			REQ("RCPT", "h", "a@b", "c@d", "3"),
		"client 192.0.2.1 7\nehlo no\nehlo h\nmail a@b 9\nrcpt c@d\n", NOT_YOU NOT_YOU DUNNO, SMTP_EV_MORE);
	check(REQ("RCPT", "h", "a@b", "no@d", "1") REQ("RCPT", "h", "a@b", "e@d", "1"),
		"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt no@d\nrcpt e@d\n", NOT_YOU DUNNO, SMTP_EV_MORE);
	check(REQ("RCPT", "h", "a@b", "ban@d", "1") REQ("RCPT", "i", "x@b", "e@d", "2") ASK
		"client_port=8\nprotocol_state=CONNECT\n\n",
		"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt ban@d\nrset\nclient 192.0.2.1 8\n",
		"action=421 4.7.0 gone\n\naction=421 4.7.0 gone\n\n" DUNNO, SMTP_EV_MORE);
}

static void failures_pass(void **state)
{
	(void)state;
	static const char twice[] = REQ("RCPT", "h", "a@b", "c@d", "1") REQ("RCPT", "h", "a@b", "c@d", "1");
	check(twice, "client 192.0.2.1 7\nclient 192.0.2.1 7\n", DUNNO DUNNO, SMTP_EV_XCLIENT);
	check(twice, "client 192.0.2.1 7\nehlo h\nehlo h\n", DUNNO DUNNO, SMTP_EV_HELO);
	check(twice, "client 192.0.2.1 7\nehlo h\nmail a@b 9\nmail a@b 9\n", DUNNO DUNNO, SMTP_EV_MAIL);
	check(twice, "client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt c@d\nrcpt c@d\n", DUNNO DUNNO, SMTP_EV_RCPT);
	check(REQ("DATA", "h", "a@b", "c@d", "1") REQ("DATA", "h", "a@b", "c@d", "1"),
		"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt c@d\ndata\nmail a@b 9\nrcpt c@d\ndata\n", DUNNO DUNNO,
		SMTP_EV_DATA);
}

static void bad_requests(void **state)
{
	(void)state;
	static const char *const bad[] = { "x\n\n", "=x\n\n", ASK "protocol_state=RCPT\r\n\n",
		ASK "protocol_state=RCPT\nencryption_cipher=\xff\n\n",
		ASK "protocol_state=RCPT\ninstance="
		    "12345678901234567890123456789012345678901234567890123456789012345\n\n" };
	static const char *const idle[] = { "\n", "request=other\n\n", ASK "protocol_state=NOOP\n\n",
		ASK "client_address=unknown\nprotocol_state=RCPT\n\n" };
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		check(bad[i], "offence\n", DUNNO, SMTP_EV_MORE);
	for (size_t i = 0; i < sizeof idle / sizeof *idle; i++)
		check(idle[i], "", DUNNO, SMTP_EV_MORE);
	check(ASK "protocol_state=EHLO\nhelo_name=a b\xc3\xa4\n\n", "client 192.0.2.1 7\nehlo a?b??\n", DUNNO,
		SMTP_EV_MORE);
}

/* It would pass unjudged, a blocked client too, if its words could make the request a bad one. */
static void no_word_keeps_a_client_from_being_judged(void **state)
{
	(void)state;
	static char text[8192], log[2048], long_one[2000];
	memset(long_one, 'l', sizeof long_one - 1);
	check(REQ("RCPT", "h\x01", "a\x01\r\x7f\xff\xc3\xa4@b", "\xe2\x82@d", "1"),
		"client 192.0.2.1 7\nehlo h?\nmail a????\xc3\xa4@b 9\nrcpt ??@d\n", DUNNO, SMTP_EV_MORE);
	snprintf(text, sizeof text, ASK "protocol_state=RCPT\nhelo_name=no%s\nsender=%s@b\nrecipient=%s@d\n\n",
		long_one, long_one, long_one);
	snprintf(log, sizeof log, "client 192.0.2.1 7\nehlo no%.253s\n", long_one);
	check(text, log, NOT_YOU, SMTP_EV_MORE);
	memcpy(strstr(text, "=no"), "=ok", 3);
	snprintf(log, sizeof log, "client 192.0.2.1 7\nehlo ok%.253s\nmail %.510s@b 0\nrcpt %.510s@d\n", long_one,
		long_one, long_one);
	check(text, log, DUNNO, SMTP_EV_MORE);
	check(REQ("RCPT", "h", "a@b", "c@d", "1\nccert_subject=\xff\x01"),
		"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt c@d\n", DUNNO, SMTP_EV_MORE);
}

static void bounds(void **state)
{
	(void)state;
	struct run r = { 0 };
	char line[SMTP_POLICY_LINE + 2];
	memset(line, 'a', sizeof line);
	struct slice in = slice_of(line, SMTP_POLICY_LINE);
	smtp_policy_init(&r.p, &r.out);
	assert_true(feed(&r, &in));
	in = slice_of(line, SMTP_POLICY_LINE + 1);
	assert_false(feed(&r, &in));
	smtp_policy_init(&r.p, &r.out);
	for (unsigned i = 0; i <= SMTP_POLICY_ATTRIBUTES; i++) {
		in = SLICE("a=b\n");
		assert_int_equal(feed(&r, &in), i < SMTP_POLICY_ATTRIBUTES);
	}
	assert_int_equal(buf_len(&r.out), 0);
	buf_release(&r.log);
}

static void forgetting(void **state)
{
	(void)state;
	struct run r = { 0 };
	struct slice in = SLICE(REQ("RCPT", "h", "no@b", "c@d", "1"));
	smtp_policy_init(&r.p, &r.out);
	assert_true(feed(&r, &in));
	smtp_policy_forget(&r.p);
	in = SLICE(REQ("RCPT", "h", "a@b", "c@d", "1"));
	assert_true(feed(&r, &in));
	smtp_policy_forget_mail(&r.p);
	in = SLICE(REQ("RCPT", "h", "a@b", "c@d", "1"));
	assert_true(feed(&r, &in));
	assert_slice(buf_slice(&r.log), "client 192.0.2.1 7\nehlo h\nmail no@b 9\n"
					"client 192.0.2.1 7\nehlo h\nmail a@b 9\nrcpt c@d\n"
					"mail a@b 9\nrcpt c@d\n");
	assert_slice(buf_slice(&r.out), NOT_YOU DUNNO DUNNO);
	buf_release(&r.log);
	buf_release(&r.out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(steps),
		cmocka_unit_test(refusals),
		cmocka_unit_test(failures_pass),
		cmocka_unit_test(bad_requests),
		cmocka_unit_test(no_word_keeps_a_client_from_being_judged),
		cmocka_unit_test(bounds),
		cmocka_unit_test(forgetting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
