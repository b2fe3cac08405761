/*
 * Where each parameter of a statement comes from, by its name: what dispatch knows (tenant_id,
 * page_limit, …), then the route's path variables, its query arguments, the members of its body.
 */
#ifndef MR_FCGI_BIND_H
#define MR_FCGI_BIND_H

#include "fcgi/call.h"
#include "lib/pg.h"

enum mr_bind_kind { MR_BIND_NULL, MR_BIND_RESERVED, MR_BIND_PATH, MR_BIND_ARG, MR_BIND_BODY };

struct mr_bind {
	enum mr_bind_kind kind;
	unsigned index;             /* of the reserved name, path variable or argument */
	struct mr_str default_text; /* MR_BIND_BODY: the schema's default as JSON, or absent */
};

struct mr_bind_plan {
	const struct mr_stmt *stmt;
	const struct mr_bind *binds; /* one a parameter */
};

/* The plan of STMT for requests of ROUTE, in ARENA. A name that nothing has stays NULL, unless a
 * handler gives it. NULL without memory. */
const struct mr_bind_plan *mr_bind_plan(struct mr_arena *arena, const struct mr_schemas *schemas,
    const struct mr_route *route, const struct mr_route_vars *vars,
    const struct mr_stmt *stmt) MR_MUST_CHECK;

/* The values of a request, in its arena; EXTRA goes first (ended by an absent name, or NULL).
 * 0, MR_E_NOMEM, or MR_E_INVALID when a value that may not be NULL is. */
int mr_bind_values(struct mr_request *r, const struct mr_bind_plan *plan,
    const struct mr_pair *extra, const struct mr_str **ret) MR_MUST_CHECK;

#endif
