/* The issuers whose tokens are accepted, with their keys: read from PostgreSQL and keys_dir. */
#ifndef MR_AUTH_ISSUERS_H
#define MR_AUTH_ISSUERS_H

#include "auth/jwt.h"
#include "lib/pg.h"

struct mr_issuers {
	struct mr_arena *arena; /* owns all of it, keys too; wiped at the end */
	struct mr_issuer *rows;
	size_t len;
};

/* From the rows of auth_issuers. An issuer whose key can't be read stays without one: its tokens
 * are refused. NULL without memory. */
struct mr_issuers *mr_issuers_create(const PGresult *rows, const char *keys_dir) MR_MUST_CHECK;
struct mr_issuers *mr_issuers_free(struct mr_issuers *i);
/* The next row of that issuer (one may have several audiences), NULL after the last. */
const struct mr_issuer *mr_issuers_next(
    const struct mr_issuers *i, const struct mr_issuer *after, struct mr_str issuer);

#endif
