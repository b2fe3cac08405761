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

/* What a macro's name stands for. */
struct mr_macro {
	struct mr_str name;
	enum mr_loop loop;
	unsigned char vars; /* 1, or 2 when a second name may follow */
	bool two_always;    /* two variables, no choice */
	bool filter;        /* may have a condition before its last argument */
};

/* All that return int: 0, or the failure, which the emitter keeps. */
int mr_parse_fail(struct mr_parser *p, size_t at, const char *what);
int mr_parse_next(struct mr_parser *p, bool operand, struct mr_token *t);
/* NULL: the emitter has the failure. */
struct mr_frame *mr_parse_push(struct mr_parser *p, enum mr_frame_kind kind, size_t at);
int mr_parse_add_local(struct mr_parser *p, struct mr_str name, uint32_t slot, size_t at);

/* After the opening bracket of a call: "cel.bind(", "has(", a function, a method. */
int mr_parse_begin_call(
    struct mr_parser *p, const struct mr_token *t, struct mr_str name, bool is_method);
int mr_parse_end_call(struct mr_parser *p, const struct mr_frame *f);
int mr_parse_end_has(struct mr_parser *p, const struct mr_frame *f);
/* NULL: no macro has this name. */
const struct mr_macro *mr_parse_find_macro(struct mr_str name);
/* After "range.all(": the range is on the stack. */
int mr_parse_begin_loop(
    struct mr_parser *p, const struct mr_token *t, const struct mr_macro *macro);
/* A comma inside of a loop: what came before was its condition. */
int mr_parse_loop_comma(struct mr_parser *p, struct mr_frame *f, const struct mr_token *t);
void mr_parse_end_loop(struct mr_parser *p, const struct mr_frame *f);

#endif
