/*
 * The keys of issuers that publish them at a URL (JWKS): fetched in the background, never in the
 * way of the loop. What is fetched is kept in PostgreSQL, so that all workers of all hosts have the
 * same keys, one of them fetches for all, and an issuer that is away takes nobody's keys with it.
 */
#ifndef MR_AUTH_KEY_FETCH_H
#define MR_AUTH_KEY_FETCH_H

#include <uv.h>

#include "auth/issuers.h"
#include "lib/pg.h"
#include "lib/settings.h"

struct mr_key_fetch;

/* NEWS(CTX) is called on the loop whenever a claim or a fetch has ended; KEYS_CHANGED when the row
 * of an issuer has other keys now, so that it must be read anew. */
struct mr_key_fetch *mr_key_fetch_create(uv_loop_t *loop, const struct mr_settings *settings,
    struct mr_pg *pg, void (*news)(void *ctx, bool keys_changed), void *ctx) MR_MUST_CHECK;
/* What is under way ends by itself, without news. Takes NULL. */
struct mr_key_fetch *mr_key_fetch_free(struct mr_key_fetch *f);

/* The issuers were read anew: forgets the sources that are no more. */
void mr_key_fetch_changed(struct mr_key_fetch *f, const struct mr_issuers *issuers);
/* Fetches what was never fetched, or is older than jwks_max_age_seconds. */
void mr_key_fetch_refresh(struct mr_key_fetch *f, const struct mr_issuers *issuers);
/* A token names a key that ROW (with a jwks_url) doesn't have. True while newer keys may still
 * come: ask again after the next news. At most one fetch each jwks_retry_seconds, of all workers.
 */
bool mr_key_fetch_wanted(struct mr_key_fetch *f, const struct mr_issuer_row *row) MR_MUST_CHECK;
/* False when ROW's keys are older than jwks_max_stale_seconds, or were never fetched. */
bool mr_key_fetch_usable(
    const struct mr_key_fetch *f, const struct mr_issuer_row *row) MR_MUST_CHECK;

#endif
