/* The agents that a definition names, looked for when it is saved. */
#ifndef MR_HANDLERS_AGENT_REFS_H
#define MR_HANDLERS_AGENT_REFS_H

#include "lib/error.h"
#include "lib/macros.h"

struct mr_definition;
struct mr_request;

/* Each must exist and be active, of those that have what is required one must: else a fault at its
 * path in FAULTS, with the nearest names. One round trip, none for a definition without agents.
 * Negative: the database didn't say, and the answer is decided. */
int mr_agent_refs_check(
    struct mr_request *r, const struct mr_definition *d, struct mr_faults *faults) MR_MUST_CHECK;

#endif
