/* ctl/json.h - JSON documents, as far as the control protocol needs them
 *
 * A thin typed face before a JSON library (jansson, named by json.c alone). A document owns all of
 * its values; a `struct ctl_json` is a cheap handle on one of them, copied by value and valid until
 * the document is released.
 *
 * Building: nothing has to be checked step by step. When memory runs out, the document remembers it
 * (`failed`), later steps do nothing, and ctl_json_write() returns false.
 *
 * Strings are bytes. A byte 0x80..0xff is written as \u00HH, as control bytes are (the way of
 * base/escape.h), so the text is always ASCII and valid JSON whatever a client said in its HELO;
 * reading turns it back into the same bytes. A character above U+00FF (only another program can have
 * sent one) is read as its UTF-8.
 *
 * Keys are literals of ours. In every function `key` NULL means: the element itself (reading), or
 * append to the array (building).
 *
 * Threads: a document belongs to one thread at a time.
 */
#ifndef CTL_JSON_H
#define CTL_JSON_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"

struct ctl_json_doc {
	void *root;	    /* NULL: empty */
	struct arena bytes; /* strings that had to be turned back into bytes */
	bool failed;
};

struct ctl_json {
	struct ctl_json_doc *doc;
	void *node; /* NULL: there is no such value */
};

/* Frees all values; the document is empty and usable again. */
void ctl_json_release(struct ctl_json_doc *doc);

/* Building. The root is chosen first; choosing again drops what was built. */
struct ctl_json ctl_json_root_object(struct ctl_json_doc *doc);
struct ctl_json ctl_json_root_array(struct ctl_json_doc *doc);
struct ctl_json ctl_json_put_object(struct ctl_json at, const char *key);
struct ctl_json ctl_json_put_array(struct ctl_json at, const char *key);
void ctl_json_put_text(struct ctl_json at, const char *key, struct slice bytes);
void ctl_json_put_int(struct ctl_json at, const char *key, int64_t v);
/* Sizes and counters; above INT64_MAX it stays at INT64_MAX. */
void ctl_json_put_count(struct ctl_json at, const char *key, uint64_t v);
/* What is not finite is written as null. */
void ctl_json_put_double(struct ctl_json at, const char *key, double v);
void ctl_json_put_bool(struct ctl_json at, const char *key, bool v);
/* Moves all of `from` into `at`; `from` is empty afterwards, and its failure is `at`'s. */
void ctl_json_put_doc(struct ctl_json at, const char *key, struct ctl_json_doc *from);

/* Reading. A value that is missing or of another type gives `otherwise`, 0, or the empty slice. */
struct ctl_json ctl_json_root(struct ctl_json_doc *doc);
struct ctl_json ctl_json_get(struct ctl_json at, const char *key);
/* Elements of an array, or keys of an object. */
size_t ctl_json_len(struct ctl_json v);
struct ctl_json ctl_json_item(struct ctl_json array, size_t i);
bool ctl_json_is_object(struct ctl_json v);
bool ctl_json_is_array(struct ctl_json v);
bool ctl_json_is_text(struct ctl_json v);
struct slice ctl_json_text(struct ctl_json at, const char *key);
int64_t ctl_json_int(struct ctl_json at, const char *key, int64_t otherwise);
/* Takes an integer too. */
double ctl_json_double(struct ctl_json at, const char *key, double otherwise);
bool ctl_json_bool(struct ctl_json at, const char *key, bool otherwise);

/* Text to document. False: `why_r` says what is wrong (in words for people), doc_r is empty. A key
 * that comes twice in one object is refused. `text` is bounded by the caller. */
bool ctl_json_parse(struct slice text, struct ctl_json_doc *doc_r, struct buf *why_r) MUST_USE;

enum ctl_json_style { CTL_JSON_LINE, CTL_JSON_INDENTED };
/* Appends the text of `v`, without a line end behind it; keys stand in the order they were put. False
 * when memory ran out, now or while building. */
bool ctl_json_write(struct ctl_json v, enum ctl_json_style style, struct buf *out) MUST_USE;

#endif
