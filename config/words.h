/* config/words.h - the words that settings may have as values; each list ends with text NULL */
#ifndef CONFIG_WORDS_H
#define CONFIG_WORDS_H

#include "config/table.h"

extern const struct word words_tls[], words_newline[], words_tls_version[], words_identity[], words_relay_tls[];
extern const struct word words_ehlo[], words_protocol[];
extern const struct word words_source[], words_refuse_at[], words_spf_header[], words_log_level[], words_log_format[];
extern const struct word words_log_addresses[];
extern const struct word words_rule_state[], words_stage[], words_action[], words_charge_to[];

/* The text of a value; "" when it has none. */
const char *word_text(const struct word *words, unsigned value);

#endif
