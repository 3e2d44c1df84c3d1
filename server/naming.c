#include "server/naming.h"

#include "base/mem.h"

#include <errno.h>
#include <stdio.h>

static struct dns_words *unreadable(const char *path, const char *why, struct settings_faults *faults)
{
	settings_fault_add(faults, SETTINGS_ERROR, path, 0, "dns.end_user_words cannot be read: %s", why);
	return NULL;
}

/* dns_words_read() gives "LINE: message\n" each. */
static void tell_faults(const char *path, const struct buf *texts, struct settings_faults *faults)
{
	struct slice rest = buf_slice(texts);
	while (rest.n) {
		struct slice line = slice_cut(&rest, '\n'), number = slice_cut(&line, ':');
		uint64_t at = 0;
		(void)slice_u64(number, UINT32_MAX, &at);
		settings_fault_add(faults, SETTINGS_ERROR, path, (uint32_t)at, "%.*s", SLICE_ARG(slice_trim(line)));
	}
}

static struct dns_words *read_text(const char *path, struct slice text, struct settings_faults *faults)
{
	struct buf texts = { 0 };
	if (text.n > NAMING_FILE_MAX)
		return unreadable(path, "it is larger than 256 KB", faults);
	struct dns_words *words = dns_words_read(text, &texts);
	tell_faults(path, &texts, faults);
	if (!words && buf_len(&texts) == 0)
		(void)unreadable(path, "out of memory", faults);
	buf_release(&texts);
	return words;
}

struct dns_words *naming_read_words(const char *path, struct settings_faults *faults)
{
	struct dns_words *words = NULL;
	if (!path[0]) {
		words = dns_words_default();
		return words ? words : unreadable("", "out of memory", faults);
	}
	FILE *f = fopen(path, "re");
	if (!f)
		return unreadable(path, strerror(errno), faults);
	char *bytes = mem_alloc(NAMING_FILE_MAX + 1);
	size_t n = bytes ? fread(bytes, 1, NAMING_FILE_MAX + 1, f) : 0;
	if (!bytes || ferror(f))
		(void)unreadable(path, bytes ? strerror(errno) : "out of memory", faults);
	else
		words = read_text(path, slice_of(bytes, n), faults);
	mem_free(&bytes);
	(void)fclose(f);
	return words;
}

bool naming_is_dynamic(
	const struct dns_words *words, const struct dns_org *org, struct slice name, const struct ip *client)
{
	struct slice organisation = slice_of(NULL, 0);
	if (org)
		organisation = dns_org_domain(org, name, DNS_ORG_REGISTERED);
	return dns_dynamic_judge(words, name, organisation, client).dynamic;
}
