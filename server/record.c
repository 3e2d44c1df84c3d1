#include "server/record.h"

#include "base/clock.h"
#include "base/escape.h"
#include "base/ip.h"

#include <inttypes.h>
#include <math.h>

/* No value of one line is shown longer than this; an address has at most 320 bytes. */
enum { VALUE_MAX = 512 };

static void note(struct record *r, bool ok)
{
	if (!ok)
		r->broken = true;
}

/* ,"name": or  name= by hand: a line has some twenty of them, and this is what the journal's time goes into. */
static bool put_name(struct record *r, const char *name)
{
	size_t n = strlen(name);
	TRY(buf_reserve(&r->line, n + 4));
	char *to = r->line.data + r->line.end;
	bool json = r->format == LOG_FORMAT_JSON;
	*to++ = json ? ',' : ' ';
	if (json)
		*to++ = '"';
	memcpy(to, name, n);
	to += n;
	if (json)
		*to++ = '"';
	*to++ = json ? ':' : '=';
	r->line.end = (uint32_t)(to - r->line.data);
	return true;
}

static bool put_value(struct record *r, struct slice value)
{
	return r->format == LOG_FORMAT_JSON ? escape_json(&r->line, value, VALUE_MAX)
					    : escape_logfmt(&r->line, value, VALUE_MAX);
}

void record_begin(struct record *r, uint64_t wall_ms, const char *event)
{
	char when[CLOCK_RFC3339];
	clock_rfc3339(wall_ms, when);
	buf_clear(&r->line);
	r->broken = false;
	bool json = r->format == LOG_FORMAT_JSON;
	note(r, buf_put(&r->line, json ? SLICE("{\"time\":\"") : SLICE("time=")));
	note(r, buf_put(&r->line, slice_of(when, CLOCK_RFC3339 - 1)));
	note(r, !json || buf_put(&r->line, SLICE("\"")));
	record_text(r, "event", slice_str(event));
}

void record_text(struct record *r, const char *name, struct slice value)
{
	note(r, put_name(r, name) && put_value(r, value));
}

bool record_format_address(const struct record *r, struct buf *out, struct slice value)
{
	if (r->addresses == SETTINGS_ADDRESSES_PLAIN || value.n == 0)
		return buf_put(out, value);
	if (r->addresses == SETTINGS_ADDRESSES_NONE)
		return buf_put(out, SLICE("-"));
	return buf_printf(out, "%016" PRIx64, hash_bytes(r->key, value));
}

/* What may be part of a mail address or of an IP address; both are told from other words when the word is whole. */
static bool is_of_address(char c)
{
	return (unsigned char)c > ' ' && !memchr("<>()[]\",;'", c, sizeof "<>()[]\",;'" - 1);
}

static bool is_address(struct slice word)
{
	struct ip_prefix p;
	return slice_find(word, '@') < word.n || ip_prefix_parse(word, &p);
}

static bool format_word(const struct record *r, struct buf *out, struct slice word)
{
	struct slice end = slice_of(word.p + word.n, 0);
	while (word.n && (word.p[word.n - 1] == '.' || word.p[word.n - 1] == ':')) /* of the sentence */
		word.n--, end.p--, end.n++;
	/* of an address literal */
	struct slice tag = SLICE("IPv6:");
	size_t skip = slice_istarts(word, tag) ? tag.n : 0;
	if (!is_address(slice_skip(word, skip)))
		return buf_puts(out, word, end);
	return record_format_address(r, out, slice_skip(word, skip)) && buf_put(out, end);
}

bool record_format_words(const struct record *r, struct buf *out, struct slice text)
{
	if (r->addresses == SETTINGS_ADDRESSES_PLAIN)
		return buf_put(out, text);
	while (text.n) {
		size_t n = 0;
		while (n < text.n && is_of_address(text.p[n]))
			n++;
		TRY(format_word(r, out, slice_of(text.p, n)));
		text = slice_skip(text, n);
		n = text.n > 0;
		TRY(buf_put(out, slice_of(text.p, n)));
		text = slice_skip(text, n);
	}
	return true;
}

void record_words(struct record *r, const char *name, struct slice text)
{
	if (r->addresses == SETTINGS_ADDRESSES_PLAIN) {
		record_text(r, name, text);
		return;
	}
	struct buf shown = { 0 };
	note(r, record_format_words(r, &shown, text));
	record_text(r, name, buf_slice(&shown));
	buf_release(&shown);
}

void record_address(struct record *r, const char *name, struct slice value)
{
	if (r->addresses == SETTINGS_ADDRESSES_PLAIN) {
		record_text(r, name, value);
		return;
	}
	struct buf shown = { 0 };
	note(r, record_format_address(r, &shown, value));
	record_text(r, name, buf_slice(&shown));
	buf_release(&shown);
}

void record_number(struct record *r, const char *name, uint64_t value)
{
	char digits[SLICE_DIGITS];
	note(r, put_name(r, name) && buf_put(&r->line, slice_number(value, digits)));
}

void record_decimal(struct record *r, const char *name, double value)
{
	if (value >= 0 && value < 1e15 && value == floor(value))
		record_number(r, name, (uint64_t)value);
	else
		note(r, put_name(r, name) && buf_printf(&r->line, "%.1f", value));
}

void record_list_begin(struct record *r, const char *name)
{
	note(r, put_name(r, name) && buf_put(&r->line, r->format == LOG_FORMAT_JSON ? SLICE("[") : SLICE("\"")));
	r->first_item = true;
}

void record_item(struct record *r, struct slice value)
{
	if (!r->first_item)
		note(r, buf_put(&r->line, SLICE(",")));
	r->first_item = false;
	if (r->format == LOG_FORMAT_JSON) {
		note(r, escape_json(&r->line, value, VALUE_MAX));
		return;
	}
	/* inside one pair of quotes: escape as if quoted, without its own quotes */
	struct buf item = { 0 };
	bool ok = escape_json(&item, value, VALUE_MAX);
	struct slice text = buf_slice(&item);
	note(r, ok && buf_put(&r->line, slice_of(text.p + 1, text.n - 2)));
	buf_release(&item);
}

void record_list_end(struct record *r)
{
	note(r, buf_put(&r->line, r->format == LOG_FORMAT_JSON ? SLICE("]") : SLICE("\"")));
}

void record_end(struct record *r)
{
	if (r->format == LOG_FORMAT_JSON)
		note(r, buf_put(&r->line, SLICE("}")));
	if (!r->broken)
		log_line(buf_slice(&r->line));
}
