/*
 * Who is calling: API keys, JWTs and client certificates become a principal. A verified
 * credential is remembered for a while; what changes in the database is noticed within seconds.
 */
#ifndef MR_AUTH_AUTH_H
#define MR_AUTH_AUTH_H

#include <uv.h>

#include "auth/principal.h"
#include "lib/bus.h"
#include "lib/error.h"
#include "lib/pg.h"
#include "lib/settings.h"

struct mr_auth;

/* What a request brought along; absent where it brought nothing. */
struct mr_credentials {
	struct mr_str authorization; /* the whole header */
	struct mr_str api_key;       /* X-API-Key */
	struct mr_str cert_pem; /* URL-escaped PEM (nginx's $ssl_client_escaped_cert); only when
	                         * nginx verified it, absent otherwise */
	bool takes_anonymous;   /* without any of these it is the anonymous principal, if one is
	                         * set */
};

struct mr_auth *mr_auth_create(uv_loop_t *loop, const struct mr_settings *s, struct mr_pg *pg,
    struct mr_bus *bus) MR_MUST_CHECK;
struct mr_auth *mr_auth_free(struct mr_auth *a);

/*
 * In a coroutine. 0: *ret is the principal (kept alive until mr_principal_unref), or NULL when no
 * credentials came at all. MR_E_DENIED: they are no good (err says CREDENTIALS_INVALID).
 * MR_E_UNAVAILABLE: PostgreSQL is away. Several credentials must name the same principal.
 */
int mr_auth_identify(struct mr_auth *a, const struct mr_credentials *c, struct mr_arena *scratch,
    const struct mr_principal **ret, struct mr_error *err) MR_MUST_CHECK;
void mr_principal_unref(const struct mr_principal *p);

#endif
