/* tests/score/snapshot_help.h - stores to be written, and snapshots read as files are read */
#ifndef TESTS_SCORE_SNAPSHOT_HELP_H
#define TESTS_SCORE_SNAPSHOT_HELP_H

#include "tests/base/cmocka_setup.h"

#include "base/buf.h"
#include "score/snapshot_form.h"

#define T0 ((uint64_t)1767225600000u)
enum { HOUR = 3600000, MB = 1 << 20 };

enum { FILLED = 6 }; /* entries of filled() */

struct score_key numbered(const struct score_store *s, unsigned n);
struct score_store *empty(uint64_t memory);
/* One entry of each kind. */
struct score_store *filled(void);
void is_as_filled(struct score_store *s);
struct buf written(struct score_store *s);
/* Reads as a file is read: pieces are added to what was left. */
struct score_snapshot_reader read_in_pieces(struct slice file, size_t piece, struct score_store *s);
struct score_snapshot_reader read_all(struct slice file, struct score_store *s);
/* 4,000 records with points 0..3999 */
struct score_store *full_of_records(uint64_t memory);
unsigned records_right(struct score_store *s);
/* Where the nth block begins; the end counts. */
size_t block_at(const struct buf *file, unsigned nth);

#endif
