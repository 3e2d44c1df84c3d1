/* dns/words.h - the words in host names and what they say (for dns/dynamic.c and its tests) */
#ifndef DNS_WORDS_H
#define DNS_WORDS_H

#include "dns/dynamic.h"

enum dns_word_kind { DNS_WORD_NONE, DNS_WORD_END_USER, DNS_WORD_SERVER, DNS_WORD_FIXED };

/* What a run of small letters says; of several words that fit the longest, of equal ones the first of the list. */
enum dns_word_kind dns_words_find(const struct dns_words *w, struct slice letters);

#endif
