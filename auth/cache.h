/*
 * Remembers which principal a credential stands for, by the credential's SHA-256, so that neither
 * tokens nor keys are kept. Bounded: the one unused for longest goes first.
 */
#ifndef MR_AUTH_CACHE_H
#define MR_AUTH_CACHE_H

#include <stdbool.h>
#include <stdint.h>

#include "auth/principal.h"
#include "lib/digest.h"

struct mr_auth_cache;

struct mr_auth_cache *mr_auth_cache_create(unsigned max) MR_MUST_CHECK;
struct mr_auth_cache *mr_auth_cache_free(struct mr_auth_cache *c);
/* True: it is remembered; *ret is the principal with a reference of the caller's own, or NULL when
 * the credential is known to be no good. */
bool mr_auth_cache_get(struct mr_auth_cache *c, const unsigned char digest[MR_SHA256_LEN],
    int64_t now_us, const struct mr_principal **ret);
/* Remembers P (NULL: no good) until then. Without memory it is simply not remembered. */
void mr_auth_cache_put(struct mr_auth_cache *c, const unsigned char digest[MR_SHA256_LEN],
    struct mr_principal *p, int64_t until_us);
void mr_auth_cache_clear(struct mr_auth_cache *c);
unsigned mr_auth_cache_len(const struct mr_auth_cache *c);

#endif
