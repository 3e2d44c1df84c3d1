/* server/rights.h - why a certificate's key cannot be read, and what makes it readable
 *
 * Keys mostly belong to root alone. The server gives root away, or never was root, and reads them again at each reload:
 * so a group of its account must be let in, to the file and through each folder above it. Asks the kernel alone (no
 * names of users and groups: a reload may ask within the sandbox).
 */
#ifndef SERVER_RIGHTS_H
#define SERVER_RIGHTS_H

#include "config/settings.h"

enum { RIGHTS_WORDS = 1024 };
/* False: we may read `path`, or rights are not what is missing. True: words_r says whom it must let in, with the
 * command for that. */
bool rights_missing(const char *path, char words_r[RIGHTS_WORDS]) MUST_USE;
/* The same of the first file of these, in its order. */
bool rights_missing_of(const struct settings_certificates *c, char words_r[RIGHTS_WORDS]) MUST_USE;
/* After root was given away, or for --check with the rights of the account: warns when what root has read cannot be
 * read again. */
void rights_tell(const struct settings_certificates *c);

#endif
