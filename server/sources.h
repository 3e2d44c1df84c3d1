/* server/sources.h - the recipient_sources of the settings, for as long as a generation of them lives
 *
 * A reload keeps the connections of a source whose settings are the same. What the generation's threads share of a
 * source is rcpt/source.h's business.
 */
#ifndef SERVER_SOURCES_H
#define SERVER_SOURCES_H

#include "config/settings.h"

struct generation;

/* Fills in g->sources. False: out of memory, or a fault that is told. */
bool sources_open(struct generation *g, const struct generation *old, const char *path,
	struct settings_faults *faults) MUST_USE;
void sources_release(struct generation *g);
/* The process ends: their threads are given a moment to end before it. */
void sources_end(struct generation *g);

/* For the sandbox: the files and folders that they read, one after the other; NULL: no more. `path` is where a text
 * that does not stand in the settings lies. *writes_r: SQLite keeps its locks and its log beside the database. */
struct sources_files {
	size_t source;
	unsigned file;
	char path[1024];
};
const char *sources_next_file(const struct settings *s, struct sources_files *at, bool *writes_r);

#endif
