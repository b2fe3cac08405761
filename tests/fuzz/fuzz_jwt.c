/*
 * Tokens as a hostile client might send them, to issuers of every algorithm: nothing but what was
 * signed with the fixed secret may be taken. An input that begins with '.' is a token as it is; any
 * other is a header and, on the second line, claims, that are signed rightly.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "auth/claims.h"
#include "auth/jwt.h"
#include "lib/buf.h"
#include "lib/digest.h"

#define NOW_US (INT64_C(1800000000) * 1000000)
#define SECRET "0123456789abcdef0123456789abcdef"
#define ED25519                                                                                    \
	"{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"11qYAYKxCrfVS_"                              \
	"7TyWQHOg7hcvPapiMlrwIaaPcHURo\"}"
#define P256                                                                                       \
	"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU\"," \
	"\"y\":\"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0\"}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void base64url(struct mr_buf *b, struct mr_str s)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < s.len; i += 3) {
		unsigned v = (unsigned)(unsigned char)s.p[i] << 16;
		size_t n = s.len - i < 3 ? s.len - i : 3;

		v |= n > 1 ? (unsigned)(unsigned char)s.p[i + 1] << 8 : 0;
		v |= n > 2 ? (unsigned)(unsigned char)s.p[i + 2] : 0;
		for (size_t k = 0; k <= n; k++)
			mr_buf_addc(b, digits[v >> (18 - 6 * k) & 63]);
	}
}

/* "header\nclaims" becomes a token that is signed rightly. */
static struct mr_str sign(struct mr_arena *a, struct mr_str text)
{
	unsigned char mac[MR_SHA256_LEN];
	struct mr_str header = mr_str_cut(&text, '\n'), token = MR_STR("");
	struct mr_buf b;

	mr_buf_init(&b, 4 << 20);
	base64url(&b, header);
	mr_buf_addc(&b, '.');
	base64url(&b, text.p != NULL ? text : MR_STR(""));
	if (!mr_buf_failed(&b) && mr_hmac_sha256(MR_STR(SECRET), mr_buf_str(&b), mac) == 0) {
		mr_buf_addc(&b, '.');
		base64url(&b, (struct mr_str){ (const char *)mac, sizeof(mac) });
		token = mr_arena_str(a, mr_buf_str(&b));
	}
	mr_buf_done(&b);
	return token;
}

static struct mr_issuer issuer_of(struct mr_arena *a, enum mr_algorithm alg, const char *jwk)
{
	struct mr_issuer i = { .issuer = MR_STR("i"), .audience = MR_STR("a"), .algorithm = alg };
	struct mr_key key;
	int r = jwk != NULL ? mr_key_from_text(a, mr_str(jwk), &key, NULL)
	                    : mr_key_from_secret(a, MR_STR(SECRET), &key, NULL);

	if (r < 0)
		abort();
	i.keys = mr_keys_of_one(a, &key);
	return i;
}

/* What a token that was taken must be like, whatever it took to get there. */
static void check_taken(struct mr_arena *a, const struct mr_jwt *jwt)
{
	unsigned char mac[MR_SHA256_LEN];
	struct mr_buf array;

	if (mr_hmac_sha256(MR_STR(SECRET), jwt->signed_part, mac) < 0 ||
	    jwt->signature.len != sizeof(mac) || memcmp(jwt->signature.p, mac, sizeof(mac)) != 0)
		abort();
	if (mr_jwt_expires_at_us(jwt) + 30 * INT64_C(1000000) < NOW_US ||
	    mr_value_get_str(&jwt->claims, "sub").len == 0)
		abort();
	mr_buf_init(&array, 1 << 20);
	for (size_t i = 0; i < jwt->claims.map->len; i++) {
		const struct mr_member *m = &jwt->claims.map->members[i];

		(void)mr_claim_words(&m->value, &jwt->claims, NULL, &array);
		(void)mr_claim_text(a, &m->value, NULL);
		(void)mr_claim_find(&jwt->claims, m->key.s);
	}
	mr_buf_done(&array);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mr_arena *a = mr_arena_create(16 << 20);
	struct mr_str token = { (const char *)data, size };
	struct mr_issuer issuers[3];
	struct mr_jwt jwt;

	if (a == NULL)
		return 0;
	if (size > 0 && data[0] == '.')
		token = (struct mr_str){ token.p + 1, size - 1 };
	else
		token = sign(a, token);
	issuers[0] = issuer_of(a, MR_ALG_HS256, NULL);
	issuers[1] = issuer_of(a, MR_ALG_ES256, P256);
	issuers[2] = issuer_of(a, MR_ALG_EDDSA, ED25519);
	if (mr_jwt_parse(a, token, &jwt, NULL) == 0) {
		for (size_t i = 0; i < MR_ARRAY_LEN(issuers); i++) {
			if (mr_jwt_verify(&jwt, &issuers[i], NOW_US, 30, NULL) != 0)
				continue;
			if (i > 0)
				abort(); /* nobody has their private keys */
			check_taken(a, &jwt);
		}
	}
	a = mr_arena_free(a);
	return 0;
}
