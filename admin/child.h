/*
 * The programs that PostgreSQL and sqitch bring: started, listened to line by line, waited for. How
 * they reach the database stands in the environment, since arguments are seen by everyone.
 */
#ifndef MR_ADMIN_CHILD_H
#define MR_ADMIN_CHILD_H

#include "admin/admin.h"

#define MR_CHILD_NAME "millrace-migrate" /* of the sessions that change the schema */

/* What happens meanwhile; each member but CTX may be NULL. */
struct mr_child_hooks {
	const char *cwd;
	/* standard output and standard error, without the line's end; unheard lines are printed */
	void (*line)(void *ctx, struct mr_str line, bool is_error);
	void (*tick)(void *ctx); /* ten times a second */
	void *ctx;
};

/* admin_database_url as PGHOST and so on, for all that are started after it. 1: not possible, told.
 */
int mr_child_environment(struct mr_admin *a) MR_MUST_CHECK;
/* The exit status, 128 + the signal that ended it, or -1 when it could not be started, which is
 * told. */
int mr_child_wait(char **argv, const struct mr_child_hooks *hooks) MR_MUST_CHECK;
/* The same, quietly, and standard error tells when it ended badly: 0 or 1. */
int mr_child_run(char **argv) MR_MUST_CHECK;

#endif
