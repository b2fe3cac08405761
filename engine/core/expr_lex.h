/* Tokens of an expression: one at a time, from a text that is known to be UTF-8. */
#ifndef MR_ENGINE_CORE_EXPR_LEX_H
#define MR_ENGINE_CORE_EXPR_LEX_H

#include "lib/arena.h"
#include "lib/str.h"
#include "lib/value.h"

enum mr_token_kind {
	MR_TOKEN_END,
	MR_TOKEN_IDENT,
	MR_TOKEN_QUOTED_IDENT, /* `any text`, after a dot */
	MR_TOKEN_INT,          /* .number, without sign */
	MR_TOKEN_CONST,        /* .value: any other literal */
	MR_TOKEN_LPAREN,
	MR_TOKEN_RPAREN,
	MR_TOKEN_LBRACKET,
	MR_TOKEN_RBRACKET,
	MR_TOKEN_LBRACE,
	MR_TOKEN_RBRACE,
	MR_TOKEN_DOT,
	MR_TOKEN_COMMA,
	MR_TOKEN_COLON,
	MR_TOKEN_QUESTION,
	MR_TOKEN_COALESCE,
	MR_TOKEN_OR,
	MR_TOKEN_AND,
	MR_TOKEN_EQ,
	MR_TOKEN_NE,
	MR_TOKEN_LT,
	MR_TOKEN_LE,
	MR_TOKEN_GT,
	MR_TOKEN_GE,
	MR_TOKEN_IN,
	MR_TOKEN_PLUS,
	MR_TOKEN_MINUS,
	MR_TOKEN_STAR,
	MR_TOKEN_SLASH,
	MR_TOKEN_PERCENT,
	MR_TOKEN_NOT,
};

struct mr_token {
	enum mr_token_kind kind;
	size_t at, end; /* bytes */
	struct mr_str text;
	uint64_t number;
	struct mr_value value;
};

struct mr_lex {
	struct mr_arena *arena; /* strings with escapes are decoded into it */
	struct mr_str text;
	size_t at;
	char message[128]; /* of a failure */
	size_t message_at;
};

/* The token at L->at, which moves behind it. OPERAND: a value is expected here, so ".5" is a
 * number. 0, MR_E_INVALID with a message, MR_E_NOMEM. */
int mr_lex_next(struct mr_lex *l, bool operand, struct mr_token *ret) MR_MUST_CHECK;

#endif
