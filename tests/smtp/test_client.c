#include "client_end.h"

#include "base/mem.h"

static void a_mail_from_greeting_to_quit(void **state)
{
	(void)state;
	struct end e;
	open_ready(&e, "250-mx\r\n250-PIPELINING\r\n250-SIZE 1000\r\n250 8BITMIME\r\n");
	assert_int_equal(e.c.caps.ext, SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_8BITMIME);
	assert_int_equal(e.c.caps.size, 1000);
	assert_true(smtp_client_mail(&e.c, SLICE("a@b"), &(struct smtp_mail_options){ .size = 77, .eight_bit = true }));
	assert_true(smtp_client_rcpt(&e.c, SLICE("c@d"), NULL));
	assert_true(smtp_client_rcpt(&e.c, SLICE("\"x> y<\\\"\"@d"), NULL));
	assert_true(smtp_client_data(&e.c));
	assert_said(
		&e, "MAIL FROM:<a@b> SIZE=77 BODY=8BITMIME\r\nRCPT TO:<c@d>\r\nRCPT TO:<\"x> y<\\\"\"@d>\r\nDATA\r\n");
	assert_int_equal(smtp_client_due(&e.c), 4);

	struct slice in = SLICE("250 2.1.0 Ok\r\n250 2.1.5 Ok\r\n550-5.1.1 No\r\n550 5.1.1 user\r\n354 Go\r\n");
	struct smtp_client_reply r;
	assert_int_equal(smtp_client_next(&e.c, &in, &r), SMTP_CLIENT_REPLY);
	assert_int_equal(r.to, SMTP_TO_MAIL);
	assert_int_equal(smtp_client_next(&e.c, &in, &r), SMTP_CLIENT_REPLY);
	assert_int_equal(r.to, SMTP_TO_RCPT);
	assert_int_equal(r.index, 0);
	assert_int_equal(smtp_client_next(&e.c, &in, &r), SMTP_CLIENT_REPLY);
	assert_int_equal(r.to, SMTP_TO_RCPT);
	assert_int_equal(r.index, 1);
	assert_int_equal(r.code, 550);
	assert_int_equal(r.enhanced.class * 10000 + r.enhanced.subject * 100 + r.enhanced.detail, 50101);
	assert_slice(r.text, "5.1.1 No\n5.1.1 user");
	assert_int_equal(smtp_client_next(&e.c, &in, &r), SMTP_CLIENT_REPLY);
	assert_int_equal(r.to, SMTP_TO_DATA);
	assert_int_equal(smtp_client_next(&e.c, &in, &r), SMTP_CLIENT_MORE);
	assert_int_equal(smtp_client_due(&e.c), 0);

	assert_true(smtp_client_body_sent(&e.c));
	assert_true(smtp_client_quit(&e.c));
	assert_said(&e, "QUIT\r\n");
	assert_int_equal(hear(&e, "250 2.0.0 queued\r\n").to, SMTP_TO_BODY);
	assert_int_equal(hear(&e, "221 bye\r\n").to, SMTP_TO_QUIT);
	close_end(&e);
}

/* RFC 2033: LHLO, and behind the dot one reply for each recipient that was taken, in their order. */
static void lmtp_answers_each_recipient(void **state)
{
	(void)state;
	struct end e;
	open_end(&e);
	smtp_client_speak_lmtp(&e.c);
	hear(&e, "220 mx LMTP\r\n");
	assert_true(smtp_client_ehlo(&e.c, SLICE("mx.example.org")));
	assert_said(&e, "LHLO mx.example.org\r\n");
	hear(&e, "250 mx\r\n");
	for (int mails = 0; mails < 2; mails++) {
		assert_true(smtp_client_mail(&e.c, SLICE("a@b"), NULL) && smtp_client_rcpt(&e.c, SLICE("1@d"), NULL) &&
			    smtp_client_rcpt(&e.c, SLICE("2@d"), NULL) && smtp_client_rcpt(&e.c, SLICE("3@d"), NULL) &&
			    smtp_client_data(&e.c));
		hear(&e, "250 Ok\r\n");
		hear(&e, "250 Ok\r\n");
		hear(&e, "550 no\r\n");
		assert_int_equal(hear(&e, "250 Ok\r\n").index, 2);
		hear(&e, "354 Go\r\n");
		assert_true(smtp_client_body_sent(&e.c));
		assert_int_equal(smtp_client_due(&e.c), 2);
		struct smtp_client_reply r = hear(&e, "250 first\r\n");
		assert_int_equal(r.to, SMTP_TO_BODY);
		assert_int_equal(r.index, 0);
		assert_int_equal(hear(&e, "452 full\r\n").index, 1);
		assert_int_equal(smtp_client_due(&e.c), 0);
	}
	/* none was taken: nothing is due */
	assert_true(smtp_client_mail(&e.c, SLICE("a@b"), NULL) && smtp_client_rcpt(&e.c, SLICE("1@d"), NULL) &&
		    smtp_client_data(&e.c));
	hear(&e, "250 Ok\r\n");
	hear(&e, "550 no\r\n");
	hear(&e, "354 Go\r\n");
	assert_true(smtp_client_body_sent(&e.c));
	assert_int_equal(smtp_client_due(&e.c), 0);
	close_end(&e);
}

static void only_what_was_offered_is_said(void **state)
{
	(void)state;
	struct end e;
	struct smtp_mail_options all = { .size = 5, .eight_bit = true };
	open_ready(&e, "250 mx\r\n");
	assert_true(smtp_client_mail(&e.c, SLICE(""), &all));
	assert_said(&e, "MAIL FROM:<>\r\n");
	assert_true(smtp_client_mail(&e.c, SLICE(""), NULL));
	assert_said(&e, "MAIL FROM:<>\r\n");
	assert_false(smtp_client_xclient(&e.c, &(struct smtp_identity){ .port = 1 }));
	assert_false(smtp_client_xforward(&e.c, &(struct smtp_identity){ .port = 1 }));
	assert_said(&e, "");
	close_end(&e);
	open_ready(&e, "250-mx\r\n250 SIZE\r\n");
	assert_true(smtp_client_mail(&e.c, SLICE(""), &all));
	assert_said(&e, "MAIL FROM:<> SIZE=5\r\n");
	close_end(&e);
}

/* Nothing but one line of its kind, ever. */
static void what_could_be_misread_is_refused(void **state)
{
	(void)state;
	static const struct slice bad[] = {
		SLICE_INIT("a\r\nDATA"),
		SLICE_INIT("a\n@b"),
		SLICE_INIT("a\r@b"),
		SLICE_INIT("a\0@b"),
		SLICE_INIT("\"a\r\n\"@b"),
		SLICE_INIT("\"a\0\"@b"),
		SLICE_INIT("a\x01@b"),
		SLICE_INIT("a\x7f@b"),
		SLICE_INIT("a\xc3\xa4@b"),
		SLICE_INIT("a b@c"),
		SLICE_INIT("a@b> SIZE=1"),
		SLICE_INIT("<a@b"),
		SLICE_INIT("\"a@b"),
		SLICE_INIT("\"a\\\"@b"),
		SLICE_INIT("a\\ @b"),
		SLICE_INIT("a\t@b"),
	};
	struct end e;
	open_ready(&e, "250 mx\r\n");
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
		assert_false(smtp_client_mail(&e.c, bad[i], NULL));
		assert_false(smtp_client_rcpt(&e.c, bad[i], NULL));
	}
	assert_false(smtp_client_rcpt(&e.c, SLICE(""), NULL));
	assert_false(smtp_client_ehlo(&e.c, SLICE("a\r\nb")));
	assert_false(smtp_client_ehlo(&e.c, SLICE("a b")));
	assert_false(smtp_client_ehlo(&e.c, SLICE("")));
	assert_said(&e, "");
	assert_int_equal(smtp_client_due(&e.c), 0);
	close_end(&e);
}

static void paths_are_bounded(void **state)
{
	(void)state;
	char path[SMTP_CLIENT_PATH + 1];
	memset(path, 'a', sizeof path);
	struct end e;
	open_ready(&e, "250-mx\r\n250-SIZE\r\n250 8BITMIME\r\n");
	struct smtp_mail_options most = { .size = UINT64_MAX, .eight_bit = true };
	assert_true(smtp_client_mail(&e.c, slice_of(path, SMTP_CLIENT_PATH), &most));
	assert_false(smtp_client_mail(&e.c, slice_of(path, sizeof path), NULL));
	assert_true(smtp_client_rcpt(&e.c, slice_of(path, SMTP_CLIENT_PATH), NULL));
	assert_false(smtp_client_rcpt(&e.c, slice_of(path, sizeof path), NULL));
	close_end(&e);
}

static void thousands_of_recipients_are_one_run(void **state)
{
	(void)state;
	struct end e;
	open_ready(&e, "250 mx\r\n");
	assert_true(smtp_client_mail(&e.c, SLICE("a@b"), NULL));
	for (int i = 0; i < 5000; i++)
		assert_true(smtp_client_rcpt(&e.c, SLICE("c@d"), NULL));
	assert_int_equal(smtp_client_due(&e.c), 5001);
	assert_int_equal(hear(&e, "250 ok\r\n").to, SMTP_TO_MAIL);
	for (int i = 0; i < 5000; i++) {
		struct smtp_client_reply r = hear(&e, i % 3 ? "250 ok\r\n" : "550 no\r\n");
		assert_int_equal(r.to, SMTP_TO_RCPT);
		assert_int_equal(r.index, i);
		assert_int_equal(r.code, i % 3 ? 250 : 550);
	}
	assert_int_equal(smtp_client_due(&e.c), 0);
	assert_true(smtp_client_mail(&e.c, SLICE("a@b"), NULL));
	assert_true(smtp_client_rcpt(&e.c, SLICE("c@d"), NULL));
	hear(&e, "250 ok\r\n");
	assert_int_equal(hear(&e, "250 ok\r\n").index, 0);
	close_end(&e);
}

static void runs_are_bounded(void **state)
{
	(void)state;
	struct end e;
	open_ready(&e, "250 mx\r\n");
	int said = 0;
	while (said < 100 && (said % 2 ? smtp_client_rset(&e.c) : smtp_client_mail(&e.c, SLICE(""), NULL)))
		said++;
	assert_int_equal(said, SMTP_CLIENT_RUNS);
	size_t n = buf_len(&e.out);
	assert_false(smtp_client_data(&e.c));
	assert_int_equal(buf_len(&e.out), n);
	assert_true(smtp_client_rset(&e.c)); /* joins the last run */
	for (int i = 0; i < said; i++)
		assert_int_equal(hear(&e, "250 ok\r\n").to, i % 2 ? SMTP_TO_RSET : SMTP_TO_MAIL);
	assert_int_equal(hear(&e, "250 ok\r\n").to, SMTP_TO_RSET);
	assert_true(smtp_client_data(&e.c));
	close_end(&e);
}

static bool says_anything(struct end *e)
{
	return smtp_client_ehlo(&e->c, SLICE("x")) || smtp_client_starttls(&e->c) ||
	       smtp_client_mail(&e->c, SLICE(""), NULL) || smtp_client_rcpt(&e->c, SLICE("a@b"), NULL) ||
	       smtp_client_data(&e->c) || smtp_client_rset(&e->c) || smtp_client_quit(&e->c);
}

/* A command in a body would be part of the mail; a body where none was asked for would be commands. */
static void nothing_is_said_behind_data_nor_in_a_body(void **state)
{
	(void)state;
	struct end e;
	open_ready(&e, "250 mx\r\n");
	assert_false(smtp_client_body_sent(&e.c));
	assert_true(smtp_client_data(&e.c));
	buf_clear(&e.out);
	assert_false(says_anything(&e));
	assert_false(smtp_client_body_sent(&e.c));
	assert_int_equal(hear(&e, "354 go\r\n").to, SMTP_TO_DATA);
	assert_false(says_anything(&e));
	assert_true(smtp_client_body_sent(&e.c));
	assert_false(smtp_client_body_sent(&e.c));
	assert_said(&e, "");
	assert_true(smtp_client_data(&e.c));
	assert_int_equal(hear(&e, "250 queued\r\n").to, SMTP_TO_BODY);
	assert_int_equal(hear(&e, "554 no\r\n").to, SMTP_TO_DATA);
	assert_false(smtp_client_body_sent(&e.c));
	assert_true(smtp_client_rset(&e.c));
	close_end(&e);
}

static void starttls_forgets_and_allows_no_bytes_behind(void **state)
{
	(void)state;
	struct end e;
	open_ready(&e, "250-mx\r\n250-SIZE 5\r\n250 STARTTLS\r\n");
	assert_true(smtp_client_starttls(&e.c));
	assert_said(&e, "STARTTLS\r\n");
	assert_false(says_anything(&e));
	assert_int_equal(hear(&e, "220 ready\r\n").to, SMTP_TO_STARTTLS);
	assert_int_equal(e.c.caps.ext, 0);
	assert_int_equal(e.c.caps.size, 0);
	assert_int_equal(hear_event(&e, "250 injected\r\n"), SMTP_CLIENT_GARBAGE);
	close_end(&e);

	open_ready(&e, "250-mx\r\n250 STARTTLS\r\n");
	assert_true(smtp_client_starttls(&e.c));
	assert_int_equal(hear_event(&e, "220 ready\r\n2"), SMTP_CLIENT_GARBAGE);
	close_end(&e);

	open_ready(&e, "250-mx\r\n250 STARTTLS\r\n");
	assert_true(smtp_client_starttls(&e.c));
	assert_int_equal(hear(&e, "454 not now\r\n").to, SMTP_TO_STARTTLS);
	assert_int_equal(e.c.caps.ext, SMTP_EXT_STARTTLS);
	assert_true(smtp_client_mail(&e.c, SLICE(""), NULL));
	close_end(&e);
}

static void only_a_421_may_come_unasked(void **state)
{
	(void)state;
	struct end e;
	open_ready(&e, "250 mx\r\n");
	struct smtp_client_reply r = hear(&e, "421 4.4.2 timeout\r\n");
	assert_int_equal(r.to, SMTP_TO_NOTHING);
	assert_int_equal(r.code, 421);
	assert_int_equal(hear_event(&e, "250 ok\r\n"), SMTP_CLIENT_GARBAGE);
	close_end(&e);
	open_ready(&e, "250 mx\r\n");
	assert_int_equal(hear_event(&e, "451 4.4.2 timeout\r\n"), SMTP_CLIENT_GARBAGE);
	close_end(&e);
	/* asked for, it is an answer like any other */
	open_ready(&e, "250 mx\r\n");
	assert_true(smtp_client_rset(&e.c));
	assert_int_equal(hear(&e, "421 bye\r\n").to, SMTP_TO_RSET);
	close_end(&e);
}

/* A reply that began before its command must not become that command's answer. */
static void no_command_into_a_half_read_reply(void **state)
{
	(void)state;
	struct end e;
	open_ready(&e, "250 mx\r\n");
	assert_int_equal(hear_event(&e, "250 forg"), SMTP_CLIENT_MORE);
	assert_false(says_anything(&e));
	assert_int_equal(hear_event(&e, "ed\r\n"), SMTP_CLIENT_GARBAGE);
	close_end(&e);
}

static void garbage_is_for_good(void **state)
{
	(void)state;
	struct end e;
	open_end(&e);
	struct slice in = SLICE("220 mx\nfoo");
	struct smtp_client_reply r;
	assert_int_equal(smtp_client_next(&e.c, &in, &r), SMTP_CLIENT_GARBAGE);
	assert_true(r.text.n > 0);
	assert_int_equal(hear_event(&e, "220 mx\r\n"), SMTP_CLIENT_GARBAGE);
	assert_false(says_anything(&e));
	close_end(&e);
}

static void xclient_starts_anew(void **state)
{
	(void)state;
	struct end e;
	struct smtp_identity id = { .port = 4321, .helo = SLICE("me"), .proto = SLICE("ESMTP") };
	assert_true(ip_parse(SLICE("192.0.2.7"), &id.ip));
	open_ready(&e, "250-mx\r\n250-PIPELINING\r\n250-XCLIENT ADDR PORT HELO\r\n250 XFORWARD ADDR PROTO\r\n");
	assert_true(smtp_client_xforward(&e.c, &id));
	assert_true(smtp_client_xclient(&e.c, &id));
	assert_true(smtp_client_ehlo(&e.c, SLICE("me")));
	assert_said(
		&e, "XFORWARD ADDR=192.0.2.7 PROTO=ESMTP\r\nXCLIENT ADDR=192.0.2.7 PORT=4321 HELO=me\r\nEHLO me\r\n");
	assert_int_equal(hear(&e, "250 ok\r\n").to, SMTP_TO_XFORWARD);
	assert_int_equal(hear(&e, "220 mx ESMTP\r\n").to, SMTP_TO_XCLIENT);
	assert_int_equal(e.c.caps.ext, 0);
	assert_int_equal(e.c.caps.xclient, 0);
	assert_int_equal(hear(&e, "250-mx\r\n250 XCLIENT NAME\r\n").to, SMTP_TO_EHLO);
	assert_int_equal(e.c.caps.ext, SMTP_EXT_XCLIENT);
	assert_int_equal(e.c.caps.xclient, SMTP_XATTR_NAME);
	/* refused, it changes nothing */
	assert_true(smtp_client_xclient(&e.c, &id));
	assert_int_equal(hear(&e, "550 no\r\n").to, SMTP_TO_XCLIENT);
	assert_int_equal(e.c.caps.xclient, SMTP_XATTR_NAME);
	/* and a refused EHLO leaves what was known */
	assert_true(smtp_client_ehlo(&e.c, SLICE("me")));
	assert_int_equal(hear(&e, "501 no\r\n").to, SMTP_TO_EHLO);
	assert_int_equal(e.c.caps.xclient, SMTP_XATTR_NAME);
	close_end(&e);
}

/* For a server of before the extensions; what it says behind its name is prose. */
static void helo_offers_nothing(void **state)
{
	(void)state;
	struct end e;
	open_end(&e);
	hear(&e, "220 mx\r\n");
	assert_true(smtp_client_ehlo(&e.c, SLICE("me")));
	hear(&e, "502 unimplemented\r\n");
	assert_true(smtp_client_helo(&e.c, SLICE("me")));
	assert_said(&e, "EHLO me\r\nHELO me\r\n");
	assert_int_equal(hear(&e, "250-mx\r\n250 PIPELINING\r\n").to, SMTP_TO_HELO);
	assert_int_equal(e.c.caps.ext, 0);
	assert_false(smtp_client_helo(&e.c, SLICE("a b")));
	assert_false(smtp_client_helo(&e.c, SLICE("")));
	smtp_client_speak_lmtp(&e.c);
	assert_false(smtp_client_helo(&e.c, SLICE("me")));
	close_end(&e);
}

static void lost_memory(void **state)
{
	(void)state;
	struct end e;
	open_end(&e);
	mem_fail_after(0);
	assert_false(smtp_client_ehlo(&e.c, SLICE("x")));
	mem_fail_after(-1);
	assert_int_equal(smtp_client_due(&e.c), 1);
	mem_fail_after(0);
	assert_int_equal(hear_event(&e, "220-a\r\n220 b\r\n"), SMTP_CLIENT_NO_MEMORY);
	mem_fail_after(-1);
	assert_int_equal(hear_event(&e, "220 b\r\n"), SMTP_CLIENT_NO_MEMORY);
	close_end(&e);
}

static void it_is_small_and_an_idle_one_owns_nothing(void **state)
{
	(void)state;
	struct end e;
	assert_true(sizeof(struct smtp_client) <= 200);
	open_ready(&e, "250-mx\r\n250 SIZE\r\n");
	smtp_client_idle(&e.c);
	assert_null(e.c.reply.kept.data);
	assert_int_equal(e.c.caps.ext, SMTP_EXT_SIZE);
	close_end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_mail_from_greeting_to_quit),
		cmocka_unit_test(lmtp_answers_each_recipient),
		cmocka_unit_test(only_what_was_offered_is_said),
		cmocka_unit_test(what_could_be_misread_is_refused),
		cmocka_unit_test(paths_are_bounded),
		cmocka_unit_test(thousands_of_recipients_are_one_run),
		cmocka_unit_test(runs_are_bounded),
		cmocka_unit_test(nothing_is_said_behind_data_nor_in_a_body),
		cmocka_unit_test(starttls_forgets_and_allows_no_bytes_behind),
		cmocka_unit_test(only_a_421_may_come_unasked),
		cmocka_unit_test(no_command_into_a_half_read_reply),
		cmocka_unit_test(garbage_is_for_good),
		cmocka_unit_test(xclient_starts_anew),
		cmocka_unit_test(helo_offers_nothing),
		cmocka_unit_test(lost_memory),
		cmocka_unit_test(it_is_small_and_an_idle_one_owns_nothing),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
