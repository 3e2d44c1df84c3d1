/* server/generation.h - everything that one reading of the settings gives, immutable from then on
 *
 * Settings, compiled rules, lists and certificates belong together: a reload builds a new generation
 * and the workers take it for new sessions; a session keeps the one it began with, and the last one
 * to leave a generation frees it.
 * Threads: shared freely; counting is atomic.
 */
#ifndef SERVER_GENERATION_H
#define SERVER_GENERATION_H

#include "config/settings.h"
#include "dns/dynamic.h"
#include "dns/resolver.h"
#include "net/tls.h"
#include "rcpt/source.h"
#include "relay/relay.h"
#include "rulebook/rulebook.h"
#include "server/dns_lists.h"
#include "server/naming.h"
#include "server/rule_counts.h"

#include <stdatomic.h>

struct generation {
	atomic_uint refs;
	struct settings *settings;
	struct rulebook_lists lists;	      /* each of settings.lists, read */
	struct score_ruleset *rules;	      /* each at its place in settings->rules */
	struct rule_counts **counts;	      /* of each rule */
	uint64_t rules_hash;		      /* score_rules_hash() */
	const struct score_list **recipients; /* of each step of relay.recipients; NULL where it is no list */
	struct rcpt_source **sources;	      /* the same; NULL where it is no recipient source */
	size_t recipients_n;
	struct rule_counts *recipients_told; /* that their patterns took too many steps */
	struct net_tls_ctx *tls;	     /* NULL: STARTTLS is not announced */
	struct dns_lists dns_lists;	     /* that the rules read */
	struct dns_words *words;	     /* dns.end_user_words */
	struct dns_settings dns;	     /* its cache is that of all workers */
	struct relay_config relay;	     /* points into `arena` and the settings */
	struct relay_config *groups;	     /* relay.groups */
	bool tells_proxy;		     /* some backend is told of clients by PROXY headers */
	struct slice hostname, banner;	     /* "HOSTNAME ESMTP SmtpGuard" */
	struct arena arena;
};

/* What is known of the machine and the process and stays the same over reloads. */
struct generation_needs {
	struct settings_host host;
	struct hash_key score_key; /* which clients are among a rule's percent */
};

/* Reads, compiles and opens all that `path` names. All faults are told; NULL when one is an error.
 * `old` (may be NULL) lends its certificate when the new one cannot be read, which is then a warning:
 * a bad certificate on a reload must not take TLS away. Its rules' counters go on for rules of the same name. */
struct generation *generation_load(const char *path, const struct generation_needs *needs, const struct generation *old,
	struct settings_faults *faults) MUST_USE;
struct generation *generation_ref(struct generation *g);
void generation_unref(struct generation **g);

#endif
