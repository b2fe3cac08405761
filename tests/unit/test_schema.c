#include "fcgi/schema.h"
#include "tests/unit/fake_request.h"

/* The ids of the real table stand for the places of these texts. */
static const struct mr_schema_text texts[] = {
	{ "", "" },
	{ "thing",
	    "{\"type\":\"object\",\"additionalProperties\":false,\"required\":[\"name\"],"
	    "\"properties\":{"
	    "\"name\":{\"type\":\"string\",\"minLength\":1,\"maxLength\":5},"
	    "\"count\":{\"type\":\"integer\",\"minimum\":1,\"maximum\":10},"
	    "\"ratio\":{\"type\":\"number\",\"exclusiveMinimum\":0},"
	    "\"colour\":{\"type\":\"string\",\"enum\":[\"red\",\"green\"]},"
	    "\"at\":{\"type\":\"string\",\"format\":\"date-time\"},"
	    "\"url\":{\"type\":\"string\",\"format\":\"uri\"},"
	    "\"code\":{\"type\":\"string\",\"pattern\":\"^[a-z]+$\"},"
	    "\"said\":{\"type\":\"string\",\"pattern\":\"^x$\",\"x-message\":\"must be an x\"},"
	    "\"on\":{\"type\":\"boolean\",\"nullable\":true,\"default\":true},"
	    "\"id\":{\"type\":\"integer\",\"readOnly\":true},"
	    "\"steps\":{\"type\":\"array\",\"minItems\":1,\"maxItems\":3,"
	    "\"items\":{\"$ref\":\"step.json\"}},"
	    "\"tags\":{\"nullable\":true,\"x-message\":\"must be a list or a text\","
	    "\"oneOf\":[{\"type\":\"array\",\"items\":{\"type\":\"string\"}},{\"type\":\"string\"}]"
	    "},"
	    "\"none\":{\"const\":null},"
	    "\"labels\":{\"type\":\"object\",\"minProperties\":1,\"maxProperties\":2,"
	    "\"additionalProperties\":{\"type\":\"string\"}},"
	    "\"inner\":{\"nullable\":true,\"allOf\":[{\"$ref\":\"step.json\"}]},"
	    "\"any\":{}}}" },
	{ "step",
	    "{\"type\":\"object\",\"properties\":{\"config\":{\"type\":\"object\",\"properties\":"
	    "{\"url\":{\"type\":\"string\",\"format\":\"uri\"}}}}}" },
	{ "loop", "{\"oneOf\":[{\"type\":\"array\",\"items\":{\"$ref\":\"loop.json\"}}]}" },
};

#define THING ((enum mr_schema)1)
#define LOOP  ((enum mr_schema)3)

static struct mr_arena *arena;
static struct mr_schemas *schemas;

static int setup(void **state)
{
	(void)state;
	arena = mr_arena_create(4u << 20);
	return arena == NULL ? -1
	                     : mr_schemas_create(arena, texts, MR_ARRAY_LEN(texts), &schemas, NULL);
}

static int teardown(void **state)
{
	(void)state;
	arena = mr_arena_free(arena);
	return 0;
}

static struct mr_str check(struct mr_arena *a, enum mr_schema schema, const char *json, size_t max)
{
	struct mr_faults faults;
	struct mr_value v;
	int r;

	mr_faults_init(&faults, a, max);
	assert_int_equal(mr_json_parse(a, mr_str(json), NULL, NULL, &v), 0);
	r = mr_schema_check(schemas, schema, &v, a, &faults);
	assert_int_equal(r, faults.count > 0 ? MR_E_INVALID : 0);
	return fake_faults(&faults, a);
}

static void things(void **state)
{
	static const struct {
		const char *json, *faults;
	} cases[] = {
		{ "{\"name\":\"a\"}", "" },
		{ "{}", "name: is required\n" },
		{ "[]", ": must be an object\n" },
		{ "null", ": must be an object\n" },
		{ "{\"name\":1}", "name: must be a text\n" },
		{ "{\"name\":\"\"}", "name: must not be empty\n" },
		{ "{\"name\":\"abcdef\"}", "name: must have at most 5 characters\n" },
		/* code points, not bytes */
		{ "{\"name\":\"\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xf0\x9f\x98\x80\"}", "" },
		{ "{\"name\":\"a\",\"count\":0}", "count: must be at least 1\n" },
		{ "{\"name\":\"a\",\"count\":11}", "count: must be at most 10\n" },
		{ "{\"name\":\"a\",\"count\":1.5}", "count: must be a whole number\n" },
		{ "{\"name\":\"a\",\"count\":2.0}", "" },
		{ "{\"name\":\"a\",\"count\":\"2\"}", "count: must be a whole number\n" },
		{ "{\"name\":\"a\",\"ratio\":0}", "ratio: must be more than 0\n" },
		{ "{\"name\":\"a\",\"ratio\":0.1}", "" },
		{ "{\"name\":\"a\",\"colour\":\"blue\"}", "colour: must be one of: red, green\n" },
		{ "{\"name\":\"a\",\"at\":\"2025-01-31T12:00:00Z\"}", "" },
		{ "{\"name\":\"a\",\"at\":\"soon\"}",
		    "at: must be a time such as 2025-01-31T12:00:00Z\n" },
		{ "{\"name\":\"a\",\"url\":\"https://x/y\"}", "" },
		{ "{\"name\":\"a\",\"url\":\"ftp://x/y\"}",
		    "url: must be an absolute http(s) URL\n" },
		{ "{\"name\":\"a\",\"url\":\"https://\"}",
		    "url: must be an absolute http(s) URL\n" },
		{ "{\"name\":\"a\",\"code\":\"A\"}", "code: must match ^[a-z]+$\n" },
		{ "{\"name\":\"a\",\"code\":\"a\\n\"}", "code: must match ^[a-z]+$\n" },
		{ "{\"name\":\"a\",\"said\":\"y\"}", "said: must be an x\n" },
		{ "{\"name\":\"a\",\"on\":null}", "" },
		{ "{\"name\":\"a\",\"on\":1}", "on: must be true or false or null\n" },
		{ "{\"name\":\"a\",\"id\":\"anything\"}", "" },
		{ "{\"name\":\"a\",\"nam\":1}", "nam: is not known here; did you mean name?\n" },
		{ "{\"name\":\"a\",\"completely\":1}", "completely: is not known here\n" },
		{ "{\"name\":\"a\",\"a b\":1}", "[\"a b\"]: is not known here\n" },
		{ "{\"name\":\"a\",\"steps\":[]}", "steps: must have at least 1 entry\n" },
		{ "{\"name\":\"a\",\"steps\":[{},{},{},{}]}",
		    "steps: must have at most 3 entries\n" },
		{ "{\"name\":\"a\",\"steps\":[{},1,{\"config\":{\"url\":\"x\"}}]}",
		    "steps[1]: must be an object\n"
		    "steps[2].config.url: must be an absolute http(s) URL\n" },
		{ "{\"name\":\"a\",\"tags\":\"a,b\"}", "" },
		{ "{\"name\":\"a\",\"tags\":[\"a\"]}", "" },
		{ "{\"name\":\"a\",\"tags\":null}", "" },
		{ "{\"name\":\"a\",\"tags\":1}", "tags: must be a list or a text\n" },
		{ "{\"name\":\"a\",\"tags\":[\"a\",2]}", "tags[1]: must be a text\n" },
		{ "{\"name\":\"a\",\"none\":1}", "none: must be null\n" },
		{ "{\"name\":\"a\",\"labels\":{}}", "labels: must have at least 1 member\n" },
		{ "{\"name\":\"a\",\"labels\":{\"x\":1}}", "labels.x: must be a text\n" },
		{ "{\"name\":\"a\",\"labels\":{\"x\":\"1\",\"y\":\"2\",\"z\":\"3\"}}",
		    "labels: must have at most 2 members\n" },
		{ "{\"name\":\"a\",\"inner\":null}", "" },
		{ "{\"name\":\"a\",\"inner\":{\"config\":1}}",
		    "inner.config: must be an object\n" },
		{ "{\"name\":\"a\",\"any\":[{\"x\":[1]}]}", "" },
		/* all at once */
		{ "{\"count\":0,\"colour\":\"x\",\"nam\":1}",
		    "name: is required\ncount: must be at least 1\n"
		    "colour: must be one of: red, green\n"
		    "nam: is not known here; did you mean name?\n" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(1u << 20);

		assert_non_null(a);
		assert_str(check(a, THING, cases[i].json, 50), cases[i].faults);
		a = mr_arena_free(a);
	}
}

/* What nobody knows is no fault for a list of faults that ignores it; all else is one as ever. */
static void unknown_members(void **state)
{
	static const struct {
		const char *json, *faults;
	} cases[] = {
		{ "{\"name\":\"a\",\"nam\":1,\"completely\":{}}", "" },
		{ "{\"nam\":1}", "name: is required\n" },
		{ "{\"name\":\"a\",\"nam\":1,\"count\":0}", "count: must be at least 1\n" },
		{ "{\"name\":\"a\",\"labels\":{\"x\":1}}", "labels.x: must be a text\n" },
		{ "{\"name\":\"a\",\"tags\":{\"nam\":1}}", "tags: must be a list or a text\n" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(1u << 20);
		struct mr_faults faults;
		struct mr_value v;

		mr_faults_init(&faults, a, 0); /* full at once: still nothing is counted */
		faults.ignores_unknown = true;
		if (cases[i].faults[0] != '\0')
			faults.max = 20;
		assert_int_equal(mr_json_parse(a, mr_str(cases[i].json), NULL, NULL, &v), 0);
		assert_int_equal(mr_schema_check(schemas, THING, &v, a, &faults),
		    cases[i].faults[0] != '\0' ? MR_E_INVALID : 0);
		assert_str(fake_faults(&faults, a), cases[i].faults);
		assert_int_equal(faults.count == 0, cases[i].faults[0] == '\0');
		a = mr_arena_free(a);
	}
}

static void nesting_ends(void **state)
{
	struct mr_arena *a = mr_arena_create(1u << 20);

	(void)state;
	assert_non_null(a);
	assert_str(check(a, LOOP, "[[[[[]]]]]", 50), "");
	assert_str(check(a, LOOP, "[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]", 50),
	    "[0][0][0][0][0][0][0][0]: is nested too deeply\n");
	a = mr_arena_free(a);
}

static void faults_are_counted(void **state)
{
	struct mr_arena *a = mr_arena_create(4u << 20);
	struct mr_faults faults;
	struct mr_value v;
	struct mr_buf b;

	(void)state;
	assert_non_null(a);
	mr_buf_init(&b, 1u << 20);
	mr_buf_addz(&b, "{\"name\":\"a\"");
	for (int i = 0; i < 5000; i++)
		mr_buf_addf(&b, ",\"x%d\":1", i);
	mr_buf_addc(&b, '}');
	mr_faults_init(&faults, a, 100);
	assert_int_equal(mr_json_parse(a, mr_buf_str(&b), NULL, NULL, &v), 0);
	assert_int_equal(mr_schema_check(schemas, THING, &v, a, &faults), MR_E_INVALID);
	assert_int_equal(faults.count, 5000);
	mr_buf_done(&b);
	a = mr_arena_free(a);
}

static void members(void **state)
{
	struct mr_schema_member m;

	(void)state;
	assert_true(mr_schema_member(schemas, THING, MR_STR("id"), &m));
	assert_true(m.read_only);
	assert_true(mr_schema_member(schemas, THING, MR_STR("on"), &m));
	assert_str(m.default_text, "true");
	assert_false(mr_schema_member(schemas, THING, MR_STR("nothing"), &m));
}

static void bad_schemas(void **state)
{
	static const char *const bad[] = {
		"{\"type\":\"strange\"}",
		"{\"propertis\":{}}",
		"{\"properties\":[]}",
		"{\"properties\":{},\"required\":[\"x\"]}",
		"{\"$ref\":\"elsewhere.json\"}",
		"{\"pattern\":\"(\"}",
		"{\"minLength\":-1}",
		"{\"enum\":[]}",
		"{\"oneOf\":[]}",
		"{\"allOf\":[{},{}]}",
		"{\"nullable\":1}",
		"[]",
		"{",
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(bad); i++) {
		const struct mr_schema_text t[] = { { "", "" }, { "bad", bad[i] } };
		struct mr_error err = { .id = MR_ERR_NONE };
		struct mr_schemas *s;

		if (mr_schemas_create(arena, t, 2, &s, &err) == 0)
			fail_msg("%s: was taken", bad[i]);
		assert_int_equal(err.id, MR_ERR_INTERNAL);
	}
}

static void each_allocation_fails(void **state)
{
	static const char *const texts_of[] = {
		"{\"nam\":1,\"steps\":[1,{\"config\":{\"url\":\"x\"}}],\"tags\":[2]}",
		/* the only fault is one of an alternative, found on trial */
		"{\"name\":\"a\",\"tags\":[2]}",
	};

	(void)state;
	for (unsigned long n = 1; n < 120; n++) {
		struct mr_arena *a = mr_arena_create(1u << 20);
		struct mr_faults faults;
		struct mr_value v;

		assert_non_null(a);
		assert_int_equal(mr_json_parse(a, mr_str(texts_of[n % 2]), NULL, NULL, &v), 0);
		mr_faults_init(&faults, a, 50);
		mr_arena_fail_after(n / 2 + 1);
		/* counted even where nothing could be kept */
		assert_true(mr_schema_check(schemas, THING, &v, a, &faults) < 0);
		mr_arena_fail_after(0);
		a = mr_arena_free(a);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(things),
		cmocka_unit_test(unknown_members),
		cmocka_unit_test(nesting_ends),
		cmocka_unit_test(faults_are_counted),
		cmocka_unit_test(members),
		cmocka_unit_test(bad_schemas),
		cmocka_unit_test(each_allocation_fails),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
