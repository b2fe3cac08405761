/*
 * What PostgreSQL's refusals are to a client: SQLSTATE → error (sqlstate.def), and constraint →
 * error, member and sentence (constraints.def).
 */
#ifndef MR_FCGI_SQLSTATE_H
#define MR_FCGI_SQLSTATE_H

#include "lib/error.h"

struct mr_constraint {
	const char *name; /* of the constraint or unique index */
	enum mr_error_id error;
	const char *path;     /* member of the body; "" when no single one is at fault */
	const char *sentence; /* what would be right */
};

/* The row for a state: the whole state goes before its class; MR_ERR_INTERNAL when there is
 * none. */
enum mr_error_id mr_sqlstate_error(const char *sqlstate);
/* NULL when the constraint is not in the table. */
const struct mr_constraint *mr_constraint_find(const char *name);
extern const struct mr_constraint mr_constraints[];
extern const unsigned mr_constraints_len;

#endif
