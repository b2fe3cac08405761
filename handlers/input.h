/*
 * The input of a run that a request starts. It comes under one of several names, the seeds' and
 * ours; nothing is stored here.
 */
#ifndef MR_HANDLERS_INPUT_H
#define MR_HANDLERS_INPUT_H

#include <stdbool.h>

#include "lib/error.h"
#include "lib/value.h"

/* The member of BODY that has the input, NULL when none does (null counts as none); with
 * PARAMETERS also under that name. Two that say different things are a fault of the later one. */
const char *mr_input_member(const struct mr_value *body, bool parameters, struct mr_faults *faults);

#endif
