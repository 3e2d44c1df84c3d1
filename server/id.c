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
