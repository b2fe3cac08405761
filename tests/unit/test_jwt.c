/* Each case is one way to get in without being let in, or one token that must pass. */
#include "auth/jwt.h"

#include "tests/unit/tokens.h"

#define KEY   SECRET
#define PLAIN "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"

static struct mr_str token(
    struct mr_arena *a, const char *header, const char *claims, const char *key)
{
	return hs256(a, header, claims, mr_str(key));
}

static int check(struct mr_arena *a, struct mr_str text)
{
	struct mr_issuer issuer = secret_issuer(a);
	struct mr_error err;

	return judge(a, &issuer, text, &err);
}

static void tokens(void **state)
{
	static const struct {
		const char *header, *claims, *key;
		bool ok;
		const char *story;
	} cases[] = {
		{ PLAIN, GOOD, KEY, true, "a good token" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":[\"x\",\"a\"],\"sub\":\"s\",\"exp\":1800000100}",
		    KEY, true, "aud as a list" },
		{ "{\"alg\":\"HS256\",\"typ\":\"application/at+JWT\",\"kid\":\"k/1+=\"}", GOOD, KEY,
		    true, "an access token by its type, with a key's name" },
		{ "{\"alg\":\"HS256\",\"typ\":\"logout+jwt\"}", GOOD, KEY, false,
		    "a logout token" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1799999980}", KEY,
		    true, "expired within the leeway" },
		{ PLAIN, GOOD, "another key that is long enough too", false,
		    "signed with another key" },
		{ "{\"alg\":\"none\"}", GOOD, KEY, false, "alg none" },
		{ "{\"alg\":\"HS512\"}", GOOD, KEY, false, "another algorithm" },
		{ "{\"alg\":\"RS256\"}", GOOD, KEY, false, "algorithm confusion" },
		{ "{\"alg\":\"HS256\",\"crit\":[\"x\"]}", GOOD, KEY, false, "crit" },
		{ "{\"alg\":\"HS256\",\"jku\":\"https://evil/\"}", GOOD, KEY, false, "jku" },
		{ "{\"alg\":\"HS256\",\"jwk\":{}}", GOOD, KEY, false, "embedded key" },
		{ "{\"alg\":\"HS256\",\"x5u\":\"https://evil/\"}", GOOD, KEY, false, "x5u" },
		{ "{\"alg\":\"none\",\"alg\":\"HS256\"}", GOOD, KEY, false, "alg twice" },
		{ "[]", GOOD, KEY, false, "a header that is no object" },
		{ PLAIN, "{\"iss\":\"j\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100}", KEY,
		    false, "another issuer" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":\"b\",\"sub\":\"s\",\"exp\":1800000100}", KEY,
		    false, "another audience" },
		{ PLAIN, "{\"iss\":\"i\",\"sub\":\"s\",\"exp\":1800000100}", KEY, false,
		    "no audience" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":\"a\",\"exp\":1800000100}", KEY, false,
		    "no subject" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\"}", KEY, false, "no exp" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":\"1800000100\"}", KEY,
		    false, "exp as text" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1799999970}", KEY,
		    false, "expired" },
		{ PLAIN,
		    "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,\"nbf\":"
		    "1800000050}",
		    KEY, false, "not yet" },
		{ PLAIN,
		    "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100,\"iat\":"
		    "1800000050}",
		    KEY, false, "from the future" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1,\"exp\":1800000100}",
		    KEY, false, "exp twice" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(1 << 20);

		if ((check(a, token(a, cases[i].header, cases[i].claims, cases[i].key)) == 0) !=
		    cases[i].ok)
			fail_msg("%s", cases[i].story);
		a = mr_arena_free(a);
	}
}

/* A row without an audience is nobody's name: a token that says whom it is meant for isn't meant
 * for it (RFC 7519 4.1.3), whatever kind of thing its aud is. */
static void rows_without_audience(void **state)
{
	static const struct {
		const char *aud;
		bool ok;
	} cases[] = { { "", true }, { ",\"aud\":\"a\"", false }, { ",\"aud\":[\"a\"]", false },
		{ ",\"aud\":\"\"", false }, { ",\"aud\":[]", false }, { ",\"aud\":null", false },
		{ ",\"aud\":1", false } };
	struct mr_arena *a = mr_arena_create(1 << 20);
	struct mr_issuer issuer = secret_issuer(a);
	struct mr_error err;

	(void)state;
	issuer.audience = MR_STR_NONE;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_str claims = mr_arena_printf(
		    a, "{\"iss\":\"i\",\"sub\":\"s\",\"exp\":1800000100%s}", cases[i].aud);

		if ((judge(a, &issuer, token(a, PLAIN, claims.p, KEY), &err) == 0) != cases[i].ok)
			fail_msg("%.*s", MR_STR_ARG(claims));
		/* and none of them is for a row that has another one */
		issuer.audience = MR_STR("b");
		assert_int_equal(
		    judge(a, &issuer, token(a, PLAIN, claims.p, KEY), &err), MR_E_DENIED);
		issuer.audience = MR_STR_NONE;
	}
	a = mr_arena_free(a);
}

static void broken_texts(void **state)
{
	struct mr_arena *a = mr_arena_create(1 << 20);
	struct mr_str good = token(a, PLAIN, GOOD, KEY);
	struct mr_str long_one = { good.p, MR_JWT_MAX + 1 };
	char *changed = mr_arena_strz(a, good);

	(void)state;
	assert_int_equal(check(a, good), 0);
	assert_true(check(a, mr_str("")) < 0);
	assert_true(check(a, mr_str("a.b")) < 0);
	assert_true(check(a, mr_str("a.b.c.d")) < 0);
	assert_true(check(a, mr_str("..")) < 0);
	assert_true(check(a, mr_arena_printf(a, "%s=", good.p)) < 0);  /* padding */
	assert_true(check(a, mr_arena_printf(a, "%s.x", good.p)) < 0); /* a fourth part */
	assert_true(check(a, (struct mr_str){ good.p, good.len - 1 }) < 0);
	(void)long_one.p; /* only its length is looked at */
	assert_true(check(a, long_one) < 0);
	/* 32 bytes end in a digit with two spare bits: another text of the same bytes is no token
	 */
	changed[good.len - 1] = (char)(changed[good.len - 1] + 1);
	assert_true(check(a, mr_str(changed)) < 0);
	a = mr_arena_free(a);
}

/* Each algorithm by PEM and by JWK; and none of them by another one's name. */
static void algorithms(void **state)
{
	static const struct {
		const char *name;
		enum mr_algorithm alg;
	} all[] = { { "RS256", MR_ALG_RS256 }, { "PS256", MR_ALG_PS256 }, { "ES256", MR_ALG_ES256 },
		{ "EdDSA", MR_ALG_EDDSA } };
	EVP_PKEY *keys[] = { new_rsa(2048), NULL, new_ec("P-256"), new_ed() };
	struct mr_arena *a = mr_arena_create(8 << 20);

	(void)state;
	keys[1] = keys[0];
	for (size_t i = 0; i < MR_ARRAY_LEN(all); i++) {
		struct mr_str header = mr_arena_printf(a, "{\"alg\":\"%s\"}", all[i].name);
		struct mr_issuer by_pem = public_issuer(a, all[i].alg, keys[i]);
		struct mr_str text = signed_by(a, keys[i], all[i].alg, header.p, GOOD);
		struct mr_error err;
		struct mr_key key;
		char *changed;

		assert_int_equal(judge(a, &by_pem, text, &err), 0);
		assert_int_equal(
		    mr_key_from_text(a, public_jwk(a, keys[i], ",\"use\":\"sig\""), &key, &err), 0);
		by_pem.keys = mr_keys_of_one(a, &key);
		assert_int_equal(judge(a, &by_pem, text, &err), 0);
		/* each bit of the signature counts */
		for (size_t at = text.len - 40; at < text.len; at += 13) {
			changed = mr_arena_strz(a, text);
			changed[at] = changed[at] == 'A' ? 'B' : 'A';
			assert_true(judge(a, &by_pem, mr_str(changed), &err) < 0);
		}
		for (size_t other = 0; other < MR_ARRAY_LEN(all); other++) {
			by_pem.algorithm = all[other].alg;
			assert_true((judge(a, &by_pem, text, &err) == 0) == (other == i));
		}
	}
	EVP_PKEY_free(keys[0]);
	EVP_PKEY_free(keys[2]);
	EVP_PKEY_free(keys[3]);
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(algorithms),
		cmocka_unit_test(tokens),
		cmocka_unit_test(rows_without_audience),
		cmocka_unit_test(broken_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
