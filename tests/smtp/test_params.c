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

static void rcpt(void **state)
{
	(void)state;
	struct smtp_params p;
	assert_int_equal(smtp_rcpt_params_parse(SLICE(" "), ~0u, &p), SMTP_PARAMS_OK);
	assert_int_equal(smtp_rcpt_params_parse(SLICE(" SIZE=1"), ~0u, &p), SMTP_PARAMS_UNKNOWN);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(mail), cmocka_unit_test(rcpt) };
	return cmocka_run_group_tests(tests, NULL, NULL);
}
