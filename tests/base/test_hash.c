#include "tests/base/cmocka_setup.h"

#include "base/hash.h"

/* Made by siphash13.py: key 00 01 .. 0f, input 00 01 .. of lengths 0 to 23. */
static const uint64_t VECTORS[] = {
	0xabac0158050fc4dc, 0xc9f49bf37d57ca93, 0x82cb9b024dc7d44d, 0x8bf80ab8e7ddf7fb, 0xcf75576088d38328,
	0xdef9d52f49533b67, 0xc50d2b50c59f22a7, 0xd3927d989bb11140, 0x369095118d299a8e, 0x25a48eb36c063de4,
	0x79de85ee92ff097f, 0x70c118c1f94dc352, 0x78a384b157b4d9a2, 0x306f760c1229ffa7, 0x605aa111c0f95d34,
	0xd320d86d2a519956, 0xcc4fdd1a7d908b66, 0x9cf2689063dbd80c, 0x8ffc389cb473e63e, 0xf21f9de58d297d1c,
	0xc0dc2f46a6cce040, 0xb992abfe2b45f844, 0x7ffe7b9ba320872e, 0x525a0e7fdae6c123,
};

static void vectors_of_the_reference(void **state)
{
	(void)state;
	const struct hash_key key = { 0x0706050403020100, 0x0f0e0d0c0b0a0908 };
	char in[sizeof VECTORS / sizeof VECTORS[0]];
	for (size_t n = 0; n < sizeof in; n++) {
		in[n] = (char)n;
		assert_int_equal(hash_bytes(&key, slice_of(in, n)), VECTORS[n]);
	}
}

static void vectors_of_python(void **state)
{
	(void)state;
	const struct hash_key zero = { 0, 0 };
	assert_int_equal(hash_bytes(&zero, SLICE("smtp")), 0xf2b819ec94d32127);
	assert_int_equal(hash_bytes(&zero, SLICE("192.0.2.7 is a client")), 0x88a4317030e4538a);
}

static void input_need_not_be_aligned(void **state)
{
	(void)state;
	const struct hash_key zero = { 0, 0 };
	char shifted[64];
	for (size_t shift = 0; shift < 8; shift++) {
		memcpy(shifted + shift, "192.0.2.7 is a client", 21);
		assert_int_equal(hash_bytes(&zero, slice_of(shifted + shift, 21)), 0x88a4317030e4538a);
	}
}

static void random_keys_differ(void **state)
{
	(void)state;
	struct hash_key a = hash_key_random(), b = hash_key_random();
	assert_memory_not_equal(&a, &b, sizeof a);
	assert_int_not_equal(hash_bytes(&a, SLICE("x")), hash_bytes(&b, SLICE("x")));
}

static void random_bytes_fill_all_of_it(void **state)
{
	(void)state;
	/* above 256 bytes getrandom(2) may be cut short by a signal */
	uint8_t block[4096 + 1] = { 0 };
	unsigned seen[256] = { 0 };
	rand_bytes(block, sizeof block - 1);
	for (size_t i = 0; i < sizeof block - 1; i++)
		seen[block[i]]++;
	assert_int_equal(block[sizeof block - 1], 0);
	/* 16 of each are expected; 100 zeros would mean a hole (chance below 10^-40) */
	assert_true(seen[0] < 100);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vectors_of_the_reference), cmocka_unit_test(vectors_of_python),
		cmocka_unit_test(input_need_not_be_aligned), cmocka_unit_test(random_keys_differ),
		cmocka_unit_test(random_bytes_fill_all_of_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
