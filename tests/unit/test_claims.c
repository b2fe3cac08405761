/* Claims by path, those that are required, and the issuer's words turned into ours. */
#include "auth/claims.h"

#include "auth/principal_private.h"
#include "lib/pg.h"
#include "tests/unit/test.h"

static struct mr_arena *a;

static int setup(void **state)
{
	(void)state;
	a = mr_arena_create(1 << 20);
	return a != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	a = mr_arena_free(a);
	return 0;
}

static struct mr_value json(const char *text)
{
	struct mr_value v;

	if (mr_json_parse(a, mr_str(text), &mr_json_limits_default, NULL, &v) < 0)
		fail_msg("%s", text);
	return v;
}

static void paths(void **state)
{
	static const struct {
		const char *claims, *path, *value; /* NULL: not there */
	} cases[] = {
		{ "{\"roles\":1}", "roles", "1" },
		{ "{\"roles\":1}", "role", NULL },
		{ "{\"roles\":1}", "", NULL },
		{ "{\"realm_access\":{\"roles\":[\"a\"]}}", "realm_access.roles", "[\"a\"]" },
		{ "{\"realm_access\":{\"roles\":[\"a\"]}}", "realm_access", "{\"roles\":[\"a\"]}" },
		{ "{\"realm_access\":7}", "realm_access.roles", NULL },
		{ "{\"https://x.test/roles\":1}", "https://x.test/roles", "1" },
		{ "{\"r\":{\"my.client\":{\"roles\":1}}}", "r.my.client.roles", "1" },
		{ "{\"r.s\":1,\"r\":{\"s\":2}}", "r.s", "1" },
		{ "{\"r\":{\"s\":2}}", "r.s.", NULL },
		{ "{\"r\":{\"s\":2}}", ".r", NULL },
		{ "{\"r\":{\"\":2}}", "r.", NULL },
		{ "{\"r\":[1]}", "r.0", NULL },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value claims = json(cases[i].claims);
		const struct mr_value *v = mr_claim_find(&claims, mr_str(cases[i].path));

		if ((v == NULL) != (cases[i].value == NULL))
			fail_msg("%s in %s", cases[i].path, cases[i].claims);
		if (v != NULL)
			assert_str(mr_json_text(a, v), cases[i].value);
	}
}

static void required(void **state)
{
	static const struct {
		const char *claims, *required;
		bool ok;
	} cases[] = {
		{ "{}", "{}", true },
		{ "{\"a\":1}", "{\"a\":null}", true },
		{ "{\"a\":null}", "{\"a\":null}", false },
		{ "{}", "{\"a\":null}", false },
		{ "{\"a\":\"x\"}", "{\"a\":\"x\"}", true },
		{ "{\"a\":\"x\"}", "{\"a\":\"X\"}", false },
		{ "{\"a\":[\"y\",\"x\"]}", "{\"a\":\"x\"}", true },
		{ "{\"a\":\"x\"}", "{\"a\":[\"y\",\"x\"]}", true },
		{ "{\"a\":\"z\"}", "{\"a\":[\"y\",\"x\"]}", false },
		{ "{\"a\":[\"z\",\"y\"]}", "{\"a\":[\"y\",\"x\"]}", true },
		{ "{\"a\":true}", "{\"a\":true}", true },
		{ "{\"a\":\"true\"}", "{\"a\":true}", false },
		{ "{\"a\":{\"b\":7}}", "{\"a.b\":7}", true },
		{ "{\"a\":1}", "{\"a\":1,\"b\":2}", false },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value claims = json(cases[i].claims), r = json(cases[i].required);
		struct mr_error err = { .detail = "" };

		if ((mr_claims_check(&claims, &r, &err) == 0) != cases[i].ok)
			fail_msg("%s, required %s", cases[i].claims, cases[i].required);
	}
}

static void words(void **state)
{
	static const struct {
		const char *claim, *table, *array;
		unsigned roles;
	} cases[] = {
		{ "\"editor  viewer\"", "null", "{\"editor\",\"viewer\"}",
		    MR_ROLE_EDITOR | MR_ROLE_OPERATOR | MR_ROLE_VIEWER },
		{ "[\"editor\",7,\"x y\"]", "null", "{\"editor\",\"x y\"}",
		    MR_ROLE_EDITOR | MR_ROLE_OPERATOR | MR_ROLE_VIEWER },
		{ "[\"wf-view\",\"admin\"]", "{\"wf-view\":\"viewer\"}", "{\"viewer\"}",
		    MR_ROLE_VIEWER },
		{ "\"a\"", "{\"a\":[\"viewer\",\"operator\"]}", "{\"viewer\",\"operator\"}",
		    MR_ROLE_OPERATOR | MR_ROLE_VIEWER },
		{ "[\"admin\"]", "{}", "{}", 0 },
		{ "7", "null", "{}", 0 },
		{ "{\"admin\":1}", "null", "{}", 0 },
		{ "\"\"", "null", "{}", 0 },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value claim = json(cases[i].claim), table = json(cases[i].table);
		struct mr_buf array;
		unsigned bits;

		mr_buf_init(&array, 1000);
		bits = mr_claim_words(&claim, &table, mr_roles_add, &array);
		assert_str(mr_buf_str(&array), cases[i].array);
		assert_int_equal(bits, cases[i].roles);
		/* the literal says the same as the bits */
		assert_int_equal(mr_words_from_array(mr_buf_str(&array), mr_roles_add), bits);
		mr_buf_done(&array);
	}
}

static void texts(void **state)
{
	struct mr_value name = json("\"acme\""), number = json("12"),
	                table = json("{\"acme\":\"t\"}");
	struct mr_value list = json("[\"acme\"]");

	(void)state;
	assert_str(mr_claim_text(a, &name, NULL), "acme");
	assert_str(mr_claim_text(a, &number, NULL), "12");
	assert_str(mr_claim_text(a, &name, &table), "t");
	assert_null(mr_claim_text(a, &number, &table).p);
	assert_null(mr_claim_text(a, &list, NULL).p);
	assert_null(mr_claim_text(a, NULL, NULL).p);
}

static void configuration(void **state)
{
	static const struct {
		const char *text;
		bool is_required, ok;
	} cases[] = {
		{ "{\"a\":null,\"b.c\":\"x\",\"d\":[1,true,\"x\"]}", true, true },
		{ "{\"a\":1.5}", true, false },
		{ "{\"a\":{}}", true, false },
		{ "{\"a\":[]}", true, false },
		{ "{\"a\":[null]}", true, false },
		{ "{\"\":1}", true, false },
		{ "{\"roles\":{\"a\":\"admin\",\"b\":[\"x\"]},\"scopes\":null}", false, true },
		{ "{\"roles\":{\"a\":7}}", false, false },
		{ "{\"roles\":[\"a\"]}", false, false },
		{ "{\"tenant\":{\"a\":[\"b\"]}}", false, false },
		{ "{\"tenant\":{\"a\":\"b\"}}", false, true },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value v = json(cases[i].text);
		struct mr_faults faults;

		mr_faults_init(&faults, a, 10);
		if (cases[i].is_required)
			mr_claims_check_required(&v, &faults);
		else
			mr_claims_check_words(&v, &faults);
		if ((faults.count == 0) != cases[i].ok)
			fail_msg("%s", cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(paths),
		cmocka_unit_test(required),
		cmocka_unit_test(words),
		cmocka_unit_test(texts),
		cmocka_unit_test(configuration),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
