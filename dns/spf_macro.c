#include "dns/spf_macro.h"

struct piece {
	bool expands;	   /* %{...}, %%, %_, %-: what a domain-spec may end in */
	struct slice text; /* what stands for itself */
	char letter;	   /* of %{...}, lower-cased; 0: `text` */
	bool escape;	   /* the letter was a capital */
	bool reverse;
	uint32_t parts; /* to keep, from the right; 0: all */
	struct slice delimiters;
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* Above what a value can have parts, "all" is meant. 0 is no number of parts (7.1). */
static bool take_parts(struct slice *in, uint32_t *parts_r)
{
	enum { MANY = 100000 };
	uint32_t n = 0;
	if (!in->n || !is_digit(in->p[0]))
		return true;
	for (; in->n && is_digit(in->p[0]); *in = slice_skip(*in, 1))
		n = n < MANY ? n * 10 + (uint32_t)(in->p[0] - '0') : n;
	*parts_r = n;
	return n > 0;
}

/* What stands between %{ and }. */
static bool read_macro(struct slice in, struct piece *p)
{
	TRY(in.n && is_alpha(in.p[0]));
	p->letter = (char)(in.p[0] | 0x20);
	p->escape = in.p[0] < 'a';
	in = slice_skip(in, 1);
	TRY(take_parts(&in, &p->parts));
	p->reverse = in.n && (in.p[0] | 0x20) == 'r';
	in = slice_skip(in, p->reverse);
	p->delimiters = in.n ? in : SLICE(".");
	for (size_t i = 0; i < in.n; i++)
		TRY(memchr(".-+,/_=", in.p[i], 7));
	return true;
}

static bool take_expand(struct slice *in, struct piece *p)
{
	TRY(in->n >= 2);
	char c = in->p[1];
	p->expands = true;
	if (c == '{') {
		size_t end = slice_find(*in, '}');
		TRY(end < in->n);
		struct slice inner = slice_of(in->p + 2, end - 2);
		*in = slice_skip(*in, end + 1);
		return read_macro(inner, p);
	}
	p->text = c == '%' ? SLICE("%") : c == '_' ? SLICE(" ") : SLICE("%20");
	*in = slice_skip(*in, 2);
	return c == '%' || c == '_' || c == '-';
}

/* One piece off the front of *in, which is not empty. */
static bool take_piece(struct slice *in, struct piece *p)
{
	*p = (struct piece){ 0 };
	if (in->p[0] == '%')
		return take_expand(in, p);
	p->text = slice_of(in->p, slice_find(*in, '%'));
	*in = slice_skip(*in, p->text.n);
	return true;
}

bool spf_macro_is_string(struct slice text, const char *letters, bool blanks)
{
	struct piece p;
	for (size_t i = 0; i < text.n; i++)
		TRY((text.p[i] > ' ' && text.p[i] < 0x7f) || (blanks && text.p[i] == ' '));
	while (text.n) {
		TRY(take_piece(&text, &p));
		TRY(!p.letter || strchr(letters, p.letter));
	}
	return true;
}

/* A letter or a dash within, no dash at an end (7.1). */
static bool is_top_label(struct slice s)
{
	bool number = true;
	TRY(s.n && s.p[0] != '-' && s.p[s.n - 1] != '-');
	for (size_t i = 0; i < s.n; i++) {
		TRY(is_alpha(s.p[i]) || is_digit(s.p[i]) || s.p[i] == '-');
		number = number && is_digit(s.p[i]);
	}
	return !number;
}

bool spf_macro_is_domain(struct slice text)
{
	struct piece p = { 0 };
	TRY(text.n && spf_macro_is_string(text, SPF_LETTERS, false));
	for (struct slice rest = text; rest.n;)
		TRY(take_piece(&rest, &p));
	if (p.expands)
		return true;
	if (text.p[text.n - 1] == '.')
		text.n--;
	size_t dot = slice_rfind(text, '.');
	return dot < text.n && is_top_label(slice_skip(text, dot + 1));
}

bool spf_macro_reads(struct slice text, char letter)
{
	struct piece p;
	while (text.n && take_piece(&text, &p))
		if (p.letter == letter)
			return true;
	return false;
}

/* What is put together. Of a name only its end is kept, in the upper half of the room and less. */
struct output {
	char *b;
	size_t n, size;
	bool is_name;
	bool over;   /* too long: of a name the beginning is gone, else all is void */
	size_t work; /* see SPF_MACRO_WORK */
};

static void put(struct output *o, char c)
{
	if (o->n == o->size && o->is_name) {
		memmove(o->b, o->b + o->size / 2, o->size - o->size / 2);
		o->n -= o->size / 2;
		o->over = true;
	}
	if (o->n < o->size)
		o->b[o->n++] = c;
	else
		o->over = true;
}

static void put_slice(struct output *o, struct slice s, bool escape)
{
	static const char hex[] = "0123456789ABCDEF";
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i];
		if (!escape || is_alpha(c) || is_digit(c) || (c && strchr("-._~", c))) {
			put(o, c);
			continue;
		}
		put(o, '%');
		put(o, hex[(uint8_t)c >> 4]);
		put(o, hex[c & 15]);
	}
}

enum { PARTS_MAX = 2 * DNS_SPF_ARGUMENT_MAX };

static size_t split(struct slice value, struct slice delimiters, struct slice parts[PARTS_MAX])
{
	size_t n = 0, from = 0;
	for (size_t i = 0; i <= value.n && n < PARTS_MAX; i++) {
		if (i < value.n && !memchr(delimiters.p, value.p[i], delimiters.n))
			continue;
		parts[n++] = slice_of(value.p + from, i - from);
		from = i + 1;
	}
	return n;
}

static void put_macro(struct output *o, const struct piece *p, struct slice value)
{
	struct slice parts[PARTS_MAX];
	o->work += value.n + 1;
	if (o->work > SPF_MACRO_WORK)
		return;
	size_t n = split(value, p->delimiters, parts);
	size_t keep = p->parts && p->parts < n ? p->parts : n;
	for (size_t i = n - keep; i < n; i++) {
		if (i > n - keep)
			put(o, '.');
		put_slice(o, parts[p->reverse ? n - 1 - i : i], p->escape);
	}
}

static void expand(struct output *o, struct slice text, const struct spf_values *v)
{
	struct piece p;
	while (text.n && take_piece(&text, &p)) {
		if (p.letter)
			put_macro(o, &p, v->of[p.letter - 'a']);
		else
			put_slice(o, p.text, false);
	}
}

bool spf_macro_expand(struct slice text, const struct spf_values *v, char *room, size_t size, struct slice *text_r)
{
	struct output o = { .b = room, .size = size };
	expand(&o, text, v);
	*text_r = slice_of(room, o.n);
	return !o.over && o.work <= SPF_MACRO_WORK;
}

enum spf_name spf_macro_expand_name(struct slice text, const struct spf_values *v, struct dns_name *name_r)
{
	char room[4 * DNS_NAME_MAX];
	struct output o = { .b = room, .size = sizeof room, .is_name = true };
	expand(&o, text, v);
	if (o.work > SPF_MACRO_WORK)
		return SPF_NAME_TOO_MUCH;
	struct slice name = slice_of(room, o.n);
	if (name.n && name.p[name.n - 1] == '.')
		name.n--;
	while (name.n > DNS_NAME_MAX)
		(void)slice_cut(&name, '.');
	return name.n && dns_name_parse(name, name_r) ? SPF_NAME_OK : SPF_NAME_NONE;
}
