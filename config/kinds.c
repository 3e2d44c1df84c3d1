#include "config/kinds.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "config/suggest.h"
#include "config/types.h"

static const struct kind_form {
	size_t size;
	enum node_type literal;
	const char *noun;
} KINDS[] = {
	[KIND_BOOL] = { sizeof(bool), NODE_BOOL, "true or false" },
	[KIND_COUNT] = { sizeof(uint32_t), NODE_INT, "a whole number" },
	[KIND_REAL] = { sizeof(double), NODE_REAL, "a number" },
	[KIND_DURATION] = { sizeof(uint64_t), NODE_TEXT, "a duration such as \"30s\", \"5m\", \"1h\" or \"7d\"" },
	[KIND_SIZE] = { sizeof(uint64_t), NODE_TEXT, "a size such as 500, \"64k\", \"25M\" or \"1G\"" },
	[KIND_WORD] = { sizeof(unsigned), NODE_TEXT, "a word" },
	[KIND_TEXT] = { sizeof(char *), NODE_TEXT, "a text" },
	[KIND_NAME] = { sizeof(char *), NODE_TEXT, "a name of letters, digits, '.', '_' and '-'" },
	[KIND_HOST] = { sizeof(char *), NODE_TEXT, "a host name such as \"mx.example.com\"" },
	[KIND_DOMAIN] = { sizeof(char *), NODE_TEXT, "a domain such as \"example.com\"" },
	[KIND_MAIL] = { sizeof(char *), NODE_TEXT, "a mail address such as \"postmaster@example.com\"" },
	[KIND_DATE] = { sizeof(char *), NODE_TEXT, "a date such as \"2027-01-31\"" },
	[KIND_PATH] = { sizeof(char *), NODE_TEXT, "a path" },
	[KIND_LOG_TO] = { sizeof(char *), NODE_TEXT, "\"stderr\", \"syslog\" or a path" },
	[KIND_PREFIX] = { sizeof(struct ip_prefix), NODE_TEXT,
			  "an address or prefix such as \"192.0.2.0/24\" or \"2001:db8::/32\", no host bits set" },
	[KIND_ADDRESS] = { sizeof(struct settings_address), NODE_TEXT,
			   "an address with port such as \"0.0.0.0:25\" or \"[::]:25\"" },
	[KIND_RESOLVER] = { sizeof(struct settings_address), NODE_TEXT,
			    "an address such as \"192.0.2.53\" or \"192.0.2.53:5353\"" },
	[KIND_BACKEND] = { sizeof(struct settings_backend), NODE_TEXT, "a backend such as \"smtp://127.0.0.1:10025\"" },
	[KIND_STEP] = { sizeof(struct settings_recipients_step), NODE_TEXT, 
			"\"backend\", \"none\", \"list:NAME\", \"sqlite:NAME\", \"pgsql:NAME\" or \"socketmap:NAME\"" },
	[KIND_ANSWER] = { sizeof(struct settings_answer), NODE_TEXT,
			  "an IPv4 address or range such as \"127.0.0.2-127.0.0.11\"" },
};

size_t kind_size(enum kind kind)
{
	return KINDS[kind].size;
}

const char *kind_noun(enum kind kind)
{
	return KINDS[kind].noun;
}

enum node_type kind_literal(enum kind kind)
{
	return KINDS[kind].literal;
}

bool kind_has_range(enum kind kind)
{
	return kind == KIND_COUNT || kind == KIND_REAL || kind == KIND_DURATION || kind == KIND_SIZE;
}

bool reader_no_memory(struct reader *r)
{
	r->faults->errors += !r->faults->out_of_memory;
	r->faults->out_of_memory = true;
	return false;
}

bool reader_fault(struct reader *r, const struct node *n, const char *fmt, ...)
{
	struct buf shown = { 0 };
	char text[600];
	va_list args;

	va_start(args, fmt);
	vsnprintf(text, sizeof text, fmt, args);
	va_end(args);
	if (node_show(n, &shown))
		settings_fault_add(r->faults, SETTINGS_ERROR, n->file, n->line, "%.*s = %.*s: %s",
				   SLICE_ARG(buf_slice(&r->path)), SLICE_ARG(buf_slice(&shown)), text);
	else
		reader_no_memory(r);
	buf_release(&shown);
	return false;
}

static bool unknown_word(struct reader *r, const struct row *row, const struct node *n);

static bool wrong_form(struct reader *r, const struct row *row, const struct node *n)
{
	if (row->kind == KIND_WORD)
		return unknown_word(r, row, n);
	return reader_fault(r, n, "%s is wanted", KINDS[row->kind].noun);
}

static bool in_range(struct reader *r, const struct row *row, const struct node *n, double value)
{
	struct buf range = { 0 };
	bool written;

	if (value >= row->min && value <= row->max)
		return true;
	written = kind_write_number(row->kind, row->min, &range) && buf_put(&range, SLICE(" to ")) &&
		  kind_write_number(row->kind, row->max, &range);
	if (written)
		reader_fault(r, n, "out of range, %.*s is allowed", SLICE_ARG(buf_slice(&range)));
	else
		reader_no_memory(r);
	buf_release(&range);
	return false;
}

static bool read_count(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	uint32_t value;

	TRY(n->type == NODE_INT || wrong_form(r, row, n));
	TRY(in_range(r, row, n, (double)n->integer));
	value = (uint32_t)n->integer;
	memcpy(slot, &value, sizeof value);
	return true;
}

static bool read_real(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	double value = n->type == NODE_INT ? (double)n->integer : n->real;

	TRY(n->type == NODE_INT || n->type == NODE_REAL || wrong_form(r, row, n));
	TRY(in_range(r, row, n, value));
	memcpy(slot, &value, sizeof value);
	return true;
}

static bool read_bool(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	TRY(n->type == NODE_BOOL || wrong_form(r, row, n));
	memcpy(slot, &n->boolean, sizeof n->boolean);
	return true;
}

/* A size may also be a bare number of bytes. */
static bool read_size(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	uint64_t bytes = 0;

	if (n->type == NODE_INT) {
		TRY(in_range(r, row, n, (double)n->integer));
		bytes = (uint64_t)n->integer;
	} else {
		TRY((n->type == NODE_TEXT && size_parse(slice_str(n->text), &bytes)) || wrong_form(r, row, n));
		TRY(in_range(r, row, n, (double)bytes));
	}
	memcpy(slot, &bytes, sizeof bytes);
	return true;
}

static bool read_duration(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	uint64_t ms;

	TRY(duration_parse(slice_str(n->text), &ms) || wrong_form(r, row, n));
	TRY(in_range(r, row, n, (double)ms));
	memcpy(slot, &ms, sizeof ms);
	return true;
}

static bool unknown_word(struct reader *r, const struct row *row, const struct node *n)
{
	struct suggest near = { .wanted = n->type == NODE_TEXT ? slice_str(n->text) : SLICE("") };
	struct buf all = { 0 };
	bool ok = true;

	for (const struct word *w = row->words; w->text; w++) {
		if (n->type == NODE_TEXT)
			suggest_try(&near, w->text);
		if (*w->text)
			ok = ok && buf_printf(&all, "%s\"%s\"", buf_len(&all) ? ", " : "", w->text);
	}
	if (!ok)
		reader_no_memory(r);
	else if (near.best && *near.best)
		reader_fault(r, n, "one of %.*s is wanted; did you mean \"%s\"?", SLICE_ARG(buf_slice(&all)),
			     near.best);
	else
		reader_fault(r, n, "one of %.*s is wanted", SLICE_ARG(buf_slice(&all)));
	buf_release(&all);
	return false;
}

static bool read_word(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	const struct word *w = row->words;

	while (w->text && strcmp(w->text, n->text))
		w++;
	/* "" is the default of some rows; it is not something to write */
	if (!w->text || (!*w->text && n->line))
		return unknown_word(r, row, n);
	if (w->not_built)
		return reader_fault(r, n, "this is not built yet");
	memcpy(slot, &w->value, sizeof w->value);
	return true;
}

static char *lower(char *text)
{
	for (char *c = text; c && *c; c++)
		*c = (char)tolower((unsigned char)*c);
	return text;
}

/* The forms that stay texts. NULL when the text has not the form, or memory is out (*memory_r false). */
static const char *text_of(struct reader *r, const struct row *row, struct slice s)
{
	int64_t ms;
	bool empty_ok = row->shape == SHAPE_ONE && row->preset && !*row->preset && !s.n;

	switch (row->kind) {
	case KIND_HOST:
	case KIND_DOMAIN:
		return empty_ok || domain_valid(s) ? lower(arena_str(r->arena, s)) : NULL;
	case KIND_NAME:
		return name_valid(s) ? arena_str(r->arena, s) : NULL;
	case KIND_MAIL:
		return empty_ok || mail_address_valid(s) ? arena_str(r->arena, s) : NULL;
	case KIND_DATE:
		return empty_ok || date_parse(s, &ms) ? arena_str(r->arena, s) : NULL;
	case KIND_PATH:
		return empty_ok || s.n ? path_absolute(r->arena, r->folder, s) : NULL;
	case KIND_LOG_TO:
		if (slice_eq(s, SLICE("stderr")) || slice_eq(s, SLICE("syslog")))
			return arena_str(r->arena, s);
		return s.n ? path_absolute(r->arena, r->folder, s) : NULL;
	default:
		return arena_str(r->arena, s);
	}
}

static bool read_text(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	struct slice s = slice_str(n->text);
	const char *text;

	if (row->kind == KIND_TEXT && (double)s.n > row->max)
		return reader_fault(r, n, "longer than %.0f bytes", row->max);
	text = text_of(r, row, s);
	TRY(text || wrong_form(r, row, n));
	memcpy(slot, &text, sizeof text);
	return true;
}

static bool read_backend(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	struct settings_backend *b = slot;
	const char *why;

	(void)row;
	if (!backend_parse(r->arena, r->folder, slice_str(n->text), b, &why))
		return why ? reader_fault(r, n, "%s", why) : reader_no_memory(r);
	return true;
}

/* Escapes that libconfig knows are gone before anybody sees them: "\n" is a line end, not a
 * backslash and an n. No setting has a use for such a byte, but a regular expression may be meant. */
static bool printable(struct reader *r, const struct node *n)
{
	for (const char *c = n->text; *c; c++)
		if (iscntrl((unsigned char)*c))
			return reader_fault(r, n, "a control character is in it; a backslash in a string must be "
						  "doubled, in a regular expression too");
	return true;
}

void kind_clear(enum kind kind, void *slot)
{
	const char *empty = "";

	memset(slot, 0, KINDS[kind].size);
	if (kind >= KIND_TEXT && kind <= KIND_LOG_TO)
		memcpy(slot, &empty, sizeof empty);
}

bool kind_read(struct reader *r, const struct row *row, const struct node *n, void *slot)
{
	struct slice s;

	kind_clear(row->kind, slot);
	if (KINDS[row->kind].literal == NODE_TEXT && row->kind != KIND_SIZE) {
		TRY(n->type == NODE_TEXT || wrong_form(r, row, n));
		TRY(printable(r, n));
	}
	s = n->type == NODE_TEXT ? slice_str(n->text) : SLICE("");
	switch (row->kind) {
	case KIND_BOOL:
		return read_bool(r, row, n, slot);
	case KIND_COUNT:
		return read_count(r, row, n, slot);
	case KIND_REAL:
		return read_real(r, row, n, slot);
	case KIND_DURATION:
		return read_duration(r, row, n, slot);
	case KIND_SIZE:
		return read_size(r, row, n, slot);
	case KIND_WORD:
		return read_word(r, row, n, slot);
	case KIND_TEXT:
	case KIND_NAME:
	case KIND_HOST:
	case KIND_DOMAIN:
	case KIND_MAIL:
	case KIND_DATE:
	case KIND_PATH:
	case KIND_LOG_TO:
		return read_text(r, row, n, slot);
	case KIND_PREFIX:
		return ip_prefix_parse(s, slot) || wrong_form(r, row, n);
	case KIND_ADDRESS:
		return address_parse(s, 0, slot) || wrong_form(r, row, n);
	case KIND_RESOLVER:
		return address_parse(s, 53, slot) || wrong_form(r, row, n);
	case KIND_BACKEND:
		return read_backend(r, row, n, slot);
	case KIND_STEP:
		return step_parse(r->arena, s, slot) || wrong_form(r, row, n);
	case KIND_ANSWER:
		return answer_parse(s, slot) || wrong_form(r, row, n);
	}
	return false;
}
