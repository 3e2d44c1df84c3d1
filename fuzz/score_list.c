/* A list file: the same list however its bytes come in, and every entry that names something is found again. */
#include <stdlib.h>

#include "score/list.h"

static const struct hash_key key = { 1, 2 };

static void require(bool held)
{
	if (!held)
		abort();
}

static struct score_list *read_list(struct slice s, size_t piece, struct buf *faults)
{
	struct score_list *l = score_list_new(&key);
	require(l != NULL);
	for (; s.n; s = slice_skip(s, piece))
		require(score_list_feed(l, slice_of(s.p, s.n < piece ? s.n : piece), faults));
	require(score_list_finish(l, faults));
	return l;
}

static void look_up_each_line(const struct score_list *l, struct slice s)
{
	while (s.n) {
		struct slice line = slice_trim(slice_cut(&s, '\n'));
		struct ip_prefix p;
		struct score_effort effort = { 0 };
		(void)score_list_has_name(l, line, &effort);
		if (ip_prefix_parse(line, &p) && slice_find(line, '#') == line.n)
			require(score_list_has_ip(l, &p.addr, &effort) == SCORE_MATCH_YES);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
	struct slice s = slice_of((const char *)data, n);
	struct buf whole_faults = { 0 }, cut_faults = { 0 };
	struct score_list *whole = read_list(s, n ? n : 1, &whole_faults);
	struct score_list *cut = read_list(s, 1 + n % 7, &cut_faults);
	require(slice_eq(buf_slice(&whole_faults), buf_slice(&cut_faults)));
	require(score_list_entries(whole) == score_list_entries(cut) &&
		score_list_faults(whole) == score_list_faults(cut));
	look_up_each_line(whole, s);
	score_list_free(&whole);
	score_list_free(&cut);
	buf_release(&whole_faults);
	buf_release(&cut_faults);
	return 0;
}
