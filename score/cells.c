#include "score/cells.h"

#include <math.h>
#include <stdbool.h>

enum { CELLS_IN_BYTE = 5, FIRST_GROUP = 400, OTHER_GROUP = 200 };
/* Weights of single cells are WEIGHT >> group; all of them together: */
enum { WEIGHT = 64, WEIGHTS = FIRST_GROUP * WEIGHT + OTHER_GROUP * (32 + 16 + 8 + 4 + 2 + 1) };
_Static_assert(FIRST_GROUP + (CELL_GROUPS - 1) * OTHER_GROUP == CELLS_BYTES * CELLS_IN_BYTE, "all bytes are used");
_Static_assert(WEIGHT >> (CELL_GROUPS - 1) == 1, "no cell without weight");

static const uint8_t powers[CELLS_IN_BYTE] = { 1, 3, 9, 27, 81 };

/* How many of a byte's five cells are set now (high half) and before (low half), by its value. */
#define CELLS_0(before, now) (now) << 4 | (before)
#define CELLS_1(before, now) CELLS_0(before, now), CELLS_0((before) + 1, now), CELLS_0(before, (now) + 1)
#define CELLS_2(before, now) CELLS_1(before, now), CELLS_1((before) + 1, now), CELLS_1(before, (now) + 1)
#define CELLS_3(before, now) CELLS_2(before, now), CELLS_2((before) + 1, now), CELLS_2(before, (now) + 1)
#define CELLS_4(before, now) CELLS_3(before, now), CELLS_3((before) + 1, now), CELLS_3(before, (now) + 1)
static const uint8_t in_byte[243] = { CELLS_4(0, 0), CELLS_4(1, 0), CELLS_4(0, 1) };

static unsigned group_cells(unsigned group)
{
	return group ? OTHER_GROUP : FIRST_GROUP;
}

static unsigned pick(uint64_t hash)
{
	unsigned at = (unsigned)(((hash >> 32) * WEIGHTS) >> 32), first = 0;
	for (unsigned g = 0; g < CELL_GROUPS; g++) {
		unsigned weight = WEIGHT >> g, all = group_cells(g) * weight;
		if (at < all)
			return first + at / weight;
		at -= all, first += group_cells(g);
	}
	return 0; /* not reached: the groups' weights are all there are */
}

void cells_set(uint8_t cells[CELLS_BYTES], uint64_t hash, enum cell_state state)
{
	unsigned cell = pick(hash), power = powers[cell % CELLS_IN_BYTE];
	uint8_t *byte = &cells[cell / CELLS_IN_BYTE];
	unsigned was = *byte / power % 3;
	if (was < state)
		*byte = (uint8_t)(*byte + (state - was) * power);
}

bool cells_age(uint8_t cells[CELLS_BYTES])
{
	bool any = false;
	for (unsigned i = 0; i < CELLS_BYTES; i++) {
		unsigned aged = 0;
		for (unsigned c = 0; cells[i] && c < CELLS_IN_BYTE; c++)
			if (cells[i] / powers[c] % 3 == CELL_NOW)
				aged += powers[c];
		cells[i] = (uint8_t)aged;
		any |= aged > 0;
	}
	return any;
}

void cells_count(const uint8_t cells[CELLS_BYTES], struct cells_count *count_r)
{
	const uint8_t *byte = cells;
	for (unsigned g = 0; g < CELL_GROUPS; g++) {
		unsigned now = 0, before = 0;
		for (const uint8_t *end = byte + group_cells(g) / CELLS_IN_BYTE; byte < end; byte++) {
			unsigned set = in_byte[*byte % sizeof in_byte];
			now += set >> 4, before += set & 15;
		}
		count_r->now[g] = (uint16_t)now;
		count_r->all[g] = (uint16_t)(now + before);
	}
}

/* Newton's steps from below: the function is convex and falls, so none goes past the solution. */
double cells_estimate(const uint16_t set[CELL_GROUPS])
{
	double unset = 0, n = 0;
	for (unsigned g = 0; g < CELL_GROUPS; g++) {
		unset += (double)(group_cells(g) - set[g]) * (WEIGHT >> g) / WEIGHTS;
		n += set[g];
	}
	if (n < 1)
		return 0;
	bool near = !(unset > 0);
	n = near ? CELLS_MOST : n;
	for (unsigned i = 0; i < 50 && !near && n < CELLS_MOST; i++) {
		double f = -unset, slope = 0;
		for (unsigned g = 0; g < CELL_GROUPS; g++) {
			double weight = (double)(WEIGHT >> g) / WEIGHTS, e = exp(weight * n) - 1;
			f += set[g] * weight / e;
			slope += set[g] * weight * weight * (e + 1) / (e * e);
		}
		if (!(slope > 0) || !isfinite(f))
			break;
		n += f / slope;
		near = fabs(f / slope) < n * 1e-4;
	}
	return n < CELLS_MOST ? n : CELLS_MOST;
}
