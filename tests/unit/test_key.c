/* Keys as PEM, JWK and in sets: what is taken, what is passed over, what is refused. */
#include "tests/unit/tokens.h"

static struct mr_arena *a;
static EVP_PKEY *rsa, *ec, *ed;
static struct mr_error err;

static int setup(void **state)
{
	(void)state;
	a = mr_arena_create(32 << 20);
	rsa = new_rsa(2048);
	ec = new_ec("P-256");
	ed = new_ed();
	return a != NULL && rsa != NULL && ec != NULL && ed != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	EVP_PKEY_free(rsa);
	EVP_PKEY_free(ec);
	EVP_PKEY_free(ed);
	a = mr_arena_free(a);
	return 0;
}

static int read_set(
    const char *text, enum mr_algorithm alg, struct mr_keys **keys, struct mr_str *kept)
{
	return mr_keys_from_jwks(a, mr_str(text), alg, keys, kept, &err);
}

static void types(void **state)
{
	EVP_PKEY *keys[] = { rsa, ec, ed };
	static const char *const names[] = { "RSA", "EC", "OKP" };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(keys); i++) {
		struct mr_key key;

		assert_int_equal(mr_key_from_text(a, public_pem(a, keys[i]), &key, &err), 0);
		assert_string_equal(mr_key_type_name(key.type), names[i]);
		assert_int_equal(
		    mr_key_from_text(a, public_jwk(a, keys[i], ",\"kid\":\"k\""), &key, &err), 0);
		assert_string_equal(mr_key_type_name(key.type), names[i]);
		assert_str(key.kid, "k");
		assert_int_equal(mr_key_fits(&key, MR_ALG_RS256), i == 0);
		assert_int_equal(mr_key_fits(&key, MR_ALG_PS256), i == 0);
		assert_int_equal(mr_key_fits(&key, MR_ALG_ES256), i == 1);
		assert_int_equal(mr_key_fits(&key, MR_ALG_EDDSA), i == 2);
		assert_false(mr_key_fits(&key, MR_ALG_HS256));
		assert_false(mr_key_fits(&key, MR_ALG_NONE));
	}
}

static void refused_texts(void **state)
{
	static const struct {
		const char *text, *says;
	} cases[] = {
		{ "", "PEM" },
		{ "hello", "PEM" },
		{ "{}", "RSA" },
		{ "{\"kty\":\"oct\",\"k\":\"AAAA\"}", "private" },
		{ "{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}", "2048" },
		{ "{\"kty\":\"RSA\",\"n\":\"AQAB=\",\"e\":\"AQAB\"}", "RSA" },
		{ "{\"kty\":\"RSA\",\"n\":7,\"e\":\"AQAB\"}", "RSA" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}", "P-256" },
		{ "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":"
		  "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\",\"y\":"
		  "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		    "P-256" },
		{ "{\"kty\":\"OKP\",\"crv\":\"X25519\",\"x\":"
		  "\"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\"}",
		    "Ed25519" },
		{ "{\"kty\":\"RSA\",\"kid\":7}", "kid" },
		{ "{\"kty\":\"RSA\",\"kty\":\"EC\"}", "JWK" },
		{ "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "private" },
		{ "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "PEM" },
	};
	struct mr_key key;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		if (mr_key_from_text(a, mr_str(cases[i].text), &key, &err) != MR_E_INVALID ||
		    strstr(err.detail, cases[i].says) == NULL)
			fail_msg("%s: %s", cases[i].text, err.detail);
	}
	assert_int_equal(
	    mr_key_from_text(a, public_jwk(a, rsa, ",\"use\":\"enc\""), &key, &err), MR_E_INVALID);
	assert_int_equal(
	    mr_key_from_text(a, public_jwk(a, rsa, ",\"key_ops\":[\"encrypt\"]"), &key, &err),
	    MR_E_INVALID);
	assert_int_equal(
	    mr_key_from_text(a, public_jwk(a, rsa, ",\"d\":\"AQ\""), &key, &err), MR_E_INVALID);
	assert_int_equal(
	    mr_key_from_text(a, public_jwk(a, rsa, ",\"key_ops\":[\"verify\"]"), &key, &err), 0);
}

/* What can't be used is passed over: a set may hold keys for others. */
static void sets(void **state)
{
	struct mr_str text = mr_arena_printf(a,
	    "{\"keys\":[7,{\"kty\":\"oct\",\"k\":\"AA\"},%s,%s,%s,%s],\"more\":[1]}",
	    public_jwk(a, rsa, ",\"kid\":\"r\",\"x5c\":[\"AA\"]").p,
	    public_jwk(a, rsa, ",\"kid\":\"p\",\"alg\":\"PS256\"").p,
	    public_jwk(a, ec, ",\"kid\":\"e\"").p, public_jwk(a, ed, "").p);
	struct mr_keys *keys, *again;
	struct mr_str kept, twice;

	(void)state;
	assert_int_equal(read_set(text.p, MR_ALG_RS256, &keys, &kept), 0);
	assert_int_equal(keys->len, 1);
	assert_str(keys->keys[0].kid, "r");
	assert_null(strstr(kept.p, "x5c"));
	/* what is kept says the same again */
	assert_int_equal(read_set(kept.p, MR_ALG_RS256, &again, &twice), 0);
	assert_int_equal(again->len, 1);
	assert_string_equal(kept.p, twice.p);
	assert_int_equal(read_set(text.p, MR_ALG_PS256, &keys, NULL), 0);
	assert_int_equal(keys->len, 2);
	assert_int_equal(read_set(text.p, MR_ALG_ES256, &keys, NULL), 0);
	assert_int_equal(keys->len, 1);
	assert_int_equal(read_set(text.p, MR_ALG_EDDSA, &keys, NULL), 0);
	assert_int_equal(read_set(text.p, MR_ALG_NONE, &keys, NULL), 0);
	assert_int_equal(keys->len, 4);
	assert_int_equal(read_set(text.p, MR_ALG_HS256, &keys, NULL), MR_E_INVALID);
	assert_int_equal(read_set("{\"keys\":[]}", MR_ALG_RS256, &keys, NULL), MR_E_INVALID);
	assert_int_equal(read_set("{\"keys\":{}}", MR_ALG_RS256, &keys, NULL), MR_E_INVALID);
	assert_int_equal(read_set("[]", MR_ALG_RS256, &keys, NULL), MR_E_INVALID);
	assert_int_equal(read_set("", MR_ALG_RS256, &keys, NULL), MR_E_INVALID);
}

/* A set without end takes no more than its share. */
static void many_keys(void **state)
{
	struct mr_str jwk = public_jwk(a, ed, "");
	struct mr_keys *keys;
	struct mr_buf b;

	(void)state;
	mr_buf_init(&b, 4 << 20);
	mr_buf_addz(&b, "{\"keys\":[");
	for (int i = 0; i < 300; i++)
		mr_buf_addf(&b, "%s%s", i > 0 ? "," : "", jwk.p);
	mr_buf_addz(&b, "]}");
	assert_int_equal(read_set(b.p, MR_ALG_EDDSA, &keys, NULL), 0);
	assert_int_equal(keys->len, MR_KEYS_MAX);
	while (b.len <= MR_KEYS_TEXT_MAX)
		mr_buf_addz(&b, "          ");
	assert_int_equal(read_set(b.p, MR_ALG_EDDSA, &keys, NULL), MR_E_INVALID);
	mr_buf_done(&b);
}

static void finding(void **state)
{
	static const struct {
		const char *one, *two; /* kids; NULL: none */
		const char *kid;
		int result;
		int which;
	} cases[] = {
		{ "1", "2", "1", 0, 0 },
		{ "1", "2", "2", 0, 1 },
		{ "1", "2", "3", MR_E_NOT_FOUND, 0 },
		{ "1", "2", NULL, MR_E_DENIED, 0 },
		{ NULL, "2", "2", 0, 1 },
		{ NULL, "2", "1", MR_E_NOT_FOUND, 0 },
		{ NULL, NULL, "1", MR_E_NOT_FOUND, 0 },
		{ NULL, NULL, NULL, MR_E_DENIED, 0 },
	};
	struct mr_keys *keys = mr_arena_zalloc(a, sizeof(*keys) + 2 * sizeof(struct mr_key));
	const struct mr_key *found;

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		keys->len = 2;
		keys->keys[0] = (struct mr_key){ .type = MR_KEY_EC, .kid = mr_str(cases[i].one) };
		keys->keys[1] = (struct mr_key){ .type = MR_KEY_EC, .kid = mr_str(cases[i].two) };
		if (mr_keys_find(keys, MR_ALG_ES256, mr_str(cases[i].kid), &found) !=
		        cases[i].result ||
		    (cases[i].result == 0 && found != &keys->keys[cases[i].which]))
			fail_msg("case %zu", i);
	}
	/* the only one is meant whether it is named or not, but not by another name */
	keys->len = 1;
	keys->keys[0].kid = MR_STR_NONE;
	assert_int_equal(mr_keys_find(keys, MR_ALG_ES256, MR_STR("x"), &found), 0);
	assert_int_equal(mr_keys_find(keys, MR_ALG_ES256, MR_STR_NONE, &found), 0);
	assert_int_equal(mr_keys_find(keys, MR_ALG_RS256, MR_STR_NONE, &found), MR_E_NOT_FOUND);
	keys->keys[0].kid = MR_STR("k");
	assert_int_equal(mr_keys_find(keys, MR_ALG_ES256, MR_STR_NONE, &found), 0);
	assert_int_equal(mr_keys_find(keys, MR_ALG_ES256, MR_STR("x"), &found), MR_E_NOT_FOUND);
}

static void secrets(void **state)
{
	struct mr_key key;

	(void)state;
	assert_int_equal(mr_key_from_secret(a, MR_STR(SECRET "\r\n"), &key, &err), 0);
	assert_str(key.secret, SECRET);
	assert_int_equal(mr_key_from_secret(a, MR_STR("{" SECRET), &key, &err), 0);
	assert_int_equal(mr_key_from_secret(a, public_pem(a, ed), &key, &err), MR_E_INVALID);
	assert_int_equal(
	    mr_key_from_secret(a, MR_STR("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIA"), &key, &err),
	    MR_E_INVALID);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(types),
		cmocka_unit_test(refused_texts),
		cmocka_unit_test(sets),
		cmocka_unit_test(many_keys),
		cmocka_unit_test(finding),
		cmocka_unit_test(secrets),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
