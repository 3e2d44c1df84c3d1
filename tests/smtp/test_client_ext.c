/* What extensions add to MAIL and RCPT: SMTPUTF8, DSN. */
#include "client_end.h"

static void utf8_goes_where_it_is_offered(void **state)
{
	(void)state;
	static const struct smtp_mail_options asked = { .smtputf8 = true, .eight_bit = true };
	struct end e;
	open_ready(&e, "250-mx\r\n250 8BITMIME\r\n");
	assert_false(smtp_client_mail(&e.c, SLICE("a@b"), &asked));
	assert_false(smtp_client_mail(&e.c, SLICE("\xc3\xa4@b"), NULL));
	assert_said(&e, "");
	close_end(&e);
	open_ready(&e, "250-mx\r\n250-8BITMIME\r\n250 SMTPUTF8\r\n");
	assert_false(smtp_client_mail(&e.c, SLICE("\xc3\xa4@b"), NULL));
	assert_false(smtp_client_mail(&e.c, SLICE("\xe4@b"), &asked));
	assert_false(smtp_client_rcpt(&e.c, SLICE("\xc3\xa4@b"), NULL));
	assert_true(smtp_client_mail(&e.c, SLICE("\xc3\xa4@b"), &asked));
	assert_true(smtp_client_rcpt(&e.c, SLICE("c@\xe2\x82\xac"), NULL));
	assert_false(smtp_client_rcpt(&e.c, SLICE("c@\xe2\x82"), NULL));
	assert_false(smtp_client_ehlo(&e.c, SLICE("\xc3\xa4")));
	assert_true(smtp_client_mail(&e.c, SLICE("a@b"), NULL)); /* the next mail has not */
	assert_false(smtp_client_rcpt(&e.c, SLICE("c@\xe2\x82\xac"), NULL));
	assert_said(&e, "MAIL FROM:<\xc3\xa4@b> BODY=8BITMIME SMTPUTF8\r\nRCPT TO:<c@\xe2\x82\xac>\r\n"
			"MAIL FROM:<a@b>\r\n");
	close_end(&e);
}

static void dsn_goes_where_it_is_offered(void **state)
{
	(void)state;
	static const struct smtp_mail_options m = { .dsn = { SMTP_RET_HDRS, SLICE_INIT("Q+2B1") } };
	static const struct smtp_rcpt_dsn r = { SMTP_NOTIFY_DELAY, SLICE_INIT("rfc822;x@y") };
	struct end e;
	open_ready(&e, "250 mx\r\n");
	assert_true(smtp_client_mail(&e.c, SLICE("a@b"), &m) && smtp_client_rcpt(&e.c, SLICE("c@d"), &r));
	assert_said(&e, "MAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\n");
	close_end(&e);
	open_ready(&e, "250-mx\r\n250 DSN\r\n");
	assert_true(smtp_client_mail(&e.c, SLICE("a@b"), &m) && smtp_client_rcpt(&e.c, SLICE("c@d"), &r));
	assert_said(&e, "MAIL FROM:<a@b> RET=HDRS ENVID=Q+2B1\r\nRCPT TO:<c@d> NOTIFY=DELAY ORCPT=rfc822;x@y\r\n");
	/* a value that would begin another parameter */
	struct smtp_mail_options bad_m = { .dsn.envid = SLICE("a SIZE=1") };
	struct smtp_rcpt_dsn bad_r = { 0, SLICE_INIT("rfc822;a b") }, odd = { 99, SLICE_INIT("") };
	assert_false(smtp_client_mail(&e.c, SLICE("a@b"), &bad_m));
	assert_false(smtp_client_rcpt(&e.c, SLICE("c@d"), &bad_r));
	assert_false(smtp_client_rcpt(&e.c, SLICE("c@d"), &odd));
	/* the longest of all fits in */
	char path[SMTP_CLIENT_PATH], orcpt[SMTP_ORCPT_MAX] = "rfc822;";
	memset(path, 'a', sizeof path);
	memset(orcpt + 7, 'a', sizeof orcpt - 7);
	struct smtp_rcpt_dsn most = { 7, slice_of(orcpt, sizeof orcpt) };
	assert_true(smtp_client_rcpt(&e.c, slice_of(path, sizeof path), &most));
	close_end(&e);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_goes_where_it_is_offered),
		cmocka_unit_test(dsn_goes_where_it_is_offered),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
