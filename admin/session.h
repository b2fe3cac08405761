/*
 * One connection on which a command waits for each answer: for the text of migrations, which are no
 * statements of the table, and for looking at what they do. The other commands go through lib/pg.
 */
#ifndef MR_ADMIN_SESSION_H
#define MR_ADMIN_SESSION_H

#include <libpq-fe.h>

#include "admin/admin.h"
#include "sql/sql_ids.h"

struct mr_session {
	struct mr_admin *admin;
	PGconn *c;
	char sqlstate[6]; /* of the last script that failed */
	char message[512];
	const char *tag; /* of the last script that went well: "ALTER TABLE" */
	/* messages of the server; or NULL */
	void (*notice)(void *ctx, const char *text);
	void *ctx;
};

/* By admin_database_url, to the database DBNAME (NULL: the one it names), with OPTIONS for the
 * server beside its own. 1: it failed, which standard error tells. Close it in any case. */
int mr_session_open(struct mr_admin *a, const char *dbname, const char *options,
    struct mr_session *ret) MR_MUST_CHECK;
void mr_session_close(struct mr_session *s);
/* The name of the database that admin_database_url names. NULL without it, which is told. */
const char *mr_session_dbname(struct mr_admin *a) MR_MUST_CHECK;

/* A statement of the table; VALUES as its parameters stand. The result belongs to the arena. 1: it
 * failed, which standard error tells. */
int mr_session_query(struct mr_session *s, enum mr_sql stmt, const char *const *values,
    const PGresult **ret) MR_MUST_CHECK;
/* One or more statements as a script has them. MR_E_INVALID: refused, and sqlstate and message say
 * why. */
int mr_session_script(struct mr_session *s, struct mr_str text) MR_MUST_CHECK;
/* Ends a transaction that is open still, and takes back what it did. */
void mr_session_rollback(struct mr_session *s);
/* Whether a transaction is open, be it one that has failed. */
bool mr_session_is_inside(const struct mr_session *s);

#endif
