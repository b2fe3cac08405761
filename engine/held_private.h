/* What the files about held runs share. */
#ifndef MR_ENGINE_HELD_PRIVATE_H
#define MR_ENGINE_HELD_PRIVATE_H

#include "engine/runs.h"

/* The error of a run that was failed by hand, {type, message, step, attempt}, in A. */
int mr_held_error_value(struct mr_held *h, struct mr_arena *a, struct mr_value *ret) MR_MUST_CHECK;

#endif
