#include "smtp/body_in.h"

#include "smtp/body_run.h"

/* Where the machine stands. Only from the first two may the fast way set out. */
enum state {
	LINE,	/* behind a true CR LF, or at the first byte of the body: a dot here is stuffing or the end */
	TEXT,	/* within a line; behind a repaired line end too, where a dot is content */
	CR,	/* a CR was taken, its LF must follow */
	DOT,	/* a dot at LINE was taken */
	DOT_CR, /* and a CR behind it */
	END,	/* CR LF . CR LF is complete */
	STATES,
};

enum class { OTHER, PERIOD, RETURN, LINEFEED, ZERO, CLASSES };

/* In chunks a dot is a byte like others. */
static const uint8_t CLASS_OF[2][256] = {
	[false] = { ['.'] = PERIOD, ['\r'] = RETURN, ['\n'] = LINEFEED, ['\0'] = ZERO },
	[true] = { ['\r'] = RETURN, ['\n'] = LINEFEED, ['\0'] = ZERO },
};

/* What a byte makes us do, in this order. */
enum action {
	STRAY_CR = 1, /* the CR taken before was bare */
	STRAY_LF = 2, /* this byte is a bare LF */
	NUL = 4,      /* this byte is NUL */
	BYTE = 8,     /* this byte is content */
	CRLF = 16,    /* a true line end is complete */
};

struct step {
	uint8_t next, actions;
};

static const struct step STEPS[STATES][CLASSES] = {
	[LINE] = {
		[OTHER] = { TEXT, BYTE },
		[PERIOD] = { DOT, 0 },
		[RETURN] = { CR, 0 },
		[LINEFEED] = { TEXT, STRAY_LF },
		[ZERO] = { TEXT, NUL },
	},
	[TEXT] = {
		[OTHER] = { TEXT, BYTE },
		[PERIOD] = { TEXT, BYTE },
		[RETURN] = { CR, 0 },
		[LINEFEED] = { TEXT, STRAY_LF },
		[ZERO] = { TEXT, NUL },
	},
	[CR] = {
		[OTHER] = { TEXT, STRAY_CR | BYTE },
		[PERIOD] = { TEXT, STRAY_CR | BYTE },
		[RETURN] = { CR, STRAY_CR },
		[LINEFEED] = { LINE, CRLF },
		[ZERO] = { TEXT, STRAY_CR | NUL },
	},
	[DOT] = {
		[OTHER] = { TEXT, BYTE },
		[PERIOD] = { TEXT, BYTE },
		[RETURN] = { DOT_CR, 0 },
		[LINEFEED] = { TEXT, STRAY_LF },
		[ZERO] = { TEXT, NUL },
	},
	[DOT_CR] = {
		[OTHER] = { TEXT, STRAY_CR | BYTE },
		[PERIOD] = { TEXT, STRAY_CR | BYTE },
		[RETURN] = { CR, STRAY_CR },
		[LINEFEED] = { END, 0 },
		[ZERO] = { TEXT, STRAY_CR | NUL },
	},
};

void smtp_body_in_init(struct smtp_body_in *b, enum smtp_stray bare_newline, enum smtp_stray bare_cr, uint64_t size_max)
{
	*b = (struct smtp_body_in){
		.left = size_max ? size_max : UINT64_MAX,
		.state = LINE,
		.bare_newline = (uint8_t)bare_newline,
		.bare_cr = (uint8_t)bare_cr,
	};
}

static void set_fault(struct smtp_body_in *b, enum smtp_fault fault)
{
	if (b->fault == SMTP_FAULT_NONE)
		b->fault = (uint8_t)fault;
}

/* Accounts for n bytes about to be handed out. */
static void count(struct smtp_body_in *b, size_t n)
{
	if (n > b->left)
		set_fault(b, SMTP_FAULT_TOO_BIG);
	else
		b->left -= n;
}

static char *put_newline(struct smtp_body_in *b, char *to)
{
	count(b, 2);
	b->column = 0;
	to[0] = '\r';
	to[1] = '\n';
	return to + 2;
}

static char *put_stray(struct smtp_body_in *b, char *to, uint8_t policy, enum smtp_fault fault)
{
	if (policy == SMTP_STRAY_REFUSE)
		set_fault(b, fault);
	else
		b->repaired = true;
	return put_newline(b, to);
}

static char *put_byte(struct smtp_body_in *b, char *to, char c)
{
	count(b, 1);
	if (++b->column > SMTP_BODY_LINE_MAX)
		set_fault(b, SMTP_FAULT_LINE_TOO_LONG);
	b->eight_bit |= (unsigned char)c > 127;
	*to = c;
	return to + 1;
}

static char *act(struct smtp_body_in *b, unsigned actions, char c, char *to)
{
	if (actions & STRAY_CR)
		to = put_stray(b, to, b->bare_cr, SMTP_FAULT_BARE_CR);
	if (actions & STRAY_LF)
		to = put_stray(b, to, b->bare_newline, SMTP_FAULT_BARE_LF);
	if (actions & NUL)
		set_fault(b, SMTP_FAULT_NUL);
	if (actions & BYTE)
		to = put_byte(b, to, c);
	if (actions & CRLF)
		to = put_newline(b, to);
	return to;
}

/* The slow way: one window of bytes through the table, what is clean of them into scratch. */
static struct slice run_table(struct smtp_body_in *b, struct slice *in, struct smtp_body_scratch *scratch)
{
	size_t n = in->n < SMTP_BODY_IN_WINDOW ? in->n : SMTP_BODY_IN_WINDOW, i = 0;
	char *to = scratch->bytes;
	const uint8_t *class_of = CLASS_OF[b->chunked];
	while (i < n && b->state != END) {
		char c = in->p[i++];
		struct step step = STEPS[b->state][class_of[(unsigned char)c]];
		if (step.actions == BYTE)
			to = put_byte(b, to, c);
		else if (step.actions)
			to = act(b, step.actions, c, to);
		b->state = step.next;
	}
	*in = slice_skip(*in, i);
	return slice_of(scratch->bytes, (size_t)(to - scratch->bytes));
}

/* The fast way: as much as needs nothing done, as it stands in the input. A CR at its end is held back, since its LF
 * is not yet seen. */
static struct slice run_clean(struct smtp_body_in *b, struct slice *in)
{
	struct smtp_body_rule rule = { .at_line_start = b->state == LINE, .dots_matter = !b->chunked };
	size_t line_left = SMTP_BODY_LINE_MAX - b->column; /* no line can grow too long unseen within that much */
	bool eight_bit = b->eight_bit;
	size_t n = smtp_body_run(slice_of(in->p, in->n < line_left ? in->n : line_left), rule, &eight_bit);
	struct slice run = slice_of(in->p, n), data = run;
	if (n == 0)
		return run;
	if (run.p[n - 1] == '\r') {
		data.n--;
		b->state = CR;
	} else {
		b->state = run.p[n - 1] == '\n' ? LINE : TEXT;
	}
	size_t newline = slice_rfind(data, '\n');
	b->column = (uint32_t)(newline < data.n ? data.n - 1 - newline : b->column + data.n);
	b->eight_bit = eight_bit;
	count(b, data.n);
	*in = slice_skip(*in, n);
	return data;
}

enum smtp_body_in_result smtp_body_in_next(
	struct smtp_body_in *b, struct slice *in, struct smtp_body_scratch *scratch, struct slice *data_r)
{
	while (b->state != END) {
		if (in->n == 0)
			return SMTP_BODY_IN_MORE;
		struct slice data = slice_of(in->p, 0);
		if (b->state <= TEXT)
			data = run_clean(b, in);
		if (data.n == 0)
			data = run_table(b, in, scratch);
		if (data.n && b->fault == SMTP_FAULT_NONE) {
			*data_r = data;
			return SMTP_BODY_IN_DATA;
		}
	}
	return SMTP_BODY_IN_END;
}

enum smtp_body_in_result smtp_body_in_end(
	struct smtp_body_in *b, struct smtp_body_scratch *scratch, struct slice *data_r)
{
	char *to = scratch->bytes;
	if (b->state == CR)
		to = put_stray(b, to, b->bare_cr, SMTP_FAULT_BARE_CR);
	else if (b->state == TEXT && b->column)
		to = put_newline(b, to);
	b->state = END;
	*data_r = slice_of(scratch->bytes, (size_t)(to - scratch->bytes));
	return data_r->n && b->fault == SMTP_FAULT_NONE ? SMTP_BODY_IN_DATA : SMTP_BODY_IN_END;
}
