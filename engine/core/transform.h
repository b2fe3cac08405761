/* data_transform: pure functions over values. One row per transformation type. */
#ifndef MR_ENGINE_CORE_TRANSFORM_H
#define MR_ENGINE_CORE_TRANSFORM_H

#include "engine/core/expr.h"

struct mr_transform; /* a compiled list of transformations */

/*
 * SOURCE is the "transformations" list of a step: {type: extract|map|filter|pick|rename|merge|
 * flatten|group|sort|aggregate|template|jq, …}. Faults have paths below PATH.
 */
int mr_transform_compile(struct mr_arena *a, const struct mr_value *source, struct mr_str path,
    struct mr_faults *faults, const struct mr_transform **ret) MR_MUST_CHECK;
/* ENV sees item and index inside map, filter and the like, besides what the step sees.
 * The result is a map: each transformation's "key" → its value, and the last value as "result". */
int mr_transform_eval(const struct mr_transform *t, const struct mr_value *input,
    const struct mr_expr_env *env, struct mr_arena *a, struct mr_value *ret,
    struct mr_expr_error *err) MR_MUST_CHECK;

/*
 * jq entries ({"type": "jq", "program"|"filter": "…"}) aren't carried out here: a list that has one
 * reaches outside, and is gone through in pieces. mr_transform_eval() refuses it when it comes to
 * one; so ask first, and then:
 *
 *	size_t index = 0;
 *	struct mr_value state = MR_NULL_VALUE, v;
 *
 *	r = mr_transform_eval_from(t, &input, env, a, &index, &state, &v, &err);
 *	program = mr_transform_jq_program(t, index);
 *	if (program.p == NULL) v is the result, as mr_transform_eval() gives it;
 *	else have PROGRAM run over v (engine/jq.h), keep index and state, and when its outputs are
 *there: r = mr_transform_jq_done(t, &outputs, a, &index, &state, &err), and again from above.
 *
 * STATE is a list of INDEX values: those of the entries before, as far as they can still be asked
 * for. It may be written as JSON and read back in between. T, INPUT and ENV must be the same each
 * time; each piece has the whole budget of cost.
 */
bool mr_transform_has_jq(const struct mr_transform *t);
/* MR_STR_NONE when entry INDEX is no jq entry, or past the last. */
struct mr_str mr_transform_jq_program(const struct mr_transform *t, size_t index);
/* From entry *INDEX on to the next jq entry (*RET is what it works on) or the end (*INDEX is the
 * number of entries, *RET the result). Fails as mr_transform_eval(). */
int mr_transform_eval_from(const struct mr_transform *t, const struct mr_value *input,
    const struct mr_expr_env *env, struct mr_arena *a, size_t *index, struct mr_value *state,
    struct mr_value *ret, struct mr_expr_error *err) MR_MUST_CHECK;
/* Takes OUTPUTS, the list of what the program of jq entry *INDEX gave, for its value: the one
 * output; null when there is none; more than one are an error (MR_E_INVALID). */
int mr_transform_jq_done(const struct mr_transform *t, const struct mr_value *outputs,
    struct mr_arena *a, size_t *index, struct mr_value *state,
    struct mr_expr_error *err) MR_MUST_CHECK;

#endif
