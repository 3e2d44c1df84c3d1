/* config/types.h - the forms that a setting's text can have
 *
 * Parsers and writers of one form stand side by side and are tested as a round trip. A parser
 * returns false when the text has not this form; ranges are the table's business.
 */
#ifndef CONFIG_TYPES_H
#define CONFIG_TYPES_H

#include "config/settings.h"

/* "250ms" "30s" "5m" "1h" "7d"; a unit is required. */
bool duration_parse(struct slice s, uint64_t *ms_r) MUST_USE;
bool duration_write(uint64_t ms, struct buf *out) MUST_USE;

/* "500" "64k" "25M" "1G": bytes, steps of 1,024. */
bool size_parse(struct slice s, uint64_t *bytes_r) MUST_USE;
bool size_write(uint64_t bytes, struct buf *out) MUST_USE;

/* "2027-01-31": milliseconds since 1970 of the midnight (UTC) after that day. */
bool date_parse(struct slice s, int64_t *end_ms_r) MUST_USE;

/* Letters, digits, '-' and '_' in labels of 1..63, 1..253 in all, no dot at an end. */
bool domain_valid(struct slice s);
/* 1..64 of A-Z a-z 0-9 . _ - */
bool name_valid(struct slice s);
/* local@domain, printable ASCII without blanks and quotes. */
bool mail_address_valid(struct slice s);

/* "192.0.2.1", "192.0.2.1:53", "[2001:db8::1]:53", "2001:db8::1". */
bool address_parse(struct slice s, uint16_t default_port, struct settings_address *a_r) MUST_USE;
bool address_write(const struct settings_address *a, struct buf *out) MUST_USE;
bool prefix_write(const struct ip_prefix *p, struct buf *out) MUST_USE;

/* "127.0.0.2" or "127.0.0.2-127.0.0.11", first not above last. */
bool answer_parse(struct slice s, struct settings_answer *a_r) MUST_USE;
bool answer_write(const struct settings_answer *a, struct buf *out) MUST_USE;

/* "smtp://192.0.2.1:10025", "lmtp://name:24", "lmtp+unix:///path", "maildir://path". Texts of the
 * result are allocated from `arena`. False: *why_r says the form, or is NULL when memory is out. */
bool backend_parse(struct arena *arena, const char *folder, struct slice s, struct settings_backend *b_r,
		   const char **why_r) MUST_USE;

/* "backend", "none", "list:NAME". */
bool step_parse(struct arena *arena, struct slice s, struct settings_recipients_step *step_r) MUST_USE;
bool step_write(const struct settings_recipients_step *step, struct buf *out) MUST_USE;

/* Joins a relative path to the folder (NULL: left as it is); "" stays "". NULL when out of memory. */
const char *path_absolute(struct arena *arena, const char *folder, struct slice path) MUST_USE;

#endif
