#include "smtp/client_identity.h"

#include "smtp/xtext.h"

#include <stdio.h>

enum { PROTO = 64 }; /* longest that Postfix takes */

static const struct slice UNAVAILABLE = SLICE_INIT("[UNAVAILABLE]");
static const struct slice TEMPUNAVAIL = SLICE_INIT("[TEMPUNAVAIL]");

/* A value, ready to be written. */
struct value {
	size_t n; /* 0: leave the attribute out */
	char p[SMTP_IDENTITY_VALUE];
};

struct attribute {
	enum smtp_xattr bit;
	struct slice name;
	void (*value)(const struct smtp_identity *id, struct value *v_r);
	bool is_name; /* may be [TEMPUNAVAIL] */
};

static void plain(struct slice s, struct value *v_r)
{
	memcpy(v_r->p, s.p, s.n);
	v_r->n = s.n;
}

static void encoded(struct slice s, struct value *v_r)
{
	size_t n = smtp_xtext_write(v_r->p, sizeof v_r->p, s);
	if (n == 0 || n == SIZE_MAX)
		plain(UNAVAILABLE, v_r);
	else
		v_r->n = n;
}

static bool is_label(struct slice s)
{
	if (s.n == 0 || s.n > 63 || s.p[0] == '-' || s.p[s.n - 1] == '-')
		return false;
	for (size_t i = 0; i < s.n; i++) {
		char c = s.p[i], low = (char)(c | 0x20);
		if (!(low >= 'a' && low <= 'z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
			return false;
	}
	return true;
}

/* As Postfix has it: it answers 501 to the whole command when a name is of another form. */
bool smtp_host_is_valid(struct slice s)
{
	size_t figures = 0;
	for (size_t i = 0; i < s.n; i++)
		figures += s.p[i] == '.' || (s.p[i] >= '0' && s.p[i] <= '9');
	if (figures == s.n || s.n > SMTP_IDENTITY_VALUE || s.p[s.n - 1] == '.')
		return false;
	while (s.n)
		TRY(is_label(slice_cut(&s, '.')));
	return true;
}

static void host(struct slice s, struct value *v_r)
{
	plain(smtp_host_is_valid(s) ? s : UNAVAILABLE, v_r);
}

static void value_addr(const struct smtp_identity *id, struct value *v_r)
{
	char text[IP_TEXT];
	ip_format(&id->ip, text);
	v_r->n = (size_t)snprintf(v_r->p, sizeof v_r->p, "%s%s", ip_is_v4(&id->ip) ? "" : "IPV6:", text);
}

static void value_port(const struct smtp_identity *id, struct value *v_r)
{
	plain(UNAVAILABLE, v_r);
	if (id->port)
		v_r->n = (size_t)snprintf(v_r->p, sizeof v_r->p, "%u", (unsigned)id->port);
}

/* Postfix knows these two and answers 501 to others; where none is said it takes SMTP. */
static void value_smtp_proto(const struct smtp_identity *id, struct value *v_r)
{
	v_r->n = 0;
	if (slice_ieq(id->proto, SLICE("SMTP")) || slice_ieq(id->proto, SLICE("ESMTP")))
		plain(id->proto, v_r);
}

static void value_proto(const struct smtp_identity *id, struct value *v_r)
{
	encoded(id->proto, v_r);
	if (v_r->n > PROTO)
		plain(UNAVAILABLE, v_r);
}

static void value_name(const struct smtp_identity *id, struct value *v_r)
{
	host(id->name, v_r);
}

static void value_reverse(const struct smtp_identity *id, struct value *v_r)
{
	host(id->reverse.n ? id->reverse : id->name, v_r);
}

static void value_helo(const struct smtp_identity *id, struct value *v_r)
{
	encoded(id->helo, v_r);
}

static void value_ident(const struct smtp_identity *id, struct value *v_r)
{
	encoded(id->ident, v_r);
}

static void value_source(const struct smtp_identity *id, struct value *v_r)
{
	(void)id;
	plain(SLICE("REMOTE"), v_r);
}

static void value_login(const struct smtp_identity *id, struct value *v_r)
{
	v_r->n = 0;
	if (id->login.n)
		encoded(id->login, v_r);
}

/* In the order of their worth: the last ones give way where the line is full. */
static const struct attribute XCLIENT[] = {
	{ SMTP_XATTR_ADDR, SLICE_INIT("ADDR"), value_addr, false },
	{ SMTP_XATTR_PORT, SLICE_INIT("PORT"), value_port, false },
	{ SMTP_XATTR_PROTO, SLICE_INIT("PROTO"), value_smtp_proto, false },
	{ SMTP_XATTR_NAME, SLICE_INIT("NAME"), value_name, true },
	{ SMTP_XATTR_REVERSE_NAME, SLICE_INIT("REVERSE_NAME"), value_reverse, true },
	{ SMTP_XATTR_HELO, SLICE_INIT("HELO"), value_helo, false },
	{ SMTP_XATTR_LOGIN, SLICE_INIT("LOGIN"), value_login, false },
};

static const struct attribute XFORWARD[] = {
	{ SMTP_XATTR_ADDR, SLICE_INIT("ADDR"), value_addr, false },
	{ SMTP_XATTR_PORT, SLICE_INIT("PORT"), value_port, false },
	{ SMTP_XATTR_PROTO, SLICE_INIT("PROTO"), value_proto, false },
	{ SMTP_XATTR_SOURCE, SLICE_INIT("SOURCE"), value_source, false },
	{ SMTP_XATTR_NAME, SLICE_INIT("NAME"), value_name, false },
	{ SMTP_XATTR_HELO, SLICE_INIT("HELO"), value_helo, false },
	{ SMTP_XATTR_IDENT, SLICE_INIT("IDENT"), value_ident, false },
};
enum { ATTRIBUTES = sizeof XCLIENT / sizeof *XCLIENT };
_Static_assert(sizeof XFORWARD == sizeof XCLIENT, "both tables have one length");

static size_t add(char *line, size_t n, struct slice s)
{
	memcpy(line + n, s.p, s.n);
	return n + s.n;
}

/* What an attribute takes at least: " NAME=[UNAVAILABLE]". */
static size_t least(const struct attribute *a)
{
	return 1 + a->name.n + 1 + UNAVAILABLE.n;
}

static size_t write_line(
	char *line, struct slice verb, const struct attribute *all, unsigned offered, const struct smtp_identity *id)
{
	size_t n = add(line, 0, verb), reserved = 0;
	for (size_t i = 0; i < ATTRIBUTES; i++)
		reserved += offered & all[i].bit ? least(&all[i]) : 0;
	for (size_t i = 0; i < ATTRIBUTES; i++) {
		struct value v;
		if (!(offered & all[i].bit))
			continue;
		all[i].value(id, &v);
		if (all[i].is_name && id->name_failed && slice_eq(slice_of(v.p, v.n), UNAVAILABLE))
			plain(TEMPUNAVAIL, &v);
		reserved -= least(&all[i]);
		if (v.n == 0)
			continue;
		if (n + 1 + all[i].name.n + 1 + v.n + reserved + 2 > SMTP_IDENTITY_LINE)
			plain(UNAVAILABLE, &v);
		n = add(line, n, SLICE(" "));
		n = add(line, n, all[i].name);
		n = add(line, n, SLICE("="));
		n = add(line, n, slice_of(v.p, v.n));
	}
	return n > verb.n ? n : 0;
}

size_t smtp_identity_xclient(char line_r[SMTP_IDENTITY_LINE], unsigned offered, const struct smtp_identity *id)
{
	return write_line(line_r, SLICE("XCLIENT"), XCLIENT, offered, id);
}

size_t smtp_identity_xforward(char line_r[SMTP_IDENTITY_LINE], unsigned offered, const struct smtp_identity *id)
{
	return write_line(line_r, SLICE("XFORWARD"), XFORWARD, offered, id);
}
