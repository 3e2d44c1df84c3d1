/* rulebook/rulebook.h - what the settings say about rules and lists, read and compiled
 *
 * The one way from `rules` and `lists` of a settings file to what judges, for the server and for the tool that tries
 * rules out. Faults are told with file and line, all of them. Reads the files of the lists; no thread rule.
 */
#ifndef RULEBOOK_RULEBOOK_H
#define RULEBOOK_RULEBOOK_H

#include "config/settings.h"
#include "score/rules.h"

struct rulebook_lists {
	struct score_named_list *items; /* each of settings.lists that could be read */
	size_t n;
};

/* Zero-initialise. The table lies in `a`; names are those of the settings. `key`: of the lists' own hashing. False:
 * not all could be read. */
bool rulebook_read_lists(struct rulebook_lists *lists, const struct settings *s, struct arena *a,
	const struct hash_key *key, struct settings_faults *faults) MUST_USE;
void rulebook_free_lists(struct rulebook_lists *lists);
/* NULL: there is none of that name. */
const struct score_list *rulebook_list(const struct rulebook_lists *lists, const char *name);

/* `lists` are borrowed and must outlive the rule set. `key`: see score_rules_config. NULL: there was a fault. */
struct score_ruleset *rulebook_compile(const struct settings *s, const struct rulebook_lists *lists,
	const struct hash_key *key, struct settings_faults *faults) MUST_USE;

#endif
