/* Tokens and keys for tests: made here, by the very means that an attacker has. */
#ifndef MR_TESTS_UNIT_TOKENS_H
#define MR_TESTS_UNIT_TOKENS_H

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "auth/jwt.h"
#include "lib/buf.h"
#include "lib/digest.h"
#include "tests/unit/test.h"

#define NOW    INT64_C(1800000000)
#define SECRET "0123456789abcdef0123456789abcdef"
#define GOOD   "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100}"

static inline void base64url(struct mr_buf *b, const void *bytes, size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	const unsigned char *p = bytes;

	for (size_t i = 0; i < len; i += 3) {
		unsigned v = (unsigned)p[i] << 16;
		size_t n = len - i < 3 ? len - i : 3;

		v |= n > 1 ? (unsigned)p[i + 1] << 8 : 0;
		v |= n > 2 ? (unsigned)p[i + 2] : 0;
		for (size_t k = 0; k <= n; k++)
			mr_buf_addc(b, digits[v >> (18 - 6 * k) & 63]);
	}
}

/* HEADER.CLAIMS.SIGNATURE */
static inline struct mr_str assemble(struct mr_arena *a, const char *header, const char *claims,
    const void *signature, size_t signature_len)
{
	struct mr_str text;
	struct mr_buf b;

	mr_buf_init(&b, 1 << 20);
	base64url(&b, header, strlen(header));
	mr_buf_addc(&b, '.');
	base64url(&b, claims, strlen(claims));
	if (signature != NULL) {
		mr_buf_addc(&b, '.');
		base64url(&b, signature, signature_len);
	}
	text = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return text;
}

/* Signed by HMAC-SHA256 with KEY, whatever the header says. */
static inline struct mr_str hs256(
    struct mr_arena *a, const char *header, const char *claims, struct mr_str key)
{
	unsigned char mac[MR_SHA256_LEN];
	struct mr_str part = assemble(a, header, claims, NULL, 0);

	assert_int_equal(mr_hmac_sha256(key, part, mac), 0);
	return assemble(a, header, claims, mac, sizeof(mac));
}

/* What OpenSSL signs; of EC the DER form. */
static inline size_t sign(
    EVP_PKEY *pkey, bool pss, struct mr_str message, unsigned char *out, size_t cap)
{
	bool ed = EVP_PKEY_get_base_id(pkey) == EVP_PKEY_ED25519;
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL;
	size_t len = cap;

	assert_int_equal(EVP_DigestSignInit(ctx, &pctx, ed ? NULL : EVP_sha256(), NULL, pkey), 1);
	if (pss) {
		assert_int_equal(EVP_PKEY_CTX_set_rsa_padding(pctx, RSA_PKCS1_PSS_PADDING), 1);
		assert_int_equal(EVP_PKEY_CTX_set_rsa_pss_saltlen(pctx, 32), 1);
	}
	assert_int_equal(
	    EVP_DigestSign(ctx, out, &len, (const unsigned char *)message.p, message.len), 1);
	EVP_MD_CTX_free(ctx);
	return len;
}

/* r and s, each of 32 bytes. */
static inline void raw_ecdsa(const unsigned char *der, size_t len, unsigned char out[64])
{
	ECDSA_SIG *sig = d2i_ECDSA_SIG(NULL, &der, (long)len);

	assert_non_null(sig);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(sig), out, 32), 32);
	assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(sig), out + 32, 32), 32);
	ECDSA_SIG_free(sig);
}

/* Signed as ALG wants it, under whatever HEADER. */
static inline struct mr_str signed_by(struct mr_arena *a, EVP_PKEY *pkey, enum mr_algorithm alg,
    const char *header, const char *claims)
{
	unsigned char sig[1100], raw[64];
	size_t len =
	    sign(pkey, alg == MR_ALG_PS256, assemble(a, header, claims, NULL, 0), sig, sizeof(sig));

	if (alg != MR_ALG_ES256)
		return assemble(a, header, claims, sig, len);
	raw_ecdsa(sig, len, raw);
	return assemble(a, header, claims, raw, sizeof(raw));
}

static inline EVP_PKEY *new_rsa(unsigned bits)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)bits);
}

static inline EVP_PKEY *new_ec(const char *curve)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "EC", curve);
}

static inline EVP_PKEY *new_ed(void)
{
	return EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
}

static inline struct mr_str public_pem(struct mr_arena *a, EVP_PKEY *pkey)
{
	BIO *bio = BIO_new(BIO_s_mem());
	struct mr_str text;
	char *p;
	long n;

	assert_int_equal(PEM_write_bio_PUBKEY(bio, pkey), 1);
	n = BIO_get_mem_data(bio, &p);
	text = mr_arena_str(a, (struct mr_str){ p, (size_t)n });
	BIO_free(bio);
	return text;
}

static inline void add_number(
    struct mr_buf *b, EVP_PKEY *pkey, const char *member, const char *param)
{
	unsigned char bytes[1100];
	BIGNUM *n = NULL;
	int len;

	assert_int_equal(EVP_PKEY_get_bn_param(pkey, param, &n), 1);
	len = BN_num_bytes(n) < 32 && strcmp(member, "e") != 0 ? 32 : BN_num_bytes(n);
	assert_int_equal(BN_bn2binpad(n, bytes, len), len);
	BN_free(n);
	mr_buf_addf(b, ",\"%s\":\"", member);
	base64url(b, bytes, (size_t)len);
	mr_buf_addc(b, '"');
}

/* One JWK with MORE members: ",\"kid\":\"x\"". */
static inline struct mr_str public_jwk(struct mr_arena *a, EVP_PKEY *pkey, const char *more)
{
	struct mr_buf b;
	struct mr_str text;

	mr_buf_init(&b, 10000);
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		mr_buf_addz(&b, "{\"kty\":\"RSA\"");
		add_number(&b, pkey, "n", OSSL_PKEY_PARAM_RSA_N);
		add_number(&b, pkey, "e", OSSL_PKEY_PARAM_RSA_E);
		break;
	case EVP_PKEY_EC:
		mr_buf_addz(&b, "{\"kty\":\"EC\",\"crv\":\"P-256\"");
		add_number(&b, pkey, "x", OSSL_PKEY_PARAM_EC_PUB_X);
		add_number(&b, pkey, "y", OSSL_PKEY_PARAM_EC_PUB_Y);
		break;
	default: {
		unsigned char x[32];
		size_t len = sizeof(x);

		assert_int_equal(EVP_PKEY_get_raw_public_key(pkey, x, &len), 1);
		mr_buf_addz(&b, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"");
		base64url(&b, x, len);
		mr_buf_addc(&b, '"');
	}
	}
	mr_buf_addf(&b, "%s}", more);
	text = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return text;
}

/* The issuer "i", audience "a", with one key. */
static inline struct mr_issuer issuer_of(
    struct mr_arena *a, enum mr_algorithm alg, const struct mr_key *key)
{
	return (struct mr_issuer){ .issuer = MR_STR("i"),
		.audience = MR_STR("a"),
		.algorithm = alg,
		.keys = mr_keys_of_one(a, key) };
}

static inline struct mr_issuer secret_issuer(struct mr_arena *a)
{
	struct mr_key key;

	assert_int_equal(mr_key_from_secret(a, MR_STR(SECRET), &key, NULL), 0);
	return issuer_of(a, MR_ALG_HS256, &key);
}

/* By the key's PEM. */
static inline struct mr_issuer public_issuer(
    struct mr_arena *a, enum mr_algorithm alg, EVP_PKEY *pkey)
{
	struct mr_key key;

	assert_int_equal(mr_key_from_text(a, public_pem(a, pkey), &key, NULL), 0);
	return issuer_of(a, alg, &key);
}

/* 0 when ISSUER takes the token at NOW, with 30 s of leeway. */
static inline int judge(
    struct mr_arena *a, const struct mr_issuer *issuer, struct mr_str text, struct mr_error *err)
{
	struct mr_jwt jwt;
	int r = mr_jwt_parse(a, text, &jwt, err);

	return r < 0 ? r : mr_jwt_verify(&jwt, issuer, NOW * 1000000, 30, err);
}

#endif
