#include "lib/schema_fit.h"

#include <stdio.h>

/* No such function, table, schema: the schema is from before it could be asked. Or it may not be
 * used, so it isn't ours. */
static bool is_missing(const char *sqlstate)
{
	static const char *const states[] = { "42883", "42P01", "3F000", "42501" };

	for (size_t i = 0; i < MR_ARRAY_LEN(states); i++) {
		if (strcmp(sqlstate, states[i]) == 0)
			return true;
	}
	return false;
}

enum mr_schema_fit mr_schema_fit(
    const struct mr_pg_unit *unit, const char *needed, char why[MR_SCHEMA_FIT_LEN])
{
	struct mr_str latest = MR_STR("none that can be asked for");

	why[0] = '\0';
	if (unit->outcome == MR_PG_OK && PQntuples(unit->calls[0].result) == 1) {
		if (mr_pg_bool(unit->calls[0].result, 0, "known"))
			return MR_SCHEMA_FITS;
		if (mr_pg_text(unit->calls[0].result, 0, "latest").len > 0)
			latest = mr_pg_text(unit->calls[0].result, 0, "latest");
	} else if (unit->outcome != MR_PG_ERROR || !is_missing(unit->sqlstate)) {
		return MR_SCHEMA_UNASKED;
	}
	(void)snprintf(why, MR_SCHEMA_FIT_LEN, /* cut if need be */
	    "the database lacks the change %s, its last one is %.*s: run millrace-admin migrate of "
	    "this release first",
	    needed, MR_STR_ARG(latest));
	return MR_SCHEMA_MISFIT;
}
