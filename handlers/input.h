/*
 * What bodies of several handlers bring: the input of a run that a request starts, under one of
 * several names, the seeds' and ours; and which members an update names.
 */
#ifndef MR_HANDLERS_INPUT_H
#define MR_HANDLERS_INPUT_H

#include <stdbool.h>

#include "fcgi/request.h"
#include "lib/error.h"
#include "lib/value.h"

/* The member of BODY that has the input, NULL when none does (null counts as none); with
 * PARAMETERS also under that name. Two that say different things are a fault of the later one. */
const char *mr_input_member(const struct mr_value *body, bool parameters, struct mr_faults *faults);

/* The names of the body's members as a text[]: what an update changes, null included. Absent
 * without memory. */
struct mr_str mr_input_members(struct mr_request *r);

#endif
