#include "auth/jwt.h"

#include <string.h>

#include "auth/claims.h"
#include "lib/digest.h"

static const struct mr_json_limits token_limits = { .depth = 8, .values = 1000 };

static int refuse(struct mr_error *err, int r, const char *why)
{
	return mr_error_set(err, r, MR_ERR_CREDENTIALS_INVALID, "The token is not valid: %s.", why);
}

/* One base64url part that holds a JSON object. */
static int parse_object(struct mr_arena *a, struct mr_str part, struct mr_value *ret)
{
	struct mr_str text;
	int r = mr_base64url_decode(a, part, &text);

	if (r < 0)
		return r;
	r = mr_json_parse(a, text, &token_limits, NULL, ret);
	if (r < 0)
		return r;
	return ret->kind == MR_VALUE_MAP ? 0 : MR_E_INVALID;
}

int mr_jwt_parse(struct mr_arena *a, struct mr_str token, struct mr_jwt *ret, struct mr_error *err)
{
	struct mr_str rest = token, header, payload;
	int r;

	if (token.len > MR_JWT_MAX)
		return refuse(err, MR_E_INVALID, "it is too long");
	header = mr_str_cut(&rest, '.');
	payload = rest.p != NULL ? mr_str_cut(&rest, '.') : MR_STR_NONE;
	if (rest.p == NULL || memchr(rest.p, '.', rest.len) != NULL)
		return refuse(err, MR_E_INVALID, "it does not have three parts");
	r = parse_object(a, header, &ret->header);
	if (r == 0)
		r = parse_object(a, payload, &ret->claims);
	if (r == 0)
		r = mr_base64url_decode(a, rest, &ret->signature);
	if (r < 0)
		return refuse(err, r, "it is not well formed");
	ret->signed_part = (struct mr_str){ token.p, header.len + 1 + payload.len };
	ret->issuer = mr_value_get_str(&ret->claims, "iss");
	return 0;
}

/* Headers that would let the token choose its own key or rules are refused, whatever they say. */
static bool header_is_plain(const struct mr_value *header)
{
	static const char *const refused[] = { "crit", "jku", "jwk", "x5u", "x5c", "b64", "zip" };

	for (size_t i = 0; i < MR_ARRAY_LEN(refused); i++) {
		if (mr_value_get(header, refused[i]) != NULL)
			return false;
	}
	return true;
}

/* Tokens of other kinds (logout, proof of possession, events) may be signed with the same key: only
 * what says that it is an access token, or says nothing, is one (RFC 8725 3.11). */
static bool type_is_ours(const struct mr_value *header)
{
	const struct mr_value *typ = mr_value_get(header, "typ");
	struct mr_str s;

	if (typ == NULL)
		return true;
	if (typ->kind != MR_VALUE_STRING)
		return false;
	s = typ->s;
	if (mr_str_ieqz((struct mr_str){ s.p, s.len < 12 ? s.len : 12 }, "application/"))
		s = (struct mr_str){ s.p + 12, s.len - 12 };
	return mr_str_ieqz(s, "JWT") || mr_str_ieqz(s, "at+jwt");
}

/* A kid is compared and nothing else. One that looks like a path or carries control characters is
 * nobody's name for a key. */
static bool kid_is_sane(const struct mr_value *header)
{
	const struct mr_value *kid = mr_value_get(header, "kid");

	if (kid == NULL)
		return true;
	if (kid->kind != MR_VALUE_STRING || kid->s.len == 0 || kid->s.len > MR_KEY_ID_MAX ||
	    memmem(kid->s.p, kid->s.len, "..", 2) != NULL)
		return false;
	for (size_t i = 0; i < kid->s.len; i++) {
		if ((unsigned char)kid->s.p[i] <= ' ' || kid->s.p[i] == 0x7f)
			return false;
	}
	return true;
}

static int verify_signature(
    const struct mr_jwt *jwt, const struct mr_issuer *issuer, struct mr_error *err)
{
	enum mr_algorithm alg = mr_algorithm_by_name(mr_value_get_str(&jwt->header, "alg"));
	const struct mr_key *key;
	int r;

	if (!header_is_plain(&jwt->header) || !type_is_ours(&jwt->header) ||
	    !kid_is_sane(&jwt->header))
		return refuse(err, MR_E_DENIED, "its header has members that are not accepted");
	if (alg == MR_ALG_NONE || alg != issuer->algorithm)
		return refuse(err, MR_E_DENIED, "its algorithm is not the issuer's");
	if (issuer->keys == NULL)
		return refuse(err, MR_E_NOT_FOUND, "the issuer's key is not there");
	r = mr_keys_find(issuer->keys, alg, mr_value_get_str(&jwt->header, "kid"), &key);
	if (r < 0)
		return refuse(err, r,
		    r == MR_E_NOT_FOUND ? "the issuer has no such key"
		                        : "it must name its key (kid)");
	r = mr_key_verify(key, alg, jwt->signed_part, jwt->signature);
	return r == MR_E_DENIED ? refuse(err, r, "its signature is wrong") : r;
}

/* A NumericDate in whole seconds, as every issuer writes it. What is beyond 2^40 is a date in
 * milliseconds by mistake. */
static bool numeric_date(const struct mr_value *claims, const char *name, int64_t *ret)
{
	const struct mr_value *v = mr_value_get(claims, name);

	if (v == NULL || v->kind != MR_VALUE_INT || v->i < 0 || v->i >= INT64_C(1) << 40)
		return false;
	*ret = v->i;
	return true;
}

/* Who isn't named by an aud must refuse the token (RFC 7519 4.1.3), and a row without an audience
 * is nobody whom one could name: it takes tokens that have no aud, and no other. */
static bool audience_fits(const struct mr_value *claims, struct mr_str wanted)
{
	const struct mr_value *aud = mr_value_get(claims, "aud");

	if (wanted.p == NULL || aud == NULL)
		return wanted.p == NULL && aud == NULL;
	if (aud->kind == MR_VALUE_STRING)
		return mr_str_eq(aud->s, wanted);
	for (size_t i = 0; aud->kind == MR_VALUE_LIST && i < aud->list->len; i++) {
		if (aud->list->items[i].kind == MR_VALUE_STRING &&
		    mr_str_eq(aud->list->items[i].s, wanted))
			return true;
	}
	return false;
}

/* A claim that is there must be well formed; DEFAULT stands for one that isn't there. */
static bool date_or(const struct mr_value *claims, const char *name, int64_t *date)
{
	return mr_value_get(claims, name) == NULL || numeric_date(claims, name, date);
}

int mr_jwt_verify(const struct mr_jwt *jwt, const struct mr_issuer *issuer, int64_t now_us,
    int64_t leeway_s, struct mr_error *err)
{
	struct mr_str subject = mr_value_get_str(&jwt->claims, "sub");
	int64_t now = now_us / 1000000, exp, nbf = 0, iat = 0;
	int r = verify_signature(jwt, issuer, err);

	if (r < 0)
		return r;
	if (!mr_str_eq(jwt->issuer, issuer->issuer))
		return refuse(err, MR_E_DENIED, "its issuer is another");
	if (!numeric_date(&jwt->claims, "exp", &exp))
		return refuse(err, MR_E_DENIED, "it has no exp in whole seconds");
	if (!date_or(&jwt->claims, "nbf", &nbf) || !date_or(&jwt->claims, "iat", &iat))
		return refuse(err, MR_E_DENIED, "nbf or iat is no date");
	if (now >= exp + leeway_s)
		return refuse(err, MR_E_DENIED, "it has expired");
	if (now + leeway_s < nbf || now + leeway_s < iat)
		return refuse(err, MR_E_DENIED, "it is not valid yet");
	if (!audience_fits(&jwt->claims, issuer->audience))
		return refuse(err, MR_E_DENIED, "it is meant for another audience");
	if (subject.len == 0 || subject.len > MR_JWT_SUBJECT_MAX)
		return refuse(err, MR_E_DENIED, "it has no sub of 1 to 255 bytes");
	return mr_claims_check(&jwt->claims, &issuer->required, err);
}

int64_t mr_jwt_expires_at_us(const struct mr_jwt *jwt)
{
	int64_t exp = 0;

	(void)numeric_date(&jwt->claims, "exp", &exp); /* verify has seen it */
	return exp * 1000000;
}
