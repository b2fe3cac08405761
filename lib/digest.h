/* SHA-256, HMAC and base64url by OpenSSL, with the forms that the rest of the code needs. */
#ifndef MR_LIB_DIGEST_H
#define MR_LIB_DIGEST_H

#include <stddef.h>

#include "lib/arena.h"
#include "lib/str.h"

#define MR_SHA256_LEN 32
#define MR_SHA256_HEX (2 * MR_SHA256_LEN + 1)

/* 0 or MR_E_NOMEM. On the main thread only: it keeps its context between calls. */
int mr_sha256(struct mr_str s, unsigned char ret[MR_SHA256_LEN]) MR_MUST_CHECK;
int mr_hmac_sha256(
    struct mr_str key, struct mr_str s, unsigned char ret[MR_SHA256_LEN]) MR_MUST_CHECK;
/* Lower case, NUL-terminated: OUT has room for 2 * LEN + 1. */
void mr_hex(const unsigned char *p, size_t len, char *out);
/* The reverse, lower case only: S has 2 * LEN digits. 0 or MR_E_INVALID. */
int mr_unhex(struct mr_str s, unsigned char *out, size_t len) MR_MUST_CHECK;
/* Strict base64url without padding: foreign characters, padding and non-zero spare bits are
 * refused (MR_E_INVALID), so that each value has exactly one text. */
int mr_base64url_decode(struct mr_arena *a, struct mr_str s, struct mr_str *ret) MR_MUST_CHECK;

#endif
