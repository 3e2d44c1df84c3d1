#include "smtp/addr.h"

#include "base/ip.h"
#include "smtp/utf8.h"

/* What a byte may be, as bits: one look-up for each byte of an address. */
enum {
	ATEXT = 1, /* RFC 5321 4.1.2, RFC 5322 3.2.3; with the dot, see the header */
	QTEXT = 2, /* qtextSMTP */
	LABEL = 4, /* letters, digits, '-', '_' */
	ALNUM = 8,
	DTEXT = 16, /* dcontent of a general literal */
};

static unsigned class_of(unsigned char c)
{
	bool alnum = (c >= '0' && c <= '9') || ((c | 32) >= 'a' && (c | 32) <= 'z');
	if (alnum)
		return ATEXT | QTEXT | LABEL | ALNUM | DTEXT;
	unsigned class = 0;
	if (c >= 32 && c <= 126 && c != '"' && c != '\\')
		class |= QTEXT;
	if (c > 32 && c <= 126 && c != '[' && c != ']' && c != '\\')
		class |= DTEXT;
	if (c && memchr(".!#$%&'*+-/=?^_`{|}~", c, 20))
		class |= ATEXT;
	if (c == '-' || c == '_')
		class |= LABEL;
	return class;
}

static bool is_control(unsigned char c)
{
	return c < 32 || c == 127;
}

static unsigned char at(struct slice s, size_t i)
{
	return i < s.n ? (unsigned char)s.p[i] : 0;
}

/* Passes over bytes of a class, and over UTF-8 characters where they may stand. */
static size_t skip_class(struct slice s, size_t i, unsigned class, unsigned flags)
{
	for (;;) {
		size_t n = class_of(at(s, i)) & class ? 1 : 0;
		if (n == 0 && at(s, i) > 127 && flags & SMTP_PATH_UTF8)
			n = smtp_utf8_length(s, i);
		if (n == 0)
			return i;
		i += n;
	}
}

/* "..." with its quotes; returns the place behind it, or i when it is malformed. */
static size_t skip_quoted(struct slice s, size_t i, unsigned flags)
{
	size_t start = i++;
	for (;;) {
		i = skip_class(s, i, QTEXT, flags);
		if (at(s, i) == '"')
			return i + 1;
		if (at(s, i) != '\\' || at(s, i + 1) < 32 || at(s, i + 1) > 126)
			return start;
		i += 2;
	}
}

static size_t skip_local(struct slice s, size_t i, unsigned flags)
{
	return at(s, i) == '"' ? skip_quoted(s, i, flags) : skip_class(s, i, ATEXT, flags);
}

static bool literal_is_valid(struct slice inner)
{
	struct ip ip;
	if (slice_istarts(inner, SLICE("IPv6:"))) {
		struct slice text = slice_skip(inner, 5);
		return slice_find(text, ':') < text.n && ip_parse(text, &ip);
	}
	size_t colon = slice_find(inner, ':');
	if (colon == inner.n)
		return ip_parse(inner, &ip) && ip_is_v4(&ip);
	/* Standardized-tag ":" dcontent; the tag ends in a letter or digit */
	return colon > 0 && colon + 1 < inner.n && class_of(at(inner, colon - 1)) & ALNUM;
}

static size_t skip_literal(struct slice s, size_t i)
{
	size_t end = skip_class(s, i + 1, DTEXT, 0);
	if (at(s, end) != ']' || !literal_is_valid(slice_of(s.p + i + 1, end - i - 1)))
		return i;
	return end + 1;
}

/* Labels of 1..63, no '-' at their ends, a dot between them. */
static size_t skip_domain(struct slice s, size_t i, unsigned flags)
{
	if (at(s, i) == '[')
		return skip_literal(s, i);
	size_t start = i;
	for (;;) {
		size_t end = skip_class(s, i, LABEL, flags);
		if (end == i || end - i > 63 || at(s, i) == '-' || at(s, end - 1) == '-')
			return start;
		if (at(s, end) != '.')
			return end;
		i = end + 1;
	}
}

/* "@one,@two:" */
static size_t skip_route(struct slice s, size_t i, unsigned flags)
{
	size_t start = i;
	while (at(s, i) == '@') {
		size_t end = skip_domain(s, i + 1, flags);
		if (end == i + 1)
			return start;
		if (at(s, end) == ':')
			return end + 1;
		if (at(s, end) != ',')
			return start;
		i = end + 1;
	}
	return start;
}

/* What is wrong with a path that does not parse: a byte that may stand nowhere says more than "syntax". */
static enum smtp_path_result fault_of(struct slice s, unsigned flags)
{
	size_t end = slice_find(s, '>');
	for (size_t i = 0; i < end; i++)
		if (is_control(at(s, i)))
			return SMTP_PATH_CONTROL;
	for (size_t i = 0; i < end; i++) {
		if (at(s, i) < 128)
			continue;
		size_t n = flags & SMTP_PATH_UTF8 ? smtp_utf8_length(s, i) : 0;
		if (n == 0)
			return SMTP_PATH_NOT_ASCII;
		i += n - 1;
	}
	return SMTP_PATH_SYNTAX;
}

static enum smtp_path_result finish(struct slice *in, size_t end, struct smtp_path path, struct smtp_path *path_r)
{
	if (end + 1 > SMTP_PATH_MAX || path.local.n > SMTP_LOCAL_MAX || path.domain.n > SMTP_DOMAIN_MAX)
		return SMTP_PATH_TOO_LONG;
	*in = slice_skip(*in, end + 1);
	*path_r = path;
	return SMTP_PATH_OK;
}

enum smtp_path_result smtp_path_parse(struct slice *in, unsigned flags, struct smtp_path *path_r)
{
	struct slice s = *in;
	struct smtp_path path = { 0 };
	if (at(s, 0) != '<')
		return fault_of(s, flags);
	if (at(s, 1) == '>' && flags & SMTP_PATH_NULL)
		return finish(in, 1, path, path_r);

	size_t start = skip_route(s, 1, flags);
	size_t local_end = skip_local(s, start, flags);
	path.local = path.addr = slice_of(s.p + start, local_end - start);
	if (at(s, local_end) == '>' && flags & SMTP_PATH_POSTMASTER && slice_ieq(path.addr, SLICE("postmaster")))
		return finish(in, local_end, path, path_r);
	if (path.local.n == 0 || at(s, local_end) != '@')
		return fault_of(s, flags);

	size_t end = skip_domain(s, local_end + 1, flags);
	if (end == local_end + 1 || at(s, end) != '>')
		return fault_of(s, flags);
	path.domain = slice_of(s.p + local_end + 1, end - local_end - 1);
	path.addr = slice_of(s.p + start, end - start);
	return finish(in, end, path, path_r);
}

bool smtp_path_write(const struct smtp_path *path, struct buf *out)
{
	TRY(buf_reserve(out, path->addr.n + 2));
	return buf_put(out, SLICE("<")) && buf_put(out, path->addr) && buf_put(out, SLICE(">"));
}
