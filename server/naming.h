/* server/naming.h - what is read at the start to understand names: the words for client.dynamic
 *
 * Organisations (dns/org.h) are read once for the process, words with each generation of the settings.
 */
#ifndef SERVER_NAMING_H
#define SERVER_NAMING_H

#include "config/settings.h"
#include "dns/dynamic.h"
#include "dns/org.h"

/* More is no list of words. */
enum { NAMING_FILE_MAX = 256 * 1024 };

/* The words of the file; "": those that we were built with. NULL: it cannot be read or is wrong, which is told. */
struct dns_words *naming_read_words(const char *path, struct settings_faults *faults) MUST_USE;
/* client.dynamic. `org` may be NULL: the last two labels count as the organisation's. */
bool naming_is_dynamic(
	const struct dns_words *words, const struct dns_org *org, struct slice name, const struct ip *client);

#endif
