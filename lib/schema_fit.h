/*
 * Whether the database's schema is one that this program was written for: what the answer to the
 * statement schema_state means. A newer schema fits, since changes are written to be safe beside
 * the release before.
 */
#ifndef MR_LIB_SCHEMA_FIT_H
#define MR_LIB_SCHEMA_FIT_H

#include "lib/pg.h"

enum mr_schema_fit {
	MR_SCHEMA_UNASKED, /* the database gave no answer: ask again */
	MR_SCHEMA_FITS,
	MR_SCHEMA_MISFIT, /* older than the program, or not Millrace's at all */
};

#define MR_SCHEMA_FIT_LEN 256

/* What UNIT was answered, whose one call was schema_state for the change NEEDED. For a misfit WHY
 * says what is missing and what to do. */
enum mr_schema_fit mr_schema_fit(
    const struct mr_pg_unit *unit, const char *needed, char why[MR_SCHEMA_FIT_LEN]);

#endif
