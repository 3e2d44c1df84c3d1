#include "score/reply.h"

#include "base/escape.h"

/* "450 4.7.1 " at its longest: three digits, 1.3.3 digits and two blanks */
enum { CODES_LENGTH = 14, TEXT_ROOM = SCORE_REPLY_LINE - CODES_LENGTH };
enum { VALUE_MAX = 80, TXT_MAX = 160 }; /* of a placeholder: an address, an id, a rule's name; what a list says */

static bool digits(struct slice s, unsigned max_digits, uint64_t max, uint16_t *value_r)
{
	uint64_t v = 0;
	TRY(s.n <= max_digits && slice_u64(s, max, &v));
	*value_r = (uint16_t)v;
	return true;
}

/* RFC 3463 2: class "." subject "." detail. False when it is none; `*s` then is as it was. */
static bool parse_enhanced(struct slice *s, struct score_reply *r)
{
	struct slice rest = *s, word = slice_cut(&rest, ' ');
	struct slice klass = slice_cut(&word, '.'), subject = slice_cut(&word, '.');
	TRY(digits(klass, 1, 9, &r->klass) && digits(subject, 3, 999, &r->subject) && digits(word, 3, 999, &r->detail));
	*s = rest;
	return true;
}

static bool is_printable(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] < 0x20 || s.p[i] > 0x7e)
			return false;
	return true;
}

#define PLACEHOLDERS "known in braces are only {id}, {client}, {rule}, {list}"

enum placeholder {
	NO_PLACEHOLDER,
	PLACEHOLDER_ID,
	PLACEHOLDER_CLIENT,
	PLACEHOLDER_RULE,
	PLACEHOLDER_LIST,
	PLACEHOLDER_TXT,
	PLACEHOLDER_WAIT
};
static const struct slice placeholders[] = { SLICE_INIT(""), SLICE_INIT("{id}"), SLICE_INIT("{client}"),
	SLICE_INIT("{rule}"), SLICE_INIT("{list}"), SLICE_INIT("{txt}"), SLICE_INIT("{wait}") };

static enum placeholder placeholder_at(struct slice s)
{
	for (enum placeholder p = PLACEHOLDER_ID; p <= PLACEHOLDER_WAIT; p++)
		if (slice_starts(s, placeholders[p]))
			return p;
	return NO_PLACEHOLDER;
}

/* Every '{' begins a known placeholder, up to `last`; *has_id_r: one is {id}. */
static bool placeholders_known(struct slice s, enum placeholder last, bool *has_id_r)
{
	for (size_t i; i = slice_find(s, '{'), i < s.n;) {
		s = slice_skip(s, i);
		enum placeholder p = placeholder_at(s);
		TRY(p != NO_PLACEHOLDER && p <= last);
		*has_id_r |= p == PLACEHOLDER_ID;
		s = slice_skip(s, placeholders[p].n);
	}
	return true;
}

static const char *keep_text(struct arena *a, struct slice text, bool has_id, struct score_reply *r)
{
	static const struct slice id = SLICE_INIT(" (id {id})");
	char *p = arena_alloc(a, text.n + id.n);
	if (!p)
		return "out of memory";
	memcpy(p, text.p, text.n);
	memcpy(p + text.n, id.p, id.n);
	r->text = slice_of(p, text.n + (has_id ? 0 : id.n));
	return NULL;
}

static const char *parse_reply(
	struct arena *a, struct slice source, unsigned klass, enum placeholder last, struct score_reply *r)
{
	struct slice s = source, code = slice_cut(&s, ' ');
	bool has_id = false;
	*r = (struct score_reply){ .klass = (uint16_t)klass, .subject = 7, .detail = 1 };
	if (code.n != 3 || !digits(code, 3, 599, &r->code))
		return "a reply begins with its three-digit code, as in: 450 4.7.1 Try later";
	if (r->code / 100 != klass)
		return klass == 4 ? "a reply that defers has a 4xx code; 5xx belongs to do = \"reject\""
				  : "a reply that rejects has a 5xx code; 4xx belongs to do = \"defer\"";
	if (r->code % 100 / 10 > 5)
		return "the code's second digit is 0 to 5"; /* RFC 5321 4.2 */
	struct score_reply codes = *r;
	if (parse_enhanced(&s, &codes))
		*r = codes;
	if (r->klass != klass)
		return "code and enhanced code begin with the same digit, as in 550 5.7.1";
	s = slice_trim(s);
	if (s.n == 0 || s.n > SCORE_REPLY_TEXT)
		return "a reply needs a text of 1 to 300 bytes";
	if (!is_printable(s))
		return "a reply holds only printable ASCII";
	if (!placeholders_known(s, last, &has_id))
		return last == PLACEHOLDER_WAIT ? PLACEHOLDERS ", {txt} and {wait}" : PLACEHOLDERS " and {txt}";
	return keep_text(a, s, has_id, r);
}

const char *score_reply_parse(struct arena *a, struct slice source, unsigned klass, struct score_reply *r)
{
	return parse_reply(a, source, klass, PLACEHOLDER_TXT, r);
}

const char *score_reply_parse_greylist(struct arena *a, struct slice source, struct score_reply *r)
{
	return parse_reply(a, source, 4, PLACEHOLDER_WAIT, r);
}

struct slice score_reply_default(unsigned klass)
{
	if (klass == 4)
		return SLICE("450 4.7.1 Too much unusual traffic from {client}, try later (id {id})");
	return SLICE("550 5.7.1 Refused by local policy, rule {rule} (id {id})");
}

struct slice score_reply_greylisted(void)
{
	return SLICE("450 4.7.1 Greylisted: a new sender may come in after {wait} seconds (id {id})");
}

struct slice score_reply_blocked(void)
{
	return SLICE("421 4.7.0 Refused for a while, rule {rule} (id {id})");
}

/* RFC 5322 2.2: printable, no blank, no colon. */
static bool is_field_name(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if (s.p[i] <= ' ' || s.p[i] > 0x7e)
			return false;
	return s.n > 0;
}

const char *score_tag_parse(struct arena *a, struct slice source, struct score_reply *r)
{
	struct slice value = source, name = slice_cut(&value, ':');
	bool has_id = false;
	*r = (struct score_reply){ 0 };
	value = slice_trim(value);
	if (name.n == source.n || !is_field_name(name))
		return "a header is written Name: value";
	if (value.n == 0 || source.n > SCORE_REPLY_TEXT || !is_printable(source))
		return "a header needs a value, printable ASCII, at most 300 bytes in all";
	if (!placeholders_known(source, PLACEHOLDER_TXT, &has_id))
		return PLACEHOLDERS " and {txt}";
	return keep_text(a, source, true, r);
}

bool score_reply_expand(const struct score_reply *r, const struct score_reply_values *v, struct buf *out)
{
	char wait[SLICE_DIGITS];
	const struct slice values[] = { slice_of(NULL, 0), v->id, v->client, v->rule, v->list, v->txt,
		slice_number(v->wait_s, wait) };
	struct slice s = r->text;
	size_t before = buf_len(out);
	while (s.n) {
		size_t plain = slice_find(s, '{');
		TRY(buf_put(out, slice_of(s.p, plain)));
		s = slice_skip(s, plain);
		enum placeholder p = placeholder_at(s);
		if (p != NO_PLACEHOLDER)
			TRY(escape_plain(out, values[p], p == PLACEHOLDER_TXT ? TXT_MAX : VALUE_MAX));
		s = slice_skip(s, p == NO_PLACEHOLDER ? 1 : placeholders[p].n);
	}
	if (buf_len(out) - before > TEXT_ROOM)
		out->end = out->start + (uint32_t)(before + TEXT_ROOM);
	return true;
}

bool score_reply_wants_txt(const struct score_reply *r)
{
	for (struct slice s = r->text; s.n; s = slice_skip(s, 1))
		if (placeholder_at(s) == PLACEHOLDER_TXT)
			return true;
	return false;
}
