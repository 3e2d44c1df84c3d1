#include "tests/base/cmocka_setup.h"

#include "base/crc32c.h"

/* RFC 3720 appendix B.4, and the check value that catalogues give for CRC-32C. */
static void vectors_of_the_standard(void **state)
{
	char zeros[32] = { 0 }, ones[32], up[32], down[32];
	(void)state;
	memset(ones, 0xff, sizeof ones);
	for (int i = 0; i < 32; i++)
		up[i] = (char)i, down[i] = (char)(31 - i);
	const struct {
		struct slice text;
		uint32_t crc;
	} vectors[] = { { SLICE(""), 0 }, { SLICE("123456789"), 0xe3069283 }, { { zeros, 32 }, 0x8a9136aa },
		{ { ones, 32 }, 0x62a8ab43 }, { { up, 32 }, 0x46dd794e }, { { down, 32 }, 0x113fdb5c } };
	for (size_t i = 0; i < sizeof vectors / sizeof vectors[0]; i++) {
		assert_int_equal(crc32c(0, vectors[i].text), vectors[i].crc);
		assert_int_equal(crc32c_by_table(0, vectors[i].text), vectors[i].crc);
	}
}

/* Wherever it is cut, and wherever it begins in memory, both ways give the same. */
static void both_ways_agree_however_it_is_cut(void **state)
{
	char bytes[100];
	(void)state;
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * i * 31 + 7);
	for (size_t from = 0; from < 9; from++) {
		struct slice all = slice_of(bytes + from, sizeof bytes - from);
		uint32_t whole = crc32c_by_table(0, all);
		for (size_t cut = 0; cut <= all.n; cut++) {
			struct slice a = slice_of(all.p, cut), b = slice_skip(all, cut);
			assert_int_equal(crc32c(crc32c(0, a), b), whole);
			assert_int_equal(crc32c_by_table(crc32c_by_table(0, a), b), whole);
		}
	}
}

static void every_flipped_bit_is_seen(void **state)
{
	char bytes[64] = "a snapshot's block";
	(void)state;
	uint32_t was = crc32c(0, slice_of(bytes, sizeof bytes));
	for (size_t bit = 0; bit < 8 * sizeof bytes; bit++) {
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
		assert_int_not_equal(crc32c(0, slice_of(bytes, sizeof bytes)), was);
		bytes[bit / 8] = (char)(bytes[bit / 8] ^ 1 << bit % 8);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_standard),
		cmocka_unit_test(both_ways_agree_however_it_is_cut),
		cmocka_unit_test(every_flipped_bit_is_seen),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
