/*
 * Inside of expressions, for the files expr_*.c, template.c, condition.c and transform*.c only:
 * the program that sources compile to, the emitter that makes it and the machine that runs it.
 *
 * A program is a list of instructions for a stack machine; at each of them the depth of the stack
 * is known beforehand. Errors don't stand on the stack: an instruction that fails jumps to the end
 * of the innermost handler's range, where a marker is pushed; || && ?? and the loops of all() and
 * exists() know what to do with it. So the way without errors pays nothing for them.
 */
#ifndef MR_ENGINE_CORE_EXPR_PRIVATE_H
#define MR_ENGINE_CORE_EXPR_PRIVATE_H

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/core/expr.h"
#include "lib/json_scan.h"

#define MR_EXPR_SOURCE_MAX   (64u * 1024u) /* bytes of one expression */
#define MR_EXPR_NESTING_MAX  200u          /* brackets in brackets */
#define MR_EXPR_FRAMES_MAX   1000u         /* operators that wait for their right side */
#define MR_EXPR_PROGRAM_MAX  100000u       /* instructions */
#define MR_EXPR_NAMES_MAX    256u          /* different names asked of the environment */
#define MR_EXPR_COST_DEFAULT UINT64_C(1000000)

/* ---- the program ---- */

enum mr_op {
	MR_OP_CONST,        /* arg: constant */
	MR_OP_NAME,         /* arg: name */
	MR_OP_NAME_OR_TYPE, /* arg: name; CEL's type of that name when the environment has none */
	MR_OP_LOCAL,        /* arg: slot */
	MR_OP_SELECT,       /* arg: constant, the member's name */
	MR_OP_HAS,          /* likewise; true or false */
	MR_OP_INDEX,
	MR_OP_LIST, /* arg: how many */
	MR_OP_MAP,  /* arg: how many pairs */
	MR_OP_NOT,
	MR_OP_NEG,
	MR_OP_ADD,
	MR_OP_SUB,
	MR_OP_MUL,
	MR_OP_DIV,
	MR_OP_MOD,
	MR_OP_EQ,
	MR_OP_NE,
	MR_OP_LT,
	MR_OP_LE,
	MR_OP_GT,
	MR_OP_GE,
	MR_OP_IN,
	MR_OP_JUMP,    /* arg: where */
	MR_OP_BRANCH,  /* arg: where to go when the bool popped is false */
	MR_OP_OR_LEFT, /* arg: where to go when true, keeping it */
	MR_OP_OR,      /* of the two on the stack, either of which may be a marker */
	MR_OP_AND_LEFT,
	MR_OP_AND,
	MR_OP_COALESCE, /* arg: where to go, keeping it, unless missing or null */
	MR_OP_IS_THERE, /* true unless it is a marker */
	MR_OP_CALL,     /* arg: row of the function table, n: arguments */
	MR_OP_MATCHES,  /* arg: regular expression compiled beforehand */
	MR_OP_LOOP,     /* n: enum mr_loop; the range is on the stack */
	MR_OP_NEXT,     /* arg: where to go at the end; n: variables */
	MR_OP_STEP,     /* arg: the loop's NEXT; n: enum mr_loop */
	MR_OP_LOOP_END, /* n: enum mr_loop */
	MR_OP_UNDER,    /* drops what lies under the top: the end of cel.bind */
	MR_OP_TEXT,     /* arg: how many values become one text */
	MR_OP_FAIL,     /* arg: constant, what it says; n: values taken from the stack */
};

enum mr_loop {
	MR_LOOP_ALL,
	MR_LOOP_EXISTS,
	MR_LOOP_EXISTS_ONE,
	MR_LOOP_MAP,
	MR_LOOP_FILTER,
	MR_LOOP_SORT_BY,
	MR_LOOP_MAP_ENTRIES,  /* transformMap */
	MR_LOOP_MERGE_ENTRIES /* transformMapEntry */
};
/* What a loop keeps on the stack, from its range on. */
enum { MR_LOOP_RANGE, MR_LOOP_AT, MR_LOOP_ACC, MR_LOOP_VAR1, MR_LOOP_VAR2, MR_LOOP_SLOTS };

struct mr_ins {
	uint16_t op;
	uint16_t n;
	uint32_t arg;
};

/* Where an instruction came from. */
struct mr_ins_pos {
	uint32_t offset; /* bytes, counted through all sources */
	int32_t chain;   /* what it reads, -1: nothing that has a name */
};

enum mr_chain_kind { MR_CHAIN_NAME, MR_CHAIN_LOCAL, MR_CHAIN_MEMBER, MR_CHAIN_INT, MR_CHAIN_OTHER };

/* One part of a dotted path; a path is read from its end to its beginning. */
struct mr_chain {
	int32_t parent; /* -1: the first part */
	uint8_t kind;
	bool extended; /* another part follows it */
	bool optional; /* its absence is absorbed */
	uint32_t offset;
	struct mr_str name;
	int64_t index; /* MR_CHAIN_INT */
};

struct mr_handler {
	uint32_t start, end; /* instructions that it covers; it goes on at END */
	uint32_t depth;      /* of the stack, below the marker */
	bool missing_only;   /* takes missing values, no other error */
};

struct mr_expr_source {
	struct mr_str text;
	struct mr_str path; /* within a template */
	uint32_t base;      /* what its first byte counts as */
};

struct mr_expr {
	struct mr_ins *code;
	struct mr_ins_pos *pos;
	struct mr_value *consts;
	struct mr_str *names;
	struct mr_chain *chains;
	struct mr_handler *handlers;
	pcre2_code **regexes;
	struct mr_expr_source *sources;
	uint32_t code_len, consts_len, names_len, chains_len, handlers_len, regexes_len,
	    sources_len;
	uint32_t depth; /* the deepest stack */
};

/* ---- the emitter ---- */

struct mr_emit {
	struct mr_arena *arena;
	struct mr_expr *e; /* grows */
	struct mr_expr_error *err;
	uint32_t code_cap, consts_cap, names_cap, chains_cap, handlers_cap, regexes_cap,
	    sources_cap;
	uint32_t depth; /* of the stack here */
	uint32_t base;  /* of the source being compiled */
	int r;          /* sticks: 0 or the first failure */
};

void mr_emit_init(struct mr_emit *m, struct mr_arena *arena, struct mr_expr_error *err);
/* The finished program, or the failure. */
int mr_emit_done(struct mr_emit *m, const struct mr_expr **ret) MR_MUST_CHECK;
/* Begins a source: offsets count from it. TEXT must be in the arena. */
void mr_emit_source(struct mr_emit *m, struct mr_str text, struct mr_str path);
/* Checks that TEXT is no longer than an expression may be and UTF-8, copies it into the arena and
 * begins it as a source. */
int mr_emit_text(struct mr_emit *m, struct mr_str *text);
/* Fails with a message about the byte OFFSET of the present source. Returns the code. */
int mr_emit_fail(struct mr_emit *m, size_t offset, const char *fmt, ...) MR_PRINTF(3, 4);
/* Appends an instruction that leaves the stack higher by PUSHES; returns its place. */
uint32_t mr_emit(struct mr_emit *m, enum mr_op op, uint32_t arg, int pushes, size_t offset);
uint32_t mr_emit_n(
    struct mr_emit *m, enum mr_op op, unsigned n, uint32_t arg, int pushes, size_t offset);
/* Makes the jump at PLACE lead here. */
void mr_emit_patch(struct mr_emit *m, uint32_t place);
void mr_emit_const(struct mr_emit *m, struct mr_value v, size_t offset);
uint32_t mr_emit_add_const(struct mr_emit *m, struct mr_value v);
uint32_t mr_emit_add_name(struct mr_emit *m, struct mr_str name, size_t offset);
int32_t mr_emit_add_chain(struct mr_emit *m, const struct mr_chain *c);
/* Names the chain of the last instruction. */
void mr_emit_set_chain(struct mr_emit *m, int32_t chain);
/* A handler from START to here; DEPTH as it was at START. */
void mr_emit_handler(struct mr_emit *m, uint32_t start, uint32_t depth, bool missing_only);
uint32_t mr_emit_regex(struct mr_emit *m, struct mr_str pattern, size_t offset);
/* The last instruction when it stands at PLACE and is a CONST, else NULL. */
const struct mr_value *mr_emit_last_const(const struct mr_emit *m, uint32_t place);
/* Drops the last instruction, which left the stack higher by PUSHES. */
void mr_emit_drop(struct mr_emit *m, int pushes);
/* Looks up NAME, then members by the other parts of a dotted path. For Mongo objects. */
void mr_emit_path(struct mr_emit *m, struct mr_str dotted);

/* ---- the parser ---- */

enum mr_parse_mode {
	MR_PARSE_BARE, /* the whole text is an expression; unknown functions fail when called */
	MR_PARSE_CONDITION, /* likewise; {{ }} are parentheses */
	MR_PARSE_EMBEDDED,  /* begins after {{ and ends with its }} */
};

/* Compiles the expression that begins at byte *AT of the emitter's present source (TEXT), leaving
 * one value on the stack. *AT is moved behind it. */
int mr_parse_expr(
    struct mr_emit *m, struct mr_str text, enum mr_parse_mode mode, size_t *at) MR_MUST_CHECK;
/* A string with {{ }} in it: leaves its value on the stack. TEXT must be in the arena. */
int mr_parse_template_string(struct mr_emit *m, struct mr_str text) MR_MUST_CHECK;
bool mr_has_braces(struct mr_str text);

/* ---- the machine ---- */

/* Kinds of values that never leave the machine. */
enum { MR_VALUE_MARKER = 64, MR_VALUE_BUILDER };

/* A failure that waits to be absorbed or to be told. */
struct mr_fail {
	int r;
	uint32_t pc;
	bool has_key;
	struct mr_value key; /* missing: the index asked for */
	char message[160];
	struct mr_fail *next; /* free ones */
};

struct mr_vm {
	const struct mr_expr *e;
	const struct mr_expr_env *env;
	struct mr_arena *arena;
	struct mr_expr_error *err;
	uint64_t budget;
	struct mr_fail fail; /* the present one */
	bool raised;         /* it comes from a marker and has its place already */
	struct mr_fail *free_fails;
	/* the time zone asked for last, or NULL */
	const struct mr_zone *zone;
	struct mr_str zone_name;
};

/* Fails the present instruction: MR_E_INVALID. */
int mr_vm_fail(struct mr_vm *vm, const char *fmt, ...) MR_PRINTF(2, 3);
int mr_vm_no_overload(struct mr_vm *vm, const char *what, const struct mr_value *args, unsigned n);
int mr_vm_missing(struct mr_vm *vm, const struct mr_value *key);
/* Takes N from what the evaluation may cost. */
int mr_vm_charge(struct mr_vm *vm, uint64_t n) MR_MUST_CHECK;
/* Memory, charged for. NULL: the failure is filled in; return mr_vm_nomem's answer. */
void *mr_vm_alloc(struct mr_vm *vm, size_t size) MR_MUST_CHECK;
struct mr_list *mr_vm_list(struct mr_vm *vm, size_t len) MR_MUST_CHECK;
struct mr_map *mr_vm_map(struct mr_vm *vm, size_t len) MR_MUST_CHECK;

/* What transforms use: as the public ones, with the budget carried from call to call. */
int mr_expr_eval_budget(const struct mr_expr *e, const struct mr_expr_env *env, struct mr_arena *a,
    uint64_t *budget, struct mr_value *ret, struct mr_expr_error *err) MR_MUST_CHECK;
int mr_template_eval_budget(const struct mr_template *t, const struct mr_expr_env *env,
    struct mr_arena *a, uint64_t *budget, struct mr_value *ret,
    struct mr_expr_error *err) MR_MUST_CHECK;

/* ---- operators (expr_ops.c) ---- */

int mr_op_arith(struct mr_vm *vm, enum mr_op op, const struct mr_value *args,
    struct mr_value *ret) MR_MUST_CHECK;
int mr_op_negate(struct mr_vm *vm, const struct mr_value *v, struct mr_value *ret) MR_MUST_CHECK;
/* -1, 0, 1; 2 when they have no order (NaN); MR_E_* */
int mr_op_compare(struct mr_vm *vm, const struct mr_value *args, int *ret) MR_MUST_CHECK;
int mr_op_equal(
    struct mr_vm *vm, const struct mr_value *a, const struct mr_value *b, bool *ret) MR_MUST_CHECK;
int mr_op_in(struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret) MR_MUST_CHECK;
int mr_op_select(struct mr_vm *vm, const struct mr_value *v, const struct mr_value *name,
    struct mr_value *ret) MR_MUST_CHECK;
int mr_op_has(struct mr_vm *vm, const struct mr_value *v, const struct mr_value *name,
    struct mr_value *ret) MR_MUST_CHECK;
int mr_op_index(struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret) MR_MUST_CHECK;
int mr_op_text(
    struct mr_vm *vm, const struct mr_value *args, size_t n, struct mr_value *ret) MR_MUST_CHECK;

/* ---- functions (expr_fn*.c) ---- */

typedef int mr_expr_fn(
    struct mr_vm *vm, const struct mr_value *args, unsigned n, struct mr_value *ret);

struct mr_expr_fn_row {
	const char *name;
	bool is_method;         /* called on a receiver, which is the first argument */
	unsigned char min, max; /* arguments, the receiver too */
	mr_expr_fn *fn;
};

extern const struct mr_expr_fn_row mr_expr_fns[];
extern const size_t mr_expr_fns_len;
/* The row, or -1. With any number of arguments when N is negative. */
int mr_expr_fn_find(struct mr_str name, bool is_method, int n);

/* The table is expr_fns.def; here it gives the prototypes. */
#define MR_EXPR_FN(name, is_method, min, max, fn) mr_expr_fn fn;
#include "engine/core/expr_fns.def"
#undef MR_EXPR_FN

int mr_vm_flatten(struct mr_vm *vm, const struct mr_list *from, int64_t depth,
    struct mr_value *ret) MR_MUST_CHECK;
int mr_list_reverse(
    struct mr_vm *vm, const struct mr_value *args, struct mr_value *ret) MR_MUST_CHECK;

/* ---- regular expressions (expr_regex.c) ---- */

/* Compiled into the arena. NULL: ERR says why, *RET_OFFSET where; or *NOMEM. */
pcre2_code *mr_regex_compile(struct mr_arena *a, struct mr_str pattern, char *err, size_t err_len,
    size_t *ret_offset) MR_MUST_CHECK;
int mr_regex_match(struct mr_vm *vm, const pcre2_code *code, struct mr_str subject,
    struct mr_value *ret) MR_MUST_CHECK;

/* ---- text ---- */

/* Bytes of the code point at P, which is valid UTF-8. */
static inline size_t mr_utf8_len(const char *p)
{
	unsigned char c = (unsigned char)*p;

	return c < 0x80 ? 1 : c < 0xe0 ? 2 : c < 0xf0 ? 3 : 4;
}

size_t mr_utf8_count(struct mr_str s); /* code points */
uint32_t mr_utf8_get(const char *p);

/* Sorts LEN pointers to values by their keys, stable; see mr_op_compare. */
int mr_vm_sort(
    struct mr_vm *vm, const struct mr_value *keys, uint32_t *order, size_t len) MR_MUST_CHECK;

/* NULL: it holds no expression. */
const struct mr_expr *mr_template_program(const struct mr_template *t);
/* The references of a template's program, with the path of the string that they stand in. */
void mr_expr_template_refs(const struct mr_expr *e, mr_template_ref_fn *fn, void *ctx);
/* The source that holds the byte OFFSET (counted through all), NULL when there is none. */
const struct mr_expr_source *mr_expr_source_at(const struct mr_expr *e, size_t offset);
/* What ERR (may be NULL) says when memory is out; returns MR_E_NOMEM. */
int mr_expr_nomem(struct mr_expr_error *err);
/* Makes a message valid UTF-8 again where a cut has split a code point. */
void mr_expr_clean(char *text);
/* Fills ERR for a place in a text. */
void mr_expr_error_at(struct mr_expr_error *err, struct mr_str text, size_t offset);

#endif
