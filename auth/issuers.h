/*
 * The issuers whose tokens are accepted, with their keys: read from PostgreSQL and keys_dir. Keys
 * are read when the first token of their issuer comes, and kept until the rows are read anew.
 */
#ifndef MR_AUTH_ISSUERS_H
#define MR_AUTH_ISSUERS_H

#include "auth/jwt.h"
#include "lib/pg.h"

/* One row, and where its keys come from: exactly one of the four. */
struct mr_issuer_row {
	struct mr_issuer issuer; /* the first member: mr_issuers_next() gives out its address */
	struct mr_str key_name;  /* file in keys_dir: a secret for HS256, else PEM or a JWK */
	struct mr_str public_key;
	struct mr_str jwks_file; /* file in keys_dir */
	struct mr_str jwks_url;
	struct mr_str jwks; /* of jwks_url, as last fetched; absent: not yet */
	int64_t fetched_ms; /* when, by uv_now()'s clock; only with jwks */
	bool is_loaded;     /* the keys were looked for; whether any are there, issuer.keys says */
	uint64_t file_mark[4]; /* of the file as it was read; zeros: it was not there */
};

struct mr_issuers {
	struct mr_arena *arena; /* owns all of it, keys too; wiped at the end */
	const char *keys_dir;
	struct mr_issuer_row *rows;
	size_t len;
};

/* From the rows of auth_issuers, read at NOW_MS. NULL without memory. KEYS_DIR must live on. */
struct mr_issuers *mr_issuers_create(
    const PGresult *rows, const char *keys_dir, int64_t now_ms) MR_MUST_CHECK;
struct mr_issuers *mr_issuers_free(struct mr_issuers *i);
/* The next row of that issuer (one may have several audiences), with its keys, NULL after the last.
 */
struct mr_issuer_row *mr_issuers_next(
    struct mr_issuers *i, const struct mr_issuer_row *after, struct mr_str issuer);
/* True when a file that keys were read from is another one by now. */
bool mr_issuers_files_changed(const struct mr_issuers *i);

/* For whoever configures an issuer: reads the file NAME in KEYS_DIR and says what type of key it
 * holds. MR_E_INVALID: ERR's detail follows the setting's name ("key_name must …"). */
int mr_issuer_key_file(struct mr_arena *a, const char *keys_dir, struct mr_str name,
    const char **ret_type, struct mr_error *err) MR_MUST_CHECK;
/* The same for a JWKS that ALG is to be verified with; MR_ALG_NONE: with any. */
int mr_issuer_jwks_file(struct mr_arena *a, const char *keys_dir, struct mr_str name,
    enum mr_algorithm alg, struct mr_error *err) MR_MUST_CHECK;

#endif
