#include "relay/finish.h"

/* "5.1.1 ..." -> true, and the three numbers. */
static bool enhanced(struct slice text, unsigned code_r[3])
{
	struct slice word = slice_cut(&text, ' ');
	size_t end = slice_find(word, '\n');
	word.n = end < word.n ? end : word.n;
	for (int i = 0; i < 3; i++) {
		uint64_t n;
		TRY(slice_u64(slice_cut(&word, '.'), 999, &n));
		code_r[i] = (unsigned)n;
	}
	return word.n == 0 && (code_r[0] == 2 || code_r[0] == 4 || code_r[0] == 5);
}

bool relay_is_unknown_user(const struct relay_settings *s, unsigned code, struct slice text)
{
	unsigned e[3];
	if (code < 500 || code > 599)
		return false;
	if (!enhanced(text, e))
		return relay_settings_unknown_user(s, code);
	if (e[0] != 5)
		return false;
	/* RFC 3463 3.2, 3.3; RFC 7505 (5.1.10: null MX) */
	bool address = e[1] == 1 && (e[2] == 1 || e[2] == 2 || e[2] == 3 || e[2] == 6 || e[2] == 10);
	return address || (e[1] == 2 && e[2] == 1);
}
