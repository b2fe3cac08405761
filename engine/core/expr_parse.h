/* The parser's own structures; see expr_parse.c. */
#ifndef MR_ENGINE_CORE_EXPR_PARSE_H
#define MR_ENGINE_CORE_EXPR_PARSE_H

#include "engine/core/expr_lex.h"
#include "engine/core/expr_private.h"

#define MR_EXPR_SCOPES_MAX 64u /* variables visible at a time */

enum mr_prec {
	MR_PREC_NONE,
	MR_PREC_TERNARY,
	MR_PREC_COALESCE,
	MR_PREC_OR,
	MR_PREC_AND,
	MR_PREC_RELATION,
	MR_PREC_SUM,
	MR_PREC_PRODUCT,
	MR_PREC_UNARY,
};

enum mr_frame_kind {
	MR_FRAME_OPERATOR, /* waits for its right side; the else side of ?: too */
	MR_FRAME_THEN,     /* between ? and : */
	MR_FRAME_PAREN,    /* from here on: brackets, which count as nesting */
	MR_FRAME_BRACES,
	MR_FRAME_INDEX,
	MR_FRAME_LIST,
	MR_FRAME_MAP,
	MR_FRAME_CALL,
	MR_FRAME_HAS,
	MR_FRAME_BIND,
	MR_FRAME_LOOP,
};

struct mr_frame {
	enum mr_frame_kind kind;
	enum mr_op op;
	int prec;
	enum mr_loop loop;
	size_t at;       /* for messages */
	uint32_t start;  /* first instruction of the whole */
	uint32_t chains; /* first chain of the whole */
	uint32_t right;  /* first instruction of the right side, or of the last argument */
	uint32_t depth;  /* of the stack there */
	uint32_t place;  /* of a jump to patch */
	uint32_t n;      /* items or arguments so far */
	uint32_t scopes; /* variables to go back to */
	int32_t chain;   /* of what is indexed */
	bool is_key;     /* map: a key is expected or being read */
	bool is_method, comma, may_filter;
	struct mr_str name; /* function or variable */
};

enum mr_last_kind {
	MR_LAST_VALUE,
	MR_LAST_PATH,   /* a name, perhaps with members */
	MR_LAST_SELECT, /* ends in a member: what has() takes */
};

/* The operand that ended last. */
struct mr_last {
	uint32_t start, chains;
	enum mr_last_kind kind;
	int32_t chain;
};

struct mr_scope {
	struct mr_str name;
	uint32_t slot;
};

struct mr_parser {
	struct mr_emit *m;
	struct mr_lex lex;
	enum mr_parse_mode mode;
	struct mr_frame *frames;
	uint32_t frames_len, frames_cap;
	unsigned nesting;
	uint32_t scopes_len;
	bool want; /* a value is expected, not an operator */
	struct mr_last last;
	struct mr_frame first_frames[12];
	struct mr_scope scopes[MR_EXPR_SCOPES_MAX];
};

int mr_parse_fail(struct mr_parser *p, size_t at, const char *what);

#endif
