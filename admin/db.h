/*
 * One statement, one answer: what a command needs of the database. Opens a connection by
 * admin_database_url, runs the loop until the answer is there, and closes it again.
 */
#ifndef MR_ADMIN_DB_H
#define MR_ADMIN_DB_H

#include "admin/admin.h"
#include "lib/pg.h"
#include "sql/sql_ids.h"

struct mr_admin_bind {
	const char *name; /* of the statement's parameter; NULL ends the list */
	struct mr_str value;
};

/* Runs STMT with BINDS (parameters that none names are NULL). 0: *ret_result is the answer, freed
 * with the arena. 1: it failed, and standard error says why. */
int mr_admin_query(struct mr_admin *a, enum mr_sql stmt, const struct mr_admin_bind *binds,
    PGresult **ret_result) MR_MUST_CHECK;

/* "a, b" as an array literal, {"a","b"}; absent without memory. */
struct mr_str mr_admin_array(struct mr_admin *a, const char *list);

#endif
