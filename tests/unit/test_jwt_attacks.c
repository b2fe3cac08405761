/* Ways to get in with a token that nobody issued, or that was issued for something else: one test
 * each, its story above it. The last word is always the issuer's row and its key. */
#include "tests/unit/tokens.h"

static EVP_PKEY *rsa, *ec, *ed;
static struct mr_arena *a;
static struct mr_error err;

static int setup(void **state)
{
	(void)state;
	rsa = new_rsa(2048);
	ec = new_ec("P-256");
	ed = new_ed();
	return rsa != NULL && ec != NULL && ed != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
	return 0;
}

static int fresh(void **state)
{
	(void)state;
	a = mr_arena_create(8 << 20);
	return a != NULL ? 0 : -1;
}

static int drop(void **state)
{
	(void)state;
	a = mr_arena_free(a);
	return 0;
}

/* The HS256 issuer's answer to a token that is signed rightly, under HEADER. */
static int with_header(const char *header)
{
	struct mr_issuer issuer = secret_issuer(a);

	return judge(a, &issuer, hs256(a, header, GOOD, MR_STR(SECRET)), &err);
}

static int with_claims(const char *claims)
{
	struct mr_issuer issuer = secret_issuer(a);

	return judge(a, &issuer, hs256(a, "{\"alg\":\"HS256\"}", claims, MR_STR(SECRET)), &err);
}

/* The sender demands that the receiver understands an extension, which would change the meaning
 * of what is signed. Whoever ignores crit checks less than the signer meant (RFC 7515 4.1.11). */
static void crit(void **state)
{
	(void)state;
	assert_int_equal(
	    with_header("{\"alg\":\"HS256\",\"crit\":[\"exp\"],\"exp\":1}"), MR_E_DENIED);
	assert_int_equal(with_header("{\"alg\":\"HS256\",\"crit\":[]}"), MR_E_DENIED);
}

/* The token says where its key is to be fetched: from the attacker's server, who has signed it. */
static void jku(void **state)
{
	(void)state;
	assert_int_equal(
	    with_header("{\"alg\":\"HS256\",\"jku\":\"https://evil.test/keys\"}"), MR_E_DENIED);
}

/* The same by a certificate's address. */
static void x5u(void **state)
{
	(void)state;
	assert_int_equal(
	    with_header("{\"alg\":\"HS256\",\"x5u\":\"https://evil.test/cert\"}"), MR_E_DENIED);
}

/* The token brings the certificate to verify it with. It may even be a real one, of somebody else.
 */
static void x5c(void **state)
{
	(void)state;
	assert_int_equal(with_header("{\"alg\":\"HS256\",\"x5c\":[\"MIIB\"]}"), MR_E_DENIED);
}

/* The token brings the key itself; its signature is right by that key (CVE-2018-0114). */
static void embedded_key(void **state)
{
	struct mr_issuer issuer = public_issuer(a, MR_ALG_RS256, rsa);
	EVP_PKEY *evil = new_rsa(2048);
	struct mr_str header =
	    mr_arena_printf(a, "{\"alg\":\"RS256\",\"jwk\":%s}", public_jwk(a, evil, "").p);

	(void)state;
	assert_int_equal(
	    judge(a, &issuer, signed_by(a, evil, MR_ALG_RS256, header.p, GOOD), &err), MR_E_DENIED);
	/* and a good signature doesn't excuse it */
	assert_int_equal(
	    judge(a, &issuer, signed_by(a, rsa, MR_ALG_RS256, header.p, GOOD), &err), MR_E_DENIED);
	EVP_PKEY_free(evil);
}

/* A token without a signature, however "none" is spelt: filters that look for the lower-case word
 * let the others through. */
static void none(void **state)
{
	static const char *const spellings[] = { "none", "None", "NONE", "nOnE", "", "\\u006eone",
		"none ", "HS256,none" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(spellings); i++) {
		struct mr_issuer issuer = secret_issuer(a);
		struct mr_str header = mr_arena_printf(a, "{\"alg\":\"%s\"}", spellings[i]);
		struct mr_str unsigned_one = assemble(a, header.p, GOOD, "", 0);

		if (judge(a, &issuer, unsigned_one, &err) != MR_E_DENIED ||
		    with_header(header.p) != MR_E_DENIED)
			fail_msg("alg \"%s\"", spellings[i]);
	}
	assert_int_equal(with_header("{}"), MR_E_DENIED);
	assert_int_equal(with_header("{\"alg\":null}"), MR_E_DENIED);
	assert_int_equal(with_header("{\"alg\":[\"HS256\"]}"), MR_E_DENIED);
}

/* The public key is no secret: a receiver that goes by the token's alg would take it for an HMAC
 * secret, with which anybody can sign. Tried with every form that the key may have been stored in.
 */
static void confusion(void **state)
{
	struct mr_issuer issuer = public_issuer(a, MR_ALG_RS256, rsa);
	struct mr_str pem = public_pem(a, rsa), jwk = public_jwk(a, rsa, "");
	struct mr_str secrets[] = { pem, { pem.p, pem.len - 1 }, jwk };
	struct mr_key key;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(secrets); i++) {
		assert_int_equal(
		    judge(a, &issuer, hs256(a, "{\"alg\":\"HS256\"}", GOOD, secrets[i]), &err),
		    MR_E_DENIED);
		assert_int_equal(
		    judge(a, &issuer, hs256(a, "{\"alg\":\"RS256\"}", GOOD, secrets[i]), &err),
		    MR_E_DENIED);
		/* nor can it be configured as a secret by mistake */
		assert_int_equal(mr_key_from_secret(a, secrets[i], &key, &err), MR_E_INVALID);
	}
}

/* RSA keys serve two algorithms: a signature of one must not pass as the other's. */
static void padding_confusion(void **state)
{
	struct mr_issuer issuer = public_issuer(a, MR_ALG_PS256, rsa);

	(void)state;
	assert_int_equal(
	    judge(a, &issuer, signed_by(a, rsa, MR_ALG_RS256, "{\"alg\":\"PS256\"}", GOOD), &err),
	    MR_E_DENIED);
	issuer.algorithm = MR_ALG_RS256;
	assert_int_equal(
	    judge(a, &issuer, signed_by(a, rsa, MR_ALG_PS256, "{\"alg\":\"RS256\"}", GOOD), &err),
	    MR_E_DENIED);
}

/* "Psychic signatures" (CVE-2022-21449): r = s = 0 satisfies the equation for every message and
 * key unless zero is refused; and so might multiples of the group's order. */
static void zero_ecdsa(void **state)
{
	static const unsigned char order[32] = { 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xff, 0xff,
		0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84,
		0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51 };
	struct mr_issuer issuer = public_issuer(a, MR_ALG_ES256, ec);
	unsigned char sig[64] = { 0 };

	(void)state;
	for (int i = 0; i < 4; i++) {
		memset(sig, 0, sizeof(sig));
		if (i & 1)
			memcpy(sig, order, 32);
		if (i & 2)
			memcpy(sig + 32, order, 32);
		assert_int_equal(
		    judge(a, &issuer, assemble(a, "{\"alg\":\"ES256\"}", GOOD, sig, 64), &err),
		    MR_E_DENIED);
	}
}

/* ES256 signatures have 64 bytes. A right one with a byte added, cut, or as DER is another text for
 * the same token, which a list of revoked ones would miss. */
static void length_of_ecdsa(void **state)
{
	struct mr_issuer issuer = public_issuer(a, MR_ALG_ES256, ec);
	struct mr_str part = assemble(a, "{\"alg\":\"ES256\"}", GOOD, NULL, 0);
	unsigned char der[80], raw[66] = { 0 };
	size_t len = sign(ec, false, part, der, sizeof(der));

	(void)state;
	raw_ecdsa(der, len, raw + 1);
	assert_int_equal(
	    judge(a, &issuer, assemble(a, "{\"alg\":\"ES256\"}", GOOD, raw + 1, 64), &err), 0);
	assert_int_equal(
	    judge(a, &issuer, assemble(a, "{\"alg\":\"ES256\"}", GOOD, raw + 1, 65), &err),
	    MR_E_DENIED);
	assert_int_equal(judge(a, &issuer, assemble(a, "{\"alg\":\"ES256\"}", GOOD, raw, 65), &err),
	    MR_E_DENIED);
	assert_int_equal(
	    judge(a, &issuer, assemble(a, "{\"alg\":\"ES256\"}", GOOD, raw + 1, 63), &err),
	    MR_E_DENIED);
	assert_int_equal(
	    judge(a, &issuer, assemble(a, "{\"alg\":\"ES256\"}", GOOD, der, len), &err),
	    MR_E_DENIED);
	assert_int_equal(
	    judge(a, &issuer, assemble(a, "{\"alg\":\"ES256\"}", GOOD, "", 0), &err), MR_E_DENIED);
}

/* Several texts for one token: padding, white space, the other alphabet, bits beyond the last byte.
 * Each would have a digest of its own in the cache of principals, and in any list of tokens. */
static void canonical_base64url(void **state)
{
	struct mr_issuer issuer = secret_issuer(a);
	struct mr_str good = hs256(a, "{\"alg\":\"HS256\"}", GOOD, MR_STR(SECRET));
	size_t first = (size_t)((const char *)memchr(good.p, '.', good.len) - good.p);
	char *spare = mr_arena_strz(a, good), *other = mr_arena_strz(a, good);

	(void)state;
	assert_int_equal(judge(a, &issuer, good, &err), 0);
	spare[good.len - 1]++; /* the last digit of 32 bytes has two spare bits */
	assert_int_equal(judge(a, &issuer, mr_str(spare), &err), MR_E_INVALID);
	for (const char *c = "=+/ \n\t"; *c != '\0'; c++) {
		assert_int_equal(
		    judge(a, &issuer, mr_arena_printf(a, "%s%c", good.p, *c), &err), MR_E_INVALID);
		assert_int_equal(
		    judge(a, &issuer, mr_arena_printf(a, "%c%s", *c, good.p), &err), MR_E_INVALID);
		other[first - 1] = *c;
		assert_int_equal(judge(a, &issuer, mr_str(other), &err), MR_E_INVALID);
	}
}

/* Two members of one name: one parser takes the first, another the last, and what was checked isn't
 * what is used. */
static void duplicates(void **state)
{
	(void)state;
	assert_int_equal(with_header("{\"alg\":\"none\",\"alg\":\"HS256\"}"), MR_E_INVALID);
	assert_int_equal(with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1,"
	                             "\"exp\":1800000100}"),
	    MR_E_INVALID);
	assert_int_equal(
	    with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,"
	                "\"\\u0073ub\":\"root\"}"),
	    MR_E_INVALID);
	assert_int_equal(
	    with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,"
	                "\"x\":{\"y\":1,\"y\":2}}"),
	    MR_E_INVALID);
}

/* A token of megabytes costs time and memory before anything is known of its sender. */
static void oversized(void **state)
{
	struct mr_issuer issuer = secret_issuer(a);
	char *claims = mr_arena_alloc(a, 20000);
	int n = snprintf(
	    claims, 200, "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,\"x\":\"");
	struct mr_str text;

	(void)state;
	memset(claims + n, 'x', 10000);
	memcpy(claims + n + 10000, "\"}", 3);
	text = hs256(a, "{\"alg\":\"HS256\"}", claims, MR_STR(SECRET));
	assert_true(text.len > MR_JWT_MAX);
	assert_int_equal(judge(a, &issuer, text, &err), MR_E_INVALID);
	/* as large as it may be */
	memcpy(claims + n + 6000 - n, "\"}", 3);
	text = hs256(a, "{\"alg\":\"HS256\"}", claims, MR_STR(SECRET));
	assert_true(text.len <= MR_JWT_MAX && text.len > 8000);
	assert_int_equal(judge(a, &issuer, text, &err), 0);
}

/* Brackets in brackets, to exhaust the stack of whoever recurses. */
static void deep(void **state)
{
	char *claims = mr_arena_alloc(a, 8000);

	(void)state;
	memset(claims, '[', 2000);
	memset(claims + 2000, ']', 2000);
	claims[4000] = '\0';
	assert_true(with_claims(claims) < 0);
	assert_true(with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,"
	                        "\"x\":[[[[[[[[[[]]]]]]]]]]}") < 0);
	assert_int_equal(
	    with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,"
	                "\"x\":{\"y\":[[[1]]]}}"),
	    0);
}

/* An end that is compared as a text, overflows, or wraps around may never come. */
static void strange_exp(void **state)
{
	static const char *const values[] = { "\"1800000100\"", "18446744073709551615",
		"9223372036854775807", "1e30", "1800000100.5", "1.8000001e9", "-1",
		"-9223372036854775808", "null", "true", "[1800000100]", "{}", "1800000100000",
		"99999999999999999999999" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(values); i++) {
		struct mr_str claims = mr_arena_printf(
		    a, "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":%s}", values[i]);

		if (with_claims(claims.p) == 0)
			fail_msg("exp %s", values[i]);
		claims = mr_arena_printf(a,
		    "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,\"nbf\":%s}",
		    values[i]);
		if (with_claims(claims.p) == 0)
			fail_msg("nbf %s", values[i]);
	}
	assert_int_equal(with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\"}"), MR_E_DENIED);
}

/* A kid that some receiver would use as the name of a file (whose content the attacker knows, such
 * as an empty one), or in a query. Here it is compared, and what looks like that is nobody's name.
 */
static void path_in_kid(void **state)
{
	static const char *const kids[] = { "../../../../dev/null", "/proc/../etc/passwd", "a..b",
		"x\\u000ay", "x' or 1=1 --", "", " " };
	struct mr_issuer issuer = secret_issuer(a);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(kids); i++) {
		struct mr_str header =
		    mr_arena_printf(a, "{\"alg\":\"HS256\",\"kid\":\"%s\"}", kids[i]);

		if (with_header(header.p) != MR_E_DENIED)
			fail_msg("kid %s", kids[i]);
		/* signed with the content of /dev/null */
		assert_int_equal(
		    judge(a, &issuer, hs256(a, header.p, GOOD, MR_STR("")), &err), MR_E_DENIED);
	}
	assert_int_equal(with_header("{\"alg\":\"HS256\",\"kid\":7}"), MR_E_DENIED);
	assert_int_equal(with_header("{\"alg\":\"HS256\",\"kid\":[\"k\"]}"), MR_E_DENIED);
}

static struct mr_issuer set_issuer(
    EVP_PKEY *one, const char *one_kid, EVP_PKEY *two, const char *two_kid)
{
	struct mr_str text = mr_arena_printf(a, "{\"keys\":[%s,%s]}",
	    public_jwk(a, one, mr_arena_printf(a, ",\"kid\":\"%s\"", one_kid).p).p,
	    public_jwk(a, two, mr_arena_printf(a, ",\"kid\":\"%s\"", two_kid).p).p);
	struct mr_issuer issuer = {
		.issuer = MR_STR("i"), .audience = MR_STR("a"), .algorithm = MR_ALG_RS256
	};
	struct mr_keys *keys;

	assert_int_equal(mr_keys_from_jwks(a, text, MR_ALG_RS256, &keys, NULL, &err), 0);
	issuer.keys = keys;
	return issuer;
}

/* A key that the issuer doesn't have, under a new name: only a newer set of keys may know it. */
static void unknown_kid(void **state)
{
	EVP_PKEY *evil = new_rsa(2048), *other = new_rsa(2048);
	struct mr_issuer issuer = set_issuer(rsa, "1", other, "2");

	(void)state;
	assert_int_equal(
	    judge(a, &issuer,
	        signed_by(a, evil, MR_ALG_RS256, "{\"alg\":\"RS256\",\"kid\":\"3\"}", GOOD), &err),
	    MR_E_NOT_FOUND);
	/* under a name that is known; the other key of the set; and without a name */
	assert_int_equal(
	    judge(a, &issuer,
	        signed_by(a, evil, MR_ALG_RS256, "{\"alg\":\"RS256\",\"kid\":\"1\"}", GOOD), &err),
	    MR_E_DENIED);
	assert_int_equal(
	    judge(a, &issuer,
	        signed_by(a, other, MR_ALG_RS256, "{\"alg\":\"RS256\",\"kid\":\"1\"}", GOOD), &err),
	    MR_E_DENIED);
	assert_int_equal(
	    judge(a, &issuer, signed_by(a, rsa, MR_ALG_RS256, "{\"alg\":\"RS256\"}", GOOD), &err),
	    MR_E_DENIED);
	assert_int_equal(
	    judge(a, &issuer,
	        signed_by(a, rsa, MR_ALG_RS256, "{\"alg\":\"RS256\",\"kid\":\"1\"}", GOOD), &err),
	    0);
	EVP_PKEY_free(evil);
	EVP_PKEY_free(other);
}

/* One issuer's key signs a token in another one's name. Keys are looked for among the named
 * issuer's own only, so its kid is unknown there; and with one's own iss it is one's own token. */
static void kid_of_another_issuer(void **state)
{
	EVP_PKEY *theirs = new_rsa(2048), *more = new_rsa(2048);
	struct mr_issuer mine = set_issuer(rsa, "mine", more, "more");
	struct mr_issuer other = set_issuer(theirs, "theirs", more, "more");
	struct mr_str text =
	    signed_by(a, theirs, MR_ALG_RS256, "{\"alg\":\"RS256\",\"kid\":\"theirs\"}", GOOD);

	(void)state;
	other.issuer = MR_STR("j");
	assert_int_equal(judge(a, &mine, text, &err), MR_E_NOT_FOUND);
	assert_int_equal(judge(a, &other, text, &err), MR_E_DENIED); /* its iss is another */
	EVP_PKEY_free(theirs);
	EVP_PKEY_free(more);
}

/* A disabled issuer has no row among those that are read, and one whose key can't be had has a row
 * without keys: nothing verifies, not even what is signed with nothing. */
static void no_keys(void **state)
{
	struct mr_issuer issuer = secret_issuer(a);
	const struct mr_key empty = { .type = MR_KEY_OCT, .secret = MR_STR("") };
	struct mr_key key;

	(void)state;
	issuer.keys = NULL;
	assert_int_equal(judge(a, &issuer, hs256(a, "{\"alg\":\"HS256\"}", GOOD, MR_STR("")), &err),
	    MR_E_NOT_FOUND);
	assert_int_equal(mr_key_from_secret(a, empty.secret, &key, &err), MR_E_INVALID);
}

/* Without a subject a token stands for nobody, or for whoever has an empty name. */
static void no_subject(void **state)
{
	(void)state;
	assert_int_equal(
	    with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000100}"), MR_E_DENIED);
	assert_int_equal(
	    with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000100,\"sub\":\"\"}"),
	    MR_E_DENIED);
	assert_int_equal(
	    with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000100,\"sub\":1}"), MR_E_DENIED);
	assert_int_equal(
	    with_claims("{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000100,\"sub\":null}"),
	    MR_E_DENIED);
}

/* Keys that can be broken: factored, guessed, or with which a signature can be made by anybody. */
static void weak_keys(void **state)
{
	EVP_PKEY *small = new_rsa(1024), *curve = new_ec("P-384");
	struct mr_key key;

	(void)state;
	assert_int_equal(mr_key_from_text(a, public_pem(a, small), &key, &err), MR_E_INVALID);
	assert_non_null(strstr(err.detail, "2048"));
	assert_int_equal(mr_key_from_text(a, public_jwk(a, small, ""), &key, &err), MR_E_INVALID);
	assert_int_equal(mr_key_from_text(a, public_pem(a, curve), &key, &err), MR_E_INVALID);
	assert_non_null(strstr(err.detail, "P-256"));
	/* an exponent of 1: every signature is the message itself */
	assert_int_equal(mr_key_from_text(a,
	                     mr_arena_printf(a, "{\"kty\":\"RSA\",\"n\":\"%.342s\",\"e\":\"AQ\"}",
	                         strstr(public_jwk(a, rsa, "").p, "\"n\":\"") + 5),
	                     &key, &err),
	    MR_E_INVALID);
	assert_int_equal(
	    mr_key_from_secret(a, MR_STR("0123456789abcdef0123456789abcde"), &key, &err),
	    MR_E_INVALID);
	assert_non_null(strstr(err.detail, "32 bytes"));
	assert_int_equal(
	    mr_key_from_secret(a, MR_STR("0123456789abcdef0123456789abcde\n\n"), &key, &err),
	    MR_E_INVALID);
	EVP_PKEY_free(small);
	EVP_PKEY_free(curve);
}

/* Ed25519 keys of small order: the neutral element verifies R = S·B for any message. */
static void small_order(void **state)
{
	static const char *const points[] = { "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
		"JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU",
		"xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o",
		"7P_______________________________________38",
		"7f________________________________________8",
		"7v_______________________________________38" };
	struct mr_key key;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(points); i++) {
		struct mr_str jwk = mr_arena_printf(
		    a, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"}", points[i]);

		if (mr_key_from_text(a, jwk, &key, &err) != MR_E_INVALID)
			fail_msg("%s", points[i]);
	}
	assert_int_equal(mr_key_from_text(a, public_jwk(a, ed, ""), &key, &err), 0);
}

#define UNIT(t) cmocka_unit_test_setup_teardown(t, fresh, drop)

int main(void)
{
	const struct CMUnitTest tests[] = {
		UNIT(crit),
		UNIT(jku),
		UNIT(x5u),
		UNIT(x5c),
		UNIT(embedded_key),
		UNIT(none),
		UNIT(confusion),
		UNIT(padding_confusion),
		UNIT(zero_ecdsa),
		UNIT(length_of_ecdsa),
		UNIT(canonical_base64url),
		UNIT(duplicates),
		UNIT(oversized),
		UNIT(deep),
		UNIT(strange_exp),
		UNIT(path_in_kid),
		UNIT(unknown_kid),
		UNIT(kid_of_another_issuer),
		UNIT(no_keys),
		UNIT(no_subject),
		UNIT(weak_keys),
		UNIT(small_order),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
