/*
 * What dispatch knows of one request while it is carried out, beside the request itself. Only
 * fcgi/ looks inside; handlers go through fcgi/dispatch.h.
 */
#ifndef MR_FCGI_CALL_H
#define MR_FCGI_CALL_H

#include "auth/limiter.h"
#include "fcgi/args.h"
#include "fcgi/request.h"
#include "fcgi/router.h"
#include "fcgi/schema.h"

struct mr_call {
	const struct mr_route_vars *vars;
	bool is_list;
	struct mr_page page;   /* lists only */
	size_t address_faults; /* of path and query; the body's come after them */
	/* If-Match: the version it names; < 0: none was sent, or "*" */
	int64_t if_match;
	bool if_match_other; /* an entity tag that no version of ours can have */
	/* Idempotency-Key; absent: none */
	struct mr_str idempotency_key;
	struct mr_str request_digest; /* "\x…", made when it is first needed */
	bool replayed;                /* the answer is a stored one */
	/* of the answer, for its ETag; < 0: it has none */
	int64_t version;
	/* which state of the row the answer tells; absent: its body depends on more than that */
	struct mr_str state;
	int64_t worked_since_us; /* breathe's own: monotonic, since the loop had its last turn */
	/* raw texts of the body's members, made when first needed */
	const struct mr_str *slices;
	struct mr_limit limit; /* fcgi/limit.c's own */
	bool is_limited;       /* it counts against a limit, which limit tells */
	bool is_counted;       /* and limit is decided */
	bool state_only;       /* only the row's state is asked for, not its body */
};

/* The process's own tables, made once. */
struct mr_tables {
	struct mr_arena *arena;
	struct mr_router *router;
	struct mr_schemas *schemas;
	const struct mr_bind_plan *const *plans; /* of each route's statement, by the route's id */
};
const struct mr_tables *mr_tables(void);

#endif
