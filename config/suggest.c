#include "config/suggest.h"

#include <ctype.h>

enum { NAME_MAX_LENGTH = 64, FAR = 1000 };

static bool same(char a, char b)
{
	return tolower((unsigned char)a) == tolower((unsigned char)b);
}

static unsigned least(unsigned a, unsigned b)
{
	return a < b ? a : b;
}

/* Optimal string alignment (Damerau-Levenshtein without overlapping swaps); three rows are enough. */
unsigned suggest_distance(struct slice a, struct slice b)
{
	unsigned rows[3][NAME_MAX_LENGTH + 1];

	if (a.n > NAME_MAX_LENGTH || b.n > NAME_MAX_LENGTH)
		return FAR;
	for (unsigned j = 0; j <= b.n; j++)
		rows[0][j] = j;
	for (unsigned i = 1; i <= a.n; i++) {
		unsigned *row = rows[i % 3], *above = rows[(i + 2) % 3], *before = rows[(i + 1) % 3];
		row[0] = i;
		for (unsigned j = 1; j <= b.n; j++) {
			row[j] = above[j - 1] + (same(a.p[i - 1], b.p[j - 1]) ? 0 : 1);
			row[j] = least(row[j], least(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && same(a.p[i - 1], b.p[j - 2]) && same(a.p[i - 2], b.p[j - 1]))
				row[j] = least(row[j], before[j - 2] + 1);
		}
	}
	return rows[a.n % 3][b.n];
}

void suggest_try(struct suggest *s, const char *candidate)
{
	struct slice name = slice_str(candidate);
	unsigned distance = suggest_distance(s->wanted, name);
	size_t longer = name.n > s->wanted.n ? name.n : s->wanted.n;

	if (distance > 1 && distance > longer / 3)
		return;
	if (distance < longer && (!s->best || distance < s->distance)) {
		s->best = candidate;
		s->distance = distance;
	}
}
