#include "server/rights.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* As the kernel counts them (path_resolution(7)). */
enum { LINKS_MAX = 40 };

static bool may(const char *path, int how)
{
	return faccessat(AT_FDCWD, path, how, AT_EACCESS) == 0 || errno != EACCES;
}

/* A group that is let in already keeps what it has: others may need it. */
static void say(char words_r[RIGHTS_WORDS], const char *verb, const char *path, mode_t right)
{
	struct stat st;
	int n = snprintf(words_r, RIGHTS_WORDS, "server.user or a group of it must be able to %s: ", verb);
	if (stat(path, &st) == 0 && st.st_gid && st.st_mode & right)
		snprintf(words_r + n, RIGHTS_WORDS - (size_t)n, "usermod -aG %u USER, for %s, and restart", st.st_gid,
			path);
	else
		snprintf(words_r + n, RIGHTS_WORDS - (size_t)n, "chgrp %u %s && chmod g+%c %s", getegid(), path,
			right == S_IRGRP ? 'r' : 'x', path);
}

/* The first folder above the file that may not be passed. */
static bool blocked_folder(const char *path, char folder_r[PATH_MAX])
{
	for (const char *slash = path; (slash = strchr(slash + 1, '/'));) {
		memcpy(folder_r, path, (size_t)(slash - path));
		folder_r[slash - path] = 0;
		if (!may(folder_r, X_OK))
			return true;
	}
	return false;
}

/* Where a link leads. False: it is none, or leads too far. */
static bool follow(char path[PATH_MAX])
{
	char to[PATH_MAX];
	ssize_t n = readlink(path, to, sizeof to - 1);
	char *name = strrchr(path, '/');
	if (n <= 0)
		return false;
	to[n] = 0;
	char *at = *to == '/' || !name ? path : name + 1;
	if ((size_t)(at - path) + (size_t)n >= PATH_MAX)
		return false;
	memcpy(at, to, (size_t)n + 1);
	return true;
}

bool rights_missing(const char *path, char words_r[RIGHTS_WORDS])
{
	char at[PATH_MAX], folder[PATH_MAX];
	size_t n = strlen(path);
	if (may(path, R_OK) || n >= sizeof at)
		return false;
	memcpy(at, path, n + 1);
	for (unsigned links = 0; links < LINKS_MAX; links++) {
		if (blocked_folder(at, folder)) {
			say(words_r, "pass the folder", folder, S_IXGRP);
			return true;
		}
		if (!follow(at))
			break;
	}
	say(words_r, "read it", at, S_IRGRP);
	return true;
}

bool rights_missing_of(const struct settings_certificates *c, char words_r[RIGHTS_WORDS])
{
	for (size_t i = 0; i < c->count; i++)
		if (rights_missing(c->items[i].cert, words_r) || rights_missing(c->items[i].key, words_r))
			return true;
	return false;
}

void rights_tell(const struct settings_certificates *c)
{
	char words[RIGHTS_WORDS];
	if (rights_missing_of(c, words))
		log_warn("tls.certificates: read at the start, by root, but not again at a reload: %s", words);
}
