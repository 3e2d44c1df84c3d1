#include "server/id.h"

static const char CROCKFORD[32] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
#define ID_MASK ((1ull << 40) - 1)
/* odd, so that multiplying by it only permutes the 40-bit numbers: neighbours look unlike */
#define SPREAD 0x9e3779b97full

void id_source_init(struct id_source *s, uint64_t seed, unsigned worker, unsigned workers)
{
	s->next = seed + worker;
	s->step = workers;
}

uint64_t id_next(struct id_source *s)
{
	uint64_t id = (s->next * SPREAD) & ID_MASK;
	s->next += s->step;
	return id;
}

void id_format(uint64_t id, char text_r[ID_TEXT])
{
	for (int i = 7; i >= 0; i--, id >>= 5)
		text_r[i] = CROCKFORD[id & 31];
	text_r[8] = 0;
}

static int digit(char c)
{
	if (c >= 'a' && c <= 'z')
		c = (char)(c - 'a' + 'A');
	c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
	const char *at = c ? memchr(CROCKFORD, c, sizeof CROCKFORD) : NULL;
	return at ? (int)(at - CROCKFORD) : -1;
}

bool id_parse(struct slice text, uint64_t *id_r, unsigned *sub_r)
{
	uint64_t id = 0, sub = 0;
	struct slice letters = slice_cut(&text, '-');
	if (letters.n != ID_TEXT - 1 || (text.n && !slice_u64(text, UINT16_MAX, &sub)))
		return false;
	for (size_t i = 0; i < letters.n; i++) {
		int d = digit(letters.p[i]);
		if (d < 0)
			return false;
		id = id << 5 | (uint64_t)d;
	}
	*id_r = id;
	*sub_r = (unsigned)sub;
	return true;
}
