#include "server/sources.h"

#include "rcpt/source.h"
#include "server/generation.h"

/* What a thread may still be waiting for at the end of the process: a server that does not answer, a disk. */
enum { END_MS = 2000 };

static struct rcpt_config config_of(const struct settings_recipient_source *s)
{
	enum rcpt_kind kind = s->type == SETTINGS_SOURCE_SQLITE	 ? RCPT_SQLITE
			      : s->type == SETTINGS_SOURCE_PGSQL ? RCPT_PGSQL
								 : RCPT_SOCKETMAP;
	return (struct rcpt_config){
		.name = s->name,
		.kind = kind,
		.file = s->file,
		.connect = s->connect,
		.address = s->address,
		.query = s->query,
		.map = s->map,
		.delimiter = *s->delimiter,
		.connections = s->connections,
		.timeout_ms = s->timeout_ms,
	};
}

static bool check_all(const struct settings *s, const char *path, struct settings_faults *faults)
{
	bool ok = true;
	for (size_t i = 0; i < s->recipient_sources.count; i++) {
		char why[RCPT_WHY];
		struct rcpt_config c = config_of(&s->recipient_sources.items[i]);
		if (rcpt_config_check(&c, why))
			continue;
		settings_fault_add(faults, SETTINGS_ERROR, path, 0, "recipient_sources: \"%s\": %s", c.name, why);
		ok = false;
	}
	return ok;
}

static struct rcpt_source *find(const struct generation *g, const struct rcpt_config *c)
{
	for (size_t i = 0; g && g->sources && i < g->recipients_n; i++)
		if (g->sources[i] && rcpt_source_is(g->sources[i], c))
			return g->sources[i];
	return NULL;
}

/* One that is there already, in this generation or the one before, or a new one. */
static struct rcpt_source *open_source(
	const struct generation *g, const struct generation *old, const struct settings_recipient_source *from)
{
	struct rcpt_config c = config_of(from);
	struct rcpt_source *there = find(g, &c);
	if (!there)
		there = find(old, &c);
	return there ? rcpt_source_ref(there) : rcpt_source_new(&c);
}

bool sources_open(
	struct generation *g, const struct generation *old, const char *path, struct settings_faults *faults)
{
	const struct settings_recipients *steps = &g->settings->relay.recipients;
	TRY(check_all(g->settings, path, faults));
	g->sources = arena_alloc(&g->arena, steps->count * sizeof *g->sources);
	TRY(g->sources);
	memset(g->sources, 0, steps->count * sizeof *g->sources);
	for (size_t i = 0; i < steps->count; i++) {
		const struct settings_recipient_source *from = settings_source_of(g->settings, &steps->items[i]);
		g->sources[i] = from ? open_source(g, old, from) : NULL;
		TRY(!from || g->sources[i]);
	}
	return true;
}

void sources_release(struct generation *g)
{
	for (size_t i = 0; g->sources && i < g->recipients_n; i++)
		rcpt_source_unref(&g->sources[i]);
}

void sources_end(struct generation *g)
{
	for (size_t i = 0; g->sources && i < g->recipients_n; i++)
		if (g->sources[i])
			rcpt_source_end(g->sources[i], END_MS);
}

const char *sources_next_file(const struct settings *s, struct sources_files *at, bool *writes_r)
{
	for (; at->source < s->recipient_sources.count; at->source++, at->file = 0) {
		const struct settings_recipient_source *from = &s->recipient_sources.items[at->source];
		struct rcpt_config c = config_of(from);
		*writes_r = c.kind == RCPT_SQLITE;
		if (*writes_r && at->file++ == 0)
			return from->file;
		for (const char *path; !*writes_r && (path = rcpt_config_file(&c, at->file, at->path)); at->file++)
			if (*path == '/') {
				at->file++;
				return path;
			}
	}
	return NULL;
}
