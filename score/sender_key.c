#include "score/sender_key.h"

enum { HEX_RUN = 8 };

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f');
}

static bool is_word(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z');
}

/* "prvs=0123456789=local", "btv1==TAG==local" */
static struct slice without_batv(struct slice local)
{
	struct slice rest = local;
	if (slice_starts(local, SLICE("prvs="))) {
		rest = slice_skip(rest, 5);
		(void)slice_cut(&rest, '=');
	} else if (slice_starts(local, SLICE("btv1=="))) {
		rest = slice_skip(rest, 6);
		(void)slice_cut(&rest, '=');
		rest = slice_starts(rest, SLICE("=")) ? slice_skip(rest, 1) : slice_of(rest.p, 0);
	}
	return rest.n ? rest : local;
}

/* Behind "SRS0", "SRS1" a separator of the forwarder's choice comes first, '=' afterwards. */
static bool begins_srs(struct slice s, char which)
{
	return s.n > 5 && memcmp(s.p, "srs", 3) == 0 && s.p[3] == which &&
	       (s.p[4] == '=' || s.p[4] == '+' || s.p[4] == '-');
}

/* What is left of "srs0=HASH=TIME=domain=local" or "srs1=HASH=host==HASH=TIME=domain=local": domain=local. */
static struct slice without_srs(struct slice local)
{
	struct slice rest = slice_skip(local, 5);
	if (begins_srs(local, '1')) {
		(void)slice_cut(&rest, '=');
		(void)slice_cut(&rest, '=');
		rest = slice_skip(rest, 1);
	} else if (!begins_srs(local, '0')) {
		return local;
	}
	(void)slice_cut(&rest, '=');
	(void)slice_cut(&rest, '=');
	return rest.n ? rest : local;
}

static struct slice without_extension(struct slice local)
{
	size_t plus = slice_find(local, '+');
	return plus ? slice_of(local.p, plus) : local;
}

/* The length of a run that reads as a number: hexadecimal from HEX_RUN on, between other bytes; else decimal. 0: none.
 */
static size_t number_at(struct slice s, size_t at)
{
	size_t hex = at, digits = at;
	bool begins = at == 0 || !is_word(s.p[at - 1]), has_digit = false;
	for (; hex < s.n && is_hex(s.p[hex]); hex++)
		has_digit |= is_digit(s.p[hex]);
	if (begins && has_digit && hex - at >= HEX_RUN && (hex == s.n || !is_word(s.p[hex])))
		return hex - at;
	while (digits < s.n && is_digit(s.p[digits]))
		digits++;
	return digits - at;
}

static size_t fold_numbers(struct slice local, char *out)
{
	size_t n = 0;
	for (size_t i = 0; i < local.n;) {
		size_t number = number_at(local, i);
		out[n++] = number ? '#' : local.p[i];
		i += number ? number : 1;
	}
	return n;
}

size_t score_sender_fold(struct slice sender, char folded_r[SCORE_SENDER_KEY])
{
	char small[SCORE_SENDER_KEY];
	size_t all = sender.n < sizeof small ? sender.n : sizeof small;
	for (size_t i = 0; i < all; i++)
		small[i] = sender.p[i] >= 'A' && sender.p[i] <= 'Z' ? (char)(sender.p[i] | 0x20) : sender.p[i];
	size_t at = slice_rfind(slice_of(small, all), '@');
	struct slice local = without_srs(without_batv(slice_of(small, at)));
	size_t n = fold_numbers(without_extension(local), folded_r);
	memcpy(folded_r + n, small + at, all - at);
	return n + all - at;
}
