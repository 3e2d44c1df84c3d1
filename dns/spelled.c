/* The usual ways to spell an address in the name that reverse DNS gives it. */
#include "dns/spelled.h"

#include <stdio.h>

/* --- what a text consists of --- */

enum { TOKENS_MAX = DNS_NAME_MAX / 2 + 1 };

/* Numbers, or words between separators, with their places. */
struct token {
	uint32_t value;
	uint8_t at, n;
};

struct tokens {
	unsigned n;
	struct token token[TOKENS_MAX];
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static int hex_digit(char c)
{
	return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool is_separator(char c)
{
	return c == '-' || c == '.' || c == '_';
}

/* Runs of one to three digits that can be an octet. */
static void find_octets(struct slice text, struct tokens *t)
{
	t->n = 0;
	for (size_t i = 0; i < text.n;) {
		size_t from = i;
		uint32_t value = 0;
		for (; i < text.n && is_digit(text.p[i]); i++)
			value = i - from < 4 ? value * 10 + (uint32_t)(text.p[i] - '0') : UINT32_MAX;
		if (i == from)
			i++;
		else if (i - from <= 3 && value <= 255)
			t->token[t->n++] = (struct token){ value, (uint8_t)from, (uint8_t)(i - from) };
	}
}

/* Words between separators that are hexadecimal numbers of up to `digits`; another word gets UINT32_MAX. */
static void find_hex(struct slice text, size_t digits, struct tokens *t)
{
	t->n = 0;
	for (size_t i = 0; i < text.n; i++) {
		size_t from = i;
		uint32_t value = 0;
		for (; i < text.n && !is_separator(text.p[i]); i++) {
			int d = hex_digit(text.p[i]);
			bool fine = d >= 0 && i - from < digits && value != UINT32_MAX;
			value = fine ? value << 4 | (uint32_t)d : UINT32_MAX;
		}
		if (i > from && t->n < TOKENS_MAX)
			t->token[t->n++] = (struct token){ value, (uint8_t)from, (uint8_t)(i - from) };
	}
}

/* How far the tokens from `i` on are values[0], values[1] ...; no two of them more than `gap` bytes apart. */
static unsigned follows(const struct tokens *t, unsigned i, const uint32_t *values, unsigned n, unsigned gap)
{
	unsigned k = 0;
	for (; k < n && i + k < t->n && t->token[i + k].value == values[k]; k++)
		if (k && t->token[i + k].at - t->token[i + k - 1].at - t->token[i + k - 1].n > (int)gap)
			break;
	return k;
}

static bool find_values(struct slice text, const struct tokens *t, const uint32_t *values, unsigned n, unsigned gap,
	struct slice *found_r)
{
	for (unsigned i = 0; i + n <= t->n; i++)
		if (follows(t, i, values, n, gap) == n) {
			const struct token *first = &t->token[i], *last = &t->token[i + n - 1];
			*found_r = slice_of(text.p + first->at, (size_t)(last->at + last->n - first->at));
			return true;
		}
	return false;
}

static bool find_text(struct slice text, const char *what, size_t n, struct slice *found_r)
{
	const char *at = n <= text.n ? memmem(text.p, text.n, what, n) : NULL;
	if (at)
		*found_r = slice_of(at, n);
	return at != NULL;
}

/* As above, but not within a longer number. */
static bool find_number(struct slice text, const char *what, size_t n, struct slice *found_r)
{
	for (struct slice in = text; find_text(in, what, n, found_r); in = slice_skip(in, 1)) {
		const char *end = found_r->p + n;
		if ((found_r->p == text.p || !is_digit(found_r->p[-1])) && (end == text.p + text.n || !is_digit(*end)))
			return true;
		in = slice_skip(in, (size_t)(found_r->p - in.p));
	}
	return false;
}

/* The text without its separators. */
static struct slice compact(struct slice text, char out[DNS_NAME_MAX])
{
	size_t n = 0;
	for (size_t i = 0; i < text.n; i++)
		if (!is_separator(text.p[i]))
			out[n++] = text.p[i];
	return slice_of(out, n);
}

/* --- IPv4 --- */

/* Two octets are chance where they are small: mx1-2 is no part of 192.0.1.2. */
static bool tells(const uint32_t *pair)
{
	return pair[0] >= 10 || pair[1] >= 10;
}

/* With separators: all four in either order anywhere, three close together, the last two side by side. */
static enum dns_dynamic_sign v4_octets(struct slice text, const uint32_t fwd[4], struct slice *found_r)
{
	const uint32_t rev[4] = { fwd[3], fwd[2], fwd[1], fwd[0] };
	struct tokens t;
	find_octets(text, &t);
	if (find_values(text, &t, fwd, 4, DNS_NAME_MAX, found_r) ||
		find_values(text, &t, rev, 4, DNS_NAME_MAX, found_r))
		return DNS_SIGN_ADDRESS;
	for (unsigned i = 0; i < 2; i++)
		if (find_values(text, &t, fwd + i, 3, 6, found_r) || find_values(text, &t, rev + i, 3, 6, found_r))
			return DNS_SIGN_PARTLY;
	if (tells(fwd + 2) &&
		(find_values(text, &t, fwd + 2, 2, 1, found_r) || find_values(text, &t, rev, 2, 1, found_r)))
		return DNS_SIGN_PARTLY;
	return DNS_SIGN_NONE;
}

/* Without separators: "192000002007", "19202007", "3221225991"; of the last three or two octets with zeros only. */
static enum dns_dynamic_sign v4_digits(struct slice text, const uint32_t o[4], struct slice *found_r)
{
	char padded[2][16], plain[2][16], whole[16];
	(void)snprintf(padded[0], sizeof padded[0], "%03u%03u%03u%03u", o[0], o[1], o[2], o[3]);
	(void)snprintf(padded[1], sizeof padded[1], "%03u%03u%03u%03u", o[3], o[2], o[1], o[0]);
	(void)snprintf(plain[0], sizeof plain[0], "%u%u%u%u", o[0], o[1], o[2], o[3]);
	(void)snprintf(plain[1], sizeof plain[1], "%u%u%u%u", o[3], o[2], o[1], o[0]);
	(void)snprintf(whole, sizeof whole, "%u", o[0] << 24 | o[1] << 16 | o[2] << 8 | o[3]);
	for (unsigned i = 0; i < 2; i++)
		if (find_number(text, padded[i], 12, found_r) ||
			(strlen(plain[i]) >= 7 && find_number(text, plain[i], strlen(plain[i]), found_r)))
			return DNS_SIGN_ADDRESS;
	if (strlen(whole) >= 8 && find_number(text, whole, strlen(whole), found_r))
		return DNS_SIGN_ADDRESS;
	if (find_number(text, padded[0] + 3, 9, found_r) || find_number(text, padded[1], 9, found_r) ||
		find_number(text, padded[0] + 6, 6, found_r))
		return DNS_SIGN_PARTLY;
	return DNS_SIGN_NONE;
}

static bool has_letter(const char *hex, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!is_digit(hex[i]))
			return true;
	return false;
}

/* "c0000207", "c0-00-02-07", "c0-0-2-7", "pc0000207x"; the last three octets; the last two as a word with a letter. */
static enum dns_dynamic_sign v4_hex(struct slice text, const uint32_t o[4], struct slice *found_r)
{
	const uint32_t rev[4] = { o[3], o[2], o[1], o[0] };
	const uint32_t low = o[2] << 8 | o[3];
	char fwd_hex[16], rev_hex[16], packed[DNS_NAME_MAX];
	struct tokens t;
	(void)snprintf(fwd_hex, sizeof fwd_hex, "%02x%02x%02x%02x", o[0], o[1], o[2], o[3]);
	(void)snprintf(rev_hex, sizeof rev_hex, "%02x%02x%02x%02x", o[3], o[2], o[1], o[0]);
	struct slice dense = compact(text, packed), in_dense;
	*found_r = text;
	if (find_text(text, fwd_hex, 8, found_r) || find_text(text, rev_hex, 8, found_r) ||
		find_text(dense, fwd_hex, 8, &in_dense) || find_text(dense, rev_hex, 8, &in_dense))
		return DNS_SIGN_ADDRESS;
	find_hex(text, 2, &t);
	if (find_values(text, &t, o, 4, 1, found_r) || find_values(text, &t, rev, 4, 1, found_r))
		return DNS_SIGN_ADDRESS;
	if (has_letter(fwd_hex + 2, 6) && find_text(text, fwd_hex + 2, 6, found_r))
		return DNS_SIGN_PARTLY;
	find_hex(text, 4, &t);
	if (has_letter(fwd_hex + 4, 4) && o[2] >= 16 && find_values(text, &t, &low, 1, 0, found_r))
		return DNS_SIGN_PARTLY;
	return DNS_SIGN_NONE;
}

static enum dns_dynamic_sign spelled_v4(struct slice text, const struct ip *ip, struct slice *found_r)
{
	const uint32_t o[4] = { ip->b[12], ip->b[13], ip->b[14], ip->b[15] };
	enum dns_dynamic_sign octets, digits;
	struct slice partly = text;
	octets = v4_octets(text, o, found_r);
	if (octets == DNS_SIGN_ADDRESS)
		return octets;
	partly = *found_r;
	digits = v4_digits(text, o, found_r);
	if (digits == DNS_SIGN_ADDRESS)
		return digits;
	if (octets == DNS_SIGN_NONE && digits == DNS_SIGN_NONE)
		return v4_hex(text, o, found_r);
	if (octets == DNS_SIGN_PARTLY)
		*found_r = partly;
	return DNS_SIGN_PARTLY;
}

/* --- IPv6 --- */

static bool find_nibbles(struct slice dense, const char *nibbles, size_t n)
{
	struct slice unused;
	char reversed[32];
	for (size_t i = 0; i < n; i++)
		reversed[i] = nibbles[n - 1 - i];
	return find_text(dense, nibbles, n, &unused) || find_text(dense, reversed, n, &unused);
}

/* "2001-db8--7" */
static bool find_short_form(struct slice text, const struct ip *ip, struct slice *found_r)
{
	char form[IP_TEXT];
	size_t n = ip_format(ip, form);
	for (unsigned i = 0; i < 2; i++) {
		char separator = "-."[i];
		for (size_t k = 0; k < n; k++)
			form[k] = form[k] == ':' || is_separator(form[k]) ? separator : form[k];
		if (find_text(text, form, n, found_r))
			return true;
	}
	return false;
}

static bool find_groups(struct slice text, const uint32_t *groups, unsigned n, struct slice *found_r)
{
	struct tokens t;
	find_hex(text, 4, &t);
	return find_values(text, &t, groups, n, 2, found_r);
}

static enum dns_dynamic_sign spelled_v6(struct slice text, const struct ip *ip, struct slice *found_r)
{
	static const char digits[] = "0123456789abcdef";
	char nibbles[32], packed[DNS_NAME_MAX];
	uint32_t groups[8];
	for (unsigned i = 0; i < 16; i++)
		nibbles[2 * i] = digits[ip->b[i] >> 4], nibbles[2 * i + 1] = digits[ip->b[i] & 15];
	for (unsigned i = 0; i < 8; i++)
		groups[i] = (uint32_t)ip->b[2 * i] << 8 | ip->b[2 * i + 1];
	struct slice dense = compact(text, packed);
	if (find_short_form(text, ip, found_r) || find_groups(text, groups, 8, found_r))
		return DNS_SIGN_ADDRESS;
	*found_r = text;
	if (find_nibbles(dense, nibbles, 32))
		return DNS_SIGN_ADDRESS;
	if (find_groups(text, groups, 4, found_r) || find_groups(text, groups + 4, 4, found_r))
		return DNS_SIGN_PARTLY;
	*found_r = text;
	return find_nibbles(dense, nibbles, 16) || find_nibbles(dense, nibbles + 16, 16) ? DNS_SIGN_PARTLY
											 : DNS_SIGN_NONE;
}

enum dns_dynamic_sign dns_spelled(struct slice text, const struct ip *ip, struct slice *found_r)
{
	enum dns_dynamic_sign sign = ip_is_v4(ip) ? spelled_v4(text, ip, found_r) : spelled_v6(text, ip, found_r);
	if (sign == DNS_SIGN_NONE)
		*found_r = slice_of(text.p, 0);
	return sign;
}
