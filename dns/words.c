#include "dns/words.h"

#include "base/mem.h"

struct word {
	char text[DNS_WORD_MAX];
	uint8_t n, kind;
	bool begins, ends; /* also the beginning, the end of a longer run */
	uint16_t next;	   /* 1 + the next one with this first letter; 0: none */
};

struct dns_words {
	unsigned n;
	uint16_t first[27]; /* 1 + the first of each letter; the last: those that may end a longer run */
	struct word word[DNS_WORDS_MAX];
};

enum { ANY_LETTER = 26 };

static bool is_letter(char c)
{
	return c >= 'a' && c <= 'z';
}

static enum dns_word_kind kind_of(struct slice name)
{
	if (slice_eq(name, SLICE("end-user")))
		return DNS_WORD_END_USER;
	if (slice_eq(name, SLICE("server")))
		return DNS_WORD_SERVER;
	return slice_eq(name, SLICE("fixed")) ? DNS_WORD_FIXED : DNS_WORD_NONE;
}

static void link_word(struct dns_words *w, struct word *new)
{
	uint16_t *at = &w->first[new->ends ? ANY_LETTER : new->text[0] - 'a'];
	while (*at)
		at = &w->word[*at - 1].next;
	*at = (uint16_t)(w->n + 1);
	w->n++;
}

/* NULL, or what is wrong. */
static const char *add(struct dns_words *w, struct slice text, enum dns_word_kind kind)
{
	if (w->n == DNS_WORDS_MAX)
		return "more words than there is room for";
	struct word *new = &w->word[w->n];
	*new = (struct word){ .kind = (uint8_t)kind };
	new->ends = text.n &&text.p[0] == '*';
	text = slice_skip(text, new->ends);
	new->begins = text.n &&text.p[text.n - 1] == '*';
	text.n -= new->begins;
	if (text.n < 2 || text.n > DNS_WORD_MAX)
		return "a word has 2 to 24 letters";
	for (size_t i = 0; i < text.n; i++)
		if (!is_letter(text.p[i]))
			return "a word has small letters only";
	memcpy(new->text, text.p, text.n);
	new->n = (uint8_t)text.n;
	link_word(w, new);
	return NULL;
}

/* The next word of a line. */
static struct slice cut_word(struct slice *line)
{
	*line = slice_trim(*line);
	size_t n = 0;
	while (n < line->n && line->p[n] != ' ' && line->p[n] != '\t')
		n++;
	struct slice word = slice_of(line->p, n);
	*line = slice_skip(*line, n);
	return word;
}

static const char *read_line(struct dns_words *w, struct slice line)
{
	struct slice rest = slice_cut(&line, '#');
	if (rest.n && rest.p[rest.n - 1] == '\r')
		rest.n--;
	struct slice name = cut_word(&rest);
	enum dns_word_kind kind = kind_of(name);
	if (name.n == 0)
		return NULL;
	if (kind == DNS_WORD_NONE)
		return "a line begins with \"end-user\", \"server\" or \"fixed\"";
	for (struct slice word; word = cut_word(&rest), word.n;) {
		const char *fault = add(w, word, kind);
		if (fault)
			return fault;
	}
	return NULL;
}

struct dns_words *dns_words_read(struct slice text, struct buf *faults)
{
	struct dns_words *w = mem_zalloc(sizeof *w);
	bool fine = w != NULL;
	for (unsigned line = 1; w && text.n; line++) {
		const char *fault = read_line(w, slice_cut(&text, '\n'));
		if (!fault)
			continue;
		fine = false;
		if (!buf_printf(faults, "%u: %s\n", line, fault))
			break;
	}
	if (!fine)
		dns_words_free(&w);
	return w;
}

void dns_words_free(struct dns_words **w)
{
	mem_free(w);
}

static bool fits(const struct word *word, struct slice letters)
{
	if (letters.n < word->n)
		return false;
	bool begins = memcmp(letters.p, word->text, word->n) == 0;
	bool ends = word->ends && memcmp(letters.p + letters.n - word->n, word->text, word->n) == 0;
	return letters.n == word->n ? begins : (begins && word->begins) || ends;
}

enum dns_word_kind dns_words_find(const struct dns_words *w, struct slice letters)
{
	const struct word *best = NULL;
	if (letters.n < 2)
		return DNS_WORD_NONE;
	const uint16_t starts[] = { w->first[letters.p[0] - 'a'], w->first[ANY_LETTER] };
	for (unsigned i = 0; i < 2; i++)
		for (uint16_t at = starts[i]; at; at = w->word[at - 1].next) {
			const struct word *word = &w->word[at - 1];
			if (fits(word, letters) && (!best || word->n > best->n))
				best = word;
		}
	return best ? (enum dns_word_kind)best->kind : DNS_WORD_NONE;
}
