/* Each case is one way to get in without being let in, or one token that must pass. */
#include "auth/jwt.h"

#include "lib/buf.h"
#include "lib/digest.h"
#include "tests/unit/test.h"

#define NOW   INT64_C(1800000000)
#define KEY   "0123456789abcdef0123456789abcdef"
#define PLAIN "{\"alg\":\"HS256\",\"typ\":\"JWT\"}"
#define GOOD  "{\"iss\":\"i\",\"aud\":\"a\",\"sub\":\"s\",\"exp\":1800000100}"

static void base64url(struct mr_buf *b, const char *p, size_t len)
{
	static const char digits[] =
	    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

	for (size_t i = 0; i < len; i += 3) {
		unsigned v = (unsigned)(unsigned char)p[i] << 16;
		size_t n = len - i < 3 ? len - i : 3;

		v |= n > 1 ? (unsigned)(unsigned char)p[i + 1] << 8 : 0;
		v |= n > 2 ? (unsigned)(unsigned char)p[i + 2] : 0;
		for (size_t k = 0; k <= n; k++)
			mr_buf_addc(b, digits[v >> (18 - 6 * k) & 63]);
	}
}

static struct mr_str token(
    struct mr_arena *a, const char *header, const char *claims, const char *key)
{
	unsigned char mac[MR_SHA256_LEN];
	struct mr_str text;
	struct mr_buf b;

	mr_buf_init(&b, 100000);
	base64url(&b, header, strlen(header));
	mr_buf_addc(&b, '.');
	base64url(&b, claims, strlen(claims));
	assert_int_equal(mr_hmac_sha256(mr_str(key), mr_buf_str(&b), mac), 0);
	mr_buf_addc(&b, '.');
	base64url(&b, (const char *)mac, sizeof(mac));
	text = mr_arena_str(a, mr_buf_str(&b));
	mr_buf_done(&b);
	return text;
}

static int check(struct mr_arena *a, struct mr_str text)
{
	const struct mr_issuer issuer = { .issuer = MR_STR("i"),
		.audience = MR_STR("a"),
		.algorithm = MR_STR("HS256"),
		.key = MR_STR(KEY) };
	struct mr_jwt jwt;
	struct mr_error err;
	int r = mr_jwt_parse(a, text, &jwt, &err);

	return r < 0 ? r : mr_jwt_verify(&jwt, &issuer, NOW * 1000000, 30, &err);
}

static void tokens(void **state)
{
	static const struct {
		const char *header, *claims, *key;
		bool ok;
		const char *story;
	} cases[] = {
		{ PLAIN, GOOD, KEY, true, "a good token" },
		{ PLAIN, "{\"iss\":\"i\",\"aud\":[\"x\",\"a\"],\"sub\":\"s\",\"exp\":1800000100.5}",
		    KEY, true, "aud as a list" },
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tokens),
		cmocka_unit_test(broken_texts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
