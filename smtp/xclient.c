#include "smtp/xclient.h"

#include "smtp/client_identity.h"
#include "smtp/utf8.h"
#include "smtp/xtext.h"

static bool read_ip(struct slice s, struct ip *ip_r)
{
	bool v6 = slice_istarts(s, SLICE("IPV6:"));
	if (v6)
		s = slice_skip(s, 5);
	return (slice_find(s, ':') < s.n) == v6 && ip_parse(s, ip_r);
}

static bool take_addr(struct slice s, struct smtp_xclient *x)
{
	return read_ip(s, &x->ip);
}

static bool take_dest(struct slice s, struct smtp_xclient *x)
{
	return read_ip(s, &x->dest);
}

static bool read_port(struct slice s, uint16_t *port_r)
{
	uint64_t n;
	TRY(slice_u64(s, UINT16_MAX, &n));
	*port_r = (uint16_t)n;
	return true;
}

static bool take_port(struct slice s, struct smtp_xclient *x)
{
	return read_port(s, &x->port);
}

static bool take_dest_port(struct slice s, struct smtp_xclient *x)
{
	return read_port(s, &x->dest_port);
}

static bool take_proto(struct slice s, struct smtp_xclient *x)
{
	x->esmtp = slice_ieq(s, SLICE("ESMTP"));
	return x->esmtp || slice_ieq(s, SLICE("SMTP"));
}

static bool take_name(struct slice s, struct smtp_xclient *x)
{
	x->name = s;
	return smtp_host_is_valid(s);
}

static bool take_reverse(struct slice s, struct smtp_xclient *x)
{
	x->reverse = s;
	return smtp_host_is_valid(s);
}

static bool take_helo(struct slice s, struct smtp_xclient *x)
{
	for (size_t i = 0; i < s.n; i++)
		TRY(s.p[i] > 0x20 && s.p[i] < 0x7f);
	x->helo = s;
	return true;
}

static bool take_login(struct slice s, struct smtp_xclient *x)
{
	for (size_t i = 0; i < s.n; i++)
		TRY((unsigned char)s.p[i] >= 0x20 && s.p[i] != 0x7f);
	x->login = s;
	return smtp_utf8_is_valid(s);
}

static const struct {
	unsigned bit;
	bool (*take)(struct slice value, struct smtp_xclient *x);
} ATTRIBUTES[] = {
	{ SMTP_XATTR_NAME, take_name },
	{ SMTP_XATTR_ADDR, take_addr },
	{ SMTP_XATTR_PORT, take_port },
	{ SMTP_XATTR_PROTO, take_proto },
	{ SMTP_XATTR_HELO, take_helo },
	{ SMTP_XATTR_LOGIN, take_login },
	{ SMTP_XATTR_DESTADDR, take_dest },
	{ SMTP_XATTR_DESTPORT, take_dest_port },
	{ SMTP_XATTR_REVERSE_NAME, take_reverse },
};

static bool take(unsigned bit, struct slice value, struct smtp_xclient *x)
{
	for (size_t i = 0; i < sizeof ATTRIBUTES / sizeof ATTRIBUTES[0]; i++)
		if (ATTRIBUTES[i].bit == bit)
			return ATTRIBUTES[i].take(value, x);
	return false;
}

/* "NAME=value"; *room moves behind what was put there. */
static bool take_word(struct slice word, char **room, struct smtp_xclient *x)
{
	struct slice raw = word;
	unsigned bit = smtp_xattr_of(slice_cut(&raw, '='));
	TRY(bit && (x->given & bit) == 0);
	x->given |= bit;
	bool failed = slice_ieq(raw, SLICE("[TEMPUNAVAIL]"));
	if (failed || slice_ieq(raw, SLICE("[UNAVAILABLE]"))) {
		x->name_failed |= failed && bit & (SMTP_XATTR_NAME | SMTP_XATTR_REVERSE_NAME);
		return bit & SMTP_XCLIENT_TAKES && bit != SMTP_XATTR_PROTO;
	}
	size_t n = smtp_xtext_read(*room, raw);
	TRY(n > 0 && n <= SMTP_XCLIENT_VALUE);
	x->known |= bit;
	struct slice value = slice_of(*room, n);
	*room += n;
	return take(bit, value, x);
}

bool smtp_xclient_parse(struct slice arg, char *room, struct smtp_xclient *x_r)
{
	*x_r = (struct smtp_xclient){ 0 };
	for (arg = slice_trim(arg); arg.n; arg = slice_trim(arg))
		TRY(take_word(slice_cut(&arg, ' '), &room, x_r));
	return x_r->given != 0;
}
