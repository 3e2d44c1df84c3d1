#include "smtp/body_run.h"

#include <stdint.h>
#include <string.h>
#ifdef __x86_64__
#include <immintrin.h>
#endif

enum { BLOCK = 64 };

#define RUN_TARGET
#define LANES 16 /* SSE2, NEON: every machine that we are built for has them */
#define RUN run
#include "smtp/body_block.h"
#undef RUN
#undef LANES
#undef RUN_TARGET

#ifndef SMTP_BODY_RUN_WIDEST /* a test sees the narrower ones too */
#define SMTP_BODY_RUN_WIDEST 64
#endif

#if defined(__x86_64__) && SMTP_BODY_RUN_WIDEST >= 32
#define RUN_TARGET __attribute__((target("avx2")))
#define LANES 32
#define RUN run_avx2
#include "smtp/body_block.h"
#undef RUN
#undef LANES
#undef RUN_TARGET
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define run_avx2 run
#define HAS_AVX2 false
#endif

#if defined(__x86_64__) && SMTP_BODY_RUN_WIDEST >= 64
#define RUN_TARGET __attribute__((target("avx512f,avx512bw")))
#define LANES 64
#define RUN run_avx512
#include "smtp/body_block.h"
#define HAS_AVX512 __builtin_cpu_supports("avx512bw")
#else
#define run_avx512 run
#define HAS_AVX512 false
#endif

typedef size_t run_fn(const char *p, size_t n, uint8_t dot, bool *eight_bit);

/* The first byte has none before it. */
static bool may_begin(char c, struct smtp_body_rule rule)
{
	return c != '\r' && c != '\n' && c != '\0' && !(c == '.' && rule.at_line_start && rule.dots_matter);
}

size_t smtp_body_run(struct slice s, struct smtp_body_rule rule, bool *eight_bit)
{
	uint8_t dot = rule.dots_matter ? '.' : '\0'; /* a NUL is looked for anyway */
	if (s.n <= BLOCK || !may_begin(s.p[0], rule))
		return 0;
	run_fn *widest = HAS_AVX512 ? run_avx512 : HAS_AVX2 ? run_avx2 : run;
	size_t n = widest(s.p, s.n, dot, eight_bit);
	*eight_bit |= n > 1 && (unsigned char)s.p[0] > 127;
	return n > 1 ? n : 0;
}
