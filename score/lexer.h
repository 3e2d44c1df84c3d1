/* score/lexer.h - an expression's text as tokens
 *
 * Tokens are slices of the text. The parser asks for one at a time; a pattern between slashes is
 * asked for by name (score_lex_pattern), since '/' means something else elsewhere.
 */
#ifndef SCORE_LEXER_H
#define SCORE_LEXER_H

#include "base/ip.h"
#include "base/slice.h"

enum score_token_kind {
	SCORE_TOK_END,
	SCORE_TOK_BAD, /* `problem` says why */
	SCORE_TOK_WORD,
	SCORE_TOK_NUMBER,
	SCORE_TOK_STRING,
	SCORE_TOK_ADDRESS, /* an IP address or a prefix */
	SCORE_TOK_PATTERN,
	SCORE_TOK_OPEN,
	SCORE_TOK_CLOSE,
	SCORE_TOK_COMMA,
	SCORE_TOK_OR,
	SCORE_TOK_AND,
	SCORE_TOK_NOT,
	SCORE_TOK_EQ,
	SCORE_TOK_NE,
	SCORE_TOK_LT,
	SCORE_TOK_LE,
	SCORE_TOK_GT,
	SCORE_TOK_GE,
	SCORE_TOK_MATCH,
	SCORE_TOK_NO_MATCH,
	SCORE_TOK_IN,
	SCORE_TOK_IS,
	SCORE_TOK_BY,
};

struct score_token {
	enum score_token_kind kind;
	size_t at;	   /* column, from 0 */
	struct slice text; /* as written; of a string or pattern what is between its quotes */
	const char *problem;
	double number;		 /* of NUMBER: seconds, bytes or just a number */
	char unit;		 /* s m h d k M G, or 0 */
	bool fold;		 /* of PATTERN: /i */
	struct ip_prefix prefix; /* of ADDRESS; bits 128: a single address */
};

struct score_lexer {
	struct slice in;
	size_t at;
};

struct score_token score_lex(struct score_lexer *l);
/* A pattern "/.../" or "/.../i" must come next. */
struct score_token score_lex_pattern(struct score_lexer *l);

#endif
