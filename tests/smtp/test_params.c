/* What stands behind the paths of MAIL and RCPT, there and back. */
#include "smtp/ext.h"
#include "smtp/params.h"

#include <stdarg.h>
#include <stdlib.h>

#include <setjmp.h>
#include <cmocka.h>

#define ALL (SMTP_EXT_SIZE | SMTP_EXT_8BITMIME)

static const struct {
	const char *text;
	unsigned ext;
	enum smtp_params_result want;
	uint64_t size;
	enum smtp_body_type body;
} MAIL[] = {
	{ "", ALL, SMTP_PARAMS_OK, 0, SMTP_BODY_7BIT },
	{ "   ", 0, SMTP_PARAMS_OK, 0, SMTP_BODY_7BIT },
	{ " SIZE=1000", ALL, SMTP_PARAMS_OK, 1000, SMTP_BODY_7BIT },
	{ " size=0 body=8bitmime", ALL, SMTP_PARAMS_OK, 0, SMTP_BODY_8BITMIME },
	{ " BODY=7BIT  SIZE=5 ", ALL, SMTP_PARAMS_OK, 5, SMTP_BODY_7BIT },
	{ " SIZE=18446744073709551615", ALL, SMTP_PARAMS_OK, UINT64_MAX, SMTP_BODY_7BIT },
	{ " SIZE=18446744073709551616", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE=000000000000000000001", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE=99999999999999999999999999", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE=-1", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE=", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE=1 SIZE=1", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " BODY=BINARYMIME", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE==1", ALL, SMTP_PARAMS_BAD_VALUE, 0, 0 },
	{ " SIZE=1", SMTP_EXT_8BITMIME, SMTP_PARAMS_UNKNOWN, 0, 0 },
	{ " BODY=8BITMIME", SMTP_EXT_SIZE, SMTP_PARAMS_UNKNOWN, 0, 0 },
	{ " SMTPUTF8", ALL, SMTP_PARAMS_UNKNOWN, 0, 0 },
	{ " =1", ALL, SMTP_PARAMS_UNKNOWN, 0, 0 },
	{ " SIZEX=1", ALL, SMTP_PARAMS_UNKNOWN, 0, 0 },
	{ " AUTH=<>", ALL, SMTP_PARAMS_UNKNOWN, 0, 0 },
};

static void mail(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof MAIL / sizeof MAIL[0]; i++) {
		struct smtp_params p;
		enum smtp_params_result got = smtp_mail_params_parse(slice_str(MAIL[i].text), MAIL[i].ext, &p);
		if (got != MAIL[i].want)
			fail_msg("\"%s\": got %d", MAIL[i].text, (int)got);
		if (got != SMTP_PARAMS_OK)
			continue;
		assert_true(p.size == MAIL[i].size);
		assert_int_equal(p.body, MAIL[i].body);
	}
}

#define X100 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X93 "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"

static const struct {
	const char *text;
	enum smtp_params_result want;
	enum smtp_ret ret;
	const char *envid;
} MAIL_DSN[] = {
	{ " RET=FULL ENVID=QQ314159", SMTP_PARAMS_OK, SMTP_RET_FULL, "QQ314159" },
	{ " envid=a+20b+2B ret=hdrs", SMTP_PARAMS_OK, SMTP_RET_HDRS, "a+20b+2B" },
	{ " ENVID=" X100, SMTP_PARAMS_OK, SMTP_RET_NONE, X100 },
	{ " ENVID=x" X100, SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID=", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID=a+2b", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID=a+", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID=a=b", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID=a+0A", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID=\xc3\xa4", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ENVID=a ENVID=a", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " RET=", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " RET=ALL", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " RET=FULL RET=FULL", SMTP_PARAMS_BAD_VALUE, 0, "" },
	{ " ORCPT=rfc822;a", SMTP_PARAMS_UNKNOWN, 0, "" },
};

static const struct {
	const char *text;
	enum smtp_params_result want;
	unsigned notify;
	const char *orcpt;
	bool utf8; /* only with SMTPUTF8 */
} RCPT_DSN[] = {
	{ " ", SMTP_PARAMS_OK, 0, "", false },
	{ " NOTIFY=NEVER", SMTP_PARAMS_OK, SMTP_NOTIFY_NEVER, "", false },
	{ " notify=delay,Success,FAILURE", SMTP_PARAMS_OK, 7, "", false },
	{ " NOTIFY=DELAY,DELAY", SMTP_PARAMS_OK, SMTP_NOTIFY_DELAY, "", false },
	{ " NOTIFY=NEVER,DELAY", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " NOTIFY=", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " NOTIFY", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " NOTIFY=DELAY,", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " NOTIFY=,DELAY", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " NOTIFY=DELAYED", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=rfc822;a+2Bb@c.d NOTIFY=FAILURE", SMTP_PARAMS_OK, SMTP_NOTIFY_FAILURE, "rfc822;a+2Bb@c.d", false },
	{ " ORCPT=rfc822;" X93 X100 X100 X100 X100, SMTP_PARAMS_OK, 0, "rfc822;" X93 X100 X100 X100 X100, false },
	{ " ORCPT=rfc822;x" X93 X100 X100 X100 X100, SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=rfc822", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=rfc822;", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=;a", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=rfc.822;a", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=rfc822;a+0D+0Ab", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=rfc822;a=b", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=rfc822;\xc3\xa4@b", SMTP_PARAMS_BAD_VALUE, 0, "", false },
	{ " ORCPT=utf-8;\\x{E4}@b", SMTP_PARAMS_OK, 0, "utf-8;\\x{E4}@b", false },
	{ " ORCPT=UTF-8;\xc3\xa4@b", SMTP_PARAMS_OK, 0, "UTF-8;\xc3\xa4@b", true },
	{ " ORCPT=utf-8;\xe4@b", SMTP_PARAMS_BAD_VALUE, 0, "", true },
	{ " ORCPT=utf-8;\xc3\xa4=b", SMTP_PARAMS_BAD_VALUE, 0, "", true },
	{ " ORCPT=utf-8;\xc3\xa4+b", SMTP_PARAMS_BAD_VALUE, 0, "", true },
	{ " ORCPT=utf-8;\xc3\xa4\x7f", SMTP_PARAMS_BAD_VALUE, 0, "", true },
	{ " SIZE=1", SMTP_PARAMS_UNKNOWN, 0, "", false },
};

static const unsigned DSN = SMTP_EXT_DSN, DSN_UTF8 = SMTP_EXT_DSN | SMTP_EXT_SMTPUTF8;

static void mail_dsn(void **state)
{
	(void)state;
	struct smtp_params p;
	for (size_t i = 0; i < sizeof MAIL_DSN / sizeof MAIL_DSN[0]; i++) {
		struct slice text = slice_str(MAIL_DSN[i].text);
		assert_int_equal(smtp_mail_params_parse(text, SMTP_EXT_SIZE, &p), SMTP_PARAMS_UNKNOWN);
		enum smtp_params_result got = smtp_mail_params_parse(text, DSN, &p);
		if (got != MAIL_DSN[i].want)
			fail_msg("\"%s\": got %d", MAIL_DSN[i].text, (int)got);
		if (got != SMTP_PARAMS_OK)
			continue;
		assert_int_equal(p.mail.ret, MAIL_DSN[i].ret);
		assert_true(slice_eq(p.mail.envid, slice_str(MAIL_DSN[i].envid)));
	}
}

static void rcpt_dsn(void **state)
{
	(void)state;
	struct smtp_params p;
	for (size_t i = 0; i < sizeof RCPT_DSN / sizeof RCPT_DSN[0]; i++) {
		struct slice text = slice_str(RCPT_DSN[i].text);
		enum smtp_params_result got = smtp_rcpt_params_parse(text, RCPT_DSN[i].utf8 ? DSN_UTF8 : DSN, &p);
		if (got != RCPT_DSN[i].want)
			fail_msg("\"%s\": got %d", RCPT_DSN[i].text, (int)got);
		if (got != SMTP_PARAMS_OK)
			continue;
		assert_int_equal(p.rcpt.notify, RCPT_DSN[i].notify);
		assert_true(slice_eq(p.rcpt.orcpt, slice_str(RCPT_DSN[i].orcpt)));
		if (RCPT_DSN[i].utf8)
			assert_int_equal(smtp_rcpt_params_parse(text, DSN, &p), SMTP_PARAMS_BAD_VALUE);
	}
	assert_int_equal(smtp_rcpt_params_parse(SLICE(" NOTIFY=NEVER"), ~DSN, &p), SMTP_PARAMS_UNKNOWN);
}

static void smtputf8(void **state)
{
	(void)state;
	struct smtp_params p;
	assert_int_equal(smtp_mail_params_parse(SLICE(" smtputf8 SIZE=1"), ~0u, &p), SMTP_PARAMS_OK);
	assert_true(p.smtputf8 && p.size == 1);
	assert_int_equal(smtp_mail_params_parse(SLICE(" SIZE=1"), ~0u, &p), SMTP_PARAMS_OK);
	assert_false(p.smtputf8);
	assert_int_equal(smtp_mail_params_parse(SLICE(" SMTPUTF8="), ~0u, &p), SMTP_PARAMS_BAD_VALUE);
	assert_int_equal(smtp_mail_params_parse(SLICE(" SMTPUTF8=1"), ~0u, &p), SMTP_PARAMS_BAD_VALUE);
	assert_int_equal(smtp_rcpt_params_parse(SLICE(" SMTPUTF8"), ~0u, &p), SMTP_PARAMS_UNKNOWN);
}

static struct slice join(const struct slice parts[3], char *to)
{
	size_t n = 0;
	for (int i = 0; i < 3; i++) {
		if (parts[i].n)
			memcpy(to + n, parts[i].p, parts[i].n);
		n += parts[i].n;
	}
	return slice_of(to, n);
}

/* Random values out of bytes that matter: what the parser takes is written so that it is parsed to the same, what it
 * does not take is not written. */
static void round_trip(void **state)
{
	(void)state;
	static const char BYTES[] = "aZ9;-+2BF.@=\\{ \x7f\xc3\xa4\r";
	srand(5);
	unsigned taken = 0;
	for (int round = 0; round < 200000; round++) {
		char value[24], text[100];
		size_t n = (size_t)rand() % sizeof value;
		for (size_t i = 0; i < n; i++)
			value[i] = BYTES[(size_t)rand() % (sizeof BYTES - 1)];
		bool typed = rand() % 2;
		if (typed && n > 7)
			memcpy(value, rand() % 2 ? "rfc822;" : "utf-8;x", 7);
		struct smtp_mail_dsn m = { (enum smtp_ret)(rand() % 3), slice_of(value, n) };
		struct smtp_rcpt_dsn r = { (unsigned)rand() % 17, slice_of(value, n) };
		struct slice parts[3];
		struct smtp_params p;
		bool utf8 = rand() % 2;
		if (smtp_mail_dsn_parts(&m, parts)) {
			struct slice said = join(parts, text);
			assert_int_equal(smtp_mail_params_parse(said, DSN, &p), SMTP_PARAMS_OK);
			assert_true(p.mail.ret == m.ret && slice_eq(p.mail.envid, m.envid));
			taken++;
		}
		if (smtp_rcpt_dsn_parts(&r, utf8, parts)) {
			struct slice said = join(parts, text);
			assert_int_equal(smtp_rcpt_params_parse(said, utf8 ? DSN_UTF8 : DSN, &p), SMTP_PARAMS_OK);
			assert_true(p.rcpt.notify == r.notify && slice_eq(p.rcpt.orcpt, r.orcpt));
			taken++;
		}
	}
	assert_true(taken > 10000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mail),	    cmocka_unit_test(mail_dsn),   cmocka_unit_test(rcpt_dsn),
		cmocka_unit_test(smtputf8), cmocka_unit_test(round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
