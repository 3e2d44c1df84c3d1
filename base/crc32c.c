#include "base/crc32c.h"

#include <pthread.h>

/* Reversed 0x1EDC6F41: bits come lowest first. */
static const uint32_t POLYNOMIAL = 0x82f63b78;

/* Eight bytes at a time: row k is what a byte gives that k more bytes follow. Made once, constant from then on. */
static uint32_t table[8][256];

static void make_table(void)
{
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t crc = i;
		for (unsigned bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
		table[0][i] = crc;
	}
	for (unsigned k = 1; k < 8; k++)
		for (uint32_t i = 0; i < 256; i++)
			table[k][i] = table[k - 1][i] >> 8 ^ table[0][table[k - 1][i] & 0xff];
}

static uint64_t eight(const unsigned char *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof v);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	v = __builtin_bswap64(v);
#endif
	return v;
}

uint32_t crc32c_by_table(uint32_t crc, struct slice bytes)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	const unsigned char *p = (const unsigned char *)bytes.p;
	size_t n = bytes.n;

	(void)pthread_once(&once, make_table);
	crc = ~crc;
	for (; n >= 8; n -= 8, p += 8) {
		uint64_t v = eight(p) ^ crc;
		crc = 0;
		for (unsigned k = 0; k < 8; k++)
			crc ^= table[7 - k][v >> 8 * k & 0xff];
	}
	for (; n; n--)
		crc = crc >> 8 ^ table[0][(crc ^ *p++) & 0xff];
	return ~crc;
}

#ifdef __x86_64__
__attribute__((target("sse4.2"))) static uint32_t by_instruction(uint32_t start, struct slice bytes)
{
	const unsigned char *p = (const unsigned char *)bytes.p;
	size_t n = bytes.n;
	uint64_t crc = ~start;

	for (; n >= 8; n -= 8, p += 8)
		crc = __builtin_ia32_crc32di(crc, eight(p));
	for (; n; n--)
		crc = __builtin_ia32_crc32qi((uint32_t)crc, *p++);
	return ~(uint32_t)crc;
}

uint32_t crc32c(uint32_t crc, struct slice bytes)
{
	return __builtin_cpu_supports("sse4.2") ? by_instruction(crc, bytes) : crc32c_by_table(crc, bytes);
}
#else
uint32_t crc32c(uint32_t crc, struct slice bytes)
{
	return crc32c_by_table(crc, bytes);
}
#endif
