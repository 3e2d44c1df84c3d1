#include "server/trace.h"

#include "base/clock.h"

/* What a HELO name may be made of inside a header; a parenthesis or a blank there would be a comment or a new word. */
static bool fits_header(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       strchr("-._:[]", c) != NULL;
}

static bool put_helo(struct buf *out, struct slice helo)
{
	if (!helo.n)
		return buf_put(out, SLICE("unknown"));
	TRY(buf_reserve(out, helo.n));
	for (size_t i = 0; i < helo.n; i++)
		out->data[out->end + i] = helo.p[i] && fits_header(helo.p[i]) ? helo.p[i] : '?';
	buf_grew(out, helo.n);
	return true;
}

bool trace_write(const struct trace *t, struct buf *out)
{
	char ip[IP_TEXT], date[CLOCK_RFC5322];
	size_t ip_n = ip_format(&t->ip, ip), date_n = clock_rfc5322(t->wall_ms, date);
	struct slice name = t->name.n ? t->name : SLICE("unknown");
	struct slice literal = ip_is_v4(&t->ip) ? SLICE("") : SLICE("IPv6:");
	TRY(buf_put(out, SLICE("Received: from ")) && put_helo(out, t->helo));
	TRY(buf_puts(out, SLICE(" ("), name, SLICE(" ["), literal, slice_of(ip, ip_n), SLICE("])\r\n")));
	if (t->tls.n)
		TRY(buf_puts(out, SLICE("\t(using "), t->tls, SLICE(" with cipher "), t->cipher, SLICE(")\r\n")));
	TRY(buf_puts(out, SLICE("\tby "), t->hostname, SLICE(" (SmtpGuard) with "), t->protocol, SLICE(" id "), t->id));
	if (t->recipient.n)
		TRY(buf_puts(out, SLICE("\r\n\tfor <"), t->recipient, SLICE(">")));
	return buf_puts(out, SLICE("; "), slice_of(date, date_n), SLICE("\r\n"));
}
