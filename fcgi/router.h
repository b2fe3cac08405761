/*
 * Finds the row of the route table for a method and a path. The table is compiled once into a
 * tree of path segments. Knows nothing of what a route does.
 */
#ifndef MR_FCGI_ROUTER_H
#define MR_FCGI_ROUTER_H

#include "fcgi/route.h"
#include "lib/arena.h"

struct mr_router;

/* How the text of a path variable is read. */
enum mr_var_kind { MR_VAR_TEXT, MR_VAR_ID, MR_VAR_NUMBER };

struct mr_var {
	struct mr_str name; /* "id" */
	enum mr_var_kind kind;
	const char *id_prefix; /* MR_VAR_ID: "wf" takes wf_12 beside 12; NULL: none */
};

/* The variables of a route's path, in order. */
struct mr_route_vars {
	unsigned len;
	struct mr_var vars[MR_PATH_VARS_MAX];
};

struct mr_match {
	const struct mr_route *route; /* NULL: no such path (allow is 0) or method */
	const struct mr_route_vars *vars;
	struct mr_str values[MR_PATH_VARS_MAX];
	unsigned allow; /* bits 1 << enum mr_method of the path; HEAD with GET */
};

/* Everything lives in ARENA. Negative when the table contradicts itself: err says where. */
int mr_router_create(struct mr_arena *arena, const struct mr_route *routes, unsigned len,
    struct mr_router **ret, struct mr_error *err) MR_MUST_CHECK;
/* One trailing slash is ignored; a literal segment goes before a variable, without going back.
 * The values point into PATH. Allocates nothing. */
void mr_router_match(
    const struct mr_router *r, enum mr_method method, struct mr_str path, struct mr_match *ret);
/* Of a row of the router's own table. */
const struct mr_route_vars *mr_router_vars(const struct mr_router *r, const struct mr_route *route);

const char *mr_method_name(enum mr_method m);
/* "GET, HEAD, OPTIONS" into OUT; returns its length. */
#define MR_ALLOW_LEN 64
size_t mr_allow_text(unsigned allow, char out[MR_ALLOW_LEN]);

#endif
