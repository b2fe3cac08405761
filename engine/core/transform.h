/* data_transform: pure functions over values. One row per transformation type. */
#ifndef MR_ENGINE_CORE_TRANSFORM_H
#define MR_ENGINE_CORE_TRANSFORM_H

#include "engine/core/expr.h"

struct mr_transform; /* a compiled list of transformations */

/*
 * SOURCE is the "transformations" list of a step: {type: extract|map|filter|pick|rename|merge|
 * flatten|group|sort|aggregate|template, …}. Faults have paths below PATH.
 */
int mr_transform_compile(struct mr_arena *a, const struct mr_value *source, struct mr_str path,
    struct mr_faults *faults, const struct mr_transform **ret) MR_MUST_CHECK;
/* ENV sees item and index inside map, filter and the like, besides what the step sees.
 * The result is a map: each transformation's "key" → its value, and the last value as "result". */
int mr_transform_eval(const struct mr_transform *t, const struct mr_value *input,
    const struct mr_expr_env *env, struct mr_arena *a, struct mr_value *ret,
    struct mr_expr_error *err) MR_MUST_CHECK;

#endif
