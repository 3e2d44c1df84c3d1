/* ctl/json.c - the one file that names the JSON library */
#include "ctl/json.h"

#include "base/mem.h"

#include <jansson.h>
#include <math.h>
#include <pthread.h>

static pthread_once_t alloc_once = PTHREAD_ONCE_INIT;

static void use_our_allocator(void)
{
	json_set_alloc_funcs(mem_hook_malloc, mem_hook_free);
}

void ctl_json_release(struct ctl_json_doc *doc)
{
	json_decref(doc->root);
	arena_release(&doc->bytes);
	*doc = (struct ctl_json_doc){ 0 };
}

/* ---- building ---- */

static struct ctl_json set_root(struct ctl_json_doc *doc, json_t *node)
{
	ctl_json_release(doc);
	doc->root = node;
	doc->failed = node == NULL;
	return (struct ctl_json){ doc, node };
}

struct ctl_json ctl_json_root_object(struct ctl_json_doc *doc)
{
	pthread_once(&alloc_once, use_our_allocator);
	return set_root(doc, json_object());
}

struct ctl_json ctl_json_root_array(struct ctl_json_doc *doc)
{
	pthread_once(&alloc_once, use_our_allocator);
	return set_root(doc, json_array());
}

/* Takes `v` over, also when it cannot be put; NULL is "no memory was left for it". */
static struct ctl_json put(struct ctl_json at, const char *key, json_t *v)
{
	int rc = key ? json_object_set_new_nocheck(at.node, key, v) : json_array_append_new(at.node, v);
	if (rc == 0)
		return (struct ctl_json){ at.doc, v };
	at.doc->failed = true;
	return (struct ctl_json){ at.doc, NULL };
}

struct ctl_json ctl_json_put_object(struct ctl_json at, const char *key)
{
	return put(at, key, json_object());
}

struct ctl_json ctl_json_put_array(struct ctl_json at, const char *key)
{
	return put(at, key, json_array());
}

static bool is_ascii(struct slice s)
{
	for (size_t i = 0; i < s.n; i++)
		if ((unsigned char)s.p[i] >= 0x80)
			return false;
	return true;
}

/* Each byte as the character of the same number, in UTF-8 (RFC 3629 3). */
static json_t *text_of_high_bytes(struct slice s)
{
	char *utf8 = s.n <= SIZE_MAX / 2 ? mem_alloc(2 * s.n) : NULL;
	if (!utf8)
		return NULL;
	size_t n = 0;
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];
		if (c >= 0x80)
			utf8[n++] = (char)(0xc0 | c >> 6);
		utf8[n++] = (char)(c >= 0x80 ? 0x80 | (c & 0x3f) : c);
	}
	json_t *v = json_stringn_nocheck(utf8, n);
	mem_free(&utf8);
	return v;
}

void ctl_json_put_text(struct ctl_json at, const char *key, struct slice bytes)
{
	if (bytes.n == 0)
		bytes.p = "";
	put(at, key, is_ascii(bytes) ? json_stringn_nocheck(bytes.p, bytes.n) : text_of_high_bytes(bytes));
}

void ctl_json_put_int(struct ctl_json at, const char *key, int64_t v)
{
	put(at, key, json_integer(v));
}

void ctl_json_put_count(struct ctl_json at, const char *key, uint64_t v)
{
	put(at, key, json_integer(v > INT64_MAX ? INT64_MAX : (int64_t)v));
}

void ctl_json_put_double(struct ctl_json at, const char *key, double v)
{
	put(at, key, isfinite(v) ? json_real(v) : json_null());
}

void ctl_json_put_bool(struct ctl_json at, const char *key, bool v)
{
	put(at, key, json_boolean(v));
}

void ctl_json_put_doc(struct ctl_json at, const char *key, struct ctl_json_doc *from)
{
	at.doc->failed |= from->failed;
	put(at, key, from->root ? json_incref(from->root) : json_null());
	ctl_json_release(from);
}

/* ---- reading ---- */

struct ctl_json ctl_json_root(struct ctl_json_doc *doc)
{
	return (struct ctl_json){ doc, doc->root };
}

struct ctl_json ctl_json_get(struct ctl_json at, const char *key)
{
	return key ? (struct ctl_json){ at.doc, json_object_get(at.node, key) } : at;
}

size_t ctl_json_len(struct ctl_json v)
{
	return ctl_json_is_array(v) ? json_array_size(v.node) : json_object_size(v.node);
}

struct ctl_json ctl_json_item(struct ctl_json array, size_t i)
{
	return (struct ctl_json){ array.doc, json_array_get(array.node, i) };
}

bool ctl_json_is_object(struct ctl_json v)
{
	return json_is_object((json_t *)v.node);
}

bool ctl_json_is_array(struct ctl_json v)
{
	return json_is_array((json_t *)v.node);
}

bool ctl_json_is_text(struct ctl_json v)
{
	return json_is_string((json_t *)v.node);
}

/* The inverse of text_of_high_bytes(): U+0080..U+00FF, in UTF-8 0xc2 or 0xc3 and one more, are bytes. */
static struct slice bytes_of(struct arena *a, struct slice utf8)
{
	char *p = arena_alloc(a, utf8.n);
	size_t n = 0;
	for (size_t i = 0; p && i < utf8.n; i++) {
		unsigned char c = (unsigned char)utf8.p[i];
		if ((c == 0xc2 || c == 0xc3) && i + 1 < utf8.n) {
			unsigned char low = (unsigned char)utf8.p[++i];
			c = (unsigned char)(c << 6 | (low & 0x3f));
		}
		p[n++] = (char)c;
	}
	return slice_of(p, n);
}

struct slice ctl_json_text(struct ctl_json at, const char *key)
{
	struct ctl_json v = ctl_json_get(at, key);
	if (!ctl_json_is_text(v))
		return slice_of("", 0);
	struct slice s = slice_of(json_string_value(v.node), json_string_length(v.node));
	return is_ascii(s) ? s : bytes_of(&v.doc->bytes, s);
}

int64_t ctl_json_int(struct ctl_json at, const char *key, int64_t otherwise)
{
	json_t *v = ctl_json_get(at, key).node;
	return json_is_integer(v) ? json_integer_value(v) : otherwise;
}

double ctl_json_double(struct ctl_json at, const char *key, double otherwise)
{
	json_t *v = ctl_json_get(at, key).node;
	return json_is_number(v) ? json_number_value(v) : otherwise;
}

bool ctl_json_bool(struct ctl_json at, const char *key, bool otherwise)
{
	json_t *v = ctl_json_get(at, key).node;
	return json_is_boolean(v) ? json_is_true(v) : otherwise;
}

/* ---- text ---- */

bool ctl_json_parse(struct slice text, struct ctl_json_doc *doc_r, struct buf *why_r)
{
	pthread_once(&alloc_once, use_our_allocator);
	*doc_r = (struct ctl_json_doc){ 0 };
	json_error_t e;
	doc_r->root = json_loadb(text.n ? text.p : "", text.n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &e);
	if (doc_r->root)
		return true;
	if (json_error_code(&e) == json_error_out_of_memory)
		(void)!buf_put(why_r, SLICE("no memory is left to read it"));
	else
		(void)!buf_printf(why_r, "%s (column %d)", e.text, e.column);
	return false;
}

/* The library escapes all that is not printable, but DEL: that can only stand inside a string. */
static int append(const char *p, size_t n, void *out)
{
	struct slice left = slice_of(p, n);
	size_t del;
	while ((del = slice_find(left, 0x7f)) < left.n) {
		if (!buf_put(out, slice_of(left.p, del)) || !buf_put(out, SLICE("\\u007F")))
			return -1;
		left = slice_skip(left, del + 1);
	}
	return buf_put(out, left) ? 0 : -1;
}

bool ctl_json_write(struct ctl_json v, enum ctl_json_style style, struct buf *out)
{
	size_t layout = style == CTL_JSON_INDENTED ? JSON_INDENT(2) : JSON_COMPACT;
	size_t flags = layout | JSON_ENSURE_ASCII | JSON_ENCODE_ANY | JSON_REAL_PRECISION(10);
	uint32_t end = out->end;
	if (!v.doc->failed && json_dump_callback(v.node, append, out, flags) == 0)
		return true;
	out->end = end;
	return false;
}
