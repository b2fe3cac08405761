#include "auth/key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <string.h>

#include "lib/digest.h"
#include "lib/value.h"

#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192 /* a larger one costs milliseconds of every worker */
#define RSA_E_BITS   32
#define ES256_LEN    64
#define HALF         32 /* r, s, x and y of P-256; a key of Ed25519 */

static const struct mr_json_limits key_limits = { .depth = 8, .values = 20000 };

static const struct {
	const char *name;
	enum mr_key_type type;
} algorithms[] = {
	[MR_ALG_HS256] = { "HS256", MR_KEY_OCT },
	[MR_ALG_RS256] = { "RS256", MR_KEY_RSA },
	[MR_ALG_PS256] = { "PS256", MR_KEY_RSA },
	[MR_ALG_ES256] = { "ES256", MR_KEY_EC },
	[MR_ALG_EDDSA] = { "EdDSA", MR_KEY_OKP },
};

enum mr_algorithm mr_algorithm_by_name(struct mr_str name)
{
	for (size_t i = MR_ALG_HS256; i < MR_ARRAY_LEN(algorithms); i++) {
		if (mr_str_eqz(name, algorithms[i].name))
			return (enum mr_algorithm)i;
	}
	return MR_ALG_NONE;
}

const char *mr_key_type_name(enum mr_key_type type)
{
	static const char *const names[] = { "oct", "RSA", "EC", "OKP" };

	return names[type];
}

bool mr_key_fits(const struct mr_key *key, enum mr_algorithm alg)
{
	return alg != MR_ALG_NONE && key->type == algorithms[alg].type &&
	       (key->alg.p == NULL || mr_str_eqz(key->alg, algorithms[alg].name));
}

/* ERR's detail follows the key's name: "public_key must be …". */
static int bad(struct mr_error *err, const char *what)
{
	ERR_clear_error();
	return mr_error_set(err, MR_E_INVALID, MR_ERR_VALIDATION_FAILED, "%s", what);
}

/* ---- secrets ---- */

bool mr_key_looks_public(struct mr_str text)
{
	struct mr_str s = mr_str_trim(text);

	return mr_str_starts(s, MR_STR("-----BEGIN")) || mr_str_starts(s, MR_STR("ssh-")) ||
	       (mr_str_starts(s, MR_STR("{")) && memmem(s.p, s.len, "\"kty\"", 5) != NULL);
}

int mr_key_from_secret(
    struct mr_arena *a, struct mr_str text, struct mr_key *ret, struct mr_error *err)
{
	while (text.len > 0 && (text.p[text.len - 1] == '\n' || text.p[text.len - 1] == '\r'))
		text.len--; /* editors end a file so */
	/* whoever has the public key could sign with it */
	if (mr_key_looks_public(text))
		return bad(err, "must be a secret for HS256; this is a key of another kind");
	if (text.len < MR_KEY_SECRET_MIN)
		return bad(err, "must have 32 bytes or more");
	if (text.len > MR_KEY_SECRET_MAX)
		return bad(err, "must have 4096 bytes at most");
	*ret = (struct mr_key){ .type = MR_KEY_OCT, .secret = mr_arena_str(a, text) };
	return ret->secret.p != NULL ? 0 : MR_E_NOMEM;
}

/* ---- strength ---- */

static int check_rsa(const EVP_PKEY *pkey, struct mr_error *err)
{
	int bits = EVP_PKEY_get_bits(pkey);
	BIGNUM *e = NULL;
	bool ok;

	if (bits < RSA_BITS_MIN || bits > RSA_BITS_MAX)
		return bad(err, "must have 2048 to 8192 bits");
	if (EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_RSA_E, &e) != 1)
		return MR_E_NOMEM;
	ok = BN_is_odd(e) && !BN_is_one(e) && BN_num_bits(e) <= RSA_E_BITS;
	BN_free(e);
	return ok ? 0 : bad(err, "must have an odd exponent from 3 to 2^32");
}

static int check_ec(EVP_PKEY *pkey, struct mr_error *err)
{
	char group[32] = "";
	EVP_PKEY_CTX *ctx;
	bool ok;

	if (EVP_PKEY_get_group_name(pkey, group, sizeof(group), NULL) != 1 ||
	    strcmp(group, SN_X9_62_prime256v1) != 0)
		return bad(err, "must be on the curve P-256");
	ctx = EVP_PKEY_CTX_new_from_pkey(NULL, pkey, NULL);
	if (ctx == NULL)
		return MR_E_NOMEM;
	ok = EVP_PKEY_public_check(ctx) == 1;
	EVP_PKEY_CTX_free(ctx);
	return ok ? 0 : bad(err, "must be a point of P-256");
}

/* Points of small order, but for the sign bit: with one of them as the key, signatures that nobody
 * made verify. */
static const unsigned char small_order[][HALF] = {
	{ 0 },
	{ 1 },
	{ 0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
	    0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d,
	    0x53, 0xfc, 0x05 },
	{ 0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
	    0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92,
	    0xac, 0x03, 0x7a },
	{ 0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0x7f },
	{ 0xed, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0x7f },
	{ 0xee, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	    0xff, 0xff, 0x7f },
};

static int check_ed25519(const EVP_PKEY *pkey, struct mr_error *err)
{
	unsigned char point[HALF];
	size_t len = sizeof(point);

	if (EVP_PKEY_get_raw_public_key(pkey, point, &len) != 1 || len != sizeof(point))
		return MR_E_NOMEM;
	point[HALF - 1] &= 0x7f;
	for (size_t i = 0; i < MR_ARRAY_LEN(small_order); i++) {
		if (memcmp(point, small_order[i], sizeof(point)) == 0)
			return bad(err, "must not be a point of small order");
	}
	return 0;
}

static void free_pkey(void *pkey)
{
	EVP_PKEY_free(pkey);
}

/* Looks PKEY over and gives it to the arena, which frees it. */
static int take_pkey(struct mr_arena *a, EVP_PKEY *pkey, struct mr_key *ret, struct mr_error *err)
{
	int r;

	if (mr_arena_defer(a, free_pkey, pkey) < 0)
		return MR_E_NOMEM;
	ret->pkey = pkey;
	switch (EVP_PKEY_get_base_id(pkey)) {
	case EVP_PKEY_RSA:
		ret->type = MR_KEY_RSA;
		r = check_rsa(pkey, err);
		break;
	case EVP_PKEY_EC:
		ret->type = MR_KEY_EC;
		r = check_ec(pkey, err);
		break;
	case EVP_PKEY_ED25519:
		ret->type = MR_KEY_OKP;
		r = check_ed25519(pkey, err);
		break;
	default:
		r = bad(err, "must be an RSA, P-256 or Ed25519 key");
	}
	return r;
}

/* ---- PEM ---- */

static int from_pem(
    struct mr_arena *a, struct mr_str text, struct mr_key *ret, struct mr_error *err)
{
	EVP_PKEY *pkey = NULL;
	BIO *bio;

	if (memmem(text.p, text.len, "PRIVATE KEY", 11) != NULL)
		return bad(err, "must be a public key; this is a private one");
	bio = BIO_new_mem_buf(text.p, (int)text.len);
	if (bio != NULL)
		pkey = PEM_read_bio_PUBKEY(bio, NULL, NULL, NULL);
	BIO_free(bio);
	if (pkey == NULL)
		return bad(err, "must be PEM (BEGIN PUBLIC KEY) or one JWK");
	*ret = (struct mr_key){ .type = MR_KEY_RSA };
	return take_pkey(a, pkey, ret, err);
}

/* ---- JWK ---- */

/* A member in base64url; absent when it isn't there or is something else. */
static struct mr_str bytes_of(struct mr_arena *a, const struct mr_value *jwk, const char *name)
{
	struct mr_str s = mr_value_get_str(jwk, name), bytes = MR_STR_NONE;

	if (s.p == NULL || mr_base64url_decode(a, s, &bytes) < 0)
		return MR_STR_NONE;
	return bytes;
}

static EVP_PKEY *from_params(const char *type, OSSL_PARAM *params)
{
	EVP_PKEY_CTX *ctx = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
	EVP_PKEY *pkey = NULL;

	if (ctx == NULL || EVP_PKEY_fromdata_init(ctx) != 1 ||
	    EVP_PKEY_fromdata(ctx, &pkey, EVP_PKEY_PUBLIC_KEY, params) != 1)
		pkey = NULL; /* what isn't a key fails here */
	EVP_PKEY_CTX_free(ctx);
	return pkey;
}

static EVP_PKEY *rsa_of(struct mr_arena *a, const struct mr_value *jwk)
{
	struct mr_str n = bytes_of(a, jwk, "n"), e = bytes_of(a, jwk, "e");
	OSSL_PARAM_BLD *bld = NULL;
	OSSL_PARAM *params = NULL;
	EVP_PKEY *pkey = NULL;
	BIGNUM *n_bn, *e_bn;

	if (n.len == 0 || n.len > RSA_BITS_MAX / 8 + 1 || e.len == 0 || e.len > 8)
		return NULL;
	n_bn = BN_bin2bn((const unsigned char *)n.p, (int)n.len, NULL);
	e_bn = BN_bin2bn((const unsigned char *)e.p, (int)e.len, NULL);
	bld = OSSL_PARAM_BLD_new();
	if (n_bn != NULL && e_bn != NULL && bld != NULL &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_N, n_bn) == 1 &&
	    OSSL_PARAM_BLD_push_BN(bld, OSSL_PKEY_PARAM_RSA_E, e_bn) == 1)
		params = OSSL_PARAM_BLD_to_param(bld);
	if (params != NULL)
		pkey = from_params("RSA", params);
	OSSL_PARAM_free(params);
	OSSL_PARAM_BLD_free(bld);
	BN_free(n_bn);
	BN_free(e_bn);
	return pkey;
}

static EVP_PKEY *ec_of(struct mr_arena *a, const struct mr_value *jwk)
{
	struct mr_str x = bytes_of(a, jwk, "x"), y = bytes_of(a, jwk, "y");
	unsigned char point[1 + 2 * HALF] = { POINT_CONVERSION_UNCOMPRESSED };
	char group[] = SN_X9_62_prime256v1;

	if (!mr_str_eqz(mr_value_get_str(jwk, "crv"), "P-256") || x.len != HALF || y.len != HALF)
		return NULL;
	memcpy(point + 1, x.p, HALF);
	memcpy(point + 1 + HALF, y.p, HALF);
	return from_params("EC",
	    (OSSL_PARAM[]){ OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
	        OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point)),
	        OSSL_PARAM_construct_end() });
}

static EVP_PKEY *okp_of(struct mr_arena *a, const struct mr_value *jwk)
{
	struct mr_str x = bytes_of(a, jwk, "x");

	if (!mr_str_eqz(mr_value_get_str(jwk, "crv"), "Ed25519") || x.len != HALF)
		return NULL;
	return EVP_PKEY_new_raw_public_key(
	    EVP_PKEY_ED25519, NULL, (const unsigned char *)x.p, x.len);
}

/* A key that says it is for something else isn't for signatures (RFC 7517 4.2, 4.3). */
static bool is_for_verifying(const struct mr_value *jwk)
{
	const struct mr_value *use = mr_value_get(jwk, "use"), *ops = mr_value_get(jwk, "key_ops");

	if (use != NULL && (use->kind != MR_VALUE_STRING || !mr_str_eqz(use->s, "sig")))
		return false;
	if (ops == NULL)
		return true;
	for (size_t i = 0; ops->kind == MR_VALUE_LIST && i < ops->list->len; i++) {
		if (ops->list->items[i].kind == MR_VALUE_STRING &&
		    mr_str_eqz(ops->list->items[i].s, "verify"))
			return true;
	}
	return false;
}

/* A member that is a text when it is there. */
static bool text_or_absent(const struct mr_value *jwk, const char *name, struct mr_str *ret)
{
	const struct mr_value *v = mr_value_get(jwk, name);

	*ret = v != NULL && v->kind == MR_VALUE_STRING ? v->s : MR_STR_NONE;
	return v == NULL || v->kind == MR_VALUE_STRING;
}

/* RET's texts are those of JWK. */
static int from_jwk(
    struct mr_arena *a, const struct mr_value *jwk, struct mr_key *ret, struct mr_error *err)
{
	struct mr_str kty = mr_value_get_str(jwk, "kty");
	EVP_PKEY *pkey = NULL;

	*ret = (struct mr_key){ .type = MR_KEY_RSA };
	if (!text_or_absent(jwk, "kid", &ret->kid) || !text_or_absent(jwk, "alg", &ret->alg) ||
	    ret->kid.len > MR_KEY_ID_MAX)
		return bad(err, "must have a kid of at most 200 bytes, and an alg, that are texts");
	if (mr_value_get(jwk, "d") != NULL || mr_value_get(jwk, "k") != NULL)
		return bad(err, "must be a public key; this is a private one");
	if (!is_for_verifying(jwk))
		return bad(err, "must be for signatures (use: sig; key_ops: verify)");
	if (mr_str_eqz(kty, "RSA"))
		pkey = rsa_of(a, jwk);
	else if (mr_str_eqz(kty, "EC"))
		pkey = ec_of(a, jwk);
	else if (mr_str_eqz(kty, "OKP"))
		pkey = okp_of(a, jwk);
	if (pkey == NULL)
		return bad(err, "must be an RSA, P-256 or Ed25519 key");
	return take_pkey(a, pkey, ret, err);
}

int mr_key_from_text(
    struct mr_arena *a, struct mr_str text, struct mr_key *ret, struct mr_error *err)
{
	struct mr_str s = mr_str_trim(text);
	struct mr_value jwk;
	int r;

	if (s.len > MR_KEY_TEXT_MAX)
		return bad(err, "must have 16384 bytes at most");
	if (!mr_str_starts(s, MR_STR("{")))
		return from_pem(a, s, ret, err);
	s = mr_arena_str(a, s); /* kid and alg point into it */
	if (s.p == NULL)
		return MR_E_NOMEM;
	r = mr_json_parse(a, s, &key_limits, NULL, &jwk);
	if (r == MR_E_NOMEM)
		return r;
	return r < 0 ? bad(err, "must be PEM (BEGIN PUBLIC KEY) or one JWK")
	             : from_jwk(a, &jwk, ret, err);
}

/* ---- sets ---- */

static struct mr_keys *keys_create(struct mr_arena *a, size_t max)
{
	struct mr_keys *keys =
	    mr_arena_zalloc(a, sizeof(struct mr_keys) + max * sizeof(struct mr_key));

	return keys;
}

struct mr_keys *mr_keys_of_one(struct mr_arena *a, const struct mr_key *key)
{
	struct mr_keys *keys = keys_create(a, 1);

	if (keys != NULL) {
		keys->len = 1;
		keys->keys[0] = *key;
	}
	return keys;
}

static void write_jwk(struct mr_buf *b, const struct mr_value *jwk)
{
	static const char *const members[] = { "kty", "kid", "alg", "crv", "n", "e", "x", "y" };
	char before = '{';

	for (size_t i = 0; i < MR_ARRAY_LEN(members); i++) {
		struct mr_str s = mr_value_get_str(jwk, members[i]);

		if (s.p == NULL)
			continue;
		mr_buf_addf(b, "%c\"%s\":", before, members[i]);
		mr_buf_add_json(b, s);
		before = ',';
	}
	mr_buf_addc(b, '}');
}

/* Adds those of LIST that ALG can be verified with. What is of no use here is no fault. */
static int add_keys(struct mr_arena *a, const struct mr_list *list, enum mr_algorithm alg,
    struct mr_keys *keys, struct mr_buf *text)
{
	for (size_t i = 0; i < list->len && keys->len < MR_KEYS_MAX; i++) {
		struct mr_key *key = &keys->keys[keys->len];
		int r = from_jwk(a, &list->items[i], key, NULL);

		if (r == MR_E_NOMEM)
			return r;
		if (r < 0 || (alg != MR_ALG_NONE && !mr_key_fits(key, alg)))
			continue;
		if (keys->len++ > 0)
			mr_buf_addc(text, ',');
		write_jwk(text, &list->items[i]);
	}
	return mr_buf_failed(text) ? MR_E_NOMEM : 0;
}

static int read_set(struct mr_arena *a, const struct mr_list *list, enum mr_algorithm alg,
    struct mr_keys *keys, struct mr_str *ret_text)
{
	struct mr_buf text;
	int r;

	mr_buf_init(&text, MR_KEYS_TEXT_MAX);
	mr_buf_addz(&text, "{\"keys\":[");
	r = add_keys(a, list, alg, keys, &text);
	mr_buf_addz(&text, "]}");
	if (r == 0 && ret_text != NULL) {
		*ret_text = mr_arena_str(a, mr_buf_str(&text));
		r = ret_text->p != NULL ? 0 : MR_E_NOMEM;
	}
	mr_buf_done(&text);
	return r;
}

int mr_keys_from_jwks(struct mr_arena *a, struct mr_str text, enum mr_algorithm alg,
    struct mr_keys **ret, struct mr_str *ret_text, struct mr_error *err)
{
	struct mr_str kept;
	struct mr_value set;
	const struct mr_value *list;
	struct mr_keys *keys = keys_create(a, MR_KEYS_MAX + 1);
	int r;

	if (text.len > MR_KEYS_TEXT_MAX)
		return bad(err, "must have 1 MiB at most");
	kept = mr_arena_str(a, text);
	if (keys == NULL || kept.p == NULL)
		return MR_E_NOMEM;
	r = mr_json_parse(a, kept, &key_limits, NULL, &set);
	if (r == MR_E_NOMEM)
		return r;
	list = r == 0 ? mr_value_get_kind(&set, "keys", MR_VALUE_LIST) : NULL;
	if (list == NULL)
		return bad(err, "must be a JWKS: an object with a list keys");
	r = read_set(a, list->list, alg, keys, ret_text);
	if (r < 0)
		return r;
	if (keys->len == 0)
		return bad(err, "must have a key that the issuer's algorithm can be verified with");
	*ret = keys;
	return 0;
}

int mr_keys_find(
    const struct mr_keys *keys, enum mr_algorithm alg, struct mr_str kid, const struct mr_key **ret)
{
	const struct mr_key *found = NULL;

	for (size_t i = 0; i < keys->len; i++) {
		const struct mr_key *key = &keys->keys[i];

		if (!mr_key_fits(key, alg))
			continue;
		if (kid.p != NULL && key->kid.p != NULL) {
			if (!mr_str_eq(kid, key->kid))
				continue;
			*ret = key;
			return 0;
		}
		/* without names on both sides only a set of one key is plain enough */
		if (found != NULL)
			return MR_E_DENIED;
		if (kid.p == NULL || keys->len == 1)
			found = key;
	}
	*ret = found;
	return found != NULL ? 0 : MR_E_NOT_FOUND;
}

/* ---- signatures ---- */

static int verify_mac(const struct mr_key *key, struct mr_str message, struct mr_str signature)
{
	unsigned char mac[MR_SHA256_LEN];
	bool same;

	if (mr_hmac_sha256(key->secret, message, mac) < 0)
		return MR_E_NOMEM;
	same = mr_str_eq_secret((struct mr_str){ (const char *)mac, sizeof(mac) }, signature);
	OPENSSL_cleanse(mac, sizeof(mac)); /* it would be a good signature */
	return same ? 0 : MR_E_DENIED;
}

/* r and s side by side (RFC 7518 3.4) become the DER that OpenSSL reads. Zero is no signature. */
static int es256_der(struct mr_str raw, unsigned char *out, size_t *ret_len)
{
	const unsigned char *p = (const unsigned char *)raw.p;
	ECDSA_SIG *sig;
	BIGNUM *r, *s;
	int len = -1;

	if (raw.len != ES256_LEN)
		return MR_E_DENIED;
	sig = ECDSA_SIG_new();
	r = BN_bin2bn(p, HALF, NULL);
	s = BN_bin2bn(p + HALF, HALF, NULL);
	if (sig == NULL || r == NULL || s == NULL || ECDSA_SIG_set0(sig, r, s) != 1) {
		BN_free(r);
		BN_free(s);
	} else if (BN_is_zero(r) || BN_is_zero(s)) {
		len = 0;
	} else {
		len = i2d_ECDSA_SIG(sig, &out);
	}
	ECDSA_SIG_free(sig);
	*ret_len = len > 0 ? (size_t)len : 0;
	return len > 0 ? 0 : len == 0 ? MR_E_DENIED : MR_E_NOMEM;
}

static int set_pss(EVP_PKEY_CTX *ctx)
{
	return EVP_PKEY_CTX_set_rsa_padding(ctx, RSA_PKCS1_PSS_PADDING) == 1 &&
	               EVP_PKEY_CTX_set_rsa_pss_saltlen(ctx, RSA_PSS_SALTLEN_DIGEST) == 1
	           ? 0
	           : MR_E_NOMEM;
}

/* A signature that couldn't be looked at for want of memory is not a wrong one: OpenSSL answers the
 * same, and says why in its queue. */
static int why_not(void)
{
	unsigned long e;
	int r = MR_E_DENIED;

	while ((e = ERR_get_error()) != 0) {
		if (ERR_GET_REASON(e) == ERR_R_MALLOC_FAILURE)
			r = MR_E_NOMEM;
	}
	return r;
}

static int verify_pkey(
    EVP_PKEY *pkey, enum mr_algorithm alg, struct mr_str message, struct mr_str signature)
{
	const EVP_MD *md = alg == MR_ALG_EDDSA ? NULL : EVP_sha256();
	EVP_MD_CTX *ctx = EVP_MD_CTX_new();
	EVP_PKEY_CTX *pctx = NULL; /* ctx's */
	int r = MR_E_NOMEM;

	ERR_clear_error();
	if (ctx == NULL || EVP_DigestVerifyInit(ctx, &pctx, md, NULL, pkey) != 1 ||
	    (alg == MR_ALG_PS256 && set_pss(pctx) < 0))
		goto out;
	r = EVP_DigestVerify(ctx, (const unsigned char *)signature.p, signature.len,
	        (const unsigned char *)message.p, message.len) == 1
	        ? 0
	        : why_not();
out:
	EVP_MD_CTX_free(ctx);
	ERR_clear_error();
	return r;
}

int mr_key_verify(
    const struct mr_key *key, enum mr_algorithm alg, struct mr_str message, struct mr_str signature)
{
	unsigned char der[ES256_LEN + 16]; /* two integers of 33 bytes with their heads */
	size_t len;

	if (!mr_key_fits(key, alg))
		return MR_E_DENIED;
	if (alg == MR_ALG_HS256)
		return verify_mac(key, message, signature);
	if (alg == MR_ALG_ES256) {
		if (es256_der(signature, der, &len) < 0)
			return MR_E_DENIED;
		signature = (struct mr_str){ (const char *)der, len };
	}
	return verify_pkey(key->pkey, alg, message, signature);
}
