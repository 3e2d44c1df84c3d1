#include "relay/relay.h"

static bool address(struct slice rest, uint16_t usual_port, struct relay_target *t)
{
	bool brackets = rest.n > 2 && rest.p[0] == '[';
	if (brackets && rest.p[rest.n - 1] == ']') {
		t->port = usual_port;
		return ip_parse(slice_of(rest.p + 1, rest.n - 2), &t->ip);
	}
	if (brackets || slice_find(rest, ':') < rest.n)
		return ip_port_parse(rest, &t->ip, &t->port) && t->port != 0;
	t->port = usual_port;
	return ip_parse(rest, &t->ip);
}

static bool at_path(struct slice path, enum relay_kind kind, struct relay_target *t)
{
	t->kind = kind;
	t->path = path;
	return path.n != 0;
}

bool relay_target_parse(struct slice url, struct relay_target *t_r, const char **why_r)
{
	const struct slice smtp = SLICE_INIT("smtp://"), lmtp = SLICE_INIT("lmtp://");
	const struct slice lmtp_unix = SLICE_INIT("lmtp+unix://"), maildir = SLICE_INIT("maildir://");
	*t_r = (struct relay_target){ .name = url, .kind = RELAY_SMTP };
	*why_r = "not an address with an optional port: smtp://127.0.0.1:10025, lmtp://[::1]:24";
	if (slice_starts(url, smtp))
		return address(slice_skip(url, smtp.n), 25, t_r);
	t_r->kind = RELAY_LMTP;
	if (slice_starts(url, lmtp))
		return address(slice_skip(url, lmtp.n), 24, t_r);
	*why_r = "a backend is smtp://ADDRESS:PORT, lmtp://ADDRESS:PORT, lmtp+unix:///PATH or maildir://PATH";
	if (slice_starts(url, lmtp_unix))
		return at_path(slice_skip(url, lmtp_unix.n), RELAY_LMTP, t_r);
	return slice_starts(url, maildir) && at_path(slice_skip(url, maildir.n), RELAY_MAILDIR, t_r);
}
