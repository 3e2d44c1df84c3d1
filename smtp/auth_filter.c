#include "smtp/auth_filter.h"

/* Where the next byte stands. */
enum state {
	LINE_START, /* of a line within the header, outside of a dropped field */
	FIELD_NAME, /* what came so far is a beginning of "Authentication-Results" */
	COLON,	    /* the name is complete: blanks, then ':' */
	BEFORE_ID,  /* comments and folding before the authserv-id */
	COMMENT,
	ID,
	OTHER,	    /* a field that is kept, until its line ends */
	DROPPED,    /* a field of ours, until its line ends */
	DROPPED_END, /* a dropped line has ended: does it go on? */
	BODY
};

static const struct slice FIELD = SLICE_INIT("authentication-results");

void smtp_auth_filter_init(struct smtp_auth_filter *f, struct slice name)
{
	f->name = name;
	f->state = LINE_START;
	f->held_n = f->at = 0;
	f->depth = 0;
	f->escaped = f->differs = f->folds = false;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static char lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}

/* What the line is that begins with c, which is not taken yet. */
static enum state at_line_start(struct smtp_auth_filter *f, char c)
{
	if (c == '\r') /* an empty line: the end of the header */
		return BODY;
	f->at = 0;
	return lower(c) == FIELD.p[0] ? FIELD_NAME : OTHER;
}

static enum state behind_dropped(char c)
{
	return c == ' ' || c == '\t' ? DROPPED : LINE_START;
}

static enum state in_field_name(struct smtp_auth_filter *f, char c)
{
	if (lower(c) != FIELD.p[f->at])
		return OTHER;
	return ++f->at == FIELD.n ? COLON : FIELD_NAME;
}

static enum state at_colon(struct smtp_auth_filter *f, char c)
{
	f->at = 0;
	f->differs = false;
	if (c == ':')
		return BEFORE_ID;
	return c == ' ' || c == '\t' ? COLON : OTHER;
}

static enum state in_id(struct smtp_auth_filter *f, char c)
{
	if (is_blank(c) || c == ';' || c == '(')
		return !f->differs && f->at == f->name.n ? DROPPED : OTHER;
	if (c == '"') /* it may be quoted */
		return ID;
	f->differs |= f->at == f->name.n || lower(c) != lower(f->name.p[f->at]);
	f->at = (uint16_t)(f->at + !f->differs);
	return ID;
}

static enum state before_id(struct smtp_auth_filter *f, char c)
{
	f->folds = c == '\n';
	if (is_blank(c))
		return BEFORE_ID;
	if (c != '(')
		return in_id(f, c);
	f->depth = 1;
	return COMMENT;
}

static enum state in_comment(struct smtp_auth_filter *f, char c)
{
	bool escaped = f->escaped;
	f->folds = c == '\n';
	f->escaped = !escaped && c == '\\';
	if (escaped || (c != '(' && c != ')'))
		return COMMENT;
	if (c == '(' && f->depth == UINT8_MAX)
		return DROPPED;
	f->depth = (uint8_t)(c == '(' ? f->depth + 1 : f->depth - 1);
	return f->depth ? COMMENT : BEFORE_ID;
}

/* Until it is known whose field it is. */
static enum state look(struct smtp_auth_filter *f, char c)
{
	switch ((enum state)f->state) {
	case FIELD_NAME:
		return in_field_name(f, c);
	case COLON:
		return at_colon(f, c);
	case BEFORE_ID:
		return before_id(f, c);
	case COMMENT:
		return in_comment(f, c);
	default:
		return in_id(f, c);
	}
}

static bool is_decided(enum state s)
{
	return s == OTHER || s == DROPPED;
}

static struct slice take(struct slice *in, size_t n)
{
	struct slice taken = slice_of(in->p, n);
	*in = slice_skip(*in, n);
	return taken;
}

/* All up to a line that must be looked at: most mails go through in one piece. */
static struct slice take_others(struct smtp_auth_filter *f, struct slice *in)
{
	size_t n = 0;
	while (f->state == OTHER) {
		n += slice_find(slice_skip(*in, n), '\n');
		if (n == in->n) /* the line goes on */
			return take(in, n);
		if (++n == in->n)
			f->state = LINE_START;
		else
			f->state = (uint8_t)at_line_start(f, in->p[n]);
	}
	return take(in, f->state == BODY ? in->n : n);
}

static void drop_line(struct smtp_auth_filter *f, struct slice *in)
{
	size_t n = slice_find(*in, '\n');
	if (n < in->n) {
		f->state = DROPPED_END;
		n++;
	}
	*in = slice_skip(*in, n);
}

static struct slice release(struct smtp_auth_filter *f)
{
	struct slice held = slice_of(f->held, f->held_n);
	f->held_n = 0;
	return held;
}

static struct slice decide(struct smtp_auth_filter *f, struct slice *in)
{
	while (in->n) {
		char c = in->p[0];
		bool over = f->folds && c != ' ' && c != '\t'; /* the field has ended without an id */
		f->folds = false;
		if (over) {
			f->state = LINE_START;
			return release(f);
		}
		f->state = (uint8_t)(f->held_n < sizeof f->held ? look(f, c) : DROPPED);
		if (f->held_n < sizeof f->held)
			f->held[f->held_n++] = c;
		*in = slice_skip(*in, 1);
		if (is_decided((enum state)f->state))
			break;
	}
	if (f->state == DROPPED)
		f->held_n = 0;
	return is_decided((enum state)f->state) ? release(f) : slice_of("", 0);
}

bool smtp_auth_filter_next(struct smtp_auth_filter *f, struct slice *in, struct slice *keep_r)
{
	*keep_r = slice_of("", 0);
	if (in->n == 0)
		return false;
	if (f->state == DROPPED_END)
		f->state = (uint8_t)behind_dropped(in->p[0]);
	if (f->state == LINE_START)
		f->state = (uint8_t)at_line_start(f, in->p[0]);
	if (f->state == BODY)
		*keep_r = take(in, in->n);
	else if (f->state == OTHER)
		*keep_r = take_others(f, in);
	else if (f->state == DROPPED)
		drop_line(f, in);
	else
		*keep_r = decide(f, in);
	return true;
}

struct slice smtp_auth_filter_end(struct smtp_auth_filter *f)
{
	return release(f);
}
