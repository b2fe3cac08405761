/*
 * The keys that verify tokens: a secret, or a public key as PEM or JWK, and sets of them (JWKS, RFC
 * 7517). Whatever is too weak to be relied on is refused here, before it is ever used. A key's type
 * fits certain algorithms only, and the issuer's row names the one that counts.
 */
#ifndef MR_AUTH_KEY_H
#define MR_AUTH_KEY_H

#include <openssl/evp.h>

#include "lib/arena.h"
#include "lib/error.h"
#include "lib/str.h"

#define MR_KEY_SECRET_MIN 32         /* RFC 7518 3.2: as long as the hash, or longer */
#define MR_KEY_SECRET_MAX 4096       /* bytes */
#define MR_KEY_TEXT_MAX   16384      /* bytes of one PEM or JWK */
#define MR_KEY_ID_MAX     200        /* bytes of a kid */
#define MR_KEYS_TEXT_MAX  (1u << 20) /* bytes of a JWKS */
#define MR_KEYS_MAX       100        /* usable keys of a JWKS; the rest is ignored */

enum mr_key_type { MR_KEY_OCT, MR_KEY_RSA, MR_KEY_EC, MR_KEY_OKP };

enum mr_algorithm {
	MR_ALG_NONE, /* not one that is known here; nothing verifies by it */
	MR_ALG_HS256,
	MR_ALG_RS256,
	MR_ALG_PS256,
	MR_ALG_ES256,
	MR_ALG_EDDSA,
};

struct mr_key {
	enum mr_key_type type;
	struct mr_str kid;    /* absent: it has no name */
	struct mr_str alg;    /* what the key itself says it is for; absent: nothing */
	struct mr_str secret; /* of MR_KEY_OCT */
	EVP_PKEY *pkey;       /* of the others; freed with the arena */
};

struct mr_keys {
	size_t len;
	struct mr_key keys[];
};

/* By its exact name; MR_ALG_NONE for any other, "none" in every spelling among them. */
enum mr_algorithm mr_algorithm_by_name(struct mr_str name);
/* "oct", "RSA", "EC", "OKP": JWK's kty. */
const char *mr_key_type_name(enum mr_key_type type);
bool mr_key_fits(const struct mr_key *key, enum mr_algorithm alg);

/* A secret as its file holds it (a line's end at its end doesn't count). Too short, or a public key
 * by mistake, is MR_E_INVALID; ERR's detail says what is wrong, to be put after the key's name. */
int mr_key_from_secret(
    struct mr_arena *a, struct mr_str text, struct mr_key *ret, struct mr_error *err) MR_MUST_CHECK;
/* PEM, a JWK or an SSH key, whatever it holds: nothing that may serve as a secret. */
bool mr_key_looks_public(struct mr_str text);
/* A public key: PEM (SubjectPublicKeyInfo) or one JWK. MR_E_INVALID as above. */
int mr_key_from_text(
    struct mr_arena *a, struct mr_str text, struct mr_key *ret, struct mr_error *err) MR_MUST_CHECK;
/* One that a set has one key of. */
struct mr_keys *mr_keys_of_one(struct mr_arena *a, const struct mr_key *key) MR_MUST_CHECK;
/*
 * The keys of a JWKS that ALG can be verified with (MR_ALG_NONE: those that may be used at all);
 * others are passed over. RET_TEXT (may be NULL)
 * is the same set with nothing but what verification needs. MR_E_INVALID when it is no JWKS, or has
 * no such key.
 */
int mr_keys_from_jwks(struct mr_arena *a, struct mr_str text, enum mr_algorithm alg,
    struct mr_keys **ret, struct mr_str *ret_text, struct mr_error *err) MR_MUST_CHECK;

/*
 * The key for a token that is signed by ALG and names KID (absent: names none). MR_E_NOT_FOUND: the
 * set has no such key, a newer one may. MR_E_DENIED: it can't be told which of several it is.
 */
int mr_keys_find(const struct mr_keys *keys, enum mr_algorithm alg, struct mr_str kid,
    const struct mr_key **ret) MR_MUST_CHECK;
/* MR_E_DENIED when SIGNATURE is not KEY's for MESSAGE by ALG; MR_E_NOMEM. */
int mr_key_verify(const struct mr_key *key, enum mr_algorithm alg, struct mr_str message,
    struct mr_str signature) MR_MUST_CHECK;

#endif
