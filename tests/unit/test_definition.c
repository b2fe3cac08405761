/* What becomes of a definition that comes in a body, alone or over a stored one. */
#include "handlers/definition.h"
#include "tests/unit/fake_request.h"

struct outcome {
	int r;
	struct mr_definition d;
	struct mr_str faults;
};

static struct outcome take(
    struct mr_arena *a, const char *body, const struct mr_definition_old *old)
{
	struct mr_faults faults;
	struct mr_value v;
	struct outcome o;

	memset(&o, 0, sizeof(o));
	mr_faults_init(&faults, a, 50);
	assert_int_equal(mr_json_parse(a, mr_str(body), NULL, NULL, &v), 0);
	o.r = mr_definition_read(a, &v, mr_str(body), old, &faults, &o.d);
	o.faults = fake_faults(&faults, a);
	return o;
}

#define STEP_A "[{\"name\":\"a\",\"type\":\"noop\"}]"
#define STEP_B "[{\"name\":\"b\",\"type\":\"noop\"}]"

static void new_ones(void **state)
{
	static const struct {
		const char *body, *text, *config, *faults;
	} cases[] = {
		{ "{\"name\":\"x\",\"steps\":" STEP_A "}", "{\"steps\":" STEP_A "}",
		    "{\"steps\":" STEP_A "}", "" },
		{ "{\"workflow_config\": {\"steps\" :" STEP_A "}, \"name\":\"x\"}",
		    "{\"workflow_config\":{\"steps\" :" STEP_A "}}", "{\"steps\" :" STEP_A "}",
		    "" },
		/* in the order of the table, as they were written */
		{ "{\"max_retries\":2,\"timeout_seconds\":6E1,\"steps\":" STEP_A "}",
		    "{\"steps\":" STEP_A ",\"timeout_seconds\":6E1,\"max_retries\":2}",
		    "{\"steps\":" STEP_A "}", "" },
		{ "{\"timeout_seconds\":null,\"steps\":" STEP_A "}", "{\"steps\":" STEP_A "}",
		    "{\"steps\":" STEP_A "}", "" },
		{ "{\"steps\":" STEP_A ",\"definition\":{\"steps\":" STEP_A "}}",
		    "{\"definition\":{\"steps\":" STEP_A "}}", "{\"steps\":" STEP_A "}", "" },
		{ "{\"steps\":" STEP_A ",\"definition\":{\"steps\":" STEP_B "}}", NULL, NULL,
		    "steps: says something else than definition; send only one of them\n" },
		/* what stands beside the steps is read with them, but for the columns */
		{ "{\"vars\":{\"n\":1E0},\"timeout_seconds\":60,\"steps\":" STEP_A "}",
		    "{\"steps\":" STEP_A ",\"timeout_seconds\":60,\"vars\":{\"n\":1E0}}",
		    "{\"steps\":" STEP_A ",\"vars\":{\"n\":1E0}}", "" },
		{ "{\"mode\":\"standard\",\"vars\":{},\"definition\":{\"steps\":" STEP_A
		  ",\"vars\": {}}}",
		    "{\"definition\":{\"steps\":" STEP_A
		    ",\"vars\": {}},\"mode\":\"standard\",\"vars\":{}}",
		    "{\"steps\":" STEP_A ",\"vars\":{},\"mode\":\"standard\"}", "" },
		{ "{\"definition\":{\"steps\":" STEP_A
		  ",\"vars\":{}},\"workflow_config\":{\"steps\":" STEP_A "}}",
		    NULL, NULL,
		    "definition: says something else than workflow_config; send only one of "
		    "them\n" },
		{ "{}", NULL, NULL,
		    "steps: is required: the steps, as steps, definition or workflow_config\n" },
	};

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(8u << 20);
		struct outcome o = take(a, cases[i].body, NULL);

		assert_str(o.faults, cases[i].faults);
		assert_int_equal(o.r, cases[i].text != NULL ? 0 : MR_E_INVALID);
		if (cases[i].text != NULL) {
			assert_str(o.d.text, cases[i].text);
			assert_str(o.d.config, cases[i].config);
			assert_int_equal(strlen(o.d.digest), 64);
		}
		a = mr_arena_free(a);
	}
}

static void over_a_stored_one(void **state)
{
	static const char *const stored = "{\"workflow_config\":{\"steps\":" STEP_A
	                                  "},\"timeout_seconds\":6E1,\"max_retries\":2}";
	static const struct {
		const char *name, *body, *text;
	} cases[] = {
		{ "nothing of it", "{\"description\":\"x\"}", NULL },
		{ "another time", "{\"timeout_seconds\":90}",
		    "{\"workflow_config\":{\"steps\":" STEP_A
		    "},\"timeout_seconds\":90,\"max_retries\":2}" },
		{ "no time", "{\"timeout_seconds\":null}",
		    "{\"workflow_config\":{\"steps\":" STEP_A "},\"max_retries\":2}" },
		{ "the same steps", "{\"workflow_config\":{ \"steps\": " STEP_A "}}", NULL },
		{ "the same steps alone", "{\"steps\":" STEP_A "}", NULL },
		{ "their normal form", "{\"steps\":[{\"normal\":1}]}", NULL },
		{ "other steps", "{\"steps\":" STEP_B "}",
		    "{\"steps\":" STEP_B ",\"timeout_seconds\":6E1,\"max_retries\":2}" },
		{ "all of it back, the steps changed",
		    "{\"workflow_config\":{\"steps\":" STEP_A "},\"steps\":" STEP_B "}",
		    "{\"steps\":" STEP_B ",\"timeout_seconds\":6E1,\"max_retries\":2}" },
		{ "all of it back, the config changed",
		    "{\"workflow_config\":{\"steps\":" STEP_B "},\"steps\":[{\"normal\":1}]}",
		    "{\"workflow_config\":{\"steps\":" STEP_B
		    "},\"timeout_seconds\":6E1,\"max_retries\":2}" },
		{ "both changed alike",
		    "{\"workflow_config\":{\"steps\":" STEP_B "},\"steps\":" STEP_B "}",
		    "{\"workflow_config\":{\"steps\":" STEP_B
		    "},\"timeout_seconds\":6E1,\"max_retries\":2}" },
	};
	const struct mr_definition_old old = { .definition = mr_str(stored),
		.workflow_config = MR_STR("{\"steps\":" STEP_A "}"),
		.steps = MR_STR("[{\"normal\":1}]") };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(8u << 20);
		struct outcome o = take(a, cases[i].body, &old);

		if (o.r != 0)
			fail_msg("%s: %.*s", cases[i].name, MR_STR_ARG(o.faults));
		assert_str(o.d.text, cases[i].text != NULL ? cases[i].text : stored);
		a = mr_arena_free(a);
	}
}

/* Over one whose vars and output stand in its config. */
static void what_is_not_said_is_kept(void **state)
{
#define CONFIG "{\"description\":\"d\",\"vars\":{\"n\":1},\"steps\":" STEP_A ",\"output\":\"x\"}"
	static const struct {
		const char *name, *body, *text, *config;
	} cases[] = {
		{ "all of it back",
		    "{\"workflow_config\":" CONFIG ",\"timeout_seconds\":60,\"input_schema\":null}",
		    NULL, CONFIG },
		{ "other steps", "{\"steps\":" STEP_B "}",
		    "{\"steps\":" STEP_B
		    ",\"timeout_seconds\":60,\"output\":\"x\",\"vars\":{\"n\":1},"
		    "\"description\":\"d\"}",
		    "{\"steps\":" STEP_B
		    ",\"output\":\"x\",\"vars\":{\"n\":1},\"description\":\"d\"}" },
		{ "other vars", "{\"vars\":{\"n\":2}}",
		    "{\"steps\":" STEP_A
		    ",\"timeout_seconds\":60,\"output\":\"x\",\"vars\":{\"n\":2},"
		    "\"description\":\"d\"}",
		    "{\"steps\":" STEP_A
		    ",\"output\":\"x\",\"vars\":{\"n\":2},\"description\":\"d\"}" },
		{ "no vars", "{\"vars\":null}",
		    "{\"steps\":" STEP_A
		    ",\"timeout_seconds\":60,\"output\":\"x\",\"description\":\"d\"}",
		    "{\"steps\":" STEP_A ",\"output\":\"x\",\"description\":\"d\"}" },
		{ "another container", "{\"workflow_config\":{\"steps\":" STEP_A "}}",
		    "{\"workflow_config\":{\"steps\":" STEP_A "},\"timeout_seconds\":60}",
		    "{\"steps\":" STEP_A "}" },
		{ "another time", "{\"timeout_seconds\":61}",
		    "{\"workflow_config\":" CONFIG ",\"timeout_seconds\":61}", CONFIG },
	};
	static const char *const stored = "{\"workflow_config\":" CONFIG ",\"timeout_seconds\":60}";
	const struct mr_definition_old old = { .definition = mr_str(stored),
		.workflow_config = MR_STR(CONFIG),
		.steps = MR_STR("[{\"normal\":1}]") };

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_arena *a = mr_arena_create(8u << 20);
		struct outcome o = take(a, cases[i].body, &old);

		if (o.r != 0)
			fail_msg("%s: %.*s", cases[i].name, MR_STR_ARG(o.faults));
		assert_str(o.d.text, cases[i].text != NULL ? cases[i].text : stored);
		assert_str(o.d.config, cases[i].config);
		a = mr_arena_free(a);
	}
}

static void changed_differently(void **state)
{
	const struct mr_definition_old old = { .definition = MR_STR("{\"steps\":" STEP_A "}"),
		.workflow_config = MR_STR("{\"steps\":" STEP_A "}"),
		.steps = MR_STR("[]") };
	struct mr_arena *a = mr_arena_create(8u << 20);
	struct outcome o;

	(void)state;
	o = take(a, "{\"workflow_config\":{\"steps\":" STEP_B "},\"steps\":[{\"type\":\"noop\"}]}",
	    &old);
	assert_int_equal(o.r, MR_E_INVALID);
	assert_str(
	    o.faults, "steps: says something else than workflow_config; send only one of them\n");
	a = mr_arena_free(a);
}

static void faults_have_the_clients_paths(void **state)
{
	struct mr_arena *a = mr_arena_create(8u << 20);
	struct outcome o;

	(void)state;
	o = take(
	    a, "{\"workflow_config\":{\"steps\":[{\"name\":\"a\",\"type\":\"strange\"}]}}", NULL);
	assert_int_equal(o.r, MR_E_INVALID);
	assert_true(mr_str_starts(o.faults, MR_STR("workflow_config.steps[0].type: ")));
	a = mr_arena_free(a);
}

static void white_space_is_no_difference(void **state)
{
	struct mr_arena *a = mr_arena_create(8u << 20);
	struct outcome one, two;

	(void)state;
	one = take(a, "{\"steps\":" STEP_A "}", NULL);
	two = take(a, "{ \"steps\" : [ { \"name\":\"a\", \"type\":\"noop\" } ] }", NULL);
	assert_string_equal(one.d.digest, two.d.digest);
	two = take(a, "{\"steps\":" STEP_B "}", NULL);
	assert_string_not_equal(one.d.digest, two.d.digest);
	a = mr_arena_free(a);
}

static void touched(void **state)
{
	static const struct {
		const char *body;
		bool touched;
	} cases[] = {
		{ "{}", false },
		{ "{\"name\":\"x\",\"description\":1,\"tags\":[]}", false },
		{ "{\"steps\":null}", true },
		{ "{\"timeout_seconds\":1}", true },
	};
	struct mr_arena *a = mr_arena_create(1u << 20);

	(void)state;
	for (size_t i = 0; i < MR_ARRAY_LEN(cases); i++) {
		struct mr_value v;

		assert_int_equal(mr_json_parse(a, mr_str(cases[i].body), NULL, NULL, &v), 0);
		assert_int_equal(mr_definition_touched(&v), cases[i].touched);
	}
	a = mr_arena_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(new_ones),
		cmocka_unit_test(over_a_stored_one),
		cmocka_unit_test(what_is_not_said_is_kept),
		cmocka_unit_test(changed_differently),
		cmocka_unit_test(faults_have_the_clients_paths),
		cmocka_unit_test(white_space_is_no_difference),
		cmocka_unit_test(touched),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
