#include "smtp/body_run.h"

#include <stdint.h>
#include <string.h>

enum { BLOCK = 64 };

#define RUN_TARGET
#define LANES 16 /* SSE2, NEON: every machine that we are built for has them */
#define RUN run
#include "smtp/body_block.h"
#undef RUN
#undef LANES
#undef RUN_TARGET

#if defined(__x86_64__) && !defined(SMTP_BODY_RUN_NARROW) /* a test sees the other half */
#define RUN_TARGET __attribute__((target("avx2")))
#define LANES 32
#define RUN run_avx2
#include "smtp/body_block.h"
#define HAS_AVX2 __builtin_cpu_supports("avx2")
#else
#define run_avx2 run
#define HAS_AVX2 false
#endif

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
	size_t n = HAS_AVX2 ? run_avx2(s.p, s.n, dot, eight_bit) : run(s.p, s.n, dot, eight_bit);
	*eight_bit |= n > 1 && (unsigned char)s.p[0] > 127;
	return n > 1 ? n : 0;
}
