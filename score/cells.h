/* score/cells.h - a sketch of how many different values were seen (for distinct.c)
 *
 * 1,600 cells in seven groups. A cell of the first group is picked twice as often as one of the second, and so on, so
 * over a wide range of counts some group is neither empty nor full. The count is the maximum-likelihood one:
 * values arrive at cell i as a Poisson process with weight w_i, so with k_g of m_g cells of group g set it solves
 *     sum k_g w_g / (e^(w_g n) - 1) = sum (m_g - k_g) w_g.
 * (The idea of Estan, Varghese, Fisk: Bitmap algorithms for counting active flows, 2003, with the estimate of
 * Clifford and Cosma 2012.) Each cell has three states, five to a byte: not set, set before, set now.
 * Pure; no thread rule.
 */
#ifndef SCORE_CELLS_H
#define SCORE_CELLS_H

#include <stdbool.h>
#include <stdint.h>

enum { CELLS_BYTES = 320, CELL_GROUPS = 7 };
enum cell_state { CELL_UNSET, CELL_BEFORE, CELL_NOW };
enum { CELLS_MOST = 1000000 }; /* what is told when nearly all are set */

/* `hash` picks the cell; it becomes `state`, unless it is that or more already. */
void cells_set(uint8_t cells[CELLS_BYTES], uint64_t hash, enum cell_state state);
/* What was set now was set before; what was set before is forgotten. False: nothing is left. */
bool cells_age(uint8_t cells[CELLS_BYTES]);

struct cells_count {
	uint16_t now[CELL_GROUPS], all[CELL_GROUPS]; /* set now; set now or before */
};
/* Cheap, to be done under a lock ... */
void cells_count(const uint8_t cells[CELLS_BYTES], struct cells_count *count_r);
/* ... and about a microsecond, outside: how many values `set` stands for. */
double cells_estimate(const uint16_t set[CELL_GROUPS]);

#endif
