/*
 * JSON Web Tokens (RFC 7519) in compact form: taking apart, checking the signature against the
 * issuer's key, checking the claims. The issuer's row decides the algorithm and the key its type;
 * the token's own "alg" is only compared. Pure: no clock, no I/O, nothing kept.
 */
#ifndef MR_AUTH_JWT_H
#define MR_AUTH_JWT_H

#include "auth/key.h"
#include "lib/arena.h"
#include "lib/error.h"
#include "lib/str.h"
#include "lib/value.h"

#define MR_JWT_MAX         8192 /* bytes of a token */
#define MR_JWT_SUBJECT_MAX 255  /* bytes of a sub (OpenID Connect Core 2) */

struct mr_issuer {
	int64_t id;
	int64_t tenant_id;      /* its principals' tenant; 0: the tenant claim tells */
	struct mr_str issuer;   /* what iss must be */
	struct mr_str audience; /* what aud must hold; absent: there must be no aud */
	enum mr_algorithm algorithm;
	const struct mr_keys *keys; /* NULL: none can be had, nothing verifies */
	struct mr_str scopes_claim, roles_claim, groups_claim, tenant_claim, name_claim;
	struct mr_value required; /* see mr_claims_check */
	struct mr_value words;    /* an object of tables: scopes, roles, groups, tenant */
};

struct mr_jwt {
	struct mr_value header, claims; /* objects */
	struct mr_str signed_part;      /* header and payload with their dot, as sent */
	struct mr_str signature;        /* bytes */
	struct mr_str issuer;           /* iss; absent when there is none */
};

/* Takes TOKEN apart. Nothing is verified yet. MR_E_INVALID says in ERR what is wrong. */
int mr_jwt_parse(struct mr_arena *a, struct mr_str token, struct mr_jwt *ret,
    struct mr_error *err) MR_MUST_CHECK;
/* Signature, then exp (required), nbf, iat with LEEWAY, iss, aud, sub (required), and what the
 * issuer requires beside them. MR_E_NOT_FOUND: the issuer has no key of this name, a newer set of
 * its keys may; MR_E_DENIED: all else. */
int mr_jwt_verify(const struct mr_jwt *jwt, const struct mr_issuer *issuer, int64_t now_us,
    int64_t leeway_s, struct mr_error *err) MR_MUST_CHECK;
/* When it ends. Only after verify. */
int64_t mr_jwt_expires_at_us(const struct mr_jwt *jwt);

#endif
