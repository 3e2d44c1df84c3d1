#include "smtp/hops.h"

static const struct slice RECEIVED = SLICE_INIT("received:");

/* Places within a line beyond those of the name itself. */
enum { CR_FIRST = 100, ELSEWHERE };

static uint8_t step(struct smtp_hops *h, char c)
{
	if (h->matched == 0 && c == '\r')
		return CR_FIRST;
	if ((c >= 'A' && c <= 'Z' ? c + 32 : c) != RECEIVED.p[h->matched])
		return ELSEWHERE;
	if (h->matched + 1u < RECEIVED.n)
		return (uint8_t)(h->matched + 1);
	h->count++;
	return ELSEWHERE;
}

/* Eight at once: every header passes here. */
static bool has_high(struct slice s)
{
	uint64_t all = 0, eight;
	for (; s.n >= sizeof eight; s = slice_skip(s, sizeof eight)) {
		memcpy(&eight, s.p, sizeof eight);
		all |= eight;
	}
	for (size_t i = 0; i < s.n; i++)
		all |= (unsigned char)s.p[i];
	return all & 0x8080808080808080u;
}

size_t smtp_hops_feed(struct smtp_hops *h, struct slice bytes)
{
	size_t i = 0;
	while (!h->done && i < bytes.n) {
		if (h->matched == ELSEWHERE) {
			i += slice_find(slice_skip(bytes, i), '\n');
			if (i < bytes.n)
				h->matched = 0, i++;
		} else if (h->matched == CR_FIRST) {
			/* clean bytes: an LF follows every CR */
			h->done = true;
			i++;
		} else if (bytes.p[i] == '\n') {
			h->matched = 0, i++;
		} else {
			h->matched = step(h, bytes.p[i++]);
		}
	}
	h->eight_bit |= has_high(slice_of(bytes.p, i));
	return i;
}
