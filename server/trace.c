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
	ip_format(&t->ip, ip);
	clock_rfc5322(t->wall_ms, date);
	struct slice name = t->name.n ? t->name : SLICE("unknown");
	TRY(buf_put(out, SLICE("Received: from ")));
	TRY(put_helo(out, t->helo));
	TRY(buf_printf(out, " (%.*s [%s%s])\r\n", SLICE_ARG(name), ip_is_v4(&t->ip) ? "" : "IPv6:", ip));
	if (t->tls.n)
		TRY(buf_printf(out, "\t(using %.*s with cipher %.*s)\r\n", SLICE_ARG(t->tls), SLICE_ARG(t->cipher)));
	TRY(buf_printf(out, "\tby %.*s (SmtpGuard) with %.*s id %.*s", SLICE_ARG(t->hostname), SLICE_ARG(t->protocol),
		SLICE_ARG(t->id)));
	if (t->recipient.n)
		TRY(buf_printf(out, "\r\n\tfor <%.*s>", SLICE_ARG(t->recipient)));
	return buf_printf(out, "; %s\r\n", date);
}
