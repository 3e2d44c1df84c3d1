#include "score/lexer.h"

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_hex(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static char peek(const struct score_lexer *l, size_t ahead)
{
	return l->at + ahead < l->in.n ? l->in.p[l->at + ahead] : '\0';
}

static struct score_token token(struct score_lexer *l, enum score_token_kind kind, size_t n)
{
	struct score_token t = { .kind = kind, .at = l->at, .text = slice_of(l->in.p + l->at, n) };
	l->at += n;
	return t;
}

static struct score_token bad(struct score_lexer *l, size_t n, const char *problem)
{
	struct score_token t = token(l, SCORE_TOK_BAD, n);
	t.problem = problem;
	return t;
}

/* What could be a word, a number or an address: letters, digits, dots, colons. */
static size_t run_length(const struct score_lexer *l, bool *address_r)
{
	size_t n = 0, dots = 0;
	bool colon = false, letters = false;
	for (;; n++) {
		char c = peek(l, n);
		if (c == ':')
			colon = true;
		else if (c == '.')
			dots++;
		else if (is_letter(c))
			letters = true;
		else if (!is_digit(c))
			break;
	}
	*address_r = colon || (dots >= 2 && !letters);
	return n;
}

static struct score_token lex_address(struct score_lexer *l, size_t n)
{
	if (peek(l, n) == '/' && is_digit(peek(l, n + 1)))
		for (n++; is_digit(peek(l, n));)
			n++;
	struct score_token t = token(l, SCORE_TOK_ADDRESS, n);
	if (!ip_prefix_parse(t.text, &t.prefix)) {
		t.kind = SCORE_TOK_BAD;
		t.problem = "this is not an IP address or prefix (bits behind the prefix must be zero)";
	}
	return t;
}

static double unit_value(char unit)
{
	switch (unit) {
	case 's':
		return 1;
	case 'm':
		return 60;
	case 'h':
		return 3600;
	case 'd':
		return 86400;
	case 'k':
		return 1024;
	case 'M':
		return 1024.0 * 1024;
	case 'G':
		return 1024.0 * 1024 * 1024;
	default:
		return 0;
	}
}

/* 15 digits: what a double holds exactly. */
enum { NUMBER_DIGITS = 15 };

static struct score_token lex_number(struct score_lexer *l, size_t n)
{
	struct score_token t = token(l, SCORE_TOK_NUMBER, n);
	struct slice s = t.text;
	double value = 0, scale = 1;
	unsigned digits = 0;
	bool minus = s.p[0] == '-', fraction = false;
	size_t i = minus;
	for (; i < s.n && (is_digit(s.p[i]) || (s.p[i] == '.' && !fraction)); i++) {
		if (s.p[i] == '.') {
			fraction = true;
			continue;
		}
		value = value * 10 + (s.p[i] - '0');
		scale *= fraction ? 10 : 1;
		digits++;
	}
	if (i + 1 == s.n)
		t.unit = s.p[i++];
	if (i != s.n || digits > NUMBER_DIGITS || s.p[s.n - 1] == '.' || (t.unit && unit_value(t.unit) == 0)) {
		t.kind = SCORE_TOK_BAD;
		t.problem = "this is not a number; units are s m h d for times and k M G for sizes";
		return t;
	}
	t.number = value / scale * (t.unit ? unit_value(t.unit) : 1) * (minus ? -1 : 1);
	return t;
}

static struct score_token lex_word(struct score_lexer *l, size_t n)
{
	static const struct {
		struct slice word;
		enum score_token_kind kind;
	} keywords[] = {
		{ SLICE_INIT("or"), SCORE_TOK_OR },
		{ SLICE_INIT("and"), SCORE_TOK_AND },
		{ SLICE_INIT("not"), SCORE_TOK_NOT },
		{ SLICE_INIT("in"), SCORE_TOK_IN },
		{ SLICE_INIT("is"), SCORE_TOK_IS },
		{ SLICE_INIT("by"), SCORE_TOK_BY },
	};
	struct score_token t = token(l, SCORE_TOK_WORD, n);
	for (size_t i = 0; i < sizeof keywords / sizeof *keywords; i++)
		if (slice_eq(t.text, keywords[i].word))
			t.kind = keywords[i].kind;
	return t;
}

static struct score_token lex_string(struct score_lexer *l)
{
	char quote = peek(l, 0);
	for (size_t n = 1; l->at + n < l->in.n; n++) {
		if (peek(l, n) == '\\') {
			n++;
			continue;
		}
		if (peek(l, n) != quote)
			continue;
		struct score_token t = token(l, SCORE_TOK_STRING, n + 1);
		t.text = slice_of(t.text.p + 1, n - 1);
		return t;
	}
	return bad(l, 1, "this string has no end");
}

static struct score_token lex_sign(struct score_lexer *l)
{
	static const struct {
		char text[3];
		enum score_token_kind kind;
	} signs[] = {
		/* the longer ones first */
		{ "||", SCORE_TOK_OR },
		{ "&&", SCORE_TOK_AND },
		{ "==", SCORE_TOK_EQ },
		{ "!=", SCORE_TOK_NE },
		{ "<=", SCORE_TOK_LE },
		{ ">=", SCORE_TOK_GE },
		{ "=~", SCORE_TOK_MATCH },
		{ "!~", SCORE_TOK_NO_MATCH },
		{ "<", SCORE_TOK_LT },
		{ ">", SCORE_TOK_GT },
		{ "!", SCORE_TOK_NOT },
		{ "(", SCORE_TOK_OPEN },
		{ ")", SCORE_TOK_CLOSE },
		{ ",", SCORE_TOK_COMMA },
	};
	struct slice rest = slice_skip(l->in, l->at);
	for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
		if (slice_starts(rest, slice_str(signs[i].text)))
			return token(l, signs[i].kind, strlen(signs[i].text));
	if (rest.p[0] == '=')
		return bad(l, 1, "a comparison is written ==, >= or <=");
	if (rest.p[0] == '~')
		return bad(l, 1, "a pattern is asked for with =~ or !~");
	if (rest.p[0] == '&' || rest.p[0] == '|')
		return bad(l, 1, "write && or ||, or the words and, or");
	return bad(l, 1, "this character means nothing here");
}

static void skip_blanks(struct score_lexer *l)
{
	char c;
	while (c = peek(l, 0), c == ' ' || c == '\t' || c == '\n' || c == '\r')
		l->at++;
}

struct score_token score_lex(struct score_lexer *l)
{
	bool address = false;
	skip_blanks(l);
	if (l->at >= l->in.n)
		return token(l, SCORE_TOK_END, 0);
	char c = peek(l, 0);
	if (c == '\'' || c == '"')
		return lex_string(l);
	if (c == '-' && is_digit(peek(l, 1))) {
		size_t n = 2;
		while (is_digit(peek(l, n)) || is_letter(peek(l, n)) || peek(l, n) == '.')
			n++;
		return lex_number(l, n);
	}
	if (!is_letter(c) && !is_hex(c) && c != ':')
		return lex_sign(l);
	size_t n = run_length(l, &address);
	if (address)
		return lex_address(l, n);
	return is_digit(c) ? lex_number(l, n) : lex_word(l, n);
}

struct score_token score_lex_pattern(struct score_lexer *l)
{
	skip_blanks(l);
	if (peek(l, 0) != '/')
		return bad(l, l->at < l->in.n, "a pattern like /^bounce-/i is wanted here");
	for (size_t n = 1; l->at + n < l->in.n; n++) {
		if (peek(l, n) == '\\') {
			n++;
			continue;
		}
		if (peek(l, n) != '/')
			continue;
		struct score_token t = token(l, SCORE_TOK_PATTERN, n + 1);
		t.text = slice_of(t.text.p + 1, n - 1);
		t.fold = peek(l, 0) == 'i';
		l->at += t.fold;
		if (is_letter(peek(l, 0)) || is_digit(peek(l, 0)))
			return bad(l, 1, "the only flag of a pattern is i");
		return t;
	}
	return bad(l, 1, "this pattern has no closing /");
}
