/*
 * What starts a workflow by itself, as its body says it: trigger_config and trigger_on_file_upload.
 * Nothing is stored here.
 */
#ifndef MR_HANDLERS_TRIGGER_H
#define MR_HANDLERS_TRIGGER_H

#include "lib/error.h"
#include "lib/value.h"

/* A trigger that this version doesn't serve must not be on. */
void mr_trigger_check(const struct mr_value *body, struct mr_faults *faults);
/* "true" when an upload starts the workflow: either of the two ways to say so does. */
struct mr_str mr_trigger_on_upload(const struct mr_value *body);

#endif
