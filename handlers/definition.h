/*
 * A workflow's definition as it comes in a body: which of its dialects holds the steps, what of
 * the stored one is kept, the text that the engine compiles, its normal form and digest. Checks it
 * with the engine's own compiler. No database, no answer.
 */
#ifndef MR_HANDLERS_DEFINITION_H
#define MR_HANDLERS_DEFINITION_H

#include "lib/arena.h"
#include "lib/digest.h"
#include "lib/error.h"
#include "lib/value.h"

/* What is stored now, all of it JSON. */
struct mr_definition_old {
	struct mr_str definition, workflow_config, steps;
};

struct mr_agent_ref; /* engine/core/graph.h */

struct mr_definition {
	struct mr_str text;   /* JSON object: what the engine compiles */
	struct mr_str config; /* JSON object: what clients read as workflow_config */
	struct mr_str steps;  /* JSON array: the normal form */
	char digest[MR_SHA256_HEX];
	const struct mr_agent_ref *agents; /* that its steps name */
	size_t agents_len;
	const struct mr_str *secrets; /* whose names its expressions hold */
	size_t secrets_len;
};

/* True when BODY holds a member that belongs to the definition. */
bool mr_definition_touched(const struct mr_value *body);

/*
 * BODY is a map, TEXT what it was parsed from. Members that BODY lacks come from OLD (NULL: none),
 * null leaves a member out; a new container (workflow_config, definition) says all that it says,
 * and nothing of the stored one is left but what stands beside it: timeout_seconds, max_retries and
 * input_schema. 0, MR_E_INVALID with FAULTS under the client's own paths, or another
 * MR_E_*.
 */
int mr_definition_read(struct mr_arena *a, const struct mr_value *body, struct mr_str text,
    const struct mr_definition_old *old, struct mr_faults *faults,
    struct mr_definition *ret) MR_MUST_CHECK;

/* The normal form of a stored definition, a JSON object. MR_E_INVALID when this version cannot
 * compile it. */
int mr_definition_normal(
    struct mr_arena *a, struct mr_str definition, struct mr_str *ret) MR_MUST_CHECK;

#endif
