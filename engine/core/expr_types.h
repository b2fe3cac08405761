/*
 * What can be said of an expression's types before it runs: operations that can never work,
 * whatever the values will be (trigger.amount > "x" where the input's schema says that amount is a
 * number; !steps.a.status_code; size(3)). Only what is certain is reported: a type that isn't known
 * is taken for any type, a comparison by == or != always works, and a missing value is no error of
 * types. An operation is reported even where && or || would absorb its error or where it might not
 * be reached: it is of no use there either.
 *
 * For whoever reads definitions: compile as ever, then check with an environment that tells JSON
 * Schemas:
 *
 *	static const struct mr_value *schema_of(void *ctx, struct mr_str name)
 *	{
 *		struct my_graph *g = ctx;
 *
 *		if (mr_str_eqz(name, "trigger") || mr_str_eqz(name, "input"))
 *			return g->input_schema;   (NULL: not known)
 *		if (mr_str_eqz(name, "steps"))
 *			return g->steps_schema;   ({"properties": {"a": {"properties":
 *{"status_code":
 *			                            {"type": "integer"}}}}})
 *		return NULL;                      (or what the input's schema says of a bare name)
 *	}
 *
 *	const struct mr_type_env env = { .schema = schema_of, .ctx = g };
 *	r = mr_condition_check(step->when, &env, scratch, report, g);
 *
 * A schema must hold for certain: give the input's only where the input is checked against it.
 */
#ifndef MR_ENGINE_CORE_EXPR_TYPES_H
#define MR_ENGINE_CORE_EXPR_TYPES_H

#include "engine/core/expr.h"

struct mr_type_env {
	/*
	 * The JSON Schema of what NAME stands for; NULL when nothing is known. Understood are type
	 * (one or a list), nullable, enum, const, anyOf and oneOf of schemas with a type,
	 * properties, items; whatever else a schema says is passed over, and a schema with $ref
	 * says nothing. integer and number both stand for int or double. It must outlive the call.
	 */
	const struct mr_value *(*schema)(void *ctx, struct mr_str name);
	void *ctx;
};

struct mr_type_fault {
	struct mr_str path;          /* which text of a template it stands in, "" elsewhere */
	size_t offset, line, column; /* in that text, as in struct mr_expr_error */
	char message[160];
};
typedef void mr_type_report_fn(void *ctx, const struct mr_type_fault *fault);

/* Reports each operation that can never work, in the order of the program. ENV may be NULL. 0, or
 * MR_E_NOMEM when SCRATCH is full. */
int mr_expr_check(const struct mr_expr *e, const struct mr_type_env *env, struct mr_arena *scratch,
    mr_type_report_fn *report, void *ctx) MR_MUST_CHECK;
/* The same, and a result that can't be a bool is reported too. */
int mr_condition_check(const struct mr_expr *e, const struct mr_type_env *env,
    struct mr_arena *scratch, mr_type_report_fn *report, void *ctx) MR_MUST_CHECK;
/* The same for all expressions of a template. */
int mr_template_check(const struct mr_template *t, const struct mr_type_env *env,
    struct mr_arena *scratch, mr_type_report_fn *report, void *ctx) MR_MUST_CHECK;

#endif
