#include "tests/base/cmocka_setup.h"

#include "smtp/caps.h"

static struct smtp_caps parse(const char *text)
{
	struct smtp_caps caps;
	memset(&caps, 0xff, sizeof caps);
	smtp_caps_parse(slice_str(text), &caps);
	return caps;
}

static void postfix_is_understood(void **state)
{
	(void)state;
	struct smtp_caps c =
		parse("mx.example.com\nPIPELINING\nSIZE 10240000\nVRFY\nETRN\nSTARTTLS\n"
		      "XCLIENT NAME ADDR PROTO HELO REVERSE_NAME PORT LOGIN DESTADDR DESTPORT\n"
		      "XFORWARD NAME ADDR PROTO HELO SOURCE PORT IDENT\nAUTH PLAIN LOGIN\nAUTH=PLAIN LOGIN\n"
		      "ENHANCEDSTATUSCODES\n8BITMIME\nDSN\nSMTPUTF8\nCHUNKING");
	assert_int_equal(c.ext, SMTP_EXT_PIPELINING | SMTP_EXT_SIZE | SMTP_EXT_STARTTLS | SMTP_EXT_XCLIENT |
					SMTP_EXT_XFORWARD | SMTP_EXT_AUTH | SMTP_EXT_ENHANCEDSTATUSCODES |
					SMTP_EXT_8BITMIME | SMTP_EXT_DSN | SMTP_EXT_SMTPUTF8 | SMTP_EXT_CHUNKING);
	assert_int_equal(c.size, 10240000);
	assert_int_equal(c.xclient, SMTP_XATTR_NAME | SMTP_XATTR_ADDR | SMTP_XATTR_PROTO | SMTP_XATTR_HELO |
					    SMTP_XATTR_REVERSE_NAME | SMTP_XATTR_PORT | SMTP_XATTR_LOGIN |
					    SMTP_XATTR_DESTADDR | SMTP_XATTR_DESTPORT);
	assert_int_equal(c.xforward, SMTP_XATTR_NAME | SMTP_XATTR_ADDR | SMTP_XATTR_PROTO | SMTP_XATTR_HELO |
					     SMTP_XATTR_SOURCE | SMTP_XATTR_PORT | SMTP_XATTR_IDENT);
}

static void the_first_line_is_a_name(void **state)
{
	(void)state;
	assert_int_equal(parse("PIPELINING").ext, 0);
	assert_int_equal(parse("SIZE 5\nDSN").ext, SMTP_EXT_DSN);
	assert_int_equal(parse("").ext, 0);
	assert_int_equal(parse("x\n\n\nDSN\n").ext, SMTP_EXT_DSN);
}

static void sizes(void **state)
{
	(void)state;
	assert_int_equal(parse("x\nSIZE").ext, SMTP_EXT_SIZE);
	assert_int_equal(parse("x\nSIZE").size, 0);
	assert_int_equal(parse("x\nSIZE 0").size, 0);
	assert_true(parse("x\nsize 18446744073709551615").size == UINT64_MAX);
	assert_int_equal(parse("x\nSIZE 18446744073709551616").ext, 0);
	assert_int_equal(parse("x\nSIZE 1k").ext, 0);
	assert_int_equal(parse("x\nSIZE -1").ext, 0);
	assert_int_equal(parse("x\nSIZE 1 2").size, 0);
	assert_int_equal(parse("x\nSIZE  7 ").size, 7);
}

static void limits(void **state)
{
	(void)state;
	struct smtp_caps c = parse("x\nLIMITS rcptmax=20 FOO=bar MAILMAX=5  RCPTDOMAINMAX=1 BAZ");
	assert_int_equal(c.ext, SMTP_EXT_LIMITS);
	assert_int_equal(c.rcpt_max, 20);
	assert_int_equal(c.mail_max, 5);
	assert_int_equal(parse("x\nLIMITS RCPTMAX=999999").rcpt_max, 999999);
	static const char *const none[] = { "x\nLIMITS", "x\nLIMITS RCPTMAX=0", "x\nLIMITS RCPTMAX=05",
		"x\nLIMITS RCPTMAX=",
		"x\nLIMITS RCPTMAX", "x\nLIMITS RCPTMAX=1000000", "x\nLIMITS RCPTMAX=1x", "x\nDSN RCPTMAX=1" };
	for (size_t i = 0; i < sizeof none / sizeof *none; i++)
		assert_int_equal(parse(none[i]).rcpt_max, 0);
}

static void unknown_and_alike_words_are_passed_over(void **state)
{
	(void)state;
	assert_int_equal(parse("x\nPIPELININGS\nPIPELININ\nX-DSN\nAUTH=PLAIN").ext, 0);
	assert_int_equal(parse("x\npipelining\nLimits RCPTMAX=10").ext, SMTP_EXT_PIPELINING | SMTP_EXT_LIMITS);
	struct smtp_caps c = parse("x\nXCLIENT  name  NAMES SOURCE addr\nXFORWARD LOGIN ident");
	assert_int_equal(c.xclient, SMTP_XATTR_NAME | SMTP_XATTR_ADDR);
	assert_int_equal(c.xforward, SMTP_XATTR_IDENT);
	c = parse("x\nXCLIENT");
	assert_int_equal(c.ext, SMTP_EXT_XCLIENT);
	assert_int_equal(c.xclient, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(postfix_is_understood),
		cmocka_unit_test(the_first_line_is_a_name),
		cmocka_unit_test(sizes),
		cmocka_unit_test(limits),
		cmocka_unit_test(unknown_and_alike_words_are_passed_over),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
