/* smtp/body_block.h - the inner loop of smtp/body_run.c, for registers of LANES bytes, as a function named RUN
 *
 * Included once for each width: what the compiler would make of wide vectors on a machine without them is slower
 * than a loop over bytes. No guard against a second inclusion for that reason.
 */
#define NAME_(a, b) a##b
#define NAME(a, b) NAME_(a, b)
#define lanes NAME(lanes_, LANES)
#define words NAME(words_, LANES)
#define some NAME(some_, LANES)
#define look NAME(look_, LANES)
#define block_is_clean NAME(block_is_clean_, LANES)

typedef uint8_t lanes __attribute__((vector_size(LANES)));
typedef uint64_t words __attribute__((vector_size(LANES)));

RUN_TARGET static inline bool some(const lanes *v)
{
	words w = (words)*v;
	uint64_t bits = 0;
	for (unsigned i = 0; i < sizeof w / sizeof bits; i++)
		bits |= w[i];
	return bits != 0;
}

#if LANES == 64 /* what compares has masks of its own there, which the compiler would turn into bytes and back */
RUN_TARGET static inline bool block_is_clean(const char *p, uint8_t dot, lanes *all)
{
	const __m512i lf = _mm512_set1_epi8('\n'), cr = _mm512_set1_epi8('\r');
	__m512i now = _mm512_loadu_si512(p), before = _mm512_loadu_si512(p - 1);
	uint64_t bad = _mm512_cmpeq_epi8_mask(now, lf) ^ _mm512_cmpeq_epi8_mask(before, cr);
	uint64_t dots =
		_mm512_mask_cmpeq_epi8_mask(_mm512_cmpeq_epi8_mask(before, lf), now, _mm512_set1_epi8((char)dot));
	if (bad | dots | _mm512_testn_epi8_mask(now, now))
		return false;
	*all |= (lanes)now;
	return true;
}
#else
/* Marks in *bad what p[i] must not be behind p[i - 1], for LANES bytes. */
RUN_TARGET static inline void look(const char *p, uint8_t dot, lanes *bad, lanes *all)
{
	lanes now, before;
	memcpy(&now, p, sizeof now);
	memcpy(&before, p - 1, sizeof before);
	*bad |= (lanes)(now == '\n') ^ (lanes)(before == '\r');
	*bad |= (lanes)(now == 0) | ((lanes)(now == dot) & (lanes)(before == '\n'));
	*all |= now;
}

RUN_TARGET static inline bool block_is_clean(const char *p, uint8_t dot, lanes *all)
{
	lanes bad = { 0 }, seen = *all;
#pragma GCC unroll 4
	for (unsigned i = 0; i < BLOCK; i += LANES)
		look(p + i, dot, &bad, &seen);
	if (some(&bad))
		return false;
	*all = seen;
	return true;
}
#endif

/* n > BLOCK. From p[1] on; p[0] is fine. */
RUN_TARGET static size_t RUN(const char *p, size_t n, uint8_t dot, bool *eight_bit)
{
	lanes all = { 0 };
	size_t i = 1;
	while (n - i >= BLOCK && block_is_clean(p + i, dot, &all))
		i += BLOCK;
	if (n - i < BLOCK && block_is_clean(p + n - BLOCK, dot, &all))
		i = n; /* the rest, with some that were seen before */
	all &= 0x80;
	*eight_bit |= some(&all);
	return i;
}

#undef block_is_clean
#undef look
#undef some
#undef words
#undef lanes
#undef NAME
#undef NAME_
