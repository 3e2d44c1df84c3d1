#include "smtp/params.h"

#include "smtp/ext.h"

struct param {
	struct slice name;
	unsigned ext; /* known only when this was announced */
	bool (*take)(struct slice value, struct smtp_params *p);
};

/* RFC 1870 4: 1*20DIGIT; what does not fit into 64 bits is no size. */
static bool take_size(struct slice value, struct smtp_params *p)
{
	return value.n <= 20 && slice_u64(value, UINT64_MAX, &p->size);
}

static bool take_body(struct slice value, struct smtp_params *p)
{
	if (slice_ieq(value, SLICE("8BITMIME")))
		p->body = SMTP_BODY_8BITMIME;
	else if (slice_ieq(value, SLICE("7BIT")))
		p->body = SMTP_BODY_7BIT;
	else
		return false;
	return true;
}

static const struct param mail_params[] = {
	{ SLICE_INIT("SIZE"), SMTP_EXT_SIZE, take_size },
	{ SLICE_INIT("BODY"), SMTP_EXT_8BITMIME, take_body },
};

/* esmtp-value: 1*(%d33-60 / %d62-126) */
static bool value_is_valid(struct slice value)
{
	for (size_t i = 0; i < value.n; i++)
		if (value.p[i] < 33 || value.p[i] > 126 || value.p[i] == '=')
			return false;
	return value.n > 0;
}

static enum smtp_params_result take(const struct param *table, size_t rows, struct slice word, unsigned ext,
				    struct smtp_params *p)
{
	struct slice value = word;
	struct slice name = slice_cut(&value, '=');
	for (size_t i = 0; i < rows; i++) {
		if (!slice_ieq(name, table[i].name) || (table[i].ext & ext) == 0)
			continue;
		if (p->seen & 1u << i || !value_is_valid(value) || !table[i].take(value, p))
			return SMTP_PARAMS_BAD_VALUE;
		p->seen |= 1u << i;
		return SMTP_PARAMS_OK;
	}
	return SMTP_PARAMS_UNKNOWN;
}

static enum smtp_params_result parse(const struct param *table, size_t rows, struct slice text, unsigned ext,
				     struct smtp_params *p_r)
{
	*p_r = (struct smtp_params){ 0 };
	for (text = slice_trim(text); text.n; text = slice_trim(text)) {
		enum smtp_params_result result = take(table, rows, slice_cut(&text, ' '), ext, p_r);
		if (result != SMTP_PARAMS_OK)
			return result;
	}
	return SMTP_PARAMS_OK;
}

enum smtp_params_result smtp_mail_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r)
{
	return parse(mail_params, sizeof mail_params / sizeof mail_params[0], text, ext, p_r);
}

enum smtp_params_result smtp_rcpt_params_parse(struct slice text, unsigned ext, struct smtp_params *p_r)
{
	/* the first row comes with DSN (RFC 3461) */
	return parse(NULL, 0, text, ext, p_r);
}
