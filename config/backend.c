/* The address of a backend: scheme, host and port, or a path. */
#include "config/types.h"

static const struct scheme {
	struct slice prefix;
	enum settings_scheme scheme;
} SCHEMES[] = {
	{ SLICE_INIT("smtp://"), SETTINGS_SMTP },
	{ SLICE_INIT("lmtp://"), SETTINGS_LMTP },
	{ SLICE_INIT("lmtp+unix://"), SETTINGS_LMTP_UNIX },
	{ SLICE_INIT("maildir://"), SETTINGS_MAILDIR },
};

static const struct scheme *scheme_of(struct slice s)
{
	for (size_t i = 0; i < sizeof SCHEMES / sizeof *SCHEMES; i++)
		if (slice_starts(s, SCHEMES[i].prefix))
			return &SCHEMES[i];
	return NULL;
}

/* "192.0.2.1:25", "[::1]:25", "name:25" */
static bool host_parse(struct arena *arena, struct slice s, struct settings_backend *b)
{
	uint64_t port = 0;
	struct slice host = s;

	b->has_ip = ip_port_parse(s, &b->ip, &b->port);
	if (b->has_ip) {
		char text[IP_TEXT];
		ip_format(&b->ip, text);
		b->host = arena_str(arena, slice_str(text));
		return b->port != 0;
	}
	host.n = slice_rfind(s, ':');
	TRY(host.n < s.n && slice_u64(slice_skip(s, host.n + 1), UINT16_MAX, &port) && port);
	TRY(domain_valid(host));
	b->port = (uint16_t)port;
	b->host = arena_str(arena, host);
	return true;
}

static bool path_parse(struct arena *arena, const char *folder, struct slice s, struct settings_backend *b)
{
	TRY(s.n && (b->scheme == SETTINGS_MAILDIR || s.p[0] == '/'));
	b->path = path_absolute(arena, folder, s);
	return true;
}

static const char *scheme_form(enum settings_scheme scheme)
{
	switch (scheme) {
	case SETTINGS_SMTP:
		return "\"smtp://HOST:PORT\" is the form";
	case SETTINGS_LMTP:
		return "\"lmtp://HOST:PORT\" is the form";
	case SETTINGS_LMTP_UNIX:
		return "\"lmtp+unix:///PATH\" is the form";
	case SETTINGS_MAILDIR:
		break;
	}
	return "\"maildir://PATH\" is the form";
}

static char *backend_text(struct arena *arena, struct slice prefix, struct slice rest, const char *path)
{
	struct slice tail = path ? slice_str(path) : rest;
	char *text = arena_alloc(arena, prefix.n + tail.n + 1);

	if (!text)
		return NULL;
	memcpy(text, prefix.p, prefix.n);
	memcpy(text + prefix.n, tail.p, tail.n);
	return text;
}

bool backend_parse(struct arena *arena, const char *folder, struct slice s, struct settings_backend *b_r,
		   const char **why_r)
{
	const struct scheme *scheme = scheme_of(s);
	struct slice rest;
	bool by_path, parsed;

	*b_r = (struct settings_backend){ .host = "", .path = "" };
	*why_r = "smtp://, lmtp://, lmtp+unix:// and maildir:// are known";
	TRY(scheme);
	*why_r = scheme_form(scheme->scheme);
	rest = slice_skip(s, scheme->prefix.n);
	b_r->scheme = scheme->scheme;
	by_path = b_r->scheme == SETTINGS_LMTP_UNIX || b_r->scheme == SETTINGS_MAILDIR;
	parsed = by_path ? path_parse(arena, folder, rest, b_r) : host_parse(arena, rest, b_r);
	TRY(parsed);
	*why_r = NULL;
	TRY(b_r->host && b_r->path);
	b_r->text = backend_text(arena, scheme->prefix, rest, by_path ? b_r->path : NULL);
	return b_r->text != NULL;
}
