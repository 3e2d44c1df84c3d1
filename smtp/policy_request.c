#include "smtp/policy_request.h"

#include "smtp/utf8.h"

static const struct slice NAMES[SMTP_POLICY_ATTRS] = {
	[SMTP_POLICY_REQUEST] = SLICE_INIT("request"),
	[SMTP_POLICY_STATE] = SLICE_INIT("protocol_state"),
	[SMTP_POLICY_PROTOCOL] = SLICE_INIT("protocol_name"),
	[SMTP_POLICY_ADDRESS] = SLICE_INIT("client_address"),
	[SMTP_POLICY_PORT] = SLICE_INIT("client_port"),
	[SMTP_POLICY_HELO] = SLICE_INIT("helo_name"),
	[SMTP_POLICY_SENDER] = SLICE_INIT("sender"),
	[SMTP_POLICY_RECIPIENT] = SLICE_INIT("recipient"),
	[SMTP_POLICY_SIZE] = SLICE_INIT("size"),
	[SMTP_POLICY_INSTANCE] = SLICE_INIT("instance"),
	[SMTP_POLICY_TLS] = SLICE_INIT("encryption_protocol"),
	[SMTP_POLICY_CIPHER] = SLICE_INIT("encryption_cipher"),
};

void smtp_policy_request_begin(struct smtp_policy_request *r)
{
	memset(r, 0, offsetof(struct smtp_policy_request, room));
}

static bool is_control(char c)
{
	return (unsigned char)c < ' ' || c == 0x7F;
}

/* Puts '?' in place of what is no text; returns whether there was any. */
static bool mend(char *p, size_t n)
{
	bool mended = false;
	for (size_t i = 0, step; i < n; i += step) {
		bool ascii = (unsigned char)p[i] < 128;
		step = ascii ? !is_control(p[i]) : smtp_utf8_length(slice_of(p, n), i);
		if (step)
			continue;
		p[i] = '?';
		step = 1;
		mended = true;
	}
	return mended;
}

/* Of words that can have any length the part by which who said them is known. */
static struct slice part_of(enum smtp_policy_attr attr, struct slice value)
{
	size_t most = attr == SMTP_POLICY_HELO ? SMTP_POLICY_HELO_MAX : SMTP_POLICY_PATH_MAX;
	if (value.n <= most)
		return value;
	return attr == SMTP_POLICY_HELO ? slice_of(value.p, most) : slice_skip(value, value.n - most);
}

/* False: Postfix does not say such a thing. */
static bool keep(struct smtp_policy_request *r, enum smtp_policy_attr attr, struct slice value)
{
	bool of_client = attr == SMTP_POLICY_HELO || attr == SMTP_POLICY_SENDER || attr == SMTP_POLICY_RECIPIENT;
	char *to = r->room + r->used;
	if (of_client)
		value = part_of(attr, value);
	else if (value.n > SMTP_POLICY_WORD_OF_POSTFIX)
		return false;
	if (value.n > sizeof r->room - r->used)
		return false;
	if (value.n)
		memcpy(to, value.p, value.n);
	r->at[attr] = r->used;
	r->n[attr] = (uint16_t)value.n;
	r->used = (uint16_t)(r->used + value.n);
	return !mend(to, value.n) || of_client;
}

static bool take(struct smtp_policy_request *r, struct slice line)
{
	size_t name_n = slice_find(line, '=');
	if (name_n == 0 || name_n == line.n)
		return false;
	for (unsigned i = 0; i < SMTP_POLICY_ATTRS; i++)
		if (slice_eq(slice_of(line.p, name_n), NAMES[i]))
			return keep(r, (enum smtp_policy_attr)i, slice_skip(line, name_n + 1));
	return true;
}

enum smtp_policy_read smtp_policy_request_read(struct smtp_policy_request *r, struct slice *in)
{
	for (;;) {
		size_t n = slice_find(*in, '\n');
		if (n > SMTP_POLICY_LINE)
			return SMTP_POLICY_WILD;
		if (n == in->n)
			return SMTP_POLICY_MORE;
		struct slice line = slice_of(in->p, n);
		*in = slice_skip(*in, n + 1);
		if (n == 0)
			return SMTP_POLICY_DONE;
		if (++r->lines > SMTP_POLICY_ATTRIBUTES)
			return SMTP_POLICY_WILD;
		r->bad |= !take(r, line);
	}
}
