/* score/reply.h - what a refused client is told
 *
 * A rule's reply is "CODE [ENHANCED] TEXT" (RFC 5321 4.2, RFC 3463), for example "450 4.7.1 Too many
 * unknown recipients from {client}, try later (id {id})". {id} is the decision id, {client} the client's
 * address, {rule} the rule's name, {list} the DNS list that lists it and {txt} what that list says of it. Every refusal
 * explains itself: a text without {id} gets " (id {id})".
 */
#ifndef SCORE_REPLY_H
#define SCORE_REPLY_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/result.h"

/* RFC 5321 4.5.3.1.5: a reply line has 512 bytes with its CR LF; room is left for what {...} becomes. */
enum { SCORE_REPLY_TEXT = 300, SCORE_REPLY_LINE = 500 };

struct score_reply {
	uint16_t code;			 /* 400..599 */
	uint16_t klass, subject, detail; /* the enhanced code; class is 4 or 5, as the code's */
	struct slice text;		 /* with its {placeholders}, printable ASCII */
};

/* `klass` 4 (defer) or 5 (reject) must fit the code. NULL: fine, and *r holds slices of memory in
 * `a`. Else a sentence that says what is wrong (static, or "out of memory"). */
const char *score_reply_parse(struct arena *a, struct slice source, unsigned klass, struct score_reply *r) MUST_USE;
/* The same for one that greylists: it defers, and knows {wait}, the seconds that are left. */
const char *score_reply_parse_greylist(struct arena *a, struct slice source, struct score_reply *r) MUST_USE;
/* What a rule without `reply` says; what one with do = "greylist" or "block" does. */
struct slice score_reply_default(unsigned klass);
struct slice score_reply_greylisted(void);
struct slice score_reply_blocked(void);
/* A tag's header "Name: value", with the same placeholders; *r has no codes. NULL: fine. */
const char *score_tag_parse(struct arena *a, struct slice source, struct score_reply *r) MUST_USE;

/* Appends the text (without codes) with its placeholders filled, escaped to printable ASCII and cut so that code,
 * enhanced code and text fit a reply line. */
struct score_reply_values {
	struct slice id, client, rule;
	struct slice list, txt; /* of a rule that reads DNS lists; empty: none lists it, or says why */
	uint64_t wait_s;	/* of one that greylists */
};
bool score_reply_expand(const struct score_reply *r, const struct score_reply_values *values, struct buf *out) MUST_USE;
/* Has it {txt}? */
bool score_reply_wants_txt(const struct score_reply *r);

#endif
