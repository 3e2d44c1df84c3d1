/* Every sequence of one to three bytes, and the edges of those of four, beside what code points say. */
#include "tests/base/cmocka_setup.h"

#include "smtp/utf8.h"

/* UTF-8 of a code point, by RFC 3629 3. */
static size_t encode(uint32_t c, char *to)
{
	if (c < 0x80) {
		to[0] = (char)c;
		return 1;
	}
	size_t n = c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char first[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 63));
	to[0] = (char)(first[n] | c);
	return n;
}

static bool may_stand(uint32_t c)
{
	return !(c >= 0x80 && c < 0xa0) && !(c >= 0xd800 && c < 0xe000) && c < 0x110000;
}

static void every_code_point(void **state)
{
	(void)state;
	for (uint32_t c = 0; c < 0x140000; c++) {
		char text[4];
		size_t n = encode(c, text);
		assert_int_equal(smtp_utf8_is_valid(slice_of(text, n)), may_stand(c));
		if (c >= 0x80)
			assert_int_equal(smtp_utf8_length(slice_of(text, n), 0), may_stand(c) ? n : 0);
		if (n > 1)
			assert_false(smtp_utf8_is_valid(slice_of(text, n - 1))); /* cut off */
	}
}

/* Of all sequences of two and three bytes, those are valid that are made of valid characters: counted. */
static void every_short_sequence(void **state)
{
	(void)state;
	unsigned two = 0, three = 0;
	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			char text[3] = { (char)a, (char)b, 0 };
			two += smtp_utf8_is_valid(slice_of(text, 2));
			for (unsigned c = 0; c < 256; c++) {
				text[2] = (char)c;
				three += smtp_utf8_is_valid(slice_of(text, 3));
			}
		}
	const unsigned short2 = 0x800 - 0xa0, short3 = 0x10000 - 0x800 - 0x800;
	assert_int_equal(two, 128 * 128 + short2);
	assert_int_equal(three, 128 * 128 * 128 + 2 * 128 * short2 + short3);
}

static void forms_that_deceive(void **state)
{
	(void)state;
	static const struct slice bad[] = {
		SLICE_INIT("\xc0\x80"),	 SLICE_INIT("\xc1\xbf"), SLICE_INIT("\xe0\x9f\xbf"),
		SLICE_INIT("\xf0\x8f\xbf\xbf"), SLICE_INIT("\x80"),	   SLICE_INIT("\xf4\x90\x80\x80"),
		SLICE_INIT("\xff"),		 SLICE_INIT("\xc3("),	   SLICE_INIT("\xf8\x88\x80\x80\x80"),
		SLICE_INIT("\xe2\x82("),	 SLICE_INIT("\xc2\x85"),
	};
	for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
		assert_false(smtp_utf8_is_valid(bad[i]));
	assert_true(smtp_utf8_is_valid(SLICE("")));
	assert_true(smtp_utf8_is_valid(SLICE("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80z")));
	assert_int_equal(smtp_utf8_length(SLICE("a\xc3\xa4"), 1), 2);
	assert_int_equal(smtp_utf8_length(SLICE("a"), 7), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point),
		cmocka_unit_test(every_short_sequence),
		cmocka_unit_test(forms_that_deceive),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
