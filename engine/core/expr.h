/*
 * Expressions: CEL's semantics in parser → program → evaluator. Pure: no clock, no I/O, bounded
 * cost, no recursion on the length or depth of input. docs/expressions.md has the user's view.
 *
 * Three kinds of source compile to the same program:
 *   a bare expression      amount > 10000
 *   a condition            {{steps.a.n}} > 10      (braces are parentheses)
 *                          {"amount": {"$gt": 10}} (a Mongo object)
 *   a template             any JSON value with {{ expr }} in its strings
 */
#ifndef MR_ENGINE_CORE_EXPR_H
#define MR_ENGINE_CORE_EXPR_H

#include "lib/arena.h"
#include "lib/error.h"
#include "lib/str.h"
#include "lib/value.h"

struct mr_expr;     /* one compiled expression; lives in its arena, immutable, shareable */
struct mr_template; /* a compiled JSON value with expressions inside; likewise */

/* What went wrong, where. OFFSET counts code points from the start of the source. */
struct mr_expr_error {
	char message[256];
	size_t offset, line, column;
	/* the dotted path of a value that was missing ("steps.a.content"), else "" */
	char path[128];
};

/*
 * The names an expression can see, asked for by their first component. Returns 0 and the value,
 * MR_E_NOT_FOUND when there is none, or another MR_E_* with a message.
 */
struct mr_expr_env {
	int (*lookup)(void *ctx, struct mr_arena *a, struct mr_str name, struct mr_value *ret,
	    struct mr_expr_error *err);
	void *ctx;
	int64_t now_us;    /* what now() answers, the same for a whole evaluation */
	uint64_t max_cost; /* steps of evaluation; 0 = the default of 1,000,000 */
	uint64_t *spent;   /* what an evaluation has cost is added here; may be NULL */
};

/* SOURCE is copied; the program needs nothing but its arena. */
int mr_expr_compile(struct mr_arena *a, struct mr_str source, const struct mr_expr **ret,
    struct mr_expr_error *err) MR_MUST_CHECK;
/* SOURCE is a string (braces are parentheses, bare names looked up as they stand), a bool, or a
 * Mongo object. */
int mr_condition_compile(struct mr_arena *a, const struct mr_value *source,
    const struct mr_expr **ret, struct mr_expr_error *err) MR_MUST_CHECK;
/* Errors of a template are faults: path inside the value, message with position. */
int mr_template_compile(struct mr_arena *a, const struct mr_value *source, struct mr_str path,
    struct mr_faults *faults, const struct mr_template **ret) MR_MUST_CHECK;

/* MR_E_NOT_FOUND for a missing value (ERR has its path), MR_E_INVALID for any other failure of the
 * expression, MR_E_LIMIT for its cost, MR_E_NOMEM, or what lookup failed with. ENV may be NULL: no
 * names at all. RET may point into the program, into A and into what lookup gave. */
int mr_expr_eval(const struct mr_expr *e, const struct mr_expr_env *env, struct mr_arena *a,
    struct mr_value *ret, struct mr_expr_error *err) MR_MUST_CHECK;
/* As eval; anything but a bool is an error. */
int mr_condition_eval(const struct mr_expr *e, const struct mr_expr_env *env, struct mr_arena *a,
    bool *ret, struct mr_expr_error *err) MR_MUST_CHECK;
int mr_template_eval(const struct mr_template *t, const struct mr_expr_env *env, struct mr_arena *a,
    struct mr_value *ret, struct mr_expr_error *err) MR_MUST_CHECK;
/* True when the template holds no expression at all: *ret is then the value itself. */
bool mr_template_constant(const struct mr_template *t, struct mr_value *ret);

/* A reference found in a source: "steps.a.content" is {"steps", "a", "content"}; an index by a
 * string literal counts as a member; .n is how many leading components are static. */
struct mr_expr_ref {
	struct mr_str part[4];
	unsigned n;
	size_t offset;
	/* stands left of ??, in has(), $exists or beside null in a Mongo object: its absence is
	 * absorbed. (&& and || absorb it only when their other side decides; not marked.) */
	bool optional;
};
typedef void mr_expr_ref_fn(void *ctx, const struct mr_expr_ref *ref);
void mr_expr_refs(const struct mr_expr *e, mr_expr_ref_fn *fn, void *ctx);
/* PATH tells which string of the template the reference stands in. */
typedef void mr_template_ref_fn(void *ctx, struct mr_str path, const struct mr_expr_ref *ref);
void mr_template_refs(const struct mr_template *t, mr_template_ref_fn *fn, void *ctx);

#endif
