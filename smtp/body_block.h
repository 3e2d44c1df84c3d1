/* smtp/body_block.h - 64 bytes of a body as bit masks; private to smtp/body_in.c
 *
 * Bit i of a mask speaks of byte i. With masks "every LF follows a CR, every CR is followed by an LF,
 * no line begins with a dot" is three operations for 64 bytes, whatever the length of the lines.
 */
#ifndef SMTP_BODY_BLOCK_H
#define SMTP_BODY_BLOCK_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

enum { SMTP_BLOCK = 64 };

struct smtp_block {
	uint64_t cr, lf, dot;
	bool nul;  /* some byte is 0 */
	bool high; /* some byte is above 127 */
};

#ifdef __SSE2__
typedef char smtp_v16 __attribute__((vector_size(16)));

static inline uint64_t smtp_v16_mask(smtp_v16 v)
{
	return (uint16_t)__builtin_ia32_pmovmskb128(v);
}

/* `dot`: '.', or NUL where a dot is a byte like others (a NUL is looked for anyway). */
static inline struct smtp_block smtp_block_read(const char *p, char dot)
{
	struct smtp_block b = { 0 };
	smtp_v16 nul = { 0 }, any = { 0 };
	for (unsigned i = 0; i < SMTP_BLOCK; i += 16) {
		smtp_v16 v;
		memcpy(&v, p + i, sizeof v);
		b.cr |= smtp_v16_mask((smtp_v16)(v == '\r')) << i;
		b.lf |= smtp_v16_mask((smtp_v16)(v == '\n')) << i;
		b.dot |= smtp_v16_mask((smtp_v16)(v == dot)) << i;
		nul |= (smtp_v16)(v == 0);
		any |= v;
	}
	b.nul = smtp_v16_mask(nul) != 0;
	b.high = smtp_v16_mask(any) != 0;
	return b;
}
#else
static inline struct smtp_block smtp_block_read(const char *p, char dot)
{
	struct smtp_block b = { 0 };
	for (unsigned i = 0; i < SMTP_BLOCK; i++) {
		unsigned char c = (unsigned char)p[i];
		b.cr |= (uint64_t)(c == '\r') << i;
		b.lf |= (uint64_t)(c == '\n') << i;
		b.dot |= (uint64_t)(c == (unsigned char)dot) << i;
		b.nul |= c == 0;
		b.high |= c > 127;
	}
	return b;
}
#endif

#endif
