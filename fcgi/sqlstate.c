#include "fcgi/sqlstate.h"

#include <string.h>

static const struct {
	const char *state; /* a beginning of five characters */
	enum mr_error_id error;
} rows[] = {
#define MR_SQLSTATE(state, error) { state, MR_ERR_##error },
#include "fcgi/sqlstate.def"
};

const struct mr_constraint mr_constraints[] = {
#define MR_CONSTRAINT(name, error, path, sentence) { name, MR_ERR_##error, path, sentence },
#include "fcgi/constraints.def"
};
const unsigned mr_constraints_len = MR_ARRAY_LEN(mr_constraints);

enum mr_error_id mr_sqlstate_error(const char *sqlstate)
{
	enum mr_error_id best = MR_ERR_INTERNAL;
	size_t longest = 0;

	for (size_t i = 0; i < MR_ARRAY_LEN(rows); i++) {
		size_t len = strlen(rows[i].state);

		if (len > longest && strncmp(rows[i].state, sqlstate, len) == 0) {
			longest = len;
			best = rows[i].error;
		}
	}
	return best;
}

const struct mr_constraint *mr_constraint_find(const char *name)
{
	for (unsigned i = 0; i < mr_constraints_len; i++) {
		if (strcmp(mr_constraints[i].name, name) == 0)
			return &mr_constraints[i];
	}
	return NULL;
}
