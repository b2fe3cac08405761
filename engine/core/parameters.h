/*
 * Parameters of a template: what stands open in its definition and is filled in when a workflow is
 * made of it. A bare name in braces that nothing in the language or the definition gives
 * ({{api_endpoint}}) is one, and so is an empty text where an address, an id or a text with
 * something in it must be ("url": ""). Pure.
 */
#ifndef MR_ENGINE_CORE_PARAMETERS_H
#define MR_ENGINE_CORE_PARAMETERS_H

#include "lib/arena.h"
#include "lib/error.h"
#include "lib/value.h"

#define MR_PARAMETERS_MAX 500 /* of one template; more are left open */

struct mr_parameter {
	struct mr_str name;                 /* "api_endpoint"; of a place "fetch.url" */
	struct mr_str key;                  /* of a place: "url", "auth.token"; else absent */
	struct mr_str path;                 /* where it stands first: "steps[0].config.url" */
	const struct mr_value *description; /* its entry of the template's variables, or NULL */
	bool is_place;
	bool is_short; /* of a place: its key alone means it, too */
	bool
	    is_required; /* one that nobody describes may stay open: each run's input has it then */
};

struct mr_parameters {
	struct mr_parameter *list;
	size_t len;
};

/* What stands open in DEFINITION (a map that holds the steps). VARIABLES is the template's list of
 * descriptions, or NULL. */
int mr_parameters_find(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_value *variables, struct mr_parameters *ret) MR_MUST_CHECK;

/*
 * DEFINITION with what GIVEN (a map, or NULL) and the descriptions' defaults say. A name becomes a
 * variable of the run (vars.NAME), or the expression that was given for it ("{{secrets.TOKEN}}").
 * What is missing, unknown or of no use is a fault under "parameters". 0 (look at FAULTS),
 * MR_E_NOMEM.
 */
int mr_parameters_fill(struct mr_arena *a, const struct mr_value *definition,
    const struct mr_value *variables, const struct mr_value *given, struct mr_faults *faults,
    struct mr_value *ret) MR_MUST_CHECK;

/* The JSON Schema of what may be given, an object. Absent without memory. */
struct mr_str mr_parameters_schema(struct mr_arena *a, const struct mr_parameters *p);

#endif
