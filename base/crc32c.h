/* base/crc32c.h - the checksum of what is written to disk and read again
 *
 * CRC-32C (Castagnoli; RFC 3720 appendix B.4): finds every single bit that flipped and every burst of up to
 * 32 bits. It guards against rot and cut files, not against somebody who writes what he wants.
 * The SSE4.2 instruction is used where the processor has it (looked up once); both ways give the same.
 */
#ifndef BASE_CRC32C_H
#define BASE_CRC32C_H

#include "base/slice.h"

/* Of `bytes` behind what gave `crc`; 0 to begin with. So crc32c(crc32c(0, a), b) is that of a and b together. */
uint32_t crc32c(uint32_t crc, struct slice bytes);

/* The way that needs no instruction of its own: for processors without it, and for tests. */
uint32_t crc32c_by_table(uint32_t crc, struct slice bytes);

#endif
