/*
 * Keys and sets of keys as an issuer's URL, or whoever stands in for it, might answer: PEM, JWK and
 * JWKS. What is kept of a set must say the same when it is read again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/key.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_key(const struct mr_key *key, enum mr_algorithm alg)
{
	static const char signature[256] = { 1 };

	if (key->type == MR_KEY_OCT || key->pkey == NULL || key->kid.len > MR_KEY_ID_MAX)
		abort();
	/* a signature that nobody made is no good by any key */
	if (mr_key_verify(key, alg, MR_STR("a.b"), (struct mr_str){ signature, 64 }) == 0 ||
	    mr_key_verify(key, alg, MR_STR("a.b"), (struct mr_str){ signature, 256 }) == 0)
		abort();
}

static void check_set(struct mr_arena *a, struct mr_str text, enum mr_algorithm alg)
{
	struct mr_keys *keys, *again;
	struct mr_str kept, twice;

	if (mr_keys_from_jwks(a, text, alg, &keys, &kept, NULL) < 0)
		return;
	if (keys->len == 0 || keys->len > MR_KEYS_MAX)
		abort();
	for (size_t i = 0; i < keys->len; i++) {
		const struct mr_key *found;

		check_key(&keys->keys[i], alg);
		if (mr_keys_find(keys, alg, keys->keys[i].kid, &found) == 0 &&
		    !mr_key_fits(found, alg))
			abort();
	}
	if (mr_keys_from_jwks(a, kept, alg, &again, &twice, NULL) < 0 || again->len != keys->len ||
	    !mr_str_eq(kept, twice))
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const enum mr_algorithm algorithms[] = { MR_ALG_RS256, MR_ALG_PS256, MR_ALG_ES256,
		MR_ALG_EDDSA };
	struct mr_arena *a = mr_arena_create(64 << 20);
	struct mr_str text = { (const char *)data, size };
	struct mr_key key;

	if (a == NULL)
		return 0;
	for (size_t i = 0; i < MR_ARRAY_LEN(algorithms); i++) {
		check_set(a, text, algorithms[i]);
		if (mr_key_from_text(a, text, &key, NULL) == 0 && mr_key_fits(&key, algorithms[i]))
			check_key(&key, algorithms[i]);
	}
	if (mr_key_from_secret(a, text, &key, NULL) == 0 &&
	    (key.secret.len < MR_KEY_SECRET_MIN || mr_key_looks_public(key.secret)))
		abort();
	a = mr_arena_free(a);
	return 0;
}
